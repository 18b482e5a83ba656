"""``GET /v1/organization/requests``: the log of requests, JSON or CSV. It has no prompts and no answers."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf, bounded, listed
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.money.store.requests import LoggedRequest, RequestFilter, latest
from aquilon.money.usage_event import Outcome
from aquilon.money.usage_report import moment, spreadsheet_cell, utc_time
from aquilon.people.administration.access import workspace_for
from aquilon.people.permissions import permits, require_scope
from aquilon.people.scope import Scope

routes = Routes("/v1/organization", tag="usage")

MOST_CSV_ROWS = 10_000
_DEFAULT_DAYS = 30
_OUTCOMES = get_args(Outcome)

_ROUTES = {
    "chatcmpl": "/v1/chat/completions",
    "cmpl": "/v1/completions",
    "fim": "/v1/fim/completions",
    "resp": "/v1/responses",
    "run": "/v1/conversations",
    "msg": "/v1/messages",
    "embd": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "ollama": "/api",
}
"""The route by which a model was asked, by the first part of its answer's id."""


class RequestEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One request, however it ended; neither what it asked nor the answer. Times are unix seconds."""

    id: str
    """The ``id`` of the answer; one of its own for a refused request, which has none."""
    object: str = "request"
    ended_at: int
    route: str
    """Such as ``/v1/chat/completions``; ``/api`` for Ollama's, empty for a line of a batch job."""
    model: str
    workspace: str
    member_id: str
    member: str
    key_id: str | None
    """Null for a request that came with a session."""
    key: str | None
    outcome: Outcome
    """``cancelled``: the client left before the answer was complete. ``refused``: a limit, a budget or a quota stopped
    the request."""
    error_code: str | None
    """Why the request failed or was refused, as its answer said."""
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_microcents: int
    """A microcent is a millionth of a cent."""
    first_token_ms: int | None
    """From admission to the first token; null if none came."""
    duration_ms: int
    """From admission to the last token."""
    batch: bool
    """Whether the request was a line of a batch job."""


class RequestPage(PageOf[RequestEntry], frozen=True, kw_only=True):
    everybody: bool
    """Whether the page has all members' requests; otherwise it has the caller's own."""


def _parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    schema = {"type": "string"} | schema
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


@routes.get(
    "/requests",
    "List the latest requests to models",
    openapi_extra={
        "parameters": [
            _parameter(
                "since",
                f"The first moment: a day, a time (UTC) or seconds since 1970; {_DEFAULT_DAYS} days ago by default.",
            ),
            _parameter("until", "The first moment after the list; now by default."),
            _parameter("model", "Requests to this model."),
            _parameter("key_id", "Requests with this API key."),
            _parameter("user_id", "Requests of this person."),
            _parameter("workspace", "A workspace's id or name; all workspaces by default."),
            _parameter("outcome", "Requests that ended so.", enum=list(_OUTCOMES)),
            _parameter("after", "The id of the request after which the page begins."),
            _parameter("limit", "The most requests of a page.", type="integer", minimum=1, maximum=100, default=20),
            _parameter(
                "format",
                f"The format of the answer; CSV has the first {MOST_CSV_ROWS:,} requests, without pages.",
                enum=["json", "csv"],
                default="json",
            ),
        ]
    },
    answer=RequestPage,
    says="The requests that ended last first, to the second. Neither prompts nor answers are in the log.",
    other="text/csv",
)
async def list_requests(request: Request, caller: Caller) -> Response:
    """Owners, administrators and those who do the billing see everybody's requests, an administrator of a workspace
    those of the workspace that the parameter names, everybody else their own. Of requests that a limit, a budget or
    a quota refused, the log has at most 20 a minute of one caller; it has no other refusals. A key needs the scope
    `usage`."""
    require_scope(caller, "usage.read")
    query = request.query_params
    chosen = _filter(query)
    answer_format = query.get("format", "json")
    if answer_format not in ("json", "csv"):
        raise invalid(
            f"format is '{answer_format[:50]}'; it must be json or csv",
            param="format",
            code="not_one_of",
            values={"value": answer_format[:50], "allowed": "json, csv"},
        )
    limit = MOST_CSV_ROWS if answer_format == "csv" else bounded(_whole(query.get("limit", "20")))
    everybody = permits(caller.role, None, "usage.read")
    async with services(request).database.reading() as session:
        if (name := query.get("workspace")) is not None:
            workspace = await workspace_for(session, caller, name, action="usage.read")
            chosen, everybody = replace(chosen, workspace_id=workspace.id), True
        scope = Scope.of_organization(caller) if everybody else Scope.of_user(caller)
        rows = await latest(session, scope, chosen, after=query.get("after"), limit=limit + 1)
    entries = [_entry(row) for row in rows[:limit]]
    if answer_format == "csv":
        headers = {"content-disposition": 'attachment; filename="requests.csv"'}
        return Response(_as_csv(entries), headers=headers, media_type="text/csv; charset=utf-8")
    page = listed(entries, has_more=len(rows) > limit)
    return json_answer(
        RequestPage(
            data=entries,
            first_id=page.first_id,
            last_id=page.last_id,
            has_more=page.has_more,
            everybody=everybody,
        )
    )


def _filter(query: Mapping[str, str]) -> RequestFilter:
    """Raises ApiError 400."""
    outcome = query.get("outcome", "")
    if outcome and outcome not in _OUTCOMES:
        raise invalid(
            f"outcome is '{outcome[:50]}'; it is {', '.join(_OUTCOMES)}",
            param="outcome",
            code="not_one_of",
            values={"value": outcome[:50], "allowed": ", ".join(_OUTCOMES)},
        )
    try:
        until = moment(query["until"]) if query.get("until") else int(time.time()) + 1
        since = moment(query["since"]) if query.get("since") else until - _DEFAULT_DAYS * 86_400
    except ValueError as error:
        raise invalid(str(error), code="invalid_time") from None
    return RequestFilter(
        since=since,
        until=until,
        model=query.get("model", ""),
        key_id=query.get("key_id", ""),
        user_id=query.get("user_id", ""),
        outcome=outcome,
    )


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid(f"limit is '{text[:50]}'; it must be a whole number", param="limit", code="int_parsing")
    return int(text)


def _entry(row: LoggedRequest) -> RequestEntry:
    return RequestEntry(
        id=row.id,
        ended_at=row.ended_at,
        route="" if row.batch else _ROUTES.get(row.id.partition("_")[0], ""),
        model=row.model,
        workspace=row.workspace,
        member_id=row.member_id,
        member=row.member,
        key_id=row.key_id,
        key=row.key,
        outcome=row.outcome,
        error_code=row.error_code,
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        completion_tokens=row.completion_tokens,
        cost_microcents=row.cost,
        first_token_ms=row.first_token_ms,
        duration_ms=row.duration_ms,
        batch=row.batch,
    )


def _as_csv(entries: Sequence[RequestEntry]) -> str:
    """CSV by RFC 4180, with a header; times are written such as ``2026-11-21T08:00:00Z``."""
    names = [name for name in RequestEntry.__struct_fields__ if name != "object"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    for entry in entries:
        cells = {name: getattr(entry, name) for name in names} | {"ended_at": utc_time(entry.ended_at)}
        writer.writerow([spreadsheet_cell(value) for value in cells.values()])
    return text.getvalue()
