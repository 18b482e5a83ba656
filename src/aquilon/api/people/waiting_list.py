"""The waiting list: a visitor asks to join, an administrator admits people in waves or refuses them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import MOST, ListOf, PageOf, bounded, cut, in_words
from aquilon.api.people.organization import Email, Id, Name
from aquilon.api.people.organization_bodies import Deleted
from aquilon.api.people.sessions import MAX_SIGN_IN_BYTES, browser_of, require_page
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.people.administration import invitations, waiting_list
from aquilon.people.administration.waiting_list import Admitted
from aquilon.people.identity import Role
from aquilon.people.tables import WaitingListEntry

routes = Routes(tag="invitations")

_LIST = "/v1/organization/waiting-list"
EntryIds = Annotated[list[Id], Field(min_length=1, max_length=waiting_list.MOST_AT_ONCE)]
WaitingStatus = Literal["waiting", "admitted", "refused"]


class AskToJoin(OwnFields):
    name: Name
    email: Email
    reason: str = Field("", max_length=waiting_list.MAX_REASON_CHARACTERS, description="Why they want to join.")
    organization: Id | None = Field(
        None, description="The organization by name or id; the one that runs the server, if left out."
    )


class WaitingListRequest(OwnFields):
    open: bool = Field(description="Whether visitors of the sign-in page may ask to join.")


class AdmitRequest(OwnFields):
    """Either ``entry_ids`` or ``first``."""

    entry_ids: EntryIds | None = None
    first: int | None = Field(
        None, ge=1, le=waiting_list.MOST_AT_ONCE, description="Admits so many of those who wait, the oldest first."
    )
    role: Role = Field("member", description="The role in the organization and its workspaces; not above the caller's.")
    workspace_ids: list[Id] = Field(
        [], max_length=100, description="Workspaces by id or name; the organization's first one, if empty."
    )
    expires_in: int = Field(
        invitations.DEFAULT_SECONDS,
        ge=60,
        le=invitations.MAX_SECONDS,
        description="Seconds until the invitations expire.",
    )


class RefuseRequest(OwnFields):
    entry_ids: EntryIds


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """The same for every address."""

    object: str = "waiting_list.request"
    received: bool = True


class WaitingListBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.waiting_list"
    open: bool
    opened_at: int | None
    waiting: int
    """How many people wait."""
    kept_days: int = waiting_list.DECIDED_DAYS
    """So many days after they were admitted or refused, people are deleted from the list."""


class EntryBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.waiting_list.entry"
    id: str
    name: str
    email: str
    """As the visitor entered it; nobody has confirmed it."""
    reason: str
    status: WaitingStatus
    created_at: int
    decided_at: int | None
    invitation_id: str | None


class AdmittedBody(msgspec.Struct, frozen=True, kw_only=True):
    """The page's link is ``/#invite=TOKEN``. The token is shown only once, and works for one person."""

    object: str = "organization.waiting_list.admitted"
    id: str
    name: str
    email: str
    invitation_id: str
    token: str
    expires_at: int


@routes.post(
    "/auth/waiting-list",
    "Ask to join an organization whose waiting list is open",
    request=AskToJoin,
    answer=Received,
    says="The request was received, whether or not the address is on the list or has an account. No mail is sent.",
)
async def ask_to_join(request: Request) -> Response:
    require_page(request)
    fields = await read_body(request, AskToJoin, most=MAX_SIGN_IN_BYTES)
    with in_words(None):
        await services(request).waiting_list.ask(
            fields.name,
            fields.email,
            fields.reason,
            organization=fields.organization,
            address=browser_of(request).address,
        )
    return json_answer(Received())


@routes.get(
    f"{_LIST}/settings", "Get whether the waiting list is open", answer=WaitingListBody, says="The waiting list."
)
async def get_waiting_list(request: Request, caller: Caller) -> Response:
    return await _rule(request, caller)


@routes.put(
    f"{_LIST}/settings",
    "Open or close the waiting list",
    request=WaitingListRequest,
    answer=WaitingListBody,
    says="The waiting list. Closing it keeps those who wait.",
)
async def set_waiting_list(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, WaitingListRequest)
    await waiting_list.set_open(services(request).database, caller, fields.open)
    return await _rule(request, caller)


@routes.get(
    _LIST,
    "List the people who asked to join",
    answer=PageOf[EntryBody],
    says="Those with this status, who asked first comes first.",
)
async def list_waiting(
    request: Request,
    caller: Caller,
    status: WaitingStatus = "waiting",
    search: Annotated[str, Query(max_length=100, description="A part of a name or an address.")] = "",
    after: str | None = None,
    limit: int = MOST,
) -> Response:
    limit = bounded(limit)
    rows = await waiting_list.page(
        services(request).database, caller, status, search=search.strip(), after=after, limit=limit + 1
    )
    return cut(rows, limit, _entry_body)


@routes.post(
    f"{_LIST}/admit",
    "Admit people from the waiting list",
    request=AdmitRequest,
    answer=ListOf[AdmittedBody],
    says="The admitted people, each with an invitation for one person to be sent to them: all of them, or an error.",
)
async def admit(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, AdmitRequest)
    waiting_list.require_choice(fields.entry_ids, fields.first)
    admitted = await waiting_list.admit(
        services(request).database,
        caller,
        fields.role,
        entry_ids=fields.entry_ids or (),
        first=fields.first or 0,
        workspaces=fields.workspace_ids,
        seconds=fields.expires_in,
    )
    return json_answer(ListOf(data=[_admitted_body(each) for each in admitted]))


@routes.post(
    f"{_LIST}/refuse",
    "Refuse people on the waiting list",
    request=RefuseRequest,
    answer=ListOf[EntryBody],
    says="The refused people: all of them, or an error.",
)
async def refuse(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, RefuseRequest)
    rows = await waiting_list.refuse(services(request).database, caller, fields.entry_ids)
    return json_answer(ListOf(data=[_entry_body(row) for row in rows]))


@routes.delete(
    f"{_LIST}/{{entry_id}}",
    "Delete somebody from the waiting list",
    answer=Deleted,
    says="The id of the deleted entry. An invitation that the person has stays.",
)
async def delete_entry(request: Request, caller: Caller, entry_id: str) -> Response:
    await waiting_list.remove(services(request).database, caller, entry_id)
    return json_answer(Deleted(object="organization.waiting_list.entry.deleted", id=entry_id))


async def _rule(request: Request, caller: Caller) -> Response:
    opened_at, waiting = await waiting_list.rule(services(request).database, caller)
    return json_answer(WaitingListBody(open=opened_at is not None, opened_at=opened_at, waiting=waiting))


def _entry_body(row: WaitingListEntry) -> EntryBody:
    return EntryBody(
        id=row.id,
        name=row.name,
        email=row.email,
        reason=row.reason,
        status=row.status,  # type: ignore[arg-type]
        created_at=row.created_at,
        decided_at=row.decided_at,
        invitation_id=row.invitation_id,
    )


def _admitted_body(admitted: Admitted) -> AdmittedBody:
    return AdmittedBody(
        id=admitted.entry.id,
        name=admitted.entry.name,
        email=admitted.entry.email,
        invitation_id=admitted.invitation_id,
        token=admitted.token,
        expires_at=admitted.expires_at,
    )
