"""Starts the embedding process when it is needed, asks it questions, and ends it when it is idle."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TypeVar

import msgspec

from aquilon.embeddings.protocol import LENGTH_BYTES, Failed, FromWorker, ToWorker, packed
from aquilon.log import get_logger

IDLE_SECONDS = 300.0
ANSWER_SECONDS = 120.0
"""The longest wait for an answer: then the process is killed."""

MOST_WAITING = 256
"""Questions in the queue. Each keeps its texts in memory."""

log = get_logger("aquilon.embeddings")

A = TypeVar("A", bound=FromWorker)


class EmbeddingError(RuntimeError):
    """The process gave no answer; the message says why."""


class TooManyWaiting(RuntimeError):
    """The queue is full."""


class EmbeddingProcess:
    """Answers one question after the other, in the order in which they were asked."""

    def __init__(
        self,
        *,
        idle_seconds: float = IDLE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._idle_seconds = idle_seconds
        self._most_waiting = most_waiting
        self._waiting = 0
        self._answer_seconds = answer_seconds
        self._decoder: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def ask(self, question: ToWorker, kind: type[A]) -> A:
        """Raises EmbeddingError, TooManyWaiting. If the caller is cancelled, the answer is computed and dropped."""
        if self._waiting >= self._most_waiting:
            raise TooManyWaiting
        return await asyncio.shield(asyncio.create_task(self._ask(question, kind)))

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._process is not None:
            await self._end(self._process)

    async def _ask(self, question: ToWorker, kind: type[A]) -> A:
        self._waiting += 1
        try:
            return await self._ask_in_turn(question, kind)
        finally:
            self._waiting -= 1

    async def _ask_in_turn(self, question: ToWorker, kind: type[A]) -> A:
        async with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            process = self._process
            if process is None or process.returncode is not None:
                process = self._process = await self._start()
            try:
                async with asyncio.timeout(self._answer_seconds):
                    answer = await self._exchange(process, question)
            except TimeoutError:
                await self._end(process)
                raise EmbeddingError(f"the embedding process gave no answer in {self._answer_seconds:g} s") from None
            except (OSError, EOFError, msgspec.MsgspecError):
                await self._end(process)
                raise EmbeddingError(f"the embedding process {_ending(process.returncode)}") from None
            finally:
                self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._let_idle_end)
        if isinstance(answer, Failed):
            raise EmbeddingError(answer.message)
        assert isinstance(answer, kind)
        return answer

    async def _exchange(self, process: asyncio.subprocess.Process, question: ToWorker) -> FromWorker:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(packed(question))
        await process.stdin.drain()
        head = await process.stdout.readexactly(LENGTH_BYTES)
        return self._decoder.decode(await process.stdout.readexactly(int.from_bytes(head, "big")))

    async def _start(self) -> asyncio.subprocess.Process:
        threads = str(max(1, len(os.sched_getaffinity(0)) // 2)) if hasattr(os, "sched_getaffinity") else "1"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "aquilon.embeddings.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C at the terminal goes to the server only, which then ends this process
            env=os.environ | {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "passive"},
        )
        log.info("The embedding process is started", pid=process.pid)
        return process

    def _let_idle_end(self) -> None:
        """Close the standard input of a process without questions: then it ends by itself."""
        if self._process is not None and not self._turn.locked() and self._process.stdin is not None:
            self._process.stdin.close()
            self._process = None

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if self._process is process:
            self._process = None
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
        await process.wait()


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
