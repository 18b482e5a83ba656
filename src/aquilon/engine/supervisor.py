"""One engine process after another: start it, watch it, kill it when it hangs, start the next.

The two processes share a socket pair, so there is no path to leave behind, and
each sees the other's end at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import cast

import msgspec

from aquilon.engine.framing import BrokenFrame, FrameDecoder, encode_frame
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import EngineStatistics, FromEngine, ToEngine

_FIRST_DELAY = 0.25
_LONGEST_DELAY = 30.0
_STABLE_SECONDS = 10.0
_STOP_SECONDS = 3.0
_SILENT_TICKS = 2
"""One look may come before what this process, put aside itself, has not read yet."""

log = logging.getLogger("aquilon.engine")


class EngineProcess(asyncio.Protocol):
    """One life of the engine process, and our end of its socket."""

    def __init__(self, on_message: Callable[[FromEngine], None]) -> None:
        self._on_message = on_message
        self._frames: FrameDecoder[FromEngine] = FrameDecoder(FromEngine)
        self._transport: asyncio.WriteTransport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._lost = asyncio.Event()
        self.started_at = time.monotonic()
        self.heard_at = time.monotonic()
        """When the process last showed that it works, on the monotonic clock."""

    @classmethod
    async def start(cls, options: EngineOptions, on_message: Callable[[FromEngine], None]) -> EngineProcess:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        engine = cls(on_message)
        with theirs:
            engine._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "aquilon.engine.process",
                "--socket-fd",
                str(theirs.fileno()),
                "--options",
                msgspec.json.encode(options).decode(),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
            )
        ours.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: engine, sock=ours)
        return engine

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None and not self._lost.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's own class is not a subclass of it

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        try:
            for message in self._frames.feed(data):
                if isinstance(message, EngineStatistics):
                    self.heard_at = time.monotonic() - message.busy_since_last_step
                self._on_message(message)
        except BrokenFrame:
            log.exception("The engine process sent what is not a message")
            self.kill()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost.set()

    def send(self, message: ToEngine) -> None:
        """Raises FrameTooLong, or OverflowError for a number that MessagePack cannot hold."""
        frame = encode_frame(message)
        if self._transport is not None and not self._lost.is_set():
            self._transport.write(frame)

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Close the socket, which ends the process, and kill it if that takes too long."""
        assert self._process is not None
        if self._transport is not None:
            self._transport.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()

    async def wait(self) -> int:
        """The exit status, as subprocess gives it; a process that closed its socket is ended first."""
        assert self._process is not None
        await self._lost.wait()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                return await self._process.wait()
        except TimeoutError:
            self.kill()
            return await self._process.wait()


class Supervisor:
    """Keeps one engine process running until ``stop``.

    ``is_busy`` says whether work is queued: only then is silence a hang.
    ``on_up`` gets each new process before anything is sent to it; ``on_down``
    gets the reason, in words, after it has ended.
    """

    def __init__(
        self,
        options: EngineOptions,
        *,
        hang_seconds: float,
        is_busy: Callable[[], bool],
        on_up: Callable[[EngineProcess], None],
        on_message: Callable[[FromEngine], None],
        on_down: Callable[[str], None],
    ) -> None:
        self._options = options
        self._hang_seconds = hang_seconds
        self._is_busy = is_busy
        self._on_up = on_up
        self._on_message = on_message
        self._on_down = on_down
        self._process: EngineProcess | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the first process; raises OSError where that is impossible."""
        process = await self._launch()
        self._task = asyncio.create_task(self._keep_running(process), name="engine supervisor")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._process is not None:
            process, self._process = self._process, None
            await process.stop()

    async def _launch(self) -> EngineProcess:
        self._process = await EngineProcess.start(self._options, self._on_message)
        self._on_up(self._process)
        return self._process

    async def _keep_running(self, process: EngineProcess) -> None:
        delay = _FIRST_DELAY
        while True:
            reason = await self._watch(process)
            log.error("The engine process %d ended: %s", process.pid, reason)
            self._on_down(reason)
            lived = time.monotonic() - process.started_at
            delay = _FIRST_DELAY if lived > _STABLE_SECONDS else min(delay * 2, _LONGEST_DELAY)
            await asyncio.sleep(delay)
            while True:
                try:
                    process = await self._launch()
                    break
                except OSError as error:
                    log.error("The engine process does not start: %s", error)
                    delay = min(delay * 2, _LONGEST_DELAY)
                    await asyncio.sleep(delay)
            log.info("The engine process is now %d", process.pid)

    async def _watch(self, process: EngineProcess) -> str:
        """Return when the process has ended, saying why; a hung one is killed."""
        ended = asyncio.create_task(process.wait())
        silent_ticks = 0
        busy_since: float | None = None
        tick = min(1.0, self._hang_seconds / 4)
        try:
            while True:
                done, _ = await asyncio.wait({ended}, timeout=tick)
                if done:
                    if silent_ticks >= _SILENT_TICKS:
                        return f"no step for {self._hang_seconds:g} seconds"
                    return _describe(ended.result())
                now = time.monotonic()
                if not self._is_busy():
                    busy_since = None
                elif busy_since is None:
                    busy_since = now
                silent = busy_since is not None and now - max(busy_since, process.heard_at) > self._hang_seconds
                silent_ticks = silent_ticks + 1 if silent else 0
                if silent_ticks == _SILENT_TICKS:
                    process.kill()
        finally:
            ended.cancel()


def _describe(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"ended by signal {signal.Signals(-status).name}"
    return f"exit status {status}"
