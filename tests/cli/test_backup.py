"""``aquilon backup`` while a server writes, and ``aquilon restore`` of what it wrote."""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import tarfile
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import Run
from tests.support.homes import begin_home
from tests.support.server import start_server

from aquilon.settings import Settings
from aquilon.storage import restore
from aquilon.storage.backup import back_up

GATEWAY = {"AQUILON_MODELS": "none"}


def keys(run: Run) -> set[str]:
    return {key["name"] for key in json.loads(run("keys", "list", "--json").out)}


@pytest.mark.slow
def test_what_was_backed_up_while_serving_comes_back(run: Run, home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar"
    server = start_server(home, environment=GATEWAY)
    headers = {"authorization": f"Bearer {server.api_key}"}
    uploaded = httpx.post(f"{server.url}/v1/files", headers=headers, files={"file": ("a.txt", b"kept")}).json()["id"]
    assert run("keys", "create", "--name", "before").code == 0
    assert run("backup", str(archive)).out == f"{archive}\n"
    assert archive.stat().st_mode & 0o077 == 0
    server.stop()
    assert run("keys", "create", "--name", "after").code == 0
    [content] = (home / "files").rglob(uploaded)
    content.write_text("spoiled")
    assert run("restore", str(archive)).out == f"Restored {archive}\n"
    assert keys(run) == {"first key", "before"}
    assert content.read_text() == "kept"
    [former] = (home / "backups").glob("before-restore-*")
    assert (former / content.relative_to(home)).read_text() == "spoiled"
    again = start_server(home, environment=GATEWAY)
    answer = httpx.get(f"{again.url}/v1/files/{uploaded}/content", headers=headers)
    again.stop()
    assert (answer.status_code, answer.content) == (200, b"kept")


@pytest.mark.slow
def test_a_restore_under_load_refuses_nobody(run: Run, home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "backup.tar"
    server = start_server(home, environment=GATEWAY)
    headers = {"authorization": f"Bearer {server.api_key}"}
    secret = run("keys", "create", "--name", "before").out.strip()
    assert run("backup", str(archive)).code == 0
    after = run("keys", "create", "--name", "after").out.strip()
    answers: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.append(httpx.get(f"{server.url}/v1/models", headers=headers, timeout=60).status_code)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    assert run("restore", str(archive)).out == f"Restored {archive}\n"
    known = len(answers)
    statuses = [
        httpx.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {key}"}, timeout=60).status_code
        for key in (secret, after)
    ]
    while len(answers) < known + 20:
        time.sleep(0.01)
    stop.set()
    for asker in askers:
        asker.join()
    assert (server.process.poll(), server.stop()) == (None, 0)
    assert statuses == [200, 401]
    assert set(answers) == {200}
    assert keys(run) == {"first key", "before"}


@pytest.mark.slow
def test_a_restore_that_was_killed_half_way_is_completed_by_the_next_start(home: Path, tmp_path: Path) -> None:
    settings = Settings(home=home)
    archive = tmp_path / "backup.tar"
    server = start_server(home, environment=GATEWAY)
    headers = {"authorization": f"Bearer {server.api_key}"}
    httpx.post(f"{server.url}/v1/files", headers=headers, files={"file": ("a.txt", b"kept")}).raise_for_status()
    asyncio.run(back_up(settings, archive))
    server.stop()
    restore.stage(settings, archive)
    former = home / "backups" / (home / "restore-staged" / "former").read_text()
    former.mkdir(parents=True)
    (home / "aquilon.db").replace(former / "aquilon.db")  # and here it was killed
    again = start_server(home, environment=GATEWAY)
    answer = httpx.get(f"{again.url}/v1/files", headers=headers)
    again.stop()
    assert [file["filename"] for file in answer.json()["data"]] == ["a.txt"]
    assert not (home / "restore-staged").exists()


def test_a_damaged_archive_is_refused(run: Run, home: Path, tmp_path: Path) -> None:
    server = start_server(home, environment=GATEWAY)
    headers = {"authorization": f"Bearer {server.api_key}"}
    httpx.post(f"{server.url}/v1/files", headers=headers, files={"file": ("a.txt", b"kept")}).raise_for_status()
    server.stop()
    archive, spoiled = tmp_path / "backup.tar", tmp_path / "spoiled.tar"
    assert run("backup", str(archive)).code == 0
    with tarfile.open(archive) as reading:
        members = reading.getmembers()
    whole = archive.read_bytes()
    last = members[-1]
    assert last.name.startswith("files/org_")
    for data in (
        whole[: last.offset],  # cut between two members
        whole[: last.offset_data + 2],  # and within one
        whole[: last.offset_data] + b"KEPT" + whole[last.offset_data + 4 :],
        gzip.compress(whole)[:-5000],
    ):
        spoiled.write_bytes(data)
        refused = run("restore", str(spoiled))
        assert (refused.code, "damaged" in refused.err or "not a backup" in refused.err) == (1, True), refused.err
    assert not list((home / "backups").glob("before-restore-*"))
    assert [member.name for member in members][:2] == ["manifest.json", "aquilon.db"]


def test_a_file_that_is_not_a_backup_changes_nothing(run: Run, home: Path, tmp_path: Path) -> None:
    assert "There is no Aquilon home" in run("backup").err
    begin_home(home)
    archive = tmp_path / "backup.tar"
    assert run("backup", str(archive)).code == 0
    assert "exists already" in run("backup", str(archive)).err
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
    for file, problem in (
        (text, "not a backup"),
        (other, "not a backup"),
        (future, "newer Aquilon"),
        (home, "not a backup"),
    ):
        refused = run("restore", str(file))
        assert (refused.code, problem in refused.err) == (1, True), refused.err
    assert keys(run) == {"first key"}
