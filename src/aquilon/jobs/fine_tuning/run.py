"""The work on one fine-tuning job, in the server process that holds its lease: validation, then training."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy.exc import DBAPIError

from aquilon.catalogue import store as models
from aquilon.catalogue.card import LocalModel
from aquilon.catalogue.catalogue import Catalogue
from aquilon.checkpoints.store import StoreError
from aquilon.errors import ApiError
from aquilon.jobs.files_on_disk import FilesOnDisk
from aquilon.jobs.fine_tuning import store
from aquilon.jobs.fine_tuning.following import EventsFile, Progress, progress_of
from aquilon.jobs.fine_tuning.hyperparameters import Hyperparameters, Method
from aquilon.jobs.fine_tuning.jobs import field_of
from aquilon.jobs.fine_tuning.preparing import Amount, Order, Source, Unusable, prepare_run
from aquilon.jobs.fine_tuning.process import TrainingProcess, end_former
from aquilon.jobs.fine_tuning.record import KIND, JobCancelled, JobRecord
from aquilon.jobs.fine_tuning.result import described, forget_run, keep_model, model_name, write_losses
from aquilon.jobs.fine_tuning.store import NewEvent
from aquilon.jobs.fine_tuning.tables import FineTuningJob
from aquilon.jobs.queue import NO_LEASE, LeaseLost
from aquilon.jobs.store import files as stored_files
from aquilon.jobs.waiting import patiently
from aquilon.log import get_logger
from aquilon.money.training_payment import TrainingPayment, TrainingPayments
from aquilon.people.permissions import require
from aquilon.storage import Database
from aquilon.training.protocol import UNUSABLE
from aquilon.wording import counted

Request = Literal["pause", "cancel"]

_REQUESTS: dict[str, Request] = {"pausing": "pause", "cancelling": "cancel"}

_FOLLOW_SECONDS = 0.5
_MOST_STARTS = 5
"""A process that ends so often without taking a step isn't started again."""
_PAUSE_SECONDS = 4.0
"""How long a server that stops waits for a process' checkpoint; then the run goes on from the one before."""
_MOST_DELAY = 30.0

log = get_logger("aquilon.fine_tuning")


