"""``/v1/batch/jobs``: batch jobs as Mistral's clients know them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from msgspec import UNSET
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.jobs.batches_bodies import BatchJobBody, BatchJobList, DeletedBatchJob, batch_job_body, statuses_of
from aquilon.api.json_answer import json_answer
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.errors import invalid
from aquilon.jobs.batches import NewBatch
from aquilon.jobs.store.batches import BatchFilter
from aquilon.jobs.tables import Batch
from aquilon.people.identity import Principal

routes = Routes("/v1/batch/jobs", tag="batches")

MOST = 1000
_MOST_INLINE = 10_000
_MOST_INLINE_STRUCTURES = 20 * _MOST_INLINE
_MOST_OUTPUTS = 10_000
_MOST_HOURS = 7 * 24

Metadata = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class InlineRequest(Fields):
    custom_id: str | None = Field(None, max_length=512)
    body: dict[str, Any]


class BatchJobRequest(Fields):
    endpoint: str = Field(max_length=100)
    input_files: list[Annotated[str, Field(max_length=100)]] | None = Field(None, max_length=50)
    requests: list[InlineRequest] | None = Field(None, max_length=_MOST_INLINE)
    model: str | None = Field(None, max_length=256, description="For every line.")
    agent_id: str | None = Field(None, max_length=100, description="Not supported: there are no agents here.")
    metadata: Metadata | None = None
    timeout_hours: int = Field(24, ge=1, le=_MOST_HOURS)


@routes.post(
    "",
    "Make a batch job of files or of requests",
    request=BatchJobRequest,
    answer=BatchJobBody,
    says="The job; it is worked off when nobody waits",
)
async def create(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, BatchJobRequest, structures=_MOST_INLINE_STRUCTURES)
    if fields.agent_id is not None:
        raise invalid("There are no agents on this server: name a model", param="agent_id", code="unsupported")
    if bool(fields.input_files) == bool(fields.requests):
        raise invalid("Name input_files or requests, one of the two", param="input_files")
    batches = services(request).batches
    batches.check_endpoint(fields.endpoint)
    if fields.requests:
        lines = [msgspec.json.encode({"custom_id": each.custom_id, "body": each.body}) for each in fields.requests]
        inputs = [(await batches.keep_inline(caller, lines)).id]
    else:
        inputs = list(dict.fromkeys(fields.input_files or []))
    wanted = NewBatch(
        endpoint=fields.endpoint,
        input_file_ids=inputs,
        seconds=fields.timeout_hours * 3600,
        completion_window=f"{fields.timeout_hours}h",
        model=fields.model,
        metadata=fields.metadata,
        needs_custom_id=False,
    )
    return json_answer(batch_job_body(await batches.create(caller, wanted)))


@routes.get("", "Batch jobs", answer=BatchJobList, says="The newest first")
async def list_jobs(
    request: Request,
    caller: Caller,
    page: Annotated[int, Query(ge=0, le=10**6)] = 0,
    page_size: Annotated[int, Query(ge=1, le=MOST)] = 100,
    model: str | None = None,
    metadata: str | None = None,
    created_after: str | None = None,
    created_by_me: bool = False,
    status: Annotated[list[str] | None, Query()] = None,
    order_by: Literal["created", "-created"] = "-created",
) -> Response:
    wanted = BatchFilter(
        model=model,
        metadata=None if metadata is None else _metadata(metadata),
        created_after=None if created_after is None else _moment(created_after),
        user_id=caller.user_id if created_by_me else None,
        statuses=_statuses(status or []),
    )
    batches = services(request).batches
    found = await batches.page(
        caller, wanted, offset=page * page_size, limit=page_size, oldest_first=order_by == "created"
    )
    total = await batches.count(caller, wanted)
    return json_answer(BatchJobList(data=[batch_job_body(row) for row in found], total=total))


@routes.get("/{job_id}", "One batch job", answer=BatchJobBody, says="As it is now")
async def get(request: Request, caller: Caller, job_id: str, inline: bool | None = None) -> Response:
    """With ``inline``, and once it has ended, with its results."""
    found = services(request)
    job = await found.batches.get(caller, job_id)
    outputs = await _outputs(found, caller, job) if inline else UNSET
    return json_answer(batch_job_body(job, outputs))


@routes.post(
    "/{job_id}/cancel",
    "Cancel a batch job: what is on record already is kept",
    answer=BatchJobBody,
    says="As it is now",
)
async def cancel(request: Request, caller: Caller, job_id: str) -> Response:
    return json_answer(batch_job_body(await services(request).batches.cancel(caller, job_id)))


@routes.delete("/{job_id}", "Delete a batch job that has ended; its files stay", answer=DeletedBatchJob, says="Done")
async def delete(request: Request, caller: Caller, job_id: str) -> Response:
    await services(request).batches.delete(caller, job_id)
    return json_answer(DeletedBatchJob(id=job_id))


async def _outputs(found: Services, caller: Principal, job: Batch) -> list[dict[str, Any]] | None:
    if job.output_file_id is None:
        return None
    file = await found.files.get(caller, job.output_file_id, check_right=False)
    path = found.files.content(file)

    def read() -> list[dict[str, Any]]:
        with path.open("rb") as lines:
            return [msgspec.json.decode(line) for line in islice(lines, _MOST_OUTPUTS)]

    return await asyncio.to_thread(read)


def _metadata(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.MsgspecError, ValueError):
        raise invalid("metadata is a JSON object of texts", param="metadata") from None


def _moment(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        raise invalid(
            f"created_after is a date and time such as 2026-01-31T12:00:00Z, not '{text[:50]}'", param="created_after"
        ) from None


def _statuses(wanted: list[str]) -> tuple[str, ...]:
    ours: tuple[str, ...] = ()
    for status in wanted:
        if not (found := statuses_of(status)):
            raise invalid(f"'{status[:50]}' is no status of a batch job", param="status")
        ours += found
    return ours
