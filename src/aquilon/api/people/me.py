"""``/v1/me``: who the caller is and what they may use here; all of their data, and the end of the account."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aquilon.api.authentication import Caller, Person
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.people.sessions import MAX_SIGN_IN_BYTES, browser_of
from aquilon.api.routes import Routes
from aquilon.api.schemas import answers
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.people.administration.account_deletion import KEPT, Deleted
from aquilon.people.archive_readme import Language
from aquilon.people.cookies import clear_session
from aquilon.people.identity import FEATURES
from aquilon.people.passwords import MAX_CHARACTERS

routes = Routes(tag="session")

_ZIP = {
    **answers((), description="The archive, streamed."),
    200: {
        "description": "The archive, streamed.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    },
}


class DeletionRequest(OwnFields):
    confirm: str = Field(max_length=200, description="The account's name, as it is written.")
    password: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_CHARACTERS,
        description="Needed if the account has one; else sign in again at most 15 minutes before.",
    )


class ErasureRequest(OwnFields):
    confirm: str = Field(max_length=200, description="The account's name, as it is written.")


class Me(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "me"
    id: str
    name: str
    role: str
    workspace_id: str
    features: list[str]
    """The parts of the chat that the caller may use: of documents, memory, sharing, explore, import."""
    default_model: str | None
    """With which model the organization wants conversations to begin; null is the first of `/v1/models`."""
    instructions: str
    """What the organization wants conversations to begin with. The chat page sends it; other clients may."""
    preference_pairs: bool
    """Whether the organization lets its people agree that their judgements of answers are kept for training."""


class DeletionPreview(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "me.deletion_preview"
    name: str
    possible: bool
    problem: str | None
    """Why it isn't possible now, and what to do about it."""
    kept: Sequence[str]
    """What stays after a deletion, and why."""


class DeletionBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "user.deletion"
    id: str
    deleted: dict[str, int]
    """How many of what; what there was none of isn't named."""
    kept: Sequence[str]
    """What stays, and why."""


@routes.get("/v1/me", "Get who the caller is, and what they may use in the chat", answer=Me, says="The caller.")
async def me(request: Request, caller: Caller) -> Response:
    state = services(request)
    settings = await state.chat_settings.of(caller.organization_id)
    off = set() if state.settings.sharing else {"sharing"}
    return json_answer(
        Me(
            id=caller.user_id,
            name=caller.user_name,
            role=caller.role,
            workspace_id=caller.workspace_id,
            features=[feature for feature in FEATURES if feature in caller.features - off],
            default_model=settings.default_model,
            instructions=settings.instructions,
            preference_pairs=settings.preference_pairs,
        )
    )


@routes.get("/v1/me/export", "Download all of one's own data as a ZIP archive", responses=_ZIP)
async def export(request: Request, person: Person, language: Language = "en") -> Response:
    """Profile, conversations (JSON and Markdown), memory, files, jobs and usage of the person who is signed in.

    The archive's README and the headings of the conversations' Markdown are in ``language``.
    """
    content = await services(request).personal_accounts.export(person.principal, language=language)
    name = time.strftime("aquilon-%Y-%m-%d.zip", time.gmtime())
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(content, media_type="application/zip", headers=headers)


@routes.get(
    "/v1/me/deletion",
    "Get whether one's own account can be deleted, and what would stay",
    answer=DeletionPreview,
    says="What a deletion would leave, before it is done.",
)
async def deletion_preview(request: Request, person: Person) -> Response:
    problem = await services(request).personal_accounts.why_not(person.principal)
    return json_answer(
        DeletionPreview(
            name=person.principal.user_name,
            possible=problem is None,
            problem=None if problem is None else problem.message,
            kept=KEPT,
        )
    )


@routes.post(
    "/v1/me/deletion",
    "Delete one's own account with everything that belongs to it",
    request=DeletionRequest,
    answer=DeletionBody,
    says="What was deleted, and what stays. The session has ended.",
)
async def delete_own_account(request: Request, person: Person) -> Response:
    """Conversations, shared ones too, with their search words, files, batch jobs, keys, sessions and the account."""
    fields = await read_body(request, DeletionRequest, most=MAX_SIGN_IN_BYTES)
    deleted = await services(request).personal_accounts.delete_own(
        person,
        confirmation=fields.confirm,
        password=fields.password,
        address=browser_of(request).address,
        now=int(time.time()),
    )
    response = _deletion(deleted)
    clear_session(request, response)
    return response


@routes.post(
    "/v1/organization/users/{user_id}/erase",
    "Delete a user's account with everything that belongs to it",
    request=ErasureRequest,
    answer=DeletionBody,
    says="What was deleted, and what stays.",
)
async def erase_user(request: Request, caller: Caller, user_id: str) -> Response:
    fields = await read_body(request, ErasureRequest)
    deleted = await services(request).personal_accounts.delete_member(caller, user_id, confirmation=fields.confirm)
    return _deletion(deleted)


def _deletion(deleted: Deleted) -> Response:
    return json_answer(DeletionBody(id=deleted.user_id, deleted=deleted.numbers, kept=KEPT))
