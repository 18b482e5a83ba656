"""Batch jobs in answers: one job, in OpenAI's shape and in Mistral's."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.api.listing import ListOf
from aquilon.jobs.tables import Batch

MistralStatus = Literal[
    "QUEUED", "RUNNING", "SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLATION_REQUESTED", "CANCELLED"
]
_MISTRAL: dict[str, MistralStatus] = {
    "validating": "QUEUED",
    "in_progress": "RUNNING",
    "finalizing": "RUNNING",
    "completed": "SUCCESS",
    "failed": "FAILED",
    "expired": "TIMEOUT_EXCEEDED",
    "cancelling": "CANCELLATION_REQUESTED",
    "cancelled": "CANCELLED",
}


class RequestCounts(msgspec.Struct, frozen=True):
    total: int
    completed: int
    failed: int


class BatchProblem(msgspec.Struct, frozen=True):
    code: str
    message: str
    line: int | None = None
    param: str | None = None


class BatchProblems(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[BatchProblem]


class InputDetails(msgspec.Struct, frozen=True):
    cached_tokens: int


class OutputDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int = 0


class BatchUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class BatchBody(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI's."""

    id: str
    object: str = "batch"
    endpoint: str
    model: str | None
    errors: BatchProblems | None
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
    request_counts: RequestCounts
    usage: BatchUsage
    metadata: dict[str, str] | None


class BatchJobError(msgspec.Struct, frozen=True):
    message: str
    count: int = 1


class BatchJobBody(msgspec.Struct, frozen=True, kw_only=True):
    """Mistral's."""

    id: str
    object: str = "batch"
    input_files: list[str]
    metadata: dict[str, str] | None
    endpoint: str
    model: str | None
    agent_id: str | None = None
    output_file: str | None
    error_file: str | None
    errors: list[BatchJobError]
    outputs: list[dict[str, Any]] | UnsetType | None = UNSET
    status: MistralStatus
    created_at: int
    total_requests: int
    completed_requests: int
    succeeded_requests: int
    failed_requests: int
    started_at: int | None
    completed_at: int | None


class BatchJobList(ListOf[BatchJobBody], frozen=True, kw_only=True):
    total: int


class DeletedBatchJob(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "batch"
    deleted: bool = True


def statuses_of(mistral: str) -> tuple[str, ...]:
    """Ours for one of Mistral's; none for what is none of theirs."""
    return tuple(ours for ours, theirs in _MISTRAL.items() if theirs == mistral)


def batch_body(batch: Batch) -> BatchBody:
    def ended(status: str) -> int | None:
        return batch.ended_at if batch.status == status else None

    return BatchBody(
        id=batch.id,
        endpoint=batch.endpoint,
        model=batch.model,
        errors=None if batch.problem is None else BatchProblems(data=[BatchProblem("invalid_input", batch.problem)]),
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
        request_counts=RequestCounts(batch.total, batch.succeeded, batch.failed),
        usage=BatchUsage(
            batch.prompt_tokens,
            InputDetails(batch.cached_tokens),
            batch.completion_tokens,
            OutputDetails(),
            batch.prompt_tokens + batch.completion_tokens,
        ),
        metadata=batch.batch_metadata,
    )


def batch_job_body(batch: Batch, outputs: list[dict[str, Any]] | UnsetType | None = UNSET) -> BatchJobBody:
    return BatchJobBody(
        id=batch.id,
        input_files=batch.input_file_ids,
        metadata=batch.batch_metadata,
        endpoint=batch.endpoint,
        model=batch.model,
        output_file=batch.output_file_id,
        error_file=batch.error_file_id,
        errors=[] if batch.problem is None else [BatchJobError(batch.problem)],
        outputs=outputs,
        status=_MISTRAL[batch.status],
        created_at=batch.created_at,
        total_requests=batch.total,
        completed_requests=batch.succeeded + batch.failed,
        succeeded_requests=batch.succeeded,
        failed_requests=batch.failed,
        started_at=batch.in_progress_at,
        completed_at=batch.ended_at,
    )
