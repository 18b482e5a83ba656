"""The process that trains: started at low priority, paused, killed, and never run twice on one folder."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aquilon.training.protocol import LOCK

PROGRAM = (sys.executable, "-P", "-m", "aquilon.training.job")
"""The run's folder follows as its argument."""
_LOG = "process.log"
_POLITELY = (("nice", "-n", "19"), ("ionice", "-c", "3"))
_LOOK_SECONDS = 0.1
_TAIL_BYTES = 4000


class TrainingProcess:
    """``start`` makes one."""

    def __init__(self, run: Path, process: asyncio.subprocess.Process) -> None:
        self._run = run
        self._process = process

    @classmethod
    async def start(cls, run: Path, program: Sequence[str] = PROGRAM) -> TrainingProcess:
        """Start to train, or to go on from the run's last checkpoint. Raises OSError where that is impossible."""
        await end_former(run)
        with (run / _LOG).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *politely(),
                *program,
                str(run),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that it can be ended together with what it has started
                env=plain_environment(),
            )
        return cls(run, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        """The exit code; negative if a signal ended the process."""
        return await self._process.wait()

    def pause(self) -> None:
        """Ask the process to write a checkpoint and to end."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    def memory(self) -> int:
        """Bytes of memory that the process uses, swapped-out ones included; 0 where that isn't known."""
        kilobytes = 0
        with suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith(("VmRSS:", "VmSwap:")):
                    kilobytes += int(line.split()[1])
        return kilobytes * 1024

    def last_words(self) -> str:
        """The last line that the process printed."""
        with suppress(OSError):
            lines = (self._run / _LOG).read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""


def politely() -> list[str]:
    """What stands before a command, so that it leaves processor and disk to others."""
    return [word for words in _POLITELY if shutil.which(words[0]) for word in words]


def plain_environment() -> dict[str, str]:
    """This process' environment without the server's settings, some of which are secret."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AQUILON_")}


async def end_former(run: Path, *, patience: float = 20.0) -> None:
    """End the process that still trains in this folder, if a server that was killed has left one.

    It is asked to write a checkpoint first; after ``patience`` seconds it is killed.
    """
    waited = 0.0
    asked = False
    while (holder := await asyncio.to_thread(_holder, run)) is not None:
        if holder and not asked:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(holder, signal.SIGTERM)
            asked = True
        if holder and waited >= patience:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(holder, signal.SIGKILL)
        await asyncio.sleep(_LOOK_SECONDS)
        waited += _LOOK_SECONDS


def _holder(run: Path) -> int | None:
    """The id of the process that trains in a folder; None if there is none, 0 if it runs on another machine."""
    try:
        with (run / LOCK).open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                return _checked(run, file.read().strip())
    except FileNotFoundError:
        return None
    return None


def _checked(run: Path, pid: str) -> int:
    """The id, if this machine's process of that id has the folder as its argument."""
    try:
        arguments = Path(f"/proc/{int(pid)}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return int(pid) if os.fsencode(run) in arguments else 0
