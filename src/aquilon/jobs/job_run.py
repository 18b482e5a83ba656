"""One batch job from its first line to its result files, in whichever process holds its lease."""

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

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.types import ASGIApp

from aquilon.jobs import results
from aquilon.jobs.asking import ask
from aquilon.jobs.creators import Creators
from aquilon.jobs.endpoints import LineProblem, LineRequest, lines_of, read_line
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.metrics import JobMetrics
from aquilon.jobs.pace import Pace
from aquilon.jobs.result_files import ResultFiles
from aquilon.jobs.store import batches
from aquilon.jobs.store import files as stored_files
from aquilon.jobs.tables import Batch
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.money.usage_writer import UsageWriter
from aquilon.storage import Database

T = TypeVar("T")
Ending = Literal["completed", "cancelled", "expired"]

_READ_AT_ONCE = 64
_TRIES = 3
"""Of a line that the server fails at."""
_MOST_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 1.0
"""How soon a job that has run out of time is ended; by the wall clock, which may jump."""
_FORGOTTEN_AT_ONCE = 500
_LAST_SECONDS = 3.0

log = structlog.get_logger("aquilon.jobs")


class LeaseLost(Exception):
    """Another process works on the job now: nothing more is recorded here."""


class JobFailed(Exception):
    """The job as a whole can't be done; the message says why."""


@dataclass(frozen=True)
class JobHouse:
    """What every job's run works with."""

    app: ASGIApp
    database: Database
    disk: FilesOnDisk
    usage: UsageWriter
    pace: Pace
    creators: Creators
    metrics: JobMetrics
    owner: str
    """This process, in leases."""
    result_seconds: int
    most_lines: int
    most_line_bytes: int


