"""The run of one batch job, from its first line to its result files, in the process that holds its lease."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from starlette.types import ASGIApp

from aquilon.jobs import results
from aquilon.jobs.asking import ask
from aquilon.jobs.creators import Creators
from aquilon.jobs.endpoints import InputLine, LineProblem, LineRequest, lines_of, read_line
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.metrics import JobMetrics
from aquilon.jobs.pace import Pace
from aquilon.jobs.queue import NO_LEASE, LeaseLost
from aquilon.jobs.result_files import ResultFiles
from aquilon.jobs.store import batches
from aquilon.jobs.store import files as stored_files
from aquilon.jobs.tables import Batch
from aquilon.jobs.waiting import patiently
from aquilon.log import get_logger
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.money.usage_writer import UsageWriter
from aquilon.storage import Database

T = TypeVar("T")
Ending = Literal["completed", "cancelled", "expired"]

_READ_AT_ONCE = 64
_TRIES = 3
"""How often a line is asked that the server answers with an error."""
_MOST_WAIT_SECONDS = 30.0
_KIND = "batch job"
_LOOK_SECONDS = 1.0
"""How often a job's expiry is checked, by the wall clock, which may jump."""
_FORGOTTEN_AT_ONCE = 500
_LAST_SECONDS = 3.0

log = get_logger("aquilon.jobs")


class JobFailed(Exception):
    """The whole job fails; the message says why."""


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """What all runs of this process share."""

    app: ASGIApp
    """Answers each line."""
    database: Database
    disk: FilesOnDisk
    usage: UsageWriter
    pace: Pace
    creators: Creators
    metrics: JobMetrics
    owner: str
    """This process's id in leases."""
    result_seconds: int
    most_lines: int
    most_line_bytes: int


