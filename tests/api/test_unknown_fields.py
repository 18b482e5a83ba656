"""Bodies of our own routes: a field that they don't have is refused, with the nearest one that they have."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from aquilon.api.all_routes import ROUTES
from aquilon.api.catalogue.upstreams import NewUpstreamRequest
from aquilon.api.chat.shares import CreateShare
from aquilon.api.errors import invalid_fields
from aquilon.conversations.dialects.fields import OwnFields

OF_OTHERS = {
    "Anthropic": {"CountTokensRequest", "MessagesRequest"},
    "Jina": {"RerankFields"},
    "llama.cpp": {"InfillRequest"},
    "Mistral": {
        "AgentCompletionRequest",
        "AppendToConversation",
        "ChangeDocument",
        "ChangeLibrary",
        "ChatModerationRequest",
        "CreateAgent",
        "CreateLibrary",
        "FillRequest",
        "FineTunedModelRequest",
        "MistralBatchRequest",
        "MistralFineTuningRequest",
        "RestartConversation",
        "Share",
        "StartConversation",
        "Unshare",
        "UpdateAgent",
    },
    "Ollama": {
        "EmbedRequest",
        "NamedModel",
        "OlderEmbedRequest",
        "OllamaChatRequest",
        "OllamaGenerateRequest",
        "OllamaPullRequest",
        "ShowRequest",
    },
    "OpenAI": {
        "AddFile",
        "AddFiles",
        "AddItems",
        "ChangeFile",
        "ChangeVectorStore",
        "ChatCompletionRequest",
        "CompactionRequest",
        "CompletionRequest",
        "CreateConversation",
        "CreateVectorStore",
        "EmbeddingsRequest",
        "MetadataFields",
        "ModerationRequest",
        "MoveConversation",
        "OpenAIBatchRequest",
        "OpenAIFineTuningRequest",
        "ResponsesRequest",
        "SearchVectorStore",
    },
    "vLLM": {"DetokenizeRequest", "TokenizeRequest"},
}
"""Bodies in contracts of others, whose clients send what they like."""


def test_every_body_of_our_own_refuses_unknown_fields() -> None:
    lenient = {
        request.__name__ for routes in ROUTES for request in routes.request_types if not issubclass(request, OwnFields)
    }
    assert lenient == set().union(*OF_OTHERS.values())


@pytest.mark.parametrize(
    ("fields", "body", "param", "hint"),
    [
        (CreateShare, {"conversation_id": "c", "expires_im": 3}, "expires_im", "did you mean 'expires_in'?"),
        (CreateShare, {"conversation_id": "c", "zzz": 3}, "zzz", "its fields are conversation_id, leaf, "),
        (NewUpstreamRequest, {"models": [{"max_contex": 1}]}, "models.0.max_contex", "did you mean 'max_context'?"),
    ],
)
def test_the_refusal_names_the_field_and_the_nearest_one(
    fields: type[OwnFields], body: dict[str, object], param: str, hint: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        fields.model_validate(body)
    refusals = invalid_fields(raised.value, name="body")
    [entry] = [entry for entry in refusals.detail or [] if entry["type"] == "unknown_field"]
    assert ".".join(str(part) for part in entry["loc"][1:]) == param
    assert hint in entry["msg"]
