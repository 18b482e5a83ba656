"""The engine process's main thread: one step at a time across all loaded models.

It never waits for the disk or for a client: a second thread reads the socket, a
third loads models, and both put what the main thread is to do into its inbox.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from typing import TYPE_CHECKING, TypeVar

from aquilon.engine.framing import FrameTooLong
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import (
    CancelSequence,
    EngineStatistics,
    FromEngine,
    LoadModel,
    ModelState,
    SequenceFailed,
    SequenceRequest,
    StepFrame,
    ToEngine,
    UnloadModel,
)
from aquilon.engine.residents import Residents
from aquilon.engine.scheduler import SchedulerCounts
from aquilon.engine.validation import InvalidRequest

if TYPE_CHECKING:
    from aquilon.engine.constraints import Constraint
    from aquilon.engine.loading import LoadingPlan
    from aquilon.engine.model import LoadedModel

_HEARTBEAT_SECONDS = 1.0
_PROGRESS_SECONDS = 0.1

Result = TypeVar("Result")

log = logging.getLogger("aquilon.engine")


class EngineLoop:
    """``send`` sends a message to the client; it may raise FrameTooLong, and may block."""

    def __init__(self, options: EngineOptions, send: Callable[[FromEngine], None]) -> None:
        self._options = options
        self._send = send
        self._residents: Residents[LoadedModel] = Residents()
        self._past_counts = SchedulerCounts()
        self._turns: deque[str] = deque()
        """Names of models; the model that stepped last is at the end."""
        self._steps = 0
        self._progress_at = time.monotonic()
        """When the last step ended, or work began after a pause."""
        self._inbox: deque[Callable[[], None]] = deque()
        self._news = threading.Condition()
        self._stopping = False
        self._loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader")
        self._planned: list[LoadingPlan] = []
        """Loads that wait for memory."""
        self._limit: int | None = None
        """Bytes for all models together; known after the first load was planned."""

    def post(self, message: ToEngine) -> None:
        """Receive a client's message; safe from any thread. It takes effect between two steps."""
        self._post(lambda: self._receive(message))

    def stop(self) -> None:
        """End ``run`` after the current step; safe from any thread and from signal handlers."""
        self._stopping = True

    def run(self) -> None:
        """Handle messages, compute steps and send statistics until ``stop``."""
        heartbeat_at = 0.0
        while not self._stopping:
            now = time.monotonic()
            if now >= heartbeat_at:
                self._send(self._statistics(now))
                heartbeat_at = now + _HEARTBEAT_SECONDS
            self._read_inbox(patience=heartbeat_at - now)
            self._start_planned()
            for model in self._residents.pop_leaving():
                self._report_unloaded(model)
            self._step()

    def _post(self, action: Callable[[], None]) -> None:
        with self._news:
            self._inbox.append(action)
            self._news.notify()

    def _read_inbox(self, patience: float) -> None:
        """Run what the other threads put into the inbox; without work, wait for it up to ``patience`` seconds."""
        with self._news:
            if not self._inbox and not any(model.has_work for model in self._residents):
                self._news.wait(max(0.0, min(patience, _HEARTBEAT_SECONDS)))
                self._progress_at = time.monotonic()
        while self._inbox:
            self._inbox.popleft()()

    def _receive(self, message: ToEngine) -> None:
        match message:
            case SequenceRequest():
                self._add(message)
            case CancelSequence():
                for model in self._residents:
                    if outputs := model.cancel(message.id, message.index):
                        self._send(StepFrame(outputs))
            case LoadModel():
                self._load(message)
            case UnloadModel():
                if not self._residents.leave(message.name):
                    self._send(ModelState(name=message.name, state="unloaded"))

    # Sequences

    def _add(self, request: SequenceRequest) -> None:
        model = self._residents.get(request.model)
        if model is None:
            self._send(SequenceFailed(request.id, "unloaded", f"The model '{request.model}' is not loaded"))
            return
        try:
            if request.grammar is None:
                model.add(request)
            else:
                building = model.build_constraint(request)
                building.add_done_callback(lambda done: self._post(lambda: self._add_constrained(model, request, done)))
        except InvalidRequest as error:
            log.debug("Request %s is refused", request.id)
            self._send(SequenceFailed(request.id, "invalid", str(error)))
        else:
            log.debug("Request %s: %d prompt tokens, %d times", request.id, len(request.prompt_ids), request.n)

    def _add_constrained(self, model: LoadedModel, request: SequenceRequest, building: Future[Constraint]) -> None:
        """Add a request whose grammar is built, or refuse it where that failed."""
        if not model.take_awaited(request.id):
            return  # cancelled
        error = building.exception()
        if error is None:
            model.add(request, building.result())
            return
        if not isinstance(error, ValueError):
            log.error("Building the grammar of request %s failed", request.id, exc_info=error)
        self._send(SequenceFailed(request.id, "invalid", f"The grammar can't be followed: {error}"))

    def _step(self) -> None:
        """Compute a step of the model whose last step is longest ago."""
        for name in list(self._turns):
            self._turns.rotate(-1)
            model = next((model for model in self._residents if model.name == name), None)
            if model is None:
                self._turns.remove(name)
            elif model.has_work:
                self._step_model(model)
                return

    def _step_model(self, model: LoadedModel) -> None:
        try:
            result = model.step()
            if result.outputs:
                self._send(StepFrame(result.outputs))
            for failure in result.failures:
                self._send(failure)
        except FrameTooLong as error:
            self._fail_all(model, f"The answer cannot be sent: {error}")
        except Exception:
            log.exception("A step of %s failed; its requests: %s", model.name, ", ".join(model.request_ids()))
            self._fail_all(model, "The model failed while computing the answer")
        self._steps += 1
        self._progress_at = time.monotonic()

    def _fail_all(self, model: LoadedModel, message: str) -> None:
        for request_id in model.request_ids():
            model.cancel(request_id)
            self._send(SequenceFailed(request_id, "internal", message))

    # Models

    def _load(self, request: LoadModel) -> None:
        model = self._residents.stay(request.name)
        if model is not None:
            self._send(_ready(model))
            return
        self._send(ModelState(name=request.name, state="loading"))
        self._in_loader(request.name, lambda: _plan(request, self._options, self._limit), self._planned.append)

    def _start_planned(self) -> None:
        """Start the loads that fit in memory, in order of arrival."""
        while self._planned:
            plan = self._planned[0]
            self._limit = plan.limit
            free, removed = self._residents.reserve(plan.name, plan.least_memory, plan.limit)
            for model in removed:
                self._report_unloaded(model)
            if free is None:
                return
            self._planned.pop(0)
            self._start_loading(plan, free)

    def _start_loading(self, plan: LoadingPlan, free: int) -> None:
        log.info("Loading %s from %s", plan.name, plan.checkpoint.path)
        self._in_loader(plan.name, lambda: plan.load(free, self._progress_of(plan.name)), self._loaded)

    def _loaded(self, model: LoadedModel) -> None:
        self._residents.add(model)
        self._turns.append(model.name)
        self._send(_ready(model))
        log.info("Loaded %s: %d MB, %d tokens of context", model.name, model.memory >> 20, model.max_context)

    def _report_unloaded(self, model: LoadedModel) -> None:
        for field in fields(SchedulerCounts):
            past = getattr(self._past_counts, field.name)
            setattr(self._past_counts, field.name, past + getattr(model.scheduler.counts, field.name))
        self._send(ModelState(name=model.name, state="unloaded"))
        log.info("Unloaded %s", model.name)

    def _in_loader(self, name: str, work: Callable[[], Result], done: Callable[[Result], None]) -> None:
        """Run ``work`` for a model in the loader's thread, then ``done`` with its result in the main thread."""

        def report(future: Future[Result]) -> None:
            self._post(lambda: self._finish_loader_work(name, future, done))

        self._loader.submit(work).add_done_callback(report)

    def _finish_loader_work(self, name: str, future: Future[Result], done: Callable[[Result], None]) -> None:
        error = future.exception()
        if error is None:
            done(future.result())
            return
        log.error("%s cannot be loaded", name, exc_info=error)
        self._residents.release(name)
        self._send(ModelState(name=name, state="failed", detail=str(error) or type(error).__name__))

    def _progress_of(self, name: str) -> Callable[[float], None]:
        """A callback for the loader's thread; it reports the share read at most ten times a second."""
        reported_at = 0.0

        def progress(share: float) -> None:
            nonlocal reported_at
            if time.monotonic() - reported_at >= _PROGRESS_SECONDS:
                reported_at = time.monotonic()
                self._post(lambda: self._send(ModelState(name=name, state="loading", progress=share)))

        return progress

    # Reports

    def _statistics(self, now: float) -> EngineStatistics:
        schedulers = [model.scheduler for model in self._residents]
        counts = [self._past_counts, *(scheduler.counts for scheduler in schedulers)]
        busy = any(scheduler.has_work for scheduler in schedulers)
        return EngineStatistics(
            steps=self._steps,
            running=sum(len(scheduler.running) for scheduler in schedulers),
            waiting=sum(len(scheduler.waiting) for scheduler in schedulers),
            kv_cache_usage=max((scheduler.pool.usage for scheduler in schedulers), default=0.0),
            busy_since_last_step=now - self._progress_at if busy else 0.0,
            **{field.name: sum(getattr(count, field.name) for count in counts) for field in fields(SchedulerCounts)},
        )


def _ready(model: LoadedModel) -> ModelState:
    return ModelState(name=model.name, state="ready", progress=1.0, max_context=model.max_context, memory=model.memory)


def _plan(request: LoadModel, options: EngineOptions, limit: int | None) -> LoadingPlan:
    # torch takes a second to import; in the loader's thread it doesn't delay the main thread.
    from aquilon.engine.loading import plan_loading

    return plan_loading(request, options, limit)
