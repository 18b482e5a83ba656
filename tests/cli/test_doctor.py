"""``aquilon doctor``: a line for each subject, and what to do about what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.support.homes import begin_home
from tests.support.server import RunningServer, start_server
from tests.support.small_disk import small_disk
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.cli import checks
from aquilon.settings import Settings
from aquilon.storage import Database


def look(name: str, home: Path, **settings: int) -> checks.Check:
    """One check alone."""
    return checks._CHECKS[name](Settings(home=home, **settings))


def test_a_healthy_machine_passes_and_every_warning_says_what_to_do(run: Run, server: RunningServer) -> None:
    shown = run("doctor", "--json", "--home", str(server.home))
    results = json.loads(shown.out)
    assert shown.code == 0
    assert [result["name"] for result in results] == list(checks._CHECKS)
    assert all(result["advice"] for result in results if result["state"] != "ok")
    states = {result["name"]: result["finding"] for result in results}
    assert server.url in states["server"]
    assert "smollm2-135m" in states["models"]
    assert "threads" in states["torch"]


def test_a_damaged_model_fails_with_the_command_that_repairs_it(run: Run, home: Path, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "Tiny-Llama", tiny_checkpoint())
    run("pull", str(folder))
    (home / "models" / "Tiny-Llama" / "model.safetensors").unlink()
    (home / "models" / "Tiny-Llama" / "model.safetensors").write_bytes(b"short")
    check = look("models", home)
    assert check.state == "fail"
    assert "model.safetensors is truncated" in check.finding
    assert check.advice == f"aquilon pull {folder}"


def test_a_full_disk_fails(tmp_path: Path) -> None:
    with small_disk(tmp_path / "home", megabytes=1) as disk:
        disk.fill()
        check = look("disk", disk.folder)
    assert (check.state, check.finding) == ("fail", f"full: 0 bytes free for {disk.folder}")
    assert check.advice.startswith("Nothing can be saved")


def test_a_server_that_runs_and_can_t_answer_is_a_warning_with_its_reason(home: Path) -> None:
    server = start_server(home, environment={"AQUILON_MODELS": "none"})
    try:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        check = look("server", home)
    finally:
        server.stop()
    assert check.state == "warn"
    assert check.finding.endswith(f"and can't answer: Nothing can be written to {home}: File too large")


def test_a_damaged_database_fails(home: Path) -> None:
    home.mkdir()
    (home / "aquilon.db").write_bytes(b"not a database at all" * 100)
    assert look("database", home).state == "fail"


def test_a_database_that_a_newer_version_wrote_fails(home: Path) -> None:
    begin_home(home)
    with closing(sqlite3.connect(home / "aquilon.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '0999'")
        database.commit()
    check = look("database", home)
    assert check.state == "fail"
    assert "written by a newer Aquilon" in check.finding


def test_a_taken_port_is_told_with_who_has_it(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        check = look("server", home, port=port)
    assert check.state == "warn"
    assert f"(process {os.getpid()})" in check.finding
    assert f"--port {port + 1}" in check.advice


def test_a_home_that_others_can_write_is_a_warning(home: Path) -> None:
    home.mkdir()
    home.chmod(0o777)
    assert (look("home", home).state, look("home", home).advice) == ("warn", f"chmod go-rwx {home}")


def test_a_home_under_a_file_fails_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check = look("home", tmp_path / "file")
    assert (check.state, "--home" in check.advice) == ("fail", True)


def test_an_unfinished_pull_is_named_with_its_size(home: Path) -> None:
    partial = home / "models" / ".partial" / "big"
    partial.mkdir(parents=True)
    (partial / "model.safetensors.part").write_bytes(b"x" * 5000)
    assert "unfinished pulls: big (5 KB)" in look("disk", home).finding


def test_a_check_that_breaks_is_a_failure_and_the_others_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(settings: Settings) -> checks.Check:
        raise RuntimeError("odd machine")

    monkeypatch.setattr(checks, "_CHECKS", {"odd": broken, "home": checks._CHECKS["home"]})
    home.mkdir(mode=0o700)
    results = list(checks.run_checks(Settings(home=home)))
    assert [(check.name, check.state) for check in results] == [("odd", "fail"), ("home", "ok")]
    assert "odd machine" in results[0].finding


@pytest.mark.parametrize(("mode", "who"), [(0o755, "every user of this machine"), (0o750, "all users of its group")])
def test_a_home_that_others_can_read_is_a_warning(home: Path, mode: int, who: str) -> None:
    home.mkdir()
    home.chmod(mode)
    check = look("home", home)
    assert (check.state, check.advice) == ("warn", f"chmod go-rwx {home}")
    assert f"can be read by {who}" in check.finding


def test_a_database_in_a_read_only_home_is_looked_at_all_the_same() -> None:
    with tempfile.TemporaryDirectory(prefix="aquilon-", dir="/tmp") as folder:
        home = Path(folder)
        asyncio.run(open_and_close(home))
        assert look("database", home).state == "ok"
        (home / "aquilon.db").chmod(0o644)
        home.chmod(0o555)
        with as_nobody():
            assert look("database", home).state == "ok"
        (home / "aquilon.db").chmod(0o600)
        with as_nobody():
            check = look("database", home)
        home.chmod(0o700)
    assert (check.state, "can't be read by this user" in check.finding) == ("fail", True)
    assert check.advice.startswith("chown or chmod it")


async def open_and_close(home: Path) -> None:
    await (await Database.open(Settings(home=home))).close()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions don't hold back the superuser, whom tests in a container often run as."""
    if os.geteuid() != 0:
        pytest.skip("another user can be tried by the superuser alone")
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
