"""``/v1/batches``: batch jobs in OpenAI's contract."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf, bounded, cut
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import Fields
from aquilon.errors import invalid
from aquilon.jobs.batches import NewBatch
from aquilon.jobs.tables import Batch

routes = Routes("/v1/batches", tag="batches")

_DAY = 86_400
_WINDOWS = {"24h": _DAY}

BatchMetadata = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class OpenAIOutputExpiry(Fields):
    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(ge=3600, le=30 * _DAY)


class OpenAIBatchRequest(Fields):
    input_file_id: str = Field(min_length=1, max_length=100, description="A file of purpose `batch`.")
    endpoint: str = Field(max_length=100, description="The endpoint of every line, such as `/v1/chat/completions`.")
    completion_window: str = Field("24h", max_length=20, description="The only window is `24h`.")
    metadata: BatchMetadata | None = None
    output_expires_after: OpenAIOutputExpiry | None = None


class OpenAIBatchCounts(msgspec.Struct, frozen=True):
    total: int
    completed: int
    failed: int


class OpenAIBatchError(msgspec.Struct, frozen=True):
    code: str
    message: str
    line: int | None = None
    param: str | None = None


class OpenAIBatchErrors(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[OpenAIBatchError]


class OpenAIInputDetails(msgspec.Struct, frozen=True):
    cached_tokens: int


class OpenAIOutputDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int = 0


class OpenAIBatchUsage(msgspec.Struct, frozen=True, kw_only=True):
    input_tokens: int
    input_tokens_details: OpenAIInputDetails
    output_tokens: int
    output_tokens_details: OpenAIOutputDetails
    total_tokens: int


class OpenAIBatchBody(msgspec.Struct, frozen=True, kw_only=True):
    """A batch job in OpenAI's contract."""

    id: str
    object: str = "batch"
    endpoint: str
    model: str | None
    errors: OpenAIBatchErrors | None
    input_file_id: str
    completion_window: str
    status: str
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: OpenAIBatchCounts
    usage: OpenAIBatchUsage
    metadata: dict[str, str] | None


@routes.post(
    "",
    "Create a batch job from a file",
    request=OpenAIBatchRequest,
    answer=OpenAIBatchBody,
    says="The new batch job; it runs when no other request waits.",
)
async def create(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, OpenAIBatchRequest)
    seconds = _WINDOWS.get(fields.completion_window)
    if seconds is None:
        raise invalid(
            f"completion_window is '{fields.completion_window}'; it must be {' or '.join(_WINDOWS)}",
            param="completion_window",
            code="not_one_of",
            values={"value": fields.completion_window[:50], "allowed": ", ".join(_WINDOWS)},
        )
    new_batch = NewBatch(
        endpoint=fields.endpoint,
        input_file_ids=[fields.input_file_id],
        seconds=seconds,
        completion_window=fields.completion_window,
        metadata=fields.metadata,
        output_seconds=fields.output_expires_after.seconds if fields.output_expires_after else None,
    )
    return json_answer(openai_batch_body(await services(request).batches.create(caller, new_batch)))


@routes.get("", "List the batch jobs", answer=PageOf[OpenAIBatchBody], says="The batch jobs, newest first.")
async def list_batches(request: Request, caller: Caller, after: str | None = None, limit: int = 20) -> Response:
    limit = bounded(limit, least=0)
    rows = await services(request).batches.page(caller, after=after, limit=limit + 1)
    return cut(rows, limit, openai_batch_body)


@routes.get("/{batch_id}", "Get a batch job", answer=OpenAIBatchBody, says="The batch job.")
async def get(request: Request, caller: Caller, batch_id: str) -> Response:
    return json_answer(openai_batch_body(await services(request).batches.get(caller, batch_id)))


@routes.post(
    "/{batch_id}/cancel",
    "Cancel a batch job; finished lines are kept",
    answer=OpenAIBatchBody,
    says="The batch job, which is cancelled or about to be.",
)
async def cancel(request: Request, caller: Caller, batch_id: str) -> Response:
    return json_answer(openai_batch_body(await services(request).batches.cancel(caller, batch_id)))


def openai_batch_body(batch: Batch) -> OpenAIBatchBody:
    def ended(status: str) -> int | None:
        return batch.ended_at if batch.status == status else None

    errors = None
    if batch.problem is not None:
        errors = OpenAIBatchErrors(data=[OpenAIBatchError("invalid_input", batch.problem)])
    return OpenAIBatchBody(
        id=batch.id,
        endpoint=batch.endpoint,
        model=batch.model,
        errors=errors,
        input_file_id=batch.input_file_ids[0],
        completion_window=batch.completion_window,
        status=batch.status,
        output_file_id=batch.output_file_id,
        error_file_id=batch.error_file_id,
        created_at=batch.created_at,
        in_progress_at=batch.in_progress_at,
        expires_at=batch.expires_at,
        finalizing_at=batch.finalizing_at,
        completed_at=ended("completed"),
        failed_at=ended("failed"),
        expired_at=ended("expired"),
        cancelling_at=batch.cancelling_at,
        cancelled_at=ended("cancelled"),
        request_counts=OpenAIBatchCounts(batch.total, batch.succeeded, batch.failed),
        usage=OpenAIBatchUsage(
            input_tokens=batch.prompt_tokens,
            input_tokens_details=OpenAIInputDetails(batch.cached_tokens),
            output_tokens=batch.completion_tokens,
            output_tokens_details=OpenAIOutputDetails(),
            total_tokens=batch.prompt_tokens + batch.completion_tokens,
        ),
        metadata=batch.batch_metadata,
    )
