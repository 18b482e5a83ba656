"""``/v1/organization/chat-switches``: what an organization has switched on or off in the chat."""

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
from aquilon.chat import switches
from aquilon.conversations.dialects.fields import Fields

routes = Routes("/v1/organization/chat-switches", tag="organization")


class ChangeSwitches(Fields):
    """Fields that are left out stay unchanged."""

    sharing: bool | None = Field(None, description="Whether links to copies of conversations work.")
    preference_pairs: bool | None = Field(
        None, description="Whether people may let their judgements of answers be kept for training."
    )


class SwitchesBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.chat_switches"
    sharing: bool
    """Whether links to copies of conversations work. Off wherever the server's operator has switched sharing off."""
    preference_pairs: bool
    """Whether people may let their judgements of answers be kept for training."""


@routes.get(
    "",
    "Get what is switched on in the chat",
    answer=SwitchesBody,
    says="The organization's switches, for each of its people.",
)
async def get_switches(request: Request, caller: Caller) -> Response:
    state = services(request)
    return json_answer(_body(await switches.switches(state.database, caller), allowed=state.settings.sharing))


@routes.put(
    "",
    "Switch parts of the chat on or off",
    request=ChangeSwitches,
    answer=SwitchesBody,
    says="The organization's new switches. They count at once, for links that exist too.",
)
async def change_switches(request: Request, caller: Caller) -> Response:
    state = services(request)
    fields = await read_body(request, ChangeSwitches)
    changed = await switches.change(
        state.database, caller, sharing=fields.sharing, preference_pairs=fields.preference_pairs
    )
    return json_answer(_body(changed, allowed=state.settings.sharing))


def _body(row: switches.Switches, *, allowed: bool) -> SwitchesBody:
    return SwitchesBody(sharing=row.sharing and allowed, preference_pairs=row.preference_pairs)
