"""``GET /v1/usage`` for the caller's usage, ``/v1/organization/usage`` for everybody's: by day or hour, JSON or CSV."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import forbidden, invalid, refused
from aquilon.money.store.usage import FACETS
from aquilon.money.usage_report import UsageQuestion
from aquilon.people.administration.access import workspace_for
from aquilon.people.permissions import require
from aquilon.people.scope import Scope

routes = Routes("/v1", tag="usage")


class UsageEntry(msgspec.Struct, frozen=True):
    """``key_id``, ``key``, ``member``, ``model`` and ``workspace`` are set if the parameter ``by`` names them."""

    starts_at: int
    requests: int
    batch_requests: int
    """The part of ``requests`` that were lines of batch jobs."""
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_microcents: int
    """A microcent is a millionth of a cent."""
    workspace: str | UnsetType | None = UNSET
    member: str | UnsetType | None = UNSET
    key_id: str | UnsetType | None = UNSET
    key: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET


class UsageReport(msgspec.Struct, frozen=True):
    object: str
    span: str
    since: int
    until: int
    data: list[UsageEntry]


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


_PARAMETERS = {
    "parameters": [
        _parameter("span", "The span of time of a row.", {"type": "string", "enum": ["hour", "day"], "default": "day"}),
        _parameter(
            "since",
            "The first moment: a day, a time (UTC) or seconds since 1970; 30 days ago by default.",
            {"type": "string"},
        ),
        _parameter("until", "The first moment after the report; now by default.", {"type": "string"}),
        _parameter("by", f"What rows are grouped by, with commas: {', '.join(FACETS)}.", {"type": "string"}),
        _parameter(
            "format", "The format of the answer.", {"type": "string", "enum": ["json", "csv"], "default": "json"}
        ),
    ]
}


@routes.get(
    "/usage",
    "Report the caller's usage",
    openapi_extra=_PARAMETERS,
    answer=UsageReport,
    says="A row for each hour or day with usage, oldest first.",
    other="text/csv",
)
async def own_usage(request: Request, caller: Caller) -> Response:
    """The usage of all of the caller's keys. A key needs the scope `usage`; no role is needed."""
    if "usage" not in caller.scopes:
        raise forbidden("This API key can't read usage: its scopes don't include 'usage'", code="scope_missing")
    return await _report(request, Scope.of_user(caller))


@routes.get(
    "/organization/usage",
    "Report the usage of the organization or of one workspace",
    openapi_extra={
        "parameters": [
            *_PARAMETERS["parameters"],
            _parameter("workspace", "A workspace's id or name; all workspaces by default.", {"type": "string"}),
        ]
    },
    answer=UsageReport,
    says="A row for each hour or day with usage, oldest first.",
    other="text/csv",
)
async def organization_usage(request: Request, caller: Caller) -> Response:
    """An administrator of a workspace may read the usage of that workspace."""
    workspace_name = request.query_params.get("workspace")
    if workspace_name is None:
        require(caller, "usage.read")
        return await _report(request, Scope.of_organization(caller))
    async with services(request).database.reading() as session:
        workspace = await workspace_for(session, caller, workspace_name, action="usage.read")
    return await _report(request, Scope.of_organization(caller), workspace_id=workspace.id)


async def _report(request: Request, scope: Scope, *, workspace_id: str | None = None) -> Response:
    query = request.query_params
    answer_format = query.get("format", "json")
    if answer_format not in ("json", "csv"):
        raise invalid(
            f"format is '{answer_format[:50]}'; it must be json or csv",
            param="format",
            code="not_one_of",
            values={"value": answer_format[:50], "allowed": "json, csv"},
        )
    try:
        question = UsageQuestion.read(
            span=query.get("span", "day"),
            since=query.get("since", ""),
            until=query.get("until", ""),
            by=query.get("by", ""),
        )
    except ValueError as error:
        raise refused(error) from None
    async with services(request).database.reading() as session:
        rows = await question.answer(session, scope, workspace_id=workspace_id)
    if answer_format == "csv":
        headers = {"content-disposition": 'attachment; filename="usage.csv"'}
        return Response(question.as_csv(rows), headers=headers, media_type="text/csv; charset=utf-8")
    body = {
        "object": "list",
        "span": question.span,
        "since": question.since,
        "until": question.until,
        "data": [question.as_object(row) for row in rows],
    }
    return Response(msgspec.json.encode(body), media_type="application/json")
