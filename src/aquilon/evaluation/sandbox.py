"""Runs a Python program that a model wrote, in a process that can do little.

The program gets no environment and no terminal, a temporary folder, and limits on processor time,
time, memory and what it writes. It has no network, no sight of other processes and of other files than
Python's own where the system allows a process to give these up (`Isolation` says what it allowed).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from aquilon.evaluation.sandbox_process import PROGRAM, Cell, Isolation

_TAIL_BYTES = 4_000
_CLOSING_SECONDS = 2.0
"""How long output is read after the end: a process that got away may keep it open."""
_WRITTEN_BYTES = 16 * 2**20
_ENVIRONMENT = ("LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH")
"""For the process that sets the limits; the program itself gets none of them."""


class Ran(msgspec.Struct, frozen=True):
    """How a program ended."""

    passed: bool
    """Whether it came to its end."""
    reason: str
    """Why not: its last words, or the limit that it met."""
    isolation: Isolation


async def run_program(source: str, *, seconds: int, memory: int) -> Ran:
    """Run a program: at most ``seconds`` of processor time, thrice as many in all, and ``memory`` bytes.

    When it returns, or is cancelled, the program and all that it started have ended.
    """
    end = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="aquilon-sandbox-") as name:
        cell = Cell(folder=name, cpu_seconds=seconds, memory_bytes=memory, written_bytes=_WRITTEN_BYTES)
        _write(Path(name), f"{source}\nprint()\nprint({end!r}, flush=True)\n")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "aquilon.evaluation.sandbox_process", msgspec.json.encode(cell).decode()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={variable: os.environ[variable] for variable in _ENVIRONMENT if variable in os.environ},
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        streams = [_Ends(process.stdout), _Ends(process.stderr)]
        readers = [asyncio.create_task(stream.read()) for stream in streams]
        in_time = False
        try:
            async with asyncio.timeout(3 * seconds):
                await process.wait()
                in_time = True
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await asyncio.wait(readers, timeout=_CLOSING_SECONDS)
            for reader in readers:
                reader.cancel()
        (first, output), (_, errors) = (stream.read_so_far() for stream in streams)
        isolation = _isolation(first)
        if not in_time:
            return Ran(False, f"took more than {3 * seconds} s", isolation)
        if process.returncode == 0 and output.rstrip("\n").endswith(end):
            return Ran(True, "", isolation)
        return Ran(False, _reason(process.returncode or 0, errors, cell), isolation)


def _write(folder: Path, program: str) -> None:
    (folder / PROGRAM).write_text(program, "utf-8", errors="replace")


def _isolation(first: str) -> Isolation:
    """What the process says in its first line, before the program begins."""
    try:
        return msgspec.json.decode(first, type=Isolation)
    except msgspec.DecodeError:
        return Isolation()


def _reason(status: int, errors: str, cell: Cell) -> str:
    """A signal's number is above 128 where the program was another process' child."""
    number = -status if status < 0 else status - 128
    if number in (signal.SIGXCPU, signal.SIGKILL):
        return f"took more than {cell.cpu_seconds} s of processor time"
    if "MemoryError" in errors:
        return f"took more than {cell.memory_bytes // 2**20} MiB of memory"
    lines = errors.strip().splitlines()
    return lines[-1][:200] if lines else "ended before its tests" if status == 0 else f"ended with status {status}"


class _Ends:
    """The first line of a stream, and its end; all of it is read, so that the program never waits."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._head = self._tail = b""

    async def read(self) -> None:
        while piece := await self._stream.read(1 << 16):
            if b"\n" not in self._head:
                self._head = (self._head + piece)[:_TAIL_BYTES]
            self._tail = (self._tail + piece)[-_TAIL_BYTES:]

    def read_so_far(self) -> tuple[str, str]:
        return self._head.partition(b"\n")[0].decode(errors="replace"), self._tail.decode(errors="replace")
