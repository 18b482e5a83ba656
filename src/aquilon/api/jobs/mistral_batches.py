"""``/v1/batch/jobs``: batch jobs in Mistral's contract."""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from msgspec import UNSET, UnsetType
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.jobs.openai_batches import BatchMetadata
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import ListOf
from aquilon.api.routes import Routes
from aquilon.api.services import Services, services
from aquilon.conversations.dialects.fields import Fields
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

MistralBatchStatus = Literal[
    "QUEUED", "RUNNING", "SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLATION_REQUESTED", "CANCELLED"
]
_STATUSES: dict[str, MistralBatchStatus] = {
    "validating": "QUEUED",
    "in_progress": "RUNNING",
    "finalizing": "RUNNING",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "expired": "TIMEOUT_EXCEEDED",
    "cancelling": "CANCELLATION_REQUESTED",
    "cancelled": "CANCELLED",
}


class MistralInlineRequest(Fields):
    custom_id: str | None = Field(None, max_length=512)
    body: dict[str, Any]


class MistralBatchRequest(Fields):
    endpoint: str = Field(max_length=100)
    input_files: list[Annotated[str, Field(max_length=100)]] | None = Field(None, max_length=50)
    requests: list[MistralInlineRequest] | None = Field(None, max_length=_MOST_INLINE)
    model: str | None = Field(None, max_length=256, description="The model for every line.")
    agent_id: str | None = Field(None, max_length=100, description="Not supported: there are no agents here.")
    metadata: BatchMetadata | None = None
    timeout_hours: int = Field(24, ge=1, le=_MOST_HOURS)


class MistralBatchError(msgspec.Struct, frozen=True):
    message: str
    count: int = 1


class MistralBatchBody(msgspec.Struct, frozen=True, kw_only=True):
    """A batch job in Mistral's contract."""

    id: str
    object: str = "batch"
    input_files: list[str]
    metadata: dict[str, str] | None
    endpoint: str
    model: str | None
    agent_id: str | None = None
    output_file: str | None
    error_file: str | None
    errors: list[MistralBatchError]
    outputs: list[dict[str, Any]] | UnsetType | None = UNSET
    status: MistralBatchStatus
    created_at: int
    total_requests: int
    completed_requests: int
    succeeded_requests: int
    failed_requests: int
    started_at: int | None
    completed_at: int | None


class MistralBatchList(ListOf[MistralBatchBody], frozen=True, kw_only=True):
    total: int