class JobRun:
    def __init__(self, house: JobHouse, batch: Batch) -> None:
        self._house = house
        self.batch = batch
        self.cancelled = asyncio.Event()
        """Set when somebody asked for the job's cancellation."""

    async def run(self) -> None:
        """Until the job has ended. Raises LeaseLost; cancelled, the job goes on later where it was."""
        batch = self.batch
        if batch.status == "cancelling":
            self.cancelled.set()
        try:
            if batch.status == "finalizing":
                await self._finalize(cast(Ending, batch.outcome))
            else:
                if not batch.total:
                    total = await asyncio.to_thread(self._count)
                    await self._advance(status=batches.BEGUN, in_progress_at=_now(), total=total)
                await self._finalize(await self._ask_all())
        except JobFailed as error:
            await self._advance(status="failed", problem=str(error), ended_at=_now(), lease_owner=None)
            self._house.metrics.job("failed")
            log.info("A batch job failed", batch=batch.id, problem=str(error))
            return
        finally:
            self._house.creators.forget(batch)
        await self._forget_lines()

    def _paths(self) -> list[Path]:
        paths = [self._house.disk.path(self.batch.organization_id, id_) for id_ in self.batch.input_file_ids]
        for path, id_ in zip(paths, self.batch.input_file_ids, strict=True):
            if not path.is_file():
                raise JobFailed(f"The input file '{id_}' is gone")
        return paths

    def _lines(self) -> Iterator[tuple[int, bytes | None]]:
        return lines_of(self._paths(), self._house.most_line_bytes)

    def _count(self) -> int:
        """Raises JobFailed for a file of too many lines, or of none."""
        most = self._house.most_lines
        total = sum(1 for _ in islice(self._lines(), most + 1))
        if not 0 < total <= most:
            raise JobFailed(
                "The input has no requests"
                if not total
                else f"The input has more than {most} lines, the most for a job"
            )
        return total

    async def _ask_all(self) -> Ending:
        """Every line that isn't on record yet."""
        asking = asyncio.create_task(self._ask_lines())
        cancelled = asyncio.create_task(self.cancelled.wait())
        try:
            while True:
                done, _ = await asyncio.wait(
                    {asking, cancelled}, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if asking in done:
                    asking.result()
                    return "cancelled" if self.cancelled.is_set() else "completed"
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
        async with self._house.database.reading() as session:
            recorded = await batches.recorded_numbers(session, self.batch)
        seen: set[str] = set()
        running: set[asyncio.Task[None]] = set()
        try:
            async for number, line in self._read():
                if line.custom_id is not None:
                    if line.custom_id in seen:
                        message = f"There is a line before with the custom_id '{line.custom_id[:100]}'"
                        line = LineProblem(line.custom_id, "duplicate_custom_id", message)
                    seen.add(line.custom_id or "")
                if number in recorded:
                    continue
                if isinstance(line, LineProblem):
                    name = results.line_name(self.batch.id, number)
                    result = results.not_asked(name, line.custom_id, line.code, line.message)
                    await self._record(number, result, failed=True, events=[])
                    continue
                started = asyncio.Event()
                running.add(asyncio.create_task(self._ask_in_turn(number, line, started)))
                await _first(started.wait(), running)  # no more lines are read than there are turns
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

    async def _read(self) -> AsyncIterator[tuple[int, LineRequest | LineProblem]]:
        lines = await asyncio.to_thread(self._lines)
        batch = self.batch

        def some() -> list[tuple[int, LineRequest | LineProblem]]:
            return [
                (
                    number,
                    LineProblem(None, "line_too_long", f"The line has more than {self._house.most_line_bytes} bytes")
                    if data is None
                    else read_line(
                        data, endpoint=batch.endpoint, model=batch.model, needs_custom_id=batch.needs_custom_id
                    ),
                )
                for number, data in islice(lines, _READ_AT_ONCE)
            ]

        while found := await asyncio.to_thread(some):
            for each in found:
                yield each

    async def _ask_in_turn(self, number: int, line: LineRequest, started: asyncio.Event) -> None:
        try:
            async with self._house.pace.turn():
                started.set()
                await self._ask(number, line)
        finally:
            started.set()

    async def _ask(self, number: int, line: LineRequest) -> None:
        """One line, as often as it takes: it ends on record."""
        house, name = self._house, results.line_name(self.batch.id, number)
        failures = refusals = 0
        while True:
            principal = await _patiently(lambda: house.creators.of(self.batch))
            if principal is None:
                message = "The API key or account that made this job may no longer be used"
                result = results.not_asked(name, line.custom_id, "creator_refused", message)
                await self._record(number, result, failed=True, events=[])
                return
            answer = await ask(house.app, self.batch.endpoint, line.body, replace(principal, batch_line=name))
            busy = answer.status == 503 or (answer.status == 429 and answer.code != "budget_exceeded")
            if busy:
                refusals += 1
                house.pace.refused()
            failures += answer.status >= 500 and not busy
            if not busy and (answer.status < 500 or failures >= _TRIES):
                break
            house.usage.dropped(house.usage.held.take(name))
            await asyncio.sleep(_wait(answer.retry_after, refusals + failures))
        house.pace.answered()
        request_id = answer.headers.get("x-request-id", name)
        result = results.answered(name, line.custom_id, answer.status, request_id, answer.body)
        await self._record(number, result, failed=answer.status != 200, events=house.usage.held.take(name))

    async def _record(self, number: int, result: str, *, failed: bool, events: list[UsageEvent]) -> None:
        """The line's result and what it used, in one transaction. Raises LeaseLost, and then nothing is kept."""
        used = [event.usage for event in events]
        total = Usage(
            sum(each.prompt_tokens for each in used),
            sum(each.completion_tokens for each in used),
            sum(each.cached_tokens for each in used),
        )

        async def write() -> bool:
            async with self._house.database.writing() as session:
                kept = await batches.record_line(
                    session,
                    self.batch,
                    self._house.owner,
                    number=number,
                    failed=failed,
                    result=result,
                    usage=total,
                )
                if kept:
                    await self._house.usage.record(session, events)
            if kept:
                self._house.usage.recorded(events)
            return kept

        if not await _written(write):
            raise LeaseLost
        self._house.metrics.line(self.batch.endpoint, failed=failed)

    async def _finalize(self, ending: Ending) -> None:
        if self.batch.status != "finalizing":
            await self._advance(status="finalizing", finalizing_at=_now(), outcome=ending)
        made = ResultFiles(self._house.database, self._house.disk, self.batch, self._house.result_seconds)
        files = await made.write(self._unfinished(ending))
        output, errors = files
        values = {
            "status": ending,
            "ended_at": _now(),
            "output_file_id": output.id if output else None,
            "error_file_id": errors.id if errors else None,
            "lease_owner": None,
        }

        async def write() -> bool:
            async with self._house.database.writing() as session:
                if not await batches.advance(session, self.batch, self._house.owner, **values):
                    return False
                for row in files:
                    if row is not None:
                        await stored_files.add(session, row)
                return True

        if not await _written(write):
            raise LeaseLost
        self._house.metrics.job(ending)
        log.info("A batch job ended", batch=self.batch.id, status=ending)

    async def _unfinished(self, ending: Ending) -> AsyncIterator[str]:
        """Error lines for what was never asked."""
        if ending == "completed":
            return
        async with self._house.database.reading() as session:
            recorded = await batches.recorded_numbers(session, self.batch)
        code = "batch_cancelled" if ending == "cancelled" else "batch_expired"
        message = "The job was cancelled" if ending == "cancelled" else "The job's time was over"
        async for number, line in self._read():
            if number not in recorded:
                name = results.line_name(self.batch.id, number)
                yield results.not_asked(name, line.custom_id, code, f"{message} before this line was asked")

    async def _forget_lines(self) -> None:
        async def write() -> int:
            async with self._house.database.writing() as session:
                return await batches.forget_lines(session, self.batch, most=_FORGOTTEN_AT_ONCE)

        while await _written(write):
            pass

    async def _advance(self, **values: Any) -> None:
        async def write() -> bool:
            async with self._house.database.writing() as session:
                return await batches.advance(session, self.batch, self._house.owner, **values)

        if not await _written(write):
            raise LeaseLost


async def _written(work: Callable[[], Awaitable[T]]) -> T:
    """A transaction that is never left half done: a cancellation waits for it, if not for ever."""
    task = asyncio.ensure_future(_patiently(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_LAST_SECONDS)
        task.cancel()
        raise


async def _patiently(work: Callable[[], Awaitable[T]]) -> T:
    """What needs the database, until it can be had: a job waits, nothing is lost."""
    delay = 0.2
    while True:
        try:
            return await work()
        except (DBAPIError, OSError) as error:
            log.warning("A batch job waits for the database", error=str(error))
        await asyncio.sleep(delay)
        delay = min(delay * 2, 5.0)


async def _first(event: Awaitable[object], tasks: set[asyncio.Task[None]]) -> None:
    """Wait for the event, or for a task that fails."""
    waiting = asyncio.ensure_future(event)
    try:
        while not waiting.done() and not any(task.done() and task.exception() for task in tasks):
            await asyncio.wait({waiting, *(task for task in tasks if not task.done())}, return_when="FIRST_COMPLETED")
    finally:
        waiting.cancel()


def _wait(asked: float | None, tries: int) -> float:
    """Seconds until the next try, never the same for many lines at once."""
    return min(_MOST_WAIT_SECONDS, asked or 0.25 * 2 ** min(tries, 7)) * (0.75 + random.random() / 2)  # noqa: S311


def _now() -> int:
    return int(time.time())
