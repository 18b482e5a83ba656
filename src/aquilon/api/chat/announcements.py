"""Announcements: read by everybody in the organization, written by its owners and administrators."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.people.organization_bodies import Deleted
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.chat import announcements
from aquilon.chat.announcements import Level
from aquilon.chat.tables.settings import Announcement
from aquilon.conversations.dialects.fields import OwnFields

routes = Routes(tag="organization")

Moment = Annotated[int, Field(ge=0, le=2**40)]


class AnnouncementRequest(OwnFields):
    text: str = Field(min_length=1, max_length=announcements.MAX_CHARACTERS, description="Plain text.")
    level: Level = "info"
    dismissible: bool = Field(True, description="Whether a reader can put it away.")
    starts_at: Moment | None = Field(None, description="Seconds since 1970; null is now.")
    ends_at: Moment | None = Field(None, description="Seconds since 1970; null shows it until it is deleted.")


class AnnouncementBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "announcement"
    id: str
    text: str
    level: Level
    dismissible: bool
    starts_at: int
    ends_at: int | None


@routes.get(
    "/v1/announcements",
    "List the announcements that are shown now",
    answer=ListOf[AnnouncementBody],
    says="The organization's present announcements, newest first.",
)
async def current_announcements(request: Request, caller: Caller) -> Response:
    rows = await announcements.current(services(request).database, caller)
    return json_answer(ListOf(data=[_body(row) for row in rows]))


@routes.get(
    "/v1/organization/announcements",
    "List all announcements",
    answer=ListOf[AnnouncementBody],
    says="The organization's announcements, past and future ones too, the latest first.",
)
async def list_announcements(request: Request, caller: Caller) -> Response:
    rows = await announcements.every(services(request).database, caller)
    return json_answer(ListOf(data=[_body(row) for row in rows]))


@routes.post(
    "/v1/organization/announcements",
    "Announce something to the organization's people",
    request=AnnouncementRequest,
    answer=AnnouncementBody,
    says="The new announcement.",
)
async def create_announcement(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, AnnouncementRequest)
    row = await announcements.add(
        services(request).database,
        caller,
        fields.text,
        level=fields.level,
        dismissible=fields.dismissible,
        starts_at=fields.starts_at,
        ends_at=fields.ends_at,
    )
    return json_answer(_body(row))


@routes.delete(
    "/v1/organization/announcements/{announcement_id}",
    "Delete an announcement",
    answer=Deleted,
    says="The id of the deleted announcement.",
)
async def delete_announcement(request: Request, caller: Caller, announcement_id: str) -> Response:
    await announcements.remove(services(request).database, caller, announcement_id)
    return json_answer(Deleted(object="announcement.deleted", id=announcement_id))


def _body(row: Announcement) -> AnnouncementBody:
    return AnnouncementBody(
        id=row.id,
        text=row.text,
        level=row.level,  # type: ignore[arg-type]
        dismissible=row.dismissible,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )
