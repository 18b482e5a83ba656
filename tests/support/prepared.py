"""Processes of the program that begin with its modules imported, which a new interpreter needs more than a second for.

One process imports them (``python -m tests.support.prepared SOCKET``) and forks for each that is asked for. Such a
process then has its own arguments, variables, folder and streams, and runs what ``aquilon`` or ``tests.support.serve``
run. What these start in their turn with torch, such as the engine, is forked from a second process, which the first one
forks when it is needed; so are the processes that run tests side by side, which share both. What is promised of a new
interpreter, such as its memory, is tested with one.
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import IO

from sqlalchemy.orm import configure_mappers

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    "aquilon": ("aquilon.cli.main", "main"),
    "serve": ("tests.support.serve", "main"),
    "train": ("tests.support.training_runs", "main"),
}
IMPORTED = (
    "aquilon.web.server",
    "aquilon.web.serving",
    "aquilon.api.all_routes",
    "aquilon.storage.upgrade",
    "aiosqlite",
    "uvloop",
    *(name for name, _ in PROGRAMS.values()),
)
WITH_TORCH = (
    "aquilon.checkpoints.trial",
    "aquilon.engine.process",
    "aquilon.evaluation.job",
    "aquilon.training.export",
    "aquilon.training.job",
)
"""What the program starts as ``python -m MODULE``, and what imports torch."""
IMPORTED_WITH_TORCH = (
    *WITH_TORCH,
    "aquilon.engine.loading",
    "aquilon.evaluation.measuring",
    "torch.utils.tensorboard",
)
IMPORTED_BY_TESTS = (
    "anthropic.types",
    "mistralai.client",
    "openai.types",
    "peft",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
)
"""What takes long to import of what tests do."""
NUMBER = struct.Struct("!q")
"""How long a request is, the new process' id, and in the end its exit status."""

_ASK = f"""\
#!{sys.executable} -IS
import json, os, signal, socket, struct, sys
program, arguments, passed = "aquilon", sys.argv[1:], [0, 1, 2]
%s
connection = socket.socket(socket.AF_UNIX)
connection.connect(%r)
request = {{"program": program, "arguments": arguments, "folder": os.getcwd(), "variables": dict(os.environ)}}
body = json.dumps(request | {{"numbers": passed}}).encode()
socket.send_fds(connection, [struct.pack("!q", len(body))], passed)
connection.sendall(body)
pid, = struct.unpack("!q", connection.recv(8, socket.MSG_WAITALL))
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(pid, number))
for number in passed:
    os.close(number)
status, = struct.unpack("!q", connection.recv(8, socket.MSG_WAITALL))
if status < 0:
    signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
    os.kill(os.getpid(), -status)
sys.exit(status)
"""
"""A program that has another forked with its files, and ends as that does, which is killed if this one is."""

_UNLESS_WITH_TORCH = f"""\
program = arguments[arguments.index("-m") + 1] if "-m" in arguments[:2] else ""
if program not in {WITH_TORCH!r}:
    os.execv({sys.executable!r}, [{sys.executable!r}, *arguments])
del arguments[:arguments.index("-m") + 2]
passed = [int(number) for number in os.listdir("/proc/self/fd")]
passed = [number for number in passed if os.path.exists("/proc/self/fd/" + str(number))]  # less the listing's own
"""


_FOLDER = "PREPARED_FOLDER"
"""The variable that says where the process is that forks for this one and those beside it."""


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
        with_torch: bool = False,
    ) -> None:
        """Without ``stdin`` it reads nothing, without ``stdout`` what it prints can be read from `stdout`."""
        request = {"program": program, "arguments": arguments, "folder": str(folder), "variables": dict(variables)}
        body = json.dumps(request).encode()
        self.stdout: IO[str] | None = None
        self.returncode: int | None = None
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(str(_folder() / ("torch" if with_torch else "socket")))
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


