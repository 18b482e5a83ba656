"""Reads a document in a process with limits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from aquilon.extraction.document import Document, Unreadable
from aquilon.extraction.limits import Limits
from aquilon.extraction.protocol import LENGTH_BYTES, Done, Order, Refused, Report, Share, most_bytes
from aquilon.log import get_logger
from aquilon.starting_process import started_by_this_process

log = get_logger(__name__)

_ENVIRONMENT = (
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "TESSDATA_PREFIX",
    "TMPDIR",
)
"""All that the process needs: it gets no secret of the server's."""
_STDERR_BYTES = 4_000
_LARGE = 1 << 20


async def extract(
    path: Path, *, name: str, limits: Limits | None = None, on_progress: Callable[[float], None] | None = None
) -> Document:
    """The document's text in blocks.

    ``name`` is the name that its owner gave it: it tells Markdown and tables of values from
    other text, never more. ``on_progress`` gets the share that is read, from 0 to 1.
    Callers decide how many run at once: each may take ``limits.memory_bytes`` and a core.
    Raises Unreadable, and OSError if there is no such file. If it is cancelled, the
    process has ended when this has.
    """
    limits = limits or Limits()
    size = os.stat(path).st_size
    if size > limits.file_bytes:
        raise Unreadable(
            "too_large",
            f"The file has {size:,} bytes; at most {limits.file_bytes:,} can be read: divide it into smaller files",
            {"limit": limits.file_bytes, "value": size},
        )
    process = await asyncio.create_subprocess_exec(
        *_command(Order(str(path), name, limits)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={variable: os.environ[variable] for variable in _ENVIRONMENT if variable in os.environ}
        | {"OMP_THREAD_LIMIT": "1", "RUST_BACKTRACE": "0"}
        | started_by_this_process(),
        start_new_session=True,  # so that it can be ended together with what it has started
    )
    assert process.stdout is not None
    assert process.stderr is not None
    errors = asyncio.create_task(_tail(process.stderr))
    try:
        async with asyncio.timeout(limits.wall_seconds):
            end = await _follow(process.stdout, limits, on_progress)
            if end is None:
                status = await process.wait()
                raise _died(status, await errors, limits)
    except TimeoutError:
        message = f"Reading this document takes more than {limits.wall_seconds} s: divide it into smaller files"
        raise Unreadable("timed_out", message, {"limit": limits.wall_seconds}) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        errors.cancel()
    if isinstance(end, Refused):
        raise Unreadable(end.code, end.message, end.details)
    return end.document


def _command(order: Order) -> list[str]:
    return [sys.executable, "-P", "-m", "aquilon.extraction.process", msgspec.json.encode(order).decode()]


async def _follow(
    output: asyncio.StreamReader, limits: Limits, on_progress: Callable[[float], None] | None
) -> Done | Refused | None:
    """The last report; None if the process ends without one."""
    decoder: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)
    while True:
        try:
            length = int.from_bytes(await output.readexactly(LENGTH_BYTES), "big")
            if length > most_bytes(limits):
                return None
            body = await output.readexactly(length)
            report = await asyncio.to_thread(decoder.decode, body) if length > _LARGE else decoder.decode(body)
        except (asyncio.IncompleteReadError, msgspec.MsgspecError):
            return None
        if not isinstance(report, Share):
            return report
        if on_progress is not None:
            on_progress(report.read)


async def _tail(stream: asyncio.StreamReader) -> str:
    """The end of what the process says; all of it is read, so that it never waits."""
    tail = b""
    while data := await stream.read(1 << 16):
        tail = (tail + data)[-_STDERR_BYTES:]
    return tail.decode(errors="replace")


def _died(status: int, errors: str, limits: Limits) -> Unreadable:
    """Why a process ended without a result."""
    if -status == signal.SIGXCPU:
        message = f"Reading this document takes more than {limits.cpu_seconds} s of processor time"
        return Unreadable("timed_out", f"{message}: divide it into smaller files", {"limit": limits.cpu_seconds})
    if -status == signal.SIGKILL or "MemoryError" in errors or "memory allocation of" in errors:
        message = f"Reading this document takes more than {limits.memory_bytes // 2**20} MiB of memory"
        return Unreadable("too_large", f"{message}: divide it into smaller files", {"limit": limits.memory_bytes})
    reason = signal.Signals(-status).name if status < 0 else f"status {status}"
    log.warning("A document's reader crashed", reason=reason, errors=errors[-1000:])
    message = f"This document is damaged: the program that reads it crashed on it ({reason})"
    return Unreadable("damaged", message, {"reason": reason})
