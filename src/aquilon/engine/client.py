"""The API process's side of an engine: load models, stream tokens, cancel.

Everything here runs on one event loop and imports no torch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Literal

import msgspec

from aquilon.engine.framing import FrameTooLong
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import (
    CancelSequence,
    EngineStatistics,
    FromEngine,
    LoadModel,
    ModelState,
    SequenceFailed,
    SequenceOutput,
    SequenceRequest,
    StepFrame,
    UnloadModel,
)
from aquilon.engine.stream import Stream, Unloaded
from aquilon.engine.supervisor import EngineProcess, Supervisor

MAX_TOKENS_BEHIND = 1024
"""A reader further behind the engine than this is cancelled."""

_RELOADS = 3
_SILENCE_SECONDS = 5.0
"""A process that says nothing for so long is not ready; it reports every second."""

ErrorKind = Literal["invalid", "unknown_model", "overloaded", "unavailable", "stopping", "internal"]

log = logging.getLogger("aquilon.engine")


class EngineError(Exception):
    """Why there is no answer; the message is for the person who sent the request.

    ``invalid``: the request cannot be answered as it is. ``unknown_model``: no model of that name is registered.
    ``overloaded``: the reader did not keep up. ``unavailable``: try again later (loading, restarting, no memory).
    ``stopping``: so is the server. ``internal``: the engine process ended or failed during the answer.
    """

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message


class Engine:
    """One engine process, its models and its requests.

    A process that dies or hangs is replaced, and its models are loaded again.
    """

    def __init__(
        self,
        options: EngineOptions | None = None,
        *,
        hang_seconds: float = 30.0,
        load_patience: float = 60.0,
    ) -> None:
        """``load_patience``: seconds that a request waits for its model before it fails as ``unavailable``."""
        self.options = options or EngineOptions()
        self.states: dict[str, ModelState] = {}
        self.ready_since: dict[str, float] = {}
        """When each model was last loaded, on `time.monotonic`'s clock."""
        self.statistics: EngineStatistics | None = None
        self._load_patience = load_patience
        self._hang_seconds = hang_seconds
        self._process: EngineProcess | None = None
        self._models: dict[str, LoadModel] = {}
        self._loads: dict[str, asyncio.Future[ModelState]] = {}
        self._unloads: dict[str, asyncio.Future[None]] = {}
        self._listeners: dict[str, list[Callable[[ModelState], None]]] = {}
        self._recovering: set[str] = set()
        self._failed_recoveries = 0
        self._streams: dict[str, Stream] = {}
        self._supervisor = Supervisor(
            self.options,
            hang_seconds=hang_seconds,
            is_busy=lambda: bool(self._loads) or any(stream.open for stream in self._streams.values()),
            on_up=self._on_up,
            on_message=self._on_message,
            on_down=self._on_down,
        )

    async def start(self) -> None:
        """Start the process; models are loaded by ``load`` or by the first request for a registered one."""
        await self._supervisor.start()

    async def stop(self) -> None:
        """End the process; unfinished requests fail as ``stopping``."""
        await self._supervisor.stop()
        self._process = None
        for stream in self._streams.values():
            stream.fail(EngineError("stopping", "The server is stopping"))
        for name in list(self._loads):
            self._fail_load(name, "The server is stopping")

    @property
    def ready(self) -> bool:
        """Whether the process works and, after a restart, has loaded all its models again."""
        process = self._running
        if process is None or self.statistics is None or self._recovering:
            return False
        if (self.states or self._loads) and not any(state.state == "ready" for state in self.states.values()):
            return False
        return time.monotonic() - process.heard_at < min(_SILENCE_SECONDS, self._hang_seconds / 2)

    def restarting(self, name: str) -> bool:
        """Whether the model waits for the process to start, or to load it again after a restart."""
        return self._running is None or name in self._recovering

    def running_requests(self, name: str) -> int:
        """How many requests the engine computes with this model now."""
        return sum(stream.open and stream.model == name for stream in self._streams.values())

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def register(self, name: str, path: Path | str) -> None:
        """Make a stored model known, so that its first request loads it."""
        self._models[name] = LoadModel(name, str(path))

    async def load(
        self, name: str, path: Path | str | None = None, on_progress: Callable[[ModelState], None] | None = None
    ) -> ModelState:
        """Load a model unless it is loaded; ``path`` may be left out for a registered one.

        Raises EngineError: ``unknown_model`` for a name without a path, ``unavailable`` when loading fails.
        """
        if path is not None:
            self.register(name, path)
        if name not in self._models:
            raise EngineError("unknown_model", f"The model '{name}' does not exist")
        state = self.states.get(name)
        if state is not None and state.state == "ready" and self._running is not None:
            return state
        if on_progress is not None:
            self._listeners.setdefault(name, []).append(on_progress)
        try:
            return await asyncio.shield(self._request_load(name))
        finally:
            if on_progress is not None:
                self._listeners[name].remove(on_progress)

    async def unload(self, name: str) -> None:
        """Take a model out of memory once it is idle, unless a request for it arrives first; it stays registered."""
        if self._process is None or name not in self.states:
            return
        future = self._unloads.get(name)
        if future is None:
            future = self._unloads[name] = asyncio.get_running_loop().create_future()
            self._process.send(UnloadModel(name))
        await asyncio.shield(future)

    def forget(self, name: str) -> None:
        """Undo ``register``; a loaded model stays in memory until ``unload``."""
        self._models.pop(name, None)

    async def generate(self, request: SequenceRequest) -> AsyncGenerator[SequenceOutput]:
        """Yield what each step adds, until all ``n`` continuations have finished.

        Closing the iterator cancels the request. Raises EngineError.
        """
        if request.id in self._streams:
            raise EngineError("invalid", f"A request with the id '{request.id}' is running")
        stream = Stream(request.model, request.n)
        self._streams[request.id] = stream
        try:
            for _ in range(_RELOADS):
                await self._wait_for_model(request.model)
                self._send_request(request)
                stream.open = True
                try:
                    while (output := await stream.next()) is not None:
                        yield output
                    return
                except Unloaded:
                    self.states.pop(request.model, None)
            raise EngineError(
                "unavailable", f"The model '{request.model}' is being loaded and unloaded: try again later"
            )
        finally:
            self._streams.pop(request.id, None)
            if stream.open and self._process is not None:
                self._process.send(CancelSequence(request.id))

    def cancel(self, request_id: str, index: int | None = None) -> None:
        """End one continuation, or all: outputs computed before still arrive, the last with ``cancelled``."""
        if self._process is not None and request_id in self._streams:
            self._process.send(CancelSequence(request_id, index))

    @property
    def _running(self) -> EngineProcess | None:
        """The process while it runs; None also when it has just ended and ``_on_down`` was not called yet."""
        return self._process if self._process is not None and self._process.running else None

    async def _wait_for_model(self, name: str) -> None:
        try:
            async with asyncio.timeout(self._load_patience):
                await self.load(name)
        except TimeoutError:
            raise EngineError("unavailable", f"The model '{name}' is still being loaded: try again later") from None

    def _send_request(self, request: SequenceRequest) -> None:
        assert self._process is not None
        try:
            self._process.send(request)
        except (FrameTooLong, OverflowError, msgspec.MsgspecError) as error:
            raise EngineError("invalid", f"The request cannot be passed to the engine: {error}") from error

    def _request_load(self, name: str) -> asyncio.Future[ModelState]:
        future = self._loads.get(name)
        if future is None:
            future = self._loads[name] = asyncio.get_running_loop().create_future()
            future.add_done_callback(_mark_retrieved)
            if self._running is not None:
                self._running.send(self._models[name])
        return future

    def _on_up(self, process: EngineProcess) -> None:
        self._process = process
        for name in [*self._recovering, *(name for name in self._loads if name not in self._recovering)]:
            process.send(self._models[name])

    def _on_down(self, reason: str) -> None:
        self._process = None
        self.statistics = None
        self._failed_recoveries = self._failed_recoveries + 1 if self._recovering else 0
        for name, state in list(self.states.items()):
            if state.state == "ready" and name in self._models:
                self._recovering.add(name)
            self.states[name] = ModelState(name=name, state="loading")
        if self._failed_recoveries >= _RELOADS:
            for name in self._recovering:
                self.states[name] = ModelState(
                    name=name, state="failed", detail=f"the engine process ended while loading it: {reason}"
                )
            self._recovering.clear()
        for unload in self._unloads.values():
            unload.set_result(None)
        self._unloads.clear()
        for name in [name for name in self._loads if name not in self._recovering]:
            self._fail_load(name, f"The engine process ended while loading '{name}': {reason}")
        for stream in self._streams.values():
            if stream.open:
                stream.fail(EngineError("internal", f"The engine process ended ({reason}); it is being restarted"))

    def _fail_load(self, name: str, message: str) -> None:
        future = self._loads.pop(name)
        if not future.done():
            future.set_exception(EngineError("unavailable", message))

    def _on_message(self, message: FromEngine) -> None:
        if isinstance(message, StepFrame):
            for output in message.outputs:
                self._on_output(output)
        elif isinstance(message, SequenceFailed):
            self._on_failed(message)
        elif isinstance(message, EngineStatistics):
            self.statistics = message
        else:
            self._on_model_state(message)

    def _on_output(self, output: SequenceOutput) -> None:
        stream = self._streams.get(output.id)
        if stream is None:
            return
        stream.put(output)
        if stream.tokens_behind > MAX_TOKENS_BEHIND and stream.open:
            log.warning("Request %s is cancelled: its reader is %d tokens behind", output.id, stream.tokens_behind)
            self.cancel(output.id)
            stream.fail(EngineError("overloaded", f"The reader fell more than {MAX_TOKENS_BEHIND} tokens behind"))

    def _on_failed(self, message: SequenceFailed) -> None:
        stream = self._streams.get(message.id)
        if stream is None:
            return
        if message.kind == "unloaded":
            stream.fail(Unloaded())
        else:
            stream.fail(EngineError(message.kind, message.message))

    def _on_model_state(self, state: ModelState) -> None:
        self.states[state.name] = state
        if state.state == "ready":
            self.ready_since[state.name] = time.monotonic()
        for listener in list(self._listeners.get(state.name, ())):
            listener(state)
        if state.state == "loading":
            return
        self._recovering.discard(state.name)
        unload = self._unloads.pop(state.name, None)
        if unload is not None:
            unload.set_result(None)
        if state.state == "unloaded":
            self.states.pop(state.name)
            return
        future = self._loads.pop(state.name, None)
        if future is None or future.done():
            return
        if state.state == "ready":
            future.set_result(state)
        else:
            future.set_exception(
                EngineError("unavailable", f"The model '{state.name}' cannot be loaded: {state.detail}")
            )


def _mark_retrieved(future: asyncio.Future[ModelState]) -> None:
    """Keep asyncio from logging the failure of a load that no request waits for any more."""
    if not future.cancelled():
        future.exception()
