"""What a server does to a home before it uses it."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from pathlib import Path
from typing import NoReturn

import pytest

from aquilon.web.running import HomeInUse, RunningServer, ServerError, own_home, running_server


def test_a_home_belongs_to_one_server_which_others_find(tmp_path: Path) -> None:
    here = RunningServer(url="http://127.0.0.1:1", pid=1)
    with own_home(tmp_path) as announce:
        announce(here)
        assert running_server(tmp_path) == here
        with pytest.raises(HomeInUse, match=r"at http://127\.0\.0\.1:1"), own_home(tmp_path):
            pass
    assert running_server(tmp_path) is None


@pytest.mark.parametrize(
    ("module", "call", "code"),
    [(fcntl, "flock", errno.ENOLCK), (fcntl, "lockf", errno.EOPNOTSUPP), (mmap, "mmap", errno.ENODEV)],
    ids=["flock", "lockf", "mmap"],
)
def test_a_file_system_without_locks_or_shared_memory_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, call: str, code: int
) -> None:
    def refuse(*_arguments: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, call, refuse)
    with (
        pytest.raises(ServerError, match=rf"{os.strerror(code)}\); choose a folder on a local disk"),
        own_home(tmp_path),
    ):
        pass
