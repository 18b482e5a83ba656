"""``/v1/prompts``: saved prompts, our own extension."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, JsonValue
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.conversations.conversations import Visibility
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf, bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.chat.prompts import MOST_MESSAGES, MOST_NAME_CHARACTERS, PromptChange
from aquilon.chat.tables.prompts import StoredPrompt
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.conversations.visible import default_visibility
from aquilon.errors import invalid

routes = Routes("/v1/prompts", tag="prompts")

_PROMPT = "/{prompt_id}"


class PromptMessage(OwnFields):
    role: Literal["system", "user", "assistant"]
    content: str


_Messages = Annotated[list[PromptMessage], Field(max_length=MOST_MESSAGES, fail_fast=True)]


class ChangePrompt(OwnFields):
    """A field that isn't sent leaves what is there."""

    name: str | None = Field(None, min_length=1, max_length=MOST_NAME_CHARACTERS)
    messages: _Messages | None = Field(None, description="As in a request to `/v1/chat/completions`.")
    settings: dict[str, JsonValue] | None = Field(
        None, description="The request's other fields, such as `model` and `temperature`. They are kept as they are."
    )
    visibility: Visibility | None = Field(
        None,
        description="`workspace`: everybody in the workspace sees it. `user`: only its person does, signed in, which "
        "is how a person's prompt begins.",
    )


class CreatePrompt(ChangePrompt):
    name: str = Field(min_length=1, max_length=MOST_NAME_CHARACTERS)
    messages: _Messages = Field(description="As in a request to `/v1/chat/completions`.")


class PromptEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A saved prompt in a list; `GET /v1/prompts/{prompt_id}` adds its messages. Times are in unix seconds."""

    id: str
    object: str = "prompt"
    created_at: int
    updated_at: int
    name: str
    visibility: str
    """``workspace``, or ``user``: only its person sees it, signed in."""


class SavedMessage(msgspec.Struct, frozen=True, kw_only=True):
    role: Literal["system", "user", "assistant"]
    content: str


class PromptBody(PromptEntry, frozen=True, kw_only=True):
    """A saved prompt: `{"messages": messages, **settings}` is a body for `/v1/chat/completions`."""

    messages: list[SavedMessage]
    settings: dict[str, Any]


class PromptPage(PageOf[PromptEntry], frozen=True, kw_only=True):
    pass


class DeletedPrompt(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "prompt.deleted"
    deleted: bool = True


@routes.post("", "Save a prompt", request=CreatePrompt, answer=PromptBody, says="The saved prompt.")
async def create_prompt(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, CreatePrompt)
    default = default_visibility(caller)
    if fields.visibility == "user" != default:
        raise invalid(
            "A key can't save a prompt that only a person sees: sign in, or leave out 'visibility'",
            param="visibility",
            code="visibility_of_person",
        )
    prompt = await services(request).prompts.create(
        caller,
        name=fields.name,
        messages=_plain(fields.messages),
        settings=fields.settings or {},
        visibility=fields.visibility or default,
    )
    return json_answer(_body(prompt))


@routes.get(
    "",
    "List the saved prompts",
    answer=PromptPage,
    says="The prompts that the workspace shares and, for a signed-in person, their own; the latest first, without "
    "their messages.",
)
async def list_prompts(request: Request, caller: Caller, after: str | None = None, limit: int = 20) -> Response:
    rows, more = await services(request).prompts.page(caller, after=after, limit=bounded(limit))
    return json_answer(listed([PromptEntry(**_entry_fields(row)) for row in rows], has_more=more))


@routes.get(_PROMPT, "Read a saved prompt", answer=PromptBody, says="The prompt, with its messages and settings.")
async def get_prompt(request: Request, caller: Caller, prompt_id: str) -> Response:
    return json_answer(_body(await services(request).prompts.get(caller, prompt_id)))


@routes.post(_PROMPT, "Change a saved prompt", request=ChangePrompt, answer=PromptBody, says="The prompt as it is now.")
async def change_prompt(request: Request, caller: Caller, prompt_id: str) -> Response:
    fields = await read_body(request, ChangePrompt)
    change = PromptChange(
        name=fields.name,
        messages=None if fields.messages is None else _plain(fields.messages),
        settings=fields.settings,
        visibility=fields.visibility,
    )
    return json_answer(_body(await services(request).prompts.change(caller, prompt_id, change)))


@routes.delete(_PROMPT, "Delete a saved prompt", answer=DeletedPrompt, says="The prompt is deleted.")
async def delete_prompt(request: Request, caller: Caller, prompt_id: str) -> Response:
    await services(request).prompts.delete(caller, prompt_id)
    return json_answer(DeletedPrompt(id=prompt_id))


def _plain(messages: list[PromptMessage]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _entry_fields(row: StoredPrompt) -> dict[str, Any]:
    return {
        "id": row.id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "name": row.name,
        "visibility": row.visibility,
    }


def _body(row: StoredPrompt) -> PromptBody:
    return PromptBody(
        **_entry_fields(row),
        messages=msgspec.json.decode(row.messages, type=list[SavedMessage]),
        settings=msgspec.json.decode(row.settings, type=dict[str, Any]),
    )
