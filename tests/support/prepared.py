"""Processes of the program that begin with its modules imported, which a new interpreter needs more than a second for.

One process imports them (``python -m tests.support.prepared SOCKET``) and forks for each that is asked for. Such a
process then has its own arguments, variables, folder and streams, and runs what ``aquilon`` or ``tests.support.serve``
run. What is promised of a new interpreter, such as its memory, is tested with one.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
PROGRAMS = {"aquilon": ("aquilon.cli.main", "main"), "serve": ("tests.support.serve", "main")}
IMPORTED = (
    "aquilon.web.server",
    "aquilon.storage.upgrade",
    "aiosqlite",
    "uvloop",
    *(name for name, _ in PROGRAMS.values()),
)
NUMBER = struct.Struct("!q")
"""How long a request is, the new process' id, and in the end its exit status."""

_COMMAND = f"""\
#!{sys.executable} -IS
import json, os, socket, struct, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(%r)
request = {{"program": "aquilon", "arguments": sys.argv[1:], "folder": os.getcwd(), "variables": dict(os.environ)}}
body = json.dumps(request).encode()
socket.send_fds(connection, [struct.pack("!q", len(body))], [0, 1, 2])
connection.sendall(body)
_, status = struct.unpack("!qq", connection.recv(16, socket.MSG_WAITALL))
sys.exit(status)
"""


class PreparedProcess:
    """A forked process, as `subprocess.Popen` shows one."""

    def __init__(
        self,
        program: str,
        *arguments: str,
        folder: Path,
        variables: Mapping[str, str],
        stderr: IO[str],
        stdin: IO[str] | None = None,
        stdout: IO[str] | None = None,
    ) -> None:
        """Without ``stdin`` it reads nothing, without ``stdout`` what it prints can be read from `stdout`."""
        request = {"program": program, "arguments": arguments, "folder": str(folder), "variables": dict(variables)}
        body = json.dumps(request).encode()
        self.stdout: IO[str] | None = None
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(_forking().address)
        with ExitStack() as ours:
            if stdin is None:
                stdin = ours.enter_context(open(os.devnull))
            if stdout is None:
                reading, writing = os.pipe()
                self.stdout, stdout = os.fdopen(reading), ours.enter_context(os.fdopen(writing, "w"))
            streams = [stdin.fileno(), stdout.fileno(), stderr.fileno()]
            socket.send_fds(self._connection, [NUMBER.pack(len(body))], streams)
        self._connection.sendall(body)
        self.pid = self._number()

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, negative for the signal that ended it. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = self._number()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("a prepared process", timeout or 0) from None
            self._connection.close()
        return self.returncode

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _number(self) -> int:
        received = self._connection.recv(NUMBER.size, socket.MSG_WAITALL)
        if not received:
            raise RuntimeError("The process that forks the others has ended")
        return int(NUMBER.unpack(received)[0])


def run_prepared(
    program: str, *arguments: str, variables: Mapping[str, str], folder: Path = ROOT, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` with ``capture_output``, to its end."""
    with ExitStack() as files:
        given, output, errors = (files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
        given.write(stdin)
        given.seek(0)
        process = PreparedProcess(
            program, *arguments, folder=folder, variables=variables, stdin=given, stdout=output, stderr=errors
        )
        status = process.wait(120)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess((program, *arguments), status, output.read(), errors.read())


@dataclass(frozen=True)
class _Forking:
    """The process that forks the others; it ends, and removes its folder, when this one does."""

    address: str
    process: subprocess.Popen[bytes]


@cache
def _forking() -> _Forking:
    folder = tempfile.mkdtemp(prefix="aquilon-prepared-")
    command = [sys.executable, "-m", "tests.support.prepared"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AQUILON_")}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/socket")
        listener.listen()
        passed = listener.fileno()
        process = subprocess.Popen(
            [*command, str(passed)], cwd=ROOT, env=variables, stdin=subprocess.PIPE, pass_fds=[passed]
        )
    atexit.register(process.communicate)
    return _Forking(f"{folder}/socket", process)


@cache
def command_folder() -> Path:
    """A folder for the PATH, whose ``aquilon`` is forked too."""
    address = _forking().address
    command = Path(address).with_name("aquilon")
    command.write_text(_COMMAND % address)
    command.chmod(0o755)
    return command.parent


def main() -> int | None:
    gc.disable()  # imports make no garbage to speak of
    for module in IMPORTED:
        importlib.import_module(module)
    gc.freeze()
    program = _fork_as_asked(socket.socket(fileno=int(sys.argv[1])))
    gc.enable()
    return program()


def _fork_as_asked(listener: socket.socket) -> Callable[[], int | None]:
    """Fork for each request until standard input ends. Returns in the new processes, with what each is to run."""
    forked: dict[int, socket.socket] = {}
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends pytest, which closes standard input
    signal.set_wakeup_fd(waker.fileno())
    selector = selectors.DefaultSelector()
    for file in (listener, woken, 0):
        selector.register(file, selectors.EVENT_READ)
    while True:
        ready = [key.fileobj for key, _ in selector.select()]
        if 0 in ready:
            shutil.rmtree(Path(listener.getsockname()).parent)
            sys.exit()
        if woken in ready:
            woken.recv(4096)
            _report_ended(forked)
        if listener not in ready:
            continue
        connection, _ = listener.accept()
        start, streams, _, _ = socket.recv_fds(connection, NUMBER.size, 3)
        request = json.loads(connection.recv(NUMBER.unpack(start)[0], socket.MSG_WAITALL))
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            selector.close()
            for opened in (listener, woken, waker, connection, *forked.values()):
                opened.close()
            return _become(request, streams)
        for stream in streams:
            os.close(stream)
        forked[pid] = connection
        connection.sendall(NUMBER.pack(pid))


def _report_ended(forked: dict[int, socket.socket]) -> None:
    for pid in list(forked):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with forked.pop(pid) as connection:
                connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))


def _become(request: dict[str, object], streams: list[int]) -> Callable[[], int | None]:
    """Give this process the arguments, the variables, the folder and the streams of the request."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", errors="backslashreplace", buffering=1, closefd=False)
    name = str(request["program"])
    arguments, variables = request["arguments"], request["variables"]
    assert isinstance(arguments, list)
    assert isinstance(variables, dict)
    sys.argv = [name, *arguments]
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(str(request["folder"]))
    module, function = PROGRAMS[name]
    program: Callable[[], int | None] = getattr(importlib.import_module(module), function)
    return program


if __name__ == "__main__":
    sys.exit(main())
