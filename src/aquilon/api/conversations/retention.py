"""``/v1/organization/conversation-retention``: how long the organization's conversations are kept."""

from __future__ import annotations

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations import administration
from aquilon.conversations.dialects.fields import OwnFields

routes = Routes("/v1/organization/conversation-retention", tag="organization")

_DAYS = "Days after a conversation's last change; null keeps conversations until they are deleted, 0 stores none."


class RetentionRequest(OwnFields):
    days: int | None = Field(description=_DAYS)


class RetentionBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.conversation_retention"
    days: int | None
    """After a conversation's last change; null keeps conversations until they are deleted, 0 stores none."""


@routes.get("", "Get how long conversations are kept", answer=RetentionBody, says="The organization's rule.")
async def get_retention(request: Request, caller: Caller) -> Response:
    return json_answer(RetentionBody(days=await administration.retention(services(request).database, caller)))


@routes.put(
    "",
    "Set how long conversations are kept, present ones included",
    request=RetentionRequest,
    answer=RetentionBody,
    says="The organization's new rule.",
)
async def set_retention(request: Request, caller: Caller) -> Response:
    days = (await read_body(request, RetentionRequest)).days
    await administration.set_retention(services(request).database, caller, days)
    return json_answer(RetentionBody(days=days))
