"""``/v1/organization/chat``: how the organization's conversations begin, and what is kept of judgements."""

from __future__ import annotations

from dataclasses import asdict

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.chat.settings import MAX_INSTRUCTIONS, ChatSettings
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.errors import invalid
from aquilon.people.permissions import require

routes = Routes("/v1/organization/chat", tag="organization")


class ChatSettingsRequest(OwnFields):
    default_model: str | None = Field(
        None, min_length=1, max_length=256, description="A model's name or alias; null is the server's default."
    )
    instructions: str = Field(
        "",
        max_length=MAX_INSTRUCTIONS,
        description="What conversations of the chat page begin with. API clients read it at /v1/me and decide.",
    )
    preference_pairs: bool = Field(
        False, description="Whether people may let their judgements of answers be kept for training."
    )


class ChatSettingsBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.chat"
    default_model: str | None
    instructions: str
    preference_pairs: bool
    """Whether people may let their judgements of answers be kept for training."""


@routes.get("", "Get the chat's settings", answer=ChatSettingsBody, says="The settings.")
async def get_chat_settings(request: Request, caller: Caller) -> Response:
    require(caller, "organization.update")
    return await _settings(request, caller)


@routes.put(
    "",
    "Set the chat's settings",
    request=ChatSettingsRequest,
    answer=ChatSettingsBody,
    says="The new settings.",
)
async def set_chat_settings(request: Request, caller: Caller) -> Response:
    """The default model comes first at `/v1/models` for everybody in the organization who may use it."""
    require(caller, "organization.update")
    fields = await read_body(request, ChatSettingsRequest)
    state = services(request)
    if fields.default_model is not None:
        await state.catalogue.refresh()
        if not state.catalogue.card(fields.default_model, caller).chat:
            raise invalid(
                f"The model '{fields.default_model}' can't answer chats: name one that can",
                param="default_model",
                code="not_a_chat_model",
                values={"name": fields.default_model},
            )
    settings = ChatSettings(fields.default_model, fields.instructions.strip(), fields.preference_pairs)
    await state.chat_settings.set(caller, settings)
    return await _settings(request, caller)


async def _settings(request: Request, caller: Caller) -> Response:
    settings = await services(request).chat_settings.of(caller.organization_id)
    return json_answer(ChatSettingsBody(**asdict(settings)))
