"""``/v1/fine_tuning``: fine-tuning jobs in OpenAI's contract and in Mistral's former one.

Both vendors use the same paths. A body says whose it is; for the rest the client's
name does and, where it is another one, the contract in which the job was created.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_either
from aquilon.api.event_stream import EventStream
from aquilon.api.jobs.mistral_batches import moment_of
from aquilon.api.jobs.mistral_fine_tuning import (
    MistralFineTuningJob,
    MistralFineTuningList,
    MistralFineTuningRequest,
    MistralJobMetadata,
    is_mistral,
    mistral_estimate,
    mistral_job,
    statuses_of,
)
from aquilon.api.jobs.openai_fine_tuning import (
    OpenAICheckpoint,
    OpenAIFineTuningEvent,
    OpenAIFineTuningJob,
    OpenAIFineTuningRequest,
    event_number,
    metadata_filter,
    openai_checkpoint,
    openai_event,
    openai_job,
)
from aquilon.api.json_answer import json_answer
from aquilon.api.listing import PageOf, bounded, cut
from aquilon.api.reader import Reader
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.dialect import dialect_of, note_dialect
from aquilon.conversations.dialects.error_bodies import ErrorBody
from aquilon.conversations.dialects.frames import DONE
from aquilon.errors import invalid
from aquilon.jobs.fine_tuning.store import ENDED, EventKind, JobFilter
from aquilon.jobs.fine_tuning.tables import FineTuningJob
from aquilon.people.identity import Principal

routes = Routes("/v1/fine_tuning", tag="fine-tuning")

_ALL_KINDS: tuple[EventKind, ...] = ("message", "metrics", "checkpoint")
_MOST_EVENTS = 1000
_SHOWN_EVENTS = 200
"""Events in the detail of one job (Mistral)."""
_OPENAI_CLIENTS = re.compile(r"(Async)?(Azure)?OpenAI/")
_FOLLOW_SECONDS = 1.0

AnyJob = (OpenAIFineTuningJob, MistralFineTuningJob)


class DeletedFineTuningJob(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "fine_tuning.job.deleted"
    deleted: bool = True


@routes.post(
    "/jobs",
    "Create a fine-tuning job",
    request=(OpenAIFineTuningRequest, MistralFineTuningRequest),
    answer=(*AnyJob, MistralJobMetadata),
    says="The new job, whose files are validated first; with `dry_run` the estimate of its price.",
)
async def create(request: Request, caller: Caller, dry_run: bool = False) -> Response:
    """A body with `training_files` is Mistral's, one with `training_file` OpenAI's."""

    def fields_of(body: Any) -> type[OpenAIFineTuningRequest | MistralFineTuningRequest]:
        note_dialect(request.scope, "mistral" if is_mistral(body) else "openai")
        return MistralFineTuningRequest if is_mistral(body) else OpenAIFineTuningRequest

    fields = await read_either(request, fields_of)
    state, new = services(request), fields.new_job()
    if dry_run:
        estimate = await state.fine_tuning_jobs.estimate(caller, new)
        return json_answer(mistral_estimate(estimate, new, state.settings.currency))
    job = await state.fine_tuning_jobs.create(caller, new)
    return json_answer(mistral_job(job, state.settings.currency) if new.contract == "mistral" else openai_job(job))


@routes.get(
    "/jobs",
    "List the fine-tuning jobs",
    answer=(PageOf[OpenAIFineTuningJob], MistralFineTuningList),
    says="The jobs, newest first, in the shape of the client's vendor.",
)
async def list_jobs(
    request: Request,
    caller: Caller,
    after: str | None = None,
    limit: int = 20,
    page: Annotated[int | None, Query(ge=0, le=10**6)] = None,
    page_size: Annotated[int | None, Query(ge=1, le=1000)] = None,
    model: str | None = None,
    suffix: str | None = None,
    status: str | None = None,
    created_after: str | None = None,
    created_before: str | None = None,
    created_by_me: bool = False,
) -> Response:
    """OpenAI's clients page by `after` and `limit`, and filter by `metadata[NAME]=VALUE`. Mistral's page by `page`
    (from 0) and `page_size`, and have the other filters."""
    state = services(request)
    metadata, without = metadata_filter(request.query_params)
    criteria = JobFilter(
        model=model,
        suffix=suffix,
        user_id=caller.user_id if created_by_me else None,
        created_after=None if created_after is None else moment_of(created_after, param="created_after"),
        created_before=None if created_before is None else moment_of(created_before, param="created_before"),
        statuses=() if status is None else statuses_of(status),
        metadata=metadata,
        without_metadata=without,
    )
    jobs = state.fine_tuning_jobs
    if page is not None or page_size is not None or dialect_of(request.scope) == "mistral":
        size = page_size or 100
        rows = await jobs.page(caller, criteria, offset=(page or 0) * size, limit=size)
        total = await jobs.count(caller, criteria)
        bodies = [mistral_job(row, state.settings.currency) for row in rows]
        return json_answer(MistralFineTuningList(data=bodies, total=total))
    limit = bounded(limit, least=0)
    rows = await jobs.page(caller, criteria, after=after, limit=limit + 1)
    return cut(rows, limit, openai_job)


@routes.get("/jobs/{fine_tuning_job_id}", "Get a fine-tuning job", answer=AnyJob, says="The job.")
async def get(request: Request, caller: Caller, fine_tuning_job_id: str) -> Response:
    job = await services(request).fine_tuning_jobs.get(caller, fine_tuning_job_id)
    return await _answer(request, caller, job)


@routes.post(
    "/jobs/{fine_tuning_job_id}/cancel",
    "Cancel a fine-tuning job; nothing of it is kept",
    answer=AnyJob,
    says="The job, which is cancelled or about to be.",
)
async def cancel(request: Request, caller: Caller, fine_tuning_job_id: str) -> Response:
    job = await services(request).fine_tuning_jobs.cancel(caller, fine_tuning_job_id)
    return await _answer(request, caller, job)


@routes.post(
    "/jobs/{fine_tuning_job_id}/pause",
    "Pause a fine-tuning job, with a checkpoint of what it has learnt",
    answer=AnyJob,
    says="The job, which is paused or about to be.",
)
async def pause(request: Request, caller: Caller, fine_tuning_job_id: str) -> Response:
    job = await services(request).fine_tuning_jobs.pause(caller, fine_tuning_job_id)
    return await _answer(request, caller, job)


@routes.post(
    "/jobs/{fine_tuning_job_id}/resume",
    "Resume a paused fine-tuning job from its checkpoint",
    answer=AnyJob,
    says="The job, which is queued.",
)
async def resume(request: Request, caller: Caller, fine_tuning_job_id: str) -> Response:
    job = await services(request).fine_tuning_jobs.resume(caller, fine_tuning_job_id)
    return await _answer(request, caller, job)


@routes.post(
    "/jobs/{fine_tuning_job_id}/start",
    "Start a fine-tuning job whose files are validated",
    answer=AnyJob,
    says="The job, which is queued.",
)
async def start(request: Request, caller: Caller, fine_tuning_job_id: str) -> Response:
    job = await services(request).fine_tuning_jobs.start(caller, fine_tuning_job_id)
    return await _answer(request, caller, job)


@routes.delete(
    "/jobs/{fine_tuning_job_id}",
    "Delete a fine-tuning job that has ended; its model and files stay",
    answer=DeletedFineTuningJob,
    says="The id of the deleted job.",
)
async def delete(request: Request, caller: Caller, fine_tuning_job_id: str) -> Response:
    await services(request).fine_tuning_jobs.delete(caller, fine_tuning_job_id)
    return json_answer(DeletedFineTuningJob(id=fine_tuning_job_id))


@routes.get(
    "/jobs/{fine_tuning_job_id}/events",
    "List a fine-tuning job's events",
    answer=PageOf[OpenAIFineTuningEvent],
    stream=(OpenAIFineTuningEvent,),
    says="The events, newest first; with `stream` all of them in order, and those to come until the job ends.",
)
async def events(
    request: Request,
    caller: Caller,
    fine_tuning_job_id: str,
    after: str | None = None,
    limit: Annotated[int, Query(ge=0, le=_MOST_EVENTS)] = 20,
    stream: bool = False,
) -> Response:
    jobs = services(request).fine_tuning_jobs
    if stream:
        await jobs.get(caller, fine_tuning_job_id)
        reader = Reader(request, lambda principal: jobs.get(principal, fine_tuning_job_id))
        return EventStream(_followed(request, caller, fine_tuning_job_id), reader)
    before = None if after is None else event_number(after, "after")
    rows = await jobs.events(caller, fine_tuning_job_id, kinds=_ALL_KINDS, before=before, limit=limit + 1)
    return cut(rows, limit, openai_event)


@routes.get(
    "/jobs/{fine_tuning_job_id}/checkpoints",
    "List a fine-tuning job's checkpoints with their losses",
    answer=PageOf[OpenAICheckpoint],
    says="The checkpoints, newest first.",
)
async def checkpoints(
    request: Request,
    caller: Caller,
    fine_tuning_job_id: str,
    after: str | None = None,
    limit: Annotated[int, Query(ge=0, le=_MOST_EVENTS)] = 10,
) -> Response:
    jobs = services(request).fine_tuning_jobs
    job = await jobs.get(caller, fine_tuning_job_id)
    before = None if after is None else event_number(after, "after")
    rows = await jobs.events(caller, job.id, kinds=("checkpoint",), before=before, limit=limit + 1)
    return cut(rows, limit, lambda row: openai_checkpoint(row, job, caller.organization_name))


@routes.get(
    "/checkpoints/{checkpoint}/permissions",
    "List who may use a checkpoint: not supported",
    answer=ErrorBody,
    says="Models belong to their organization alone.",
    status=400,
    status_code=400,
)
@routes.post(
    "/checkpoints/{checkpoint}/permissions",
    "Let other projects use a checkpoint: not supported",
    answer=ErrorBody,
    says="Models belong to their organization alone.",
    status=400,
    status_code=400,
)
async def permissions(request: Request, caller: Caller, checkpoint: str) -> Response:
    raise invalid(
        "Checkpoints have no permissions here: every workspace of the organization may use its fine-tuned models, and "
        "no other organization can. Access rules and keys narrow that",
        code="unsupported",
    )


async def _answer(request: Request, caller: Principal, job: FineTuningJob) -> Response:
    """The job in the shape of the client's vendor, else in that of the contract it was created in."""
    agent = request.headers.get("user-agent", "")
    contract = "openai" if _OPENAI_CLIENTS.match(agent) else job.contract
    state = services(request)
    if contract != "mistral" and dialect_of(request.scope) != "mistral":
        return json_answer(openai_job(job))
    jobs = state.fine_tuning_jobs
    shown = await jobs.events(caller, job.id, kinds=_ALL_KINDS, limit=_SHOWN_EVENTS)
    saved = await jobs.events(caller, job.id, kinds=("checkpoint",), limit=_SHOWN_EVENTS)
    return json_answer(mistral_job(job, state.settings.currency, events=shown, checkpoints=saved))


async def _followed(request: Request, caller: Principal, job_id: str) -> AsyncGenerator[bytes]:
    jobs, last = services(request).fine_tuning_jobs, 0
    while True:
        job = await jobs.get(caller, job_id)
        rows = await jobs.events(caller, job_id, kinds=_ALL_KINDS, after=last, limit=_MOST_EVENTS)
        for row in rows:
            last = row.number
            yield b"data: " + msgspec.json.encode(openai_event(row)) + b"\n\n"
        if not rows and job.status in ENDED:
            yield DONE
            return
        if not rows:
            await asyncio.sleep(_FOLLOW_SECONDS)