class JobFailed(Exception):
    def __init__(self, message: str, *, code: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class _Paused(Exception):
    """The job waits until somebody resumes it."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What all runs of this server process share."""

    database: Database
    disk: FilesOnDisk
    catalogue: Catalogue
    payments: TrainingPayments
    owner: str
    """This process's id in leases."""
    runs_folder: Path
    models_folder: Path
    program: Sequence[str]
    """The training process; the run's folder follows as its argument."""
    most_memory: int | None
    """Bytes that a training process may use."""


class JobWork:
    def __init__(self, context: RunContext, job: FineTuningJob) -> None:
        self._context = context
        self.job = job
        self._record = JobRecord(context.database, context.owner, job)
        self._numbers = msgspec.convert(job.hyperparameters, type=Hyperparameters)
        self._method: Method = "dpo" if job.method == "dpo" else "supervised"
        self._folder = context.runs_folder / job.id
        self._events = EventsFile(self._folder, job.read_bytes)
        self._starts = job.starts
        self._asked: Request | None = _REQUESTS.get(job.status)
        self._is_asked = asyncio.Event()
        self._payment: TrainingPayment | None = None

    def notice(self, status: str) -> None:
        """Pause or end the work where the status says that somebody asked for that."""
        if (request := _REQUESTS.get(status)) is not None:
            self._asked = request
            self._is_asked.set()

    async def run(self) -> None:
        """Validate the job's files, or train until it ends or pauses. Raises LeaseLost.

        A run whose task is cancelled can be continued later.
        """
        try:
            await self._run_to_an_end()
        except (LeaseLost, asyncio.CancelledError):
            await asyncio.shield(self._forget_deleted())
            raise
        finally:
            if self._payment is not None:
                self._payment.release()

    async def _run_to_an_end(self) -> None:
        try:
            self._stop_if_asked()
            if self.job.status == "validating_files":
                await self._validate()
            else:
                await self._train()
        except _Paused:
            await self._end_paused()
        except JobCancelled:
            await self._end_cancelled()
        except JobFailed as error:
            await self._end_failed(error)

    def _stop_if_asked(self) -> None:
        if self._asked == "cancel":
            raise JobCancelled
        if self._asked == "pause":
            raise _Paused

    async def _validate(self) -> None:
        job = self.job
        amount = await self._prepared(await self._base())
        payment = await self._reserved(amount.trained_tokens)
        cost = payment.cost(amount.trained_tokens)
        payment.release()
        self._stop_if_asked()
        message = f"Files validated: {counted(amount.examples, 'example')}, {counted(amount.tokens, 'token')}"
        figures: dict[str, Any] = {
            "examples": amount.examples,
            "tokens": amount.tokens,
            "estimated_tokens": amount.trained_tokens,
        }
        await self._record.advance(
            [NewEvent.said("checked", message, **figures)],
            when=("validating_files",),
            status="queued" if job.auto_start else "validated",
            examples=amount.examples,
            tokens=amount.tokens,
            steps=amount.steps,
            estimated_tokens=amount.trained_tokens,
            estimated_cost=cost,
            **NO_LEASE,
        )

    async def _train(self) -> None:
        job = self.job
        self._payment = await self._reserved(job.estimated_tokens or 0)
        if job.started_at is None:
            await self._record.advance(
                [NewEvent.said("started", "Fine-tuning job started")], status="running", started_at=_now()
            )
        else:
            await self._record.advance(status="running")
        base = await self._base()
        models_here = self._context.catalogue.store
        assert models_here is not None
        try:
            with models_here.hold(base.stored_as):
                await self._prepared(base)
                await self._until_finished()
        except StoreError as error:
            raise JobFailed(str(error), code="model_not_available", field="model") from error

    async def _prepared(self, base: LocalModel) -> Amount:
        """The run's folder, checked. Raises JobFailed."""
        job = self.job
        order = Order(
            method=self._method,
            numbers=self._numbers,
            model=base.path,
            training=[self._source(file_id, training=True) for file_id in job.training_file_ids],
            validation=[self._source(file_id, training=False) for file_id in job.validation_file_ids],
            seed=job.seed,
        )
        try:
            return await prepare_run(self._folder, order)
        except Unusable as error:
            raise JobFailed(str(error), code=error.code, field=error.field) from None
        except OSError as error:
            message = f"The run's folder can't be written: {error.strerror or error}"
            raise JobFailed(message, code="run_not_writable") from error

    async def _until_finished(self) -> None:
        if (self._context.models_folder / self.job.id).is_dir():  # a server was killed between its move and its record
            await self._end_finished(self.job.trained_tokens)
            return
        delay = 1.0
        while True:
            self._stop_if_asked()
            if self._starts >= _MOST_STARTS:
                raise JobFailed(
                    f"The training process ended {_MOST_STARTS} times without taking a step", code="process_failed"
                )
            self._starts += 1
            await self._record.advance(starts=self._starts)
            process = await TrainingProcess.start(self._folder, self._context.program)
            code, progress = await self._follow(process)
            if progress.finished is not None:
                await self._end_finished(progress.finished.trained_tokens)
                return
            self._stop_if_asked()
            if progress.failed is not None and progress.failed.code != "internal_error":
                raise JobFailed(progress.failed.message, code=progress.failed.code)
            if code == UNUSABLE:
                raise JobFailed(f"The job can't be trained: {process.last_words()}", code="unusable_job")
            if progress.took_step:
                delay = 1.0
            why = f"signal {-code}" if code < 0 else f"exit code {code}: {process.last_words()[:500]}"
            log.warning("A training process ended, and is started again", job=self.job.id, why=why)
            message = f"The training process ended ({why}); it goes on from its last checkpoint"
            await self._record.advance([NewEvent.said("process_ended", message, level="warn")])
            await _first_of(self._is_asked, delay)
            delay = min(2 * delay, _MOST_DELAY)

    async def _follow(self, process: TrainingProcess) -> tuple[int, Progress]:
        """Record what the process reports until it ends; its exit code, and what it reported."""
        whole = Progress()
        ending = asyncio.create_task(process.wait())
        is_paused = False
        try:
            while True:
                self._is_asked.clear()
                asked = asyncio.create_task(self._is_asked.wait())
                await asyncio.wait({ending, asked}, timeout=_FOLLOW_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                asked.cancel()
                has_ended = ending.done()
                await self._take_in(whole)
                if has_ended:
                    return ending.result(), whole
                if self._asked == "cancel":
                    raise JobCancelled
                if self._asked == "pause" and not is_paused:
                    is_paused = True
                    process.pause()
                self._check_memory(process)
        except asyncio.CancelledError:  # the server stops
            process.pause()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(ending), _PAUSE_SECONDS)
            with suppress(DBAPIError, OSError, LeaseLost):
                await self._take_in(whole)
                await self._record.advance(starts=max(0, self._starts - 1))
            raise
        finally:
            await process.kill()
            await ending

    async def _take_in(self, whole: Progress) -> None:
        """Put what the process has reported since on record, in pieces of bounded size."""
        while events := await asyncio.to_thread(self._events.read):
            progress = progress_of(events)
            values = progress.values() | {"read_bytes": self._events.position}
            await self._record.advance(progress.rows, forget_after=progress.restarted_at, **values)
            if progress.took_step:
                whole.took_step, self._starts = True, 0
            whole.finished = progress.finished or whole.finished
            whole.failed = progress.failed or whole.failed

    def _check_memory(self, process: TrainingProcess) -> None:
        most = self._context.most_memory
        if most is not None and (used := process.memory()) > most:
            raise JobFailed(
                f"The training process uses {used:,} bytes of memory, and this server allows {most:,}: a smaller "
                "batch_size, shorter examples or a smaller model need less",
                code="out_of_memory",
            )

    async def _end_paused(self) -> None:
        await end_former(self._folder)
        await self._take_in(Progress())
        message = NewEvent.said("paused", "The job is paused")
        try:
            await self._record.advance([message], when=("pausing",), status="paused", **NO_LEASE)
        except JobCancelled:
            await self._end_cancelled()

    async def _end_finished(self, tokens: int) -> None:
        job, context = self.job, self._context
        metrics = await self._record.metrics()
        try:
            folder = await asyncio.to_thread(keep_model, self._folder, job, context.models_folder)
            losses = await asyncio.to_thread(write_losses, context.disk, job, metrics)
        except OSError as error:
            message = f"The trained model can't be kept: {error.strerror or error}"
            raise JobFailed(message, code="result_not_writable") from error
        payment = self._payment
        assert payment is not None
        name = model_name(job, payment.principal.organization_name)
        message = f"The job has successfully completed; new fine-tuned model created: {name}"

        async def write() -> bool:
            async with context.database.writing() as session:
                ended = await store.advance(
                    session,
                    job,
                    context.owner,
                    when=("running", "pausing"),
                    status="succeeded",
                    ended_at=_now(),
                    trained_tokens=tokens,
                    cost=payment.cost(tokens),
                    fine_tuned_model=name,
                    result_file_id=losses.id,
                    **NO_LEASE,
                )
                if ended:
                    await stored_files.add(session, losses)
                    await models.add_fine_tuned_model(session, described(job, name, folder))
                    await self._pay(session, name, tokens, "completed")
                    await store.add_events(session, job, [NewEvent.said("finished", message, model=name)])
                return ended

        if not await patiently(write, kind=KIND):
            await asyncio.to_thread(context.disk.remove, job.organization_id, losses.id)
            payment.undo()
            self._payment = None
            await self._end_cancelled(folder)
            return
        payment.committed()
        await asyncio.to_thread(forget_run, self._folder)
        log.info("A fine-tuning job has ended", job=job.id, status="succeeded", model=name)

    async def _end_cancelled(self, model: Path | None = None) -> None:
        """Keep nothing; what was trained on until now is paid. Raises LeaseLost."""
        job, context = self.job, self._context
        await end_former(self._folder, patience=0)
        current = await self._record.current()
        tokens = 0 if current is None else current.trained_tokens
        if self._payment is None and tokens:
            with suppress(JobFailed):  # who may no longer pay
                self._payment = await self._reserved(tokens)
        payment = self._payment if tokens else None
        name = model_name(job, payment.principal.organization_name) if payment is not None else ""

        async def write() -> bool:
            async with context.database.writing() as session:
                ended = await store.advance(
                    session,
                    job,
                    context.owner,
                    when=("cancelling",),
                    status="cancelled",
                    ended_at=_now(),
                    cost=0 if payment is None else payment.cost(tokens),
                    **NO_LEASE,
                )
                if ended:
                    await store.add_events(session, job, [NewEvent.said("cancelled", "The job is cancelled")])
                    if payment is not None:
                        await self._pay(session, name, tokens, "cancelled")
                return ended

        if not await patiently(write, kind=KIND):
            if payment is not None:
                payment.undo()
            raise LeaseLost
        if payment is not None:
            payment.committed()
        await asyncio.to_thread(forget_run, self._folder)
        if model is not None:
            await asyncio.to_thread(forget_run, model)
        log.info("A fine-tuning job has ended", job=job.id, status="cancelled")

    async def _end_failed(self, error: JobFailed) -> None:
        """A failed job costs nothing. Raises LeaseLost."""
        await self._record.advance(
            [NewEvent.said(error.code, str(error), level="error")],
            status="failed",
            problem=str(error),
            problem_code=error.code,
            problem_field=error.field,
            ended_at=_now(),
            cost=0,
            **NO_LEASE,
        )
        await asyncio.to_thread(forget_run, self._folder)
        log.info("A fine-tuning job has ended", job=self.job.id, status="failed", problem=str(error))

    async def _forget_deleted(self) -> None:
        """Delete the run of a job that was deleted, as with its creator's account."""
        with suppress(DBAPIError, OSError):
            if await self._record.current() is None:
                await asyncio.to_thread(forget_run, self._folder)

    async def _pay(self, session: Any, model: str, tokens: int, outcome: Literal["completed", "cancelled"]) -> None:
        assert self._payment is not None
        seconds = max(0, _now() - (self.job.started_at or _now()))
        await self._payment.record(session, self.job.id, model, tokens=tokens, seconds=seconds, outcome=outcome)

    async def _reserved(self, tokens: int) -> TrainingPayment:
        """The price of so many tokens, reserved for the job's creator. Raises JobFailed."""
        principal = await self._record.creator()
        if principal is None:
            raise JobFailed(
                "The API key or account that created this job may no longer be used", code="creator_refused"
            )
        try:
            require(principal, "fine_tuning.use", principal.workspace_role)
            payments, base = self._context.payments, self.job.base
            return await patiently(lambda: payments.open(principal, base, tokens=tokens), kind=KIND)
        except ApiError as error:
            raise JobFailed(error.message, code=error.code or error.type) from None

    async def _base(self) -> LocalModel:
        await self._context.catalogue.refresh()
        try:
            return self._context.catalogue.named(self.job.base)
        except ApiError:
            message = f"The model '{self.job.base}' isn't on this server any more"
            raise JobFailed(message, code="model_not_available", field="model") from None

    def _source(self, file_id: str, *, training: bool) -> Source:
        path = self._context.disk.path(self.job.organization_id, file_id)
        return Source(file_id=file_id, path=path, field=field_of(self.job.contract, training=training))


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def _now() -> int:
    return int(time.time())
