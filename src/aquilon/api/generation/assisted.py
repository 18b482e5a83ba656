"""What an assistant adds to a request that names it as its model, or is asked in its conversation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import msgspec

from aquilon.api.services import Services
from aquilon.chat.assistants import assistant_named
from aquilon.conversations.contexts import Context
from aquilon.conversations.dialects.conversation_settings import ConversationSettings
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.tables import StoredConversation
from aquilon.errors import ApiError, invalid, not_found
from aquilon.people.identity import Principal
from aquilon.request import ChatPrompt, GenerationRequest
from aquilon.text.messages import Message

_TOOLS = frozenset({"tools", "tool_choice", "functions", "function_call"})
_FORMAT = frozenset({"response_format", "text"})
_MOST_TOKENS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})


def assistant_of(conversation: StoredConversation | None) -> ConversationSettings | None:
    """What a conversation keeps of the assistant that it began with; None if it began with none."""
    if conversation is None or "agent_id" not in conversation.settings:
        return None
    kept = ConversationSettings.of(conversation)
    return None if kept.agent_id is None else kept


async def chosen_assistant(
    state: Services, caller: Principal, model: str | None, context: Context | None = None
) -> ConversationSettings | None:
    """The assistant that ``model`` names, or that the conversation began with; None for neither.

    In its conversation it is what it was at the beginning, also after it was changed or deleted; another model
    answers with its instructions. Raises ApiError 404.
    """
    kept = None if context is None else assistant_of(context.conversation)
    named = assistant_named(model or "")
    if named is None:
        return kept if kept is None or model is None else msgspec.structs.replace(kept, model=model)
    assistant_id, version = named
    if kept is not None and kept.agent_id == assistant_id and version in (None, str(kept.agent_version)):
        return kept
    return await state.assistants.settings(caller, assistant_id, version)


def assisted(generation: GenerationRequest, assistant: ConversationSettings, fields: Fields) -> GenerationRequest:
    """The request with the assistant's model and, where ``fields`` say nothing, its sampling, format and functions.

    Raises ApiError 400 for functions or a format that can't be used.
    """
    prompt = cast(ChatPrompt, generation.prompt)
    own = assistant.generation(assistant.model or generation.model, prompt.messages)
    sent = {name for name in fields.model_fields_set if getattr(fields, name, None) is not None}
    own_prompt, sampling = cast(ChatPrompt, own.prompt), generation.sampling
    for name in ("top_p", "presence_penalty", "frequency_penalty", "seed"):
        if name not in sent and not (name == "seed" and "random_seed" in sent):
            sampling = msgspec.structs.replace(sampling, **{name: getattr(own.sampling, name)})
    if not _MOST_TOKENS & sent:
        sampling = msgspec.structs.replace(sampling, max_tokens=own.sampling.max_tokens)
    return msgspec.structs.replace(
        generation,
        model=own.model,
        prompt=msgspec.structs.replace(
            prompt,
            tool_use=prompt.tool_use if _TOOLS & sent else own_prompt.tool_use,
            template_variables=own_prompt.template_variables | prompt.template_variables,
        ),
        sampling=sampling,
        temperature=generation.temperature if "temperature" in sent else own.temperature,
        stop=generation.stop if "stop" in sent else own.stop,
        format=generation.format if _FORMAT & sent else own.format,
        upstream_fields=own.upstream_fields | generation.upstream_fields,
    )


def with_instructions(generation: GenerationRequest, instructions: str | None) -> GenerationRequest:
    """A chat completion whose model reads these instructions first: in one system message with the request's own."""
    if not instructions:
        return generation
    prompt = cast(ChatPrompt, generation.prompt)
    first, others = Message("system", instructions), prompt.messages
    if others[0].role == "system" and not others[0].parts and "content" not in others[0].more:
        joined = f"{instructions}\n\n{others[0].content}"
        first, others = msgspec.structs.replace(others[0], content=joined), others[1:]
    return msgspec.structs.replace(generation, prompt=msgspec.structs.replace(prompt, messages=(first, *others)))


def require_no_libraries(assistant: ConversationSettings) -> None:
    """Raises ApiError 400: a chat completion has no place for the passages that an answer is from."""
    if assistant.library_ids:
        raise invalid(
            f"The assistant '{assistant.agent_name}' answers from documents, which a chat completion can't cite: ask "
            "it in /v1/responses or /v1/conversations",
            param="model",
            code="assistant_cites_documents",
            values={"name": assistant.agent_name or ""},
        )


@contextmanager
def missing_parts_explained(assistant: ConversationSettings | None) -> Iterator[None]:
    """Raises ApiError 404 that names the assistant where its model is unknown or retired, or a library is gone,
    expired, or not the caller's to see."""
    try:
        yield
    except ApiError as error:
        if assistant is not None and error.code in ("library_not_found", "library_expired"):
            raise not_found(
                f"The assistant '{assistant.agent_name}' answers from a library that is deleted or expired, or not "
                "shared with you: ask its person, or give the assistant another library",
                param="model",
                code="assistant_library_missing",
                values={"name": assistant.agent_name or ""},
            ) from None
        if assistant is None or error.code not in ("model_not_found", "model_retired"):
            raise
        raise not_found(
            f"The assistant '{assistant.agent_name}' asks the model '{assistant.model}', which is not here any more: "
            "give the assistant another model, or send one with the request",
            param="model",
            code="assistant_model_missing",
            values={"name": assistant.agent_name or "", "model": assistant.model or ""},
        ) from None
