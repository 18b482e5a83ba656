"""``POST /v1/moderations`` and ``/v1/chat/moderations``: the operator's moderation model judges texts."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.chat_fields import MAX_MESSAGES, ContentPart, MessageFields, chat_prompt
from aquilon.conversations.dialects.fields import Fields
from aquilon.errors import unsupported
from aquilon.generation.moderation import Verdict
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.secrets import new_id

routes = Routes(tag="moderations")

MAX_INPUTS = 256

Conversation = Annotated[list[MessageFields], Field(min_length=1, max_length=MAX_MESSAGES)]
ModelName = Annotated[str, Field(max_length=1000)]


class ModerationRequest(Fields):
    model: ModelName | None = Field(
        None, description="Accepted, without effect: the operator chooses the moderation model."
    )
    input: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)]
        | Annotated[list[ContentPart], Field(min_length=1, max_length=MAX_INPUTS)]
    ) = Field(description="A text, a list of texts, or a text as a list of parts.")

    def texts(self) -> list[str]:
        """The texts to judge. Raises ApiError 400 for parts that aren't text."""
        if isinstance(self.input, str):
            return [self.input]
        parts = [part for part in self.input if isinstance(part, ContentPart)]
        if not parts:
            return [text for text in self.input if isinstance(text, str)]
        for part in parts:
            if part.type != "text" or part.text is None:
                raise unsupported(f"Content of type '{part.type}' is", param="input")
        return ["\n".join(part.text or "" for part in parts)]


class ChatModerationRequest(Fields):
    model: ModelName | None = Field(
        None, description="Accepted, without effect: the operator chooses the moderation model."
    )
    input: Conversation | Annotated[list[Conversation], Field(min_length=1, max_length=MAX_INPUTS)] = Field(
        description="A conversation or a list of conversations; each is judged as one text."
    )

    def texts(self) -> list[str]:
        """A text for each conversation. Raises ApiError 400, which names the wrong message."""
        single = [message for message in self.input if isinstance(message, MessageFields)]
        conversations = [single] if single else [entry for entry in self.input if isinstance(entry, list)]
        prompts = [chat_prompt(messages, continue_final=False) for messages in conversations]
        return ["\n\n".join(message.content for message in prompt.messages) for prompt in prompts]


class ModerationResult(msgspec.Struct, frozen=True):
    """The categories are those of the moderation model; scores go from 0 to 1."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]


class ModerationBody(msgspec.Struct, frozen=True):
    id: str
    model: str
    results: list[ModerationResult]


@routes.post(
    "/v1/moderations",
    "Judge texts",
    request=ModerationRequest,
    answer=ModerationBody,
    says="The verdicts, one for each text, in order.",
)
async def moderate(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, ModerationRequest)
    return await _judged(request, caller, fields.texts())


@routes.post(
    "/v1/chat/moderations",
    "Judge conversations",
    request=ChatModerationRequest,
    answer=ModerationBody,
    says="The verdicts, one for each conversation, in order.",
)
async def moderate_chat(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, ChatModerationRequest)
    return await _judged(request, caller, fields.texts())


async def _judged(request: Request, caller: Principal, texts: list[str]) -> Response:
    require(caller, "generate", caller.workspace_role)
    model, verdicts = await services(request).moderation.judge(texts)
    return json_answer(ModerationBody(new_id("modr"), model, [_result(verdict) for verdict in verdicts]))


def _result(verdict: Verdict) -> ModerationResult:
    categories = {name: bool(applies) for name, applies in verdict.categories.items()}
    scores = {name: score or 0.0 for name, score in verdict.category_scores.items()}
    return ModerationResult(verdict.is_flagged, categories, scores, {name: ["text"] for name in categories})