class JobRun:
    def __init__(self, context: JobContext, batch: Batch) -> None:
        self._context = context
        self.batch = batch
        self._cancelled = asyncio.Event()

    async def run(self) -> None:
        """Run the job to its end. Raises LeaseLost. A run whose task is cancelled can be continued later."""
        batch = self.batch
        self.notice(batch.status)
        try:
            if batch.status == "finalizing":
                await self._finalize(cast(Ending, batch.outcome))
            else:
                if not batch.total:
                    total = await asyncio.to_thread(self._count)
                    await self._advance(status=batches.BEGUN, in_progress_at=_now(), total=total)
                await self._finalize(await self._ask_all())
        except JobFailed as error:
            await self._advance(status="failed", problem=str(error), ended_at=_now(), **NO_LEASE)
            self._context.metrics.job("failed")
            log.info("A batch job failed", batch=batch.id, problem=str(error))
            return
        finally:
            self._context.creators.forget(batch)
        await self._forget_lines()

    def notice(self, status: str) -> None:
        if status == "cancelling":
            self._cancelled.set()

    def _paths(self) -> list[Path]:
        paths = [self._context.disk.path(self.batch.organization_id, id_) for id_ in self.batch.input_file_ids]
        for path, id_ in zip(paths, self.batch.input_file_ids, strict=True):
            if not path.is_file():
                raise JobFailed(f"The input file '{id_}' is gone")
        return paths

    def _lines(self) -> Iterator[InputLine]:
        return lines_of(self._paths(), self._context.most_line_bytes)

    def _count(self) -> int:
        """How many lines the input has. Raises JobFailed for none or too many."""
        most = self._context.most_lines
        total = sum(1 for _ in islice(self._lines(), most + 1))
        if not 0 < total <= most:
            raise JobFailed(
                "The input has no requests"
                if not total
                else f"The input has more than {most} lines, the most for a job"
            )
        return total

    async def _ask_all(self) -> Ending:
        """Ask every line that isn't recorded yet; returns why the job ends."""
        asking = asyncio.create_task(self._ask_lines())
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            while True:
                done, _ = await asyncio.wait(
                    {asking, cancelled}, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if asking in done:
                    asking.result()
                    return "cancelled" if self._cancelled.is_set() else "completed"
                if cancelled in done:
                    return "cancelled"
                if time.time() >= self.batch.expires_at:
                    return "expired"
        finally:
            for task in (asking, cancelled):
                task.cancel()
                with suppress(asyncio.CancelledError, LeaseLost, JobFailed):
                    await task

    async def _ask_lines(self) -> None:
        async with self._context.database.reading() as session:
            recorded = await batches.recorded_numbers(session, self.batch)
        seen: set[str] = set()
        running: set[asyncio.Task[None]] = set()
        try:
            async for place, line in self._read():
                number = place.number
                if line.custom_id is not None:
                    if line.custom_id in seen:
                        message = f"An earlier line has the same custom_id, '{line.custom_id[:100]}'"
                        line = LineProblem(line.custom_id, "duplicate_custom_id", message)
                    seen.add(line.custom_id or "")
                if number in recorded:
                    continue
                if isinstance(line, LineProblem):
                    name = results.line_name(self.batch.id, number)
                    message = self._placed(place, line.message)
                    result = results.not_asked(name, line.custom_id, code=line.code, message=message)
                    await self._record(number, result, failed=True, events=[])
                    continue
                started = asyncio.Event()
                running.add(asyncio.create_task(self._ask_in_turn(number, line, started)))
                await _first(started.wait(), running)  # the next line is read when this one has its turn
                for task in [task for task in running if task.done()]:
                    running.discard(task)
                    task.result()
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _placed(self, place: InputLine, message: str) -> str:
        """The message with the line's number and, if there are several, its file."""
        files = self.batch.input_file_ids
        return f"Line {place.line}{f' of {files[place.file]}' if len(files) > 1 else ''}: {message}"

    async def _read(self) -> AsyncIterator[tuple[InputLine, LineRequest | LineProblem]]:
        lines = await asyncio.to_thread(self._lines)
        batch = self.batch

        def next_lines() -> list[tuple[InputLine, LineRequest | LineProblem]]:
            return [
                (
                    place,
                    LineProblem(None, "line_too_long", f"The line has more than {self._context.most_line_bytes} bytes")
                    if place.data is None
                    else read_line(
                        place.data, endpoint=batch.endpoint, model=batch.model, needs_custom_id=batch.needs_custom_id
                    ),
                )
                for place in islice(lines, _READ_AT_ONCE)
            ]

        while chunk := await asyncio.to_thread(next_lines):
            for place, line in chunk:
                yield place, line

    async def _ask_in_turn(self, number: int, line: LineRequest, started: asyncio.Event) -> None:
        try:
            async with self._context.pace.turn():
                started.set()
                await self._ask(number, line)
        finally:
            started.set()

    async def _ask(self, number: int, line: LineRequest) -> None:
        """Ask one line, repeatedly if needed, and record its result."""
        context, name = self._context, results.line_name(self.batch.id, number)
        failures = refusals = 0
        while True:
            principal = await patiently(lambda: context.creators.of(self.batch), kind=_KIND)
            if principal is None:
                message = "The API key or account that created this job may no longer be used"
                result = results.not_asked(name, line.custom_id, code="creator_refused", message=message)
                await self._record(number, result, failed=True, events=[])
                return
            answer = await ask(
                context.app, replace(principal, batch_line=name), path=self.batch.endpoint, body=line.body
            )
            busy = answer.status == 503 or (
                answer.status == 429 and answer.code not in ("budget_exceeded", "quota_exceeded")
            )
            if busy:
                refusals += 1
                context.pace.refused()
            failures += answer.status >= 500 and not busy
            if not busy and (answer.status < 500 or failures >= _TRIES):
                break
            context.usage.dropped(context.usage.held.take(name))
            await asyncio.sleep(_wait(answer.retry_after, refusals + failures))
        context.pace.answered()
        request_id = answer.headers.get("x-request-id", name)
        result = results.answered(name, line.custom_id, status=answer.status, request_id=request_id, body=answer.body)
        await self._record(number, result, failed=answer.status != 200, events=context.usage.held.take(name))

    async def _record(self, number: int, result: str, *, failed: bool, events: list[UsageEvent]) -> None:
        """Record a line's result and its usage in one transaction. Raises LeaseLost, and then records nothing."""
        usages = [event.usage for event in events]
        total = Usage(
            sum(usage.prompt_tokens for usage in usages),
            sum(usage.completion_tokens for usage in usages),
            sum(usage.cached_tokens for usage in usages),
        )

        async def write() -> bool:
            async with self._context.database.writing() as session:
                recorded = await batches.record_line(
                    session,
                    self.batch,
                    self._context.owner,
                    number=number,
                    failed=failed,
                    result=result,
                    usage=total,
                )
                if recorded:
                    await self._context.usage.record(session, events)
            if recorded:
                self._context.usage.recorded(events)
            return recorded

        if not await _written(write):
            raise LeaseLost
        self._context.metrics.line(self.batch.endpoint, failed=failed)

    async def _finalize(self, ending: Ending) -> None:
        if self.batch.status != "finalizing":
            await self._advance(status="finalizing", finalizing_at=_now(), outcome=ending)
        context = self._context
        result_files = ResultFiles(context.database, context.disk, self.batch, keep_seconds=context.result_seconds)
        files = await result_files.write(self._unfinished(ending))
        output, errors = files
        values = {
            "status": ending,
            "ended_at": _now(),
            "output_file_id": output.id if output else None,
            "error_file_id": errors.id if errors else None,
            **NO_LEASE,
        }

        async def write() -> bool:
            async with self._context.database.writing() as session:
                if not await batches.QUEUE.change(session, self.batch, self._context.owner, values=values):
                    return False
                for row in files:
                    if row is not None:
                        await stored_files.add(session, row)
                return True

        if not await _written(write):
            raise LeaseLost
        self._context.metrics.job(ending)
        log.info("A batch job ended", batch=self.batch.id, status=ending)

    async def _unfinished(self, ending: Ending) -> AsyncIterator[str]:
        """The results of lines that were never asked."""
        if ending == "completed":
            return
        async with self._context.database.reading() as session:
            recorded = await batches.recorded_numbers(session, self.batch)
        code = "batch_cancelled" if ending == "cancelled" else "batch_expired"
        message = "The job was cancelled" if ending == "cancelled" else "The job's time was over"
        async for place, line in self._read():
            if place.number not in recorded:
                name = results.line_name(self.batch.id, place.number)
                yield results.not_asked(
                    name, line.custom_id, code=code, message=f"{message} before this line was asked"
                )

    async def _forget_lines(self) -> None:
        async def write() -> int:
            async with self._context.database.writing() as session:
                return await batches.forget_lines(session, self.batch, most=_FORGOTTEN_AT_ONCE)

        while await _written(write):
            pass

    async def _advance(self, **values: Any) -> None:
        async def write() -> bool:
            async with self._context.database.writing() as session:
                return await batches.QUEUE.change(session, self.batch, self._context.owner, values=values)

        if not await _written(write):
            raise LeaseLost


async def _written(work: Callable[[], Awaitable[T]]) -> T:
    """Run a transaction to its end: a cancellation waits for it, up to ``_LAST_SECONDS``."""
    task = asyncio.ensure_future(patiently(work, kind=_KIND))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_LAST_SECONDS)
        task.cancel()
        raise


async def _first(event: Awaitable[object], tasks: set[asyncio.Task[None]]) -> None:
    """Wait for the event, or for a task that fails."""
    waiting = asyncio.ensure_future(event)
    try:
        while not waiting.done() and not any(task.done() and task.exception() for task in tasks):
            await asyncio.wait({waiting, *(task for task in tasks if not task.done())}, return_when="FIRST_COMPLETED")
    finally:
        waiting.cancel()


def _wait(retry_after: float | None, tries: int) -> float:
    """Seconds until the next try, with jitter, so that many lines don't try at once."""
    return min(_MOST_WAIT_SECONDS, retry_after or 0.25 * 2 ** min(tries, 7)) * (0.75 + random.random() / 2)  # noqa: S311


def _now() -> int:
    return int(time.time())