class DeletedMistralBatch(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "batch"
    deleted: bool = True


@routes.post(
    "",
    "Create a batch job from files or requests",
    request=MistralBatchRequest,
    answer=MistralBatchBody,
    says="The new batch job; it runs when no other request waits.",
)
async def create(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, MistralBatchRequest, structures=_MOST_INLINE_STRUCTURES)
    if fields.agent_id is not None:
        raise invalid("There are no agents on this server: name a model", param="agent_id", code="unsupported")
    if bool(fields.input_files) == bool(fields.requests):
        raise invalid("Send either input_files or requests", param="input_files")
    batches = services(request).batches
    batches.check_endpoint(fields.endpoint)
    if fields.requests:
        lines = [msgspec.json.encode({"custom_id": line.custom_id, "body": line.body}) for line in fields.requests]
        inputs = [(await batches.keep_inline(caller, lines)).id]
    else:
        inputs = list(dict.fromkeys(fields.input_files or []))
    new_batch = NewBatch(
        endpoint=fields.endpoint,
        input_file_ids=inputs,
        seconds=fields.timeout_hours * 3600,
        completion_window=f"{fields.timeout_hours}h",
        model=fields.model,
        metadata=fields.metadata,
        needs_custom_id=False,
    )
    return json_answer(mistral_batch_body(await batches.create(caller, new_batch)))


@routes.get(
    "",
    "List the batch jobs",
    answer=MistralBatchList,
    says="The batch jobs, newest first unless `order_by` is `created`.",
)
async def list_batches(
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
    filters = BatchFilter(
        model=model,
        metadata=None if metadata is None else _metadata(metadata),
        created_after=None if created_after is None else moment_of(created_after, param="created_after"),
        user_id=caller.user_id if created_by_me else None,
        statuses=_statuses(status or []),
    )
    batches = services(request).batches
    rows = await batches.page(
        caller, filters, offset=page * page_size, limit=page_size, oldest_first=order_by == "created"
    )
    total = await batches.count(caller, filters)
    return json_answer(MistralBatchList(data=[mistral_batch_body(row) for row in rows], total=total))


@routes.get("/{job_id}", "Get a batch job", answer=MistralBatchBody, says="The batch job.")
async def get(request: Request, caller: Caller, job_id: str, inline: bool | None = None) -> Response:
    """With ``inline``, the answer holds the results of a batch job that has ended."""
    state = services(request)
    batch = await state.batches.get(caller, job_id)
    outputs = await _outputs(state, caller, batch) if inline else UNSET
    return json_answer(mistral_batch_body(batch, outputs))


@routes.post(
    "/{job_id}/cancel",
    "Cancel a batch job; finished lines are kept",
    answer=MistralBatchBody,
    says="The batch job, which is cancelled or about to be.",
)
async def cancel(request: Request, caller: Caller, job_id: str) -> Response:
    return json_answer(mistral_batch_body(await services(request).batches.cancel(caller, job_id)))


@routes.delete(
    "/{job_id}",
    "Delete a batch job that has ended; its files stay",
    answer=DeletedMistralBatch,
    says="The id of the deleted batch job.",
)
async def delete(request: Request, caller: Caller, job_id: str) -> Response:
    await services(request).batches.delete(caller, job_id)
    return json_answer(DeletedMistralBatch(id=job_id))


def mistral_batch_body(batch: Batch, outputs: list[dict[str, Any]] | UnsetType | None = UNSET) -> MistralBatchBody:
    return MistralBatchBody(
        id=batch.id,
        input_files=batch.input_file_ids,
        metadata=batch.batch_metadata,
        endpoint=batch.endpoint,
        model=batch.model,
        output_file=batch.output_file_id,
        error_file=batch.error_file_id,
        errors=[] if batch.problem is None else [MistralBatchError(batch.problem)],
        outputs=outputs,
        status=_STATUSES[batch.status],
        created_at=batch.created_at,
        total_requests=batch.total,
        completed_requests=batch.succeeded + batch.failed,
        succeeded_requests=batch.succeeded,
        failed_requests=batch.failed,
        started_at=batch.in_progress_at,
        completed_at=batch.ended_at,
    )


async def _outputs(state: Services, caller: Principal, batch: Batch) -> list[dict[str, Any]] | None:
    if batch.output_file_id is None:
        return None
    file = await state.files.get(caller, batch.output_file_id, check_right=False)
    path = state.files.content(file)

    def read() -> list[dict[str, Any]]:
        with path.open("rb") as lines:
            return [msgspec.json.decode(line) for line in islice(lines, _MOST_OUTPUTS)]

    return await asyncio.to_thread(read)


def _metadata(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.MsgspecError, ValueError):
        raise invalid("metadata must be a JSON object whose values are strings", param="metadata") from None


def moment_of(text: str, *, param: str) -> int:
    """Seconds since 1970. Raises ApiError 400 for text that is no date and time."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        raise invalid(
            f"{param} is '{text[:50]}'; it must be a date and time such as 2026-01-31T12:00:00Z",
            param=param,
        ) from None


def _statuses(mistral_statuses: list[str]) -> tuple[str, ...]:
    """The statuses in the database for Mistral's. Raises ApiError 400 for an unknown one."""
    statuses: list[str] = []
    for name in mistral_statuses:
        if name not in _STATUSES.values():
            known = ", ".join(dict.fromkeys(_STATUSES.values()))
            raise invalid(f"'{name[:50]}' isn't the status of a batch job; it must be one of {known}", param="status")
        statuses += (status for status, mistral_status in _STATUSES.items() if mistral_status == name)
    return tuple(statuses)