@cache
def _folder() -> Path:
    """Of the sockets of the process that forks the others, which ends, and removes it, when who began it does."""
    if folder := os.environ.get(_FOLDER):
        return Path(folder)
    folder = os.environ[_FOLDER] = tempfile.mkdtemp(prefix="aquilon-prepared-")
    command = [sys.executable, "-m", "tests.support.prepared"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AQUILON_")}
    for program, code, name in (
        ("aquilon", "", "socket"),
        ("python", _UNLESS_WITH_TORCH, "torch"),
        ("tests", 'program = "tests"', "torch"),
    ):
        file = Path(folder, program)
        file.write_text(_ASK % (code, f"{folder}/{name}"))
        file.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as with_torch:
        for each, name in ((listener, "socket"), (with_torch, "torch")):
            each.bind(f"{folder}/{name}")
            each.listen()
        passed = (listener.fileno(), with_torch.fileno())
        process = subprocess.Popen(
            [*command, *map(str, passed)], cwd=ROOT, env=variables, stdin=subprocess.PIPE, pass_fds=passed
        )
    atexit.register(process.communicate)
    return Path(folder)


def command_folder() -> Path:
    """A folder for the PATH, whose ``aquilon`` is forked too."""
    return _folder()


def python_with_torch() -> str:
    """In place of `sys.executable`: what imports torch is forked, anything else has a new interpreter."""
    return str(_folder() / "python")


@contextmanager
def forking() -> Iterator[None]:
    """What this process starts with torch meanwhile is forked, as what its servers start is."""
    interpreter, sys.executable = sys.executable, python_with_torch()
    try:
        yield
    finally:
        sys.executable = interpreter


def python_of_tests() -> str:
    """The same for execnet, which sends such a process what to run."""
    return str(_folder() / "tests")


def main() -> object:
    """Returns, in a process that was forked, what its program does."""
    listener, with_torch = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    interpreter, sys.executable = sys.executable, str(Path(listener.getsockname()).with_name("python"))
    _import(IMPORTED)
    configure_mappers()  # as a process does before its first query
    program = _fork_as_asked(listener, with_torch)
    if program is None:
        sys.executable = interpreter
        os.environ["OMP_WAIT_POLICY"] = "passive"  # as the program starts what trains; read when torch is imported
        _import(IMPORTED_WITH_TORCH)
        program = _fork_as_asked(with_torch)
        assert program is not None
    gc.enable()
    return program()


def _import(modules: tuple[str, ...]) -> None:
    gc.disable()  # imports make no garbage to speak of
    for module in modules:
        importlib.import_module(module)
    gc.freeze()


def _fork_as_asked(listener: socket.socket, with_torch: socket.socket | None = None) -> Callable[[], object] | None:
    """Fork for each request until standard input ends. Returns in the new processes, with what each is to run.

    None is for the one that forks those with torch, which is forked when the first one asks at ``with_torch``.
    """
    forked: dict[int, socket.socket] = {}
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends pytest, which closes standard input
    signal.set_wakeup_fd(waker.fileno())
    selector = selectors.DefaultSelector()
    for file in (listener, woken, 0, *([with_torch] if with_torch else [])):
        selector.register(file, selectors.EVENT_READ)
    while True:
        ready = [key.fileobj for key, _ in selector.select()]
        if 0 in ready:
            shutil.rmtree(Path(listener.getsockname()).parent, ignore_errors=True)
            sys.exit()
        if woken in ready:
            woken.recv(4096)
            _report_ended(forked, selector)
        for connection in forked.values():
            if connection in ready:  # it was closed: who asked has ended
                selector.unregister(connection)
                os.kill(next(pid for pid, asked in forked.items() if asked is connection), signal.SIGKILL)
        request: dict[str, object] = {}
        if with_torch in ready:
            selector.unregister(with_torch)
        elif listener in ready:
            connection, _ = listener.accept()
            start, streams, _, _ = socket.recv_fds(connection, NUMBER.size, 16)
            request = json.loads(connection.recv(NUMBER.unpack(start)[0], socket.MSG_WAITALL))
            if request["program"] == "tests":
                _import(IMPORTED_BY_TESTS)
        else:
            continue
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            selector.close()
            for opened in (listener, woken, waker, *forked.values()):
                opened.close()
            if not request:
                return None
            connection.close()
            if with_torch is not None:
                with_torch.close()
            return _become(request, streams)
        if request:
            for stream in streams:
                os.close(stream)
            forked[pid] = connection
            if "numbers" in request:
                selector.register(connection, selectors.EVENT_READ)
            connection.sendall(NUMBER.pack(pid))
        elif with_torch is not None:
            with_torch.close()


def _report_ended(forked: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    for pid in list(forked):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with forked.pop(pid) as connection, suppress(OSError):
                if connection in selector.get_map():
                    selector.unregister(connection)
                connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))


def _become(request: dict[str, object], streams: list[int]) -> Callable[[], object]:
    """Give this process the arguments, the variables, the folder and the streams of the request."""
    numbers = request.get("numbers", [0, 1, 2])
    assert isinstance(numbers, list)
    streams = [fcntl.fcntl(stream, fcntl.F_DUPFD, 100) for stream in streams]  # where none of the numbers is
    os.closerange(3, 100)
    for number, stream in zip(numbers, streams, strict=True):
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
    if name == "tests":
        return _run_what_is_sent
    if name in WITH_TORCH:
        if threads := os.environ.get("OMP_NUM_THREADS"):
            sys.modules["torch"].set_num_threads(int(threads))
        return partial(_run_module, name)
    module, function = PROGRAMS[name]
    program: Callable[[], object] = getattr(importlib.import_module(module), function)
    return program


def _run_module(name: str) -> None:
    del sys.modules[name]  # as ``python -m`` has it only as __main__
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _end_after(function: Callable[[], object]) -> None:
    """Run it, and end with its status as the interpreter would, but for taking all modules apart.

    That writes to most of the memory that these processes share: 0.1 to 0.3 s for each of them. What `multiprocessing`
    forks ends like this too.
    """
    try:
        status = function()
    except SystemExit as end:
        status = end.code
    threading._shutdown()
    atexit._run_exitfuncs()
    if isinstance(status, int | None):
        with suppress(OSError, ValueError):  # which the interpreter reports below
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status or 0)
    sys.exit(status)


def _run_what_is_sent() -> None:
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(eval(sys.stdin.readline()), vars(main))


if __name__ == "__main__":
    _end_after(main)
