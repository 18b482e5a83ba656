"""A command on a terminal of its own: what is typed goes in, what the screen would show comes out."""

from __future__ import annotations

import codecs
import contextlib
import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")


class TerminalCommand:
    """``aquilon`` with these arguments on an 80 by 24 pseudo terminal; ``with`` it, so that it ends in any case."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._screen = ""
        self._seen = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = False
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            variables = {**environment, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
            command = [sys.executable, "-m", "aquilon.cli.main", *arguments]
            os.execve(sys.executable, command, variables)

    def __enter__(self) -> TerminalCommand:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self.wait_for_end()

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def press_ctrl_c(self) -> None:
        self.type("\x03")

    def wait_for(self, pattern: str, seconds: float = 60) -> str:
        """What is shown from the last match on, once it matches; fails with it after so many seconds."""
        end = time.monotonic() + seconds
        while (match := re.compile(pattern).search(self._screen, self._seen)) is None:
            if time.monotonic() > end or not self._read(end - time.monotonic()):
                raise AssertionError(f"never showed {pattern!r}, but: {self._screen[self._seen :]!r}")
        shown = self._screen[self._seen : match.end()]
        self._seen = match.end()
        return shown

    def wait_for_end(self, seconds: float = 30) -> int:
        """The exit code."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._read(end - time.monotonic()):
            pass
        if time.monotonic() >= end:
            os.kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        self._ended = True
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], max(seconds, 0))
        if not ready:
            return False
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # Linux says so when the command has ended
            return False
        self._screen += _ESCAPE.sub("", self._decoder.decode(data))
        return bool(data)
