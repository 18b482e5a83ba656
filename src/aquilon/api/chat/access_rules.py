"""``/v1/organization/access-rules``: who may use a model or a part of the chat."""

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
from aquilon.api.people.organization import Id
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import OwnFields
from aquilon.people.administration import access_rules
from aquilon.people.identity import FEATURES, Role
from aquilon.people.store.access_rules import RuleKind

routes = Routes("/v1/organization/access-rules", tag="organization")


class AccessRuleRequest(OwnFields):
    """Without roles and workspaces everybody may, and the rule is removed."""

    kind: RuleKind
    name: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        description=f"A model's own name, not an alias; or a part of the chat: {', '.join(FEATURES)}."
    )
    roles: Annotated[list[Role], Field(max_length=5)] | None = Field(
        None, description="Who has one of these roles, in the organization or the workspace; null is any, [] nobody."
    )
    workspace_ids: Annotated[list[Id], Field(max_length=100)] | None = Field(
        None, description="The workspaces in which they may, by id or name; null is any."
    )


class AccessRuleBody(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "organization.access_rule"
    kind: RuleKind
    name: str
    roles: list[str] | None
    workspace_ids: list[str] | None


@routes.get(
    "",
    "List the rules of who may use a model or a part of the chat",
    answer=ListOf[AccessRuleBody],
    says="The rules. A model or a part of the chat without a rule is for everybody.",
)
async def list_access_rules(request: Request, caller: Caller) -> Response:
    return await _rules(request, caller)


@routes.put(
    "",
    "Set who may use a model or a part of the chat",
    request=AccessRuleRequest,
    answer=ListOf[AccessRuleBody],
    says="The rules, which hold from the next request on.",
)
async def set_access_rule(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, AccessRuleRequest)
    await access_rules.set_rule(
        services(request).database,
        caller,
        fields.kind,
        fields.name,
        roles=fields.roles,
        workspaces_=fields.workspace_ids,
    )
    return await _rules(request, caller)


async def _rules(request: Request, caller: Caller) -> Response:
    rows = await access_rules.every(services(request).database, caller)
    bodies = [
        AccessRuleBody(kind=row.kind, name=row.name, roles=row.roles, workspace_ids=row.workspace_ids)  # type: ignore[arg-type]
        for row in rows
    ]
    return json_answer(ListOf(data=bodies))
