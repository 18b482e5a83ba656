"""Gives up what a program must not have, and becomes it: ``python -m aquilon.evaluation.sandbox_process CELL``.

Each of the kernel's means is used where it is there: a new network without any device, a new
numbering of processes that ends with its first (namespaces), and Landlock, which takes away files.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

import msgspec

from aquilon.process_limits import limit_process, start_no_process
from aquilon.starting_process import die_with_parent

PROGRAM = "program.py"

_NEW_USER, _NEW_PROCESSES, _NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
_NO_NEW_PRIVILEGES = 38
"""Of prctl."""
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Landlock's system calls, the same on all processors but Alpha."""
_READ = 0b1101
"""To execute, to read files and folders."""
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights on files each version knows."""
_CONNECT_AND_BIND = 0b11
_READABLE = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What a program may have."""

    folder: str
    """With the program; it may write only here."""
    cpu_seconds: int
    memory_bytes: int
    written_bytes: int


class Isolation(msgspec.Struct, frozen=True, kw_only=True):
    """What the system let the process give up."""

    network: bool = False
    files: bool = False
    """Other files than Python's own and those of its folder."""
    processes: bool = False
    """The sight of other processes; what the program starts ends with it."""


def main(cell: Cell) -> None:
    limit_process(cpu_seconds=cell.cpu_seconds, memory_bytes=cell.memory_bytes, written_bytes=cell.written_bytes)
    libc = ctypes.CDLL(None, use_errno=True)
    die_with_parent()
    has_namespaces = libc.unshare(_NEW_USER | _NEW_PROCESSES | _NEW_NETWORK) == 0
    for _ in range(2 if has_namespaces else 0):  # the first process of a new numbering takes no signal, such as SIGXCPU
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
        die_with_parent()
    os.chdir(cell.folder)
    version = _restrict_files(libc, Path(cell.folder))
    isolation = Isolation(network=has_namespaces, files=version > 0, processes=has_namespaces)
    sys.stdout.write(msgspec.json.encode(isolation).decode() + "\n")
    sys.stdout.flush()
    start_no_process()
    python = os.path.realpath(sys.executable)
    os.execve(python, [python, "-I", "-S", "-B", "-X", "utf8", PROGRAM], {})  # noqa: S606 - no shell is wanted


def _restrict_files(libc: ctypes.CDLL, folder: Path) -> int:
    """Landlock's version; 0 where the kernel has none, or doesn't let us."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1 or libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return 0
    every = (1 << _RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("=Q", every) if version < 4 else struct.pack("=QQ", every, _CONNECT_AND_BIND)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if ruleset < 0:
        return 0
    for path in {sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable)), *_READABLE}:
        _allow(libc, ruleset, path, _READ)
    for path in _DEVICES:
        _allow(libc, ruleset, path, 0b110)
    _allow(libc, ruleset, str(folder), every)
    return version if libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)) == 0 else 0


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    if not os.path.exists(path):
        return
    if not os.path.isdir(path):
        rights &= 0b111  # a file can't be listed
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, descriptor), ctypes.c_uint32(0))
    os.close(descriptor)


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Cell))
