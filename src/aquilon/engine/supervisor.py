"""Keep an engine process running: start it, watch it, kill it when it hangs, start the next.

The two processes share a socket pair: no path stays behind, and each notices at
once when the other ends.
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

import msgspec

from aquilon.engine.framing import BrokenFrame, FrameDecoder, encode_frame
from aquilon.engine.options import EngineOptions
from aquilon.engine.protocol import EngineStatistics, FromEngine, ToEngine

_FIRST_DELAY = 0.25
_LONGEST_DELAY = 30.0
_STABLE_SECONDS = 10.0
_STOP_SECONDS = 3.0
_SILENT_TICKS = 2
"""Ticks without a sign of life that make a hang: after the first, this process may still read what has arrived."""

log = logging.getLogger("aquilon.engine")


class _Connection(asyncio.Protocol):
    """The API process's end of the socket: passes on what the engine process sends."""

    def __init__(self, on_message: Callable[[FromEngine], None]) -> None:
        self._on_message = on_message
        self._frames: FrameDecoder[FromEngine] = FrameDecoder(FromEngine)
        self.lost = asyncio.Event()
        """Set when the socket is closed, or something arrived that is not a message."""
        self.heard_at = time.monotonic()

    def data_received(self, data: bytes) -> None:
        if self.lost.is_set():
            return
        self.heard_at = time.monotonic()
        try:
            for message in self._frames.feed(data):
                if isinstance(message, EngineStatistics):
                    self.heard_at = time.monotonic() - message.busy_since_last_step
                self._on_message(message)
        except BrokenFrame:
            log.exception("The engine process sent something that is not a message")
            self.lost.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()


class EngineProcess:
    """A running engine process and the connection to it; ``start`` makes one."""

    def __init__(
        self, process: asyncio.subprocess.Process, transport: asyncio.WriteTransport, connection: _Connection
    ) -> None:
        self._process = process
        self._transport = transport
        self._connection = connection
        self.started_at = time.monotonic()

    @classmethod
    async def start(cls, options: EngineOptions, on_message: Callable[[FromEngine], None]) -> EngineProcess:
        """Start a process; raises OSError where that is impossible."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        with theirs:
            transport, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(on_message), sock=ours
            )
            try:
                process = await asyncio.create_subprocess_exec(
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
            except BaseException:
                transport.close()
                raise
        return cls(process, transport, connection)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def heard_at(self) -> float:
        """When the process last showed that it works, on the monotonic clock."""
        return self._connection.heard_at

    @property
    def running(self) -> bool:
        """Whether the process can take messages."""
        return self._process.returncode is None and not self._connection.lost.is_set()

    def send(self, message: ToEngine) -> None:
        """Raises FrameTooLong, or OverflowError for a number that MessagePack cannot hold."""
        frame = encode_frame(message)
        if not self._connection.lost.is_set():
            self._transport.write(frame)

    def kill(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Close the socket, which ends the process, and kill it if that takes too long."""
        self._transport.close()
        await self._exit_status()

    async def wait(self) -> int:
        """Wait until the process ends or loses its connection, then end it; returns the status as subprocess does."""
        await self._connection.lost.wait()
        self._transport.close()
        return await self._exit_status()

    async def _exit_status(self) -> int:
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
    gets the reason, as text for people, after it has ended.
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
        """Wait until the process has ended; returns why. A process that hangs is killed."""
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
