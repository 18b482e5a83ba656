"""``/v1/batches``: batch jobs as OpenAI's clients know them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.jobs.batches_bodies import BatchBody, batch_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.jobs.batches import NewBatch

routes = Routes("/v1/batches", tag="batches")

MOST = 100
_DAY = 86_400
_WINDOWS = {"24h": _DAY}

Metadata = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class OutputExpiresAfter(Fields):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(ge=3600, le=30 * _DAY)


class BatchRequest(Fields):
    input_file_id: str = Field(min_length=1, max_length=100, description="A file of purpose `batch`.")
    endpoint: str = Field(max_length=100, description="What every line asks, such as `/v1/chat/completions`.")
    completion_window: str = Field("24h", max_length=20, description="`24h`.")
    metadata: Metadata | None = None
    output_expires_after: OutputExpiresAfter | None = None


@routes.post(
    "",
    "Make a batch job of a file",
    request=BatchRequest,
    answer=BatchBody,
    says="The job; it is worked off when nobody waits",
)
async def create(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, BatchRequest)
    seconds = _WINDOWS.get(fields.completion_window)
    if seconds is None:
        raise invalid(
            f"completion_window is one of {', '.join(_WINDOWS)}, not '{fields.completion_window}'",
            param="completion_window",
        )
    wanted = NewBatch(
        endpoint=fields.endpoint,
        input_file_ids=[fields.input_file_id],
        seconds=seconds,
        completion_window=fields.completion_window,
        metadata=fields.metadata,
        output_seconds=fields.output_expires_after.seconds if fields.output_expires_after else None,
    )
    return json_answer(batch_body(await services(request).batches.create(caller, wanted)))


@routes.get("", "Batch jobs", answer=PageOf[BatchBody], says="The newest first")
async def list_batches(request: Request, caller: Caller, after: str | None = None, limit: int = 20) -> Response:
    if not 0 <= limit <= MOST:
        raise invalid(f"limit is 0 to {MOST}", param="limit")
    found = await services(request).batches.page(caller, after=after, limit=limit + 1)
    shown = [batch_body(row) for row in found[:limit]]
    first, last = (shown[0].id, shown[-1].id) if shown else (None, None)
    return json_answer(PageOf(data=shown, first_id=first, last_id=last, has_more=len(found) > limit))


@routes.get("/{batch_id}", "One batch job", answer=BatchBody, says="As it is now")
async def get(request: Request, caller: Caller, batch_id: str) -> Response:
    return json_answer(batch_body(await services(request).batches.get(caller, batch_id)))


@routes.post(
    "/{batch_id}/cancel", "Cancel a batch job: what is on record already is kept", answer=BatchBody, says="As it is now"
)
async def cancel(request: Request, caller: Caller, batch_id: str) -> Response:
    return json_answer(batch_body(await services(request).batches.cancel(caller, batch_id)))
