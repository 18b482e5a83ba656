"""``aquilon backup`` while a server writes, and ``aquilon restore`` of what it wrote."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from pathlib import Path

import httpx
from tests.cli.conftest import Run
from tests.support.server import start_server

GATEWAY = {"AQUILON_MODELS": "none"}


def keys(run: Run) -> set[str]:
    return {key["name"] for key in json.loads(run("keys", "list", "--json").out)}


def test_what_was_backed_up_while_serving_comes_back(run: Run, home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar"
    server = start_server(home, environment=GATEWAY)
    (home / "files").mkdir()
    (home / "files" / "upload").write_text("kept")
    assert run("keys", "create", "--name", "before").code == 0
    assert run("backup", str(archive)).out == f"{archive}\n"
    assert archive.stat().st_mode & 0o077 == 0
    assert run("keys", "create", "--name", "after").code == 0
    in_use = run("restore", str(archive))
    assert (in_use.code, keys(run)) == (1, {"first key", "before", "after"})
    server.stop()
    (home / "files" / "upload").write_text("spoiled")
    assert run("restore", str(archive)).out == f"Restored {archive}\n"
    assert keys(run) == {"first key", "before"}
    assert (home / "files" / "upload").read_text() == "kept"
    [former] = (home / "backups").glob("before-restore-*")
    assert (former / "files" / "upload").read_text() == "spoiled"
    again = start_server(home, environment=GATEWAY)
    answer = httpx.get(f"{again.url}/v1/models", headers={"authorization": f"Bearer {server.api_key}"})
    again.stop()
    assert answer.status_code == 200


def test_what_is_no_backup_changes_nothing(run: Run, home: Path, tmp_path: Path) -> None:
    assert "nothing to back up" in run("backup").err
    start_server(home, environment=GATEWAY).stop()
    archive = tmp_path / "backup.tar"
    assert run("backup", str(archive)).code == 0
    assert "there already" in run("backup", str(archive)).err
    text, other, newer = tmp_path / "text", tmp_path / "other.tar", tmp_path / "newer.db"
    text.write_text("no archive")
    with tarfile.open(other, "w") as writing:
        writing.add(text, "aquilon.db")
    with tarfile.open(archive) as reading, newer.open("wb") as copy:
        member = reading.extractfile("aquilon.db")
        assert member is not None
        copy.write(member.read())
    with sqlite3.connect(newer) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    raw.close()
    future = tmp_path / "future.tar"
    with tarfile.open(future, "w") as writing:
        writing.add(newer, "aquilon.db")
    for file, problem in ((text, "no backup"), (other, "no backup"), (future, "newer Aquilon"), (home, "no backup")):
        refused = run("restore", str(file))
        assert (refused.code, problem in refused.err) == (1, True), refused.err
    assert keys(run) == {"first key"}
