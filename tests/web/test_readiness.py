"""``/ready`` gives the reason why nothing can be answered until it has passed; meanwhile errors are clear."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest
from tests.support.polling import wait_until
from tests.support.server import RunningServer

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def http(own_server: RunningServer) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {own_server.api_key}"}
    with httpx.Client(base_url=own_server.url, headers=headers, timeout=60) as client:
        yield client
        wait_until(lambda: client.get("/ready").status_code == 200)


@contextmanager
def full_disk(server: RunningServer) -> Iterator[None]:
    """The server's process can't make a file larger than 4 KiB."""
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, UNLIMITED)


def reason_comes(http: httpx.Client, words: str) -> bool:
    answer = http.get("/ready")
    body = answer.json()
    return answer.status_code == 503 and not body["ready"] and words in body["reason"]


@pytest.mark.slow
def test_with_a_full_disk_the_server_is_not_ready(own_server: RunningServer, http: httpx.Client) -> None:
    assert http.get("/ready").json()["ready"]
    with full_disk(own_server):
        wait_until(lambda: reason_comes(http, f"Nothing can be written to {own_server.home}"))


@pytest.mark.slow
def test_with_a_locked_database_the_server_is_not_ready(own_server: RunningServer, http: httpx.Client) -> None:
    with closing(sqlite3.connect(own_server.home / "aquilon.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        wait_until(lambda: reason_comes(http, "can't be written: database is locked"))


def test_with_a_moved_database_the_server_is_not_ready(own_server: RunningServer, http: httpx.Client) -> None:
    file = own_server.home / "aquilon.db"
    away = file.rename(file.with_name("elsewhere.db"))
    wait_until(lambda: reason_comes(http, f"The database {file} was removed or moved away"))
    assert not file.exists()
    away.rename(file)


def test_with_a_deleted_model_the_server_is_not_ready(own_server: RunningServer, http: httpx.Client) -> None:
    folder = own_server.home / "models" / "smollm2-135m"
    away = folder.rename(own_server.home / "away")
    wait_until(lambda: reason_comes(http, "The model 'smollm2-135m' is gone from the store"))
    away.rename(folder)


def test_an_upload_on_a_full_disk_is_refused_and_leaves_no_file(own_server: RunningServer, http: httpx.Client) -> None:
    with full_disk(own_server):
        answers = [
            http.post("/v1/files", files={"file": ("a.txt", b"x" * size)}, data={"purpose": "user_data"})
            for size in (10_000, 3 * 2**20)
        ]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.json()["error"]["type"] == "overloaded"
        assert answer.json()["error"]["code"] == "disk_full"
    assert not list(own_server.home.glob("files/*/*"))


def test_an_unexpected_failure_is_answered_with_the_request_id_of_its_log_line(
    own_server: RunningServer, http: httpx.Client
) -> None:
    file = http.post("/v1/files", files={"file": ("a.txt", b"x")}, data={"purpose": "user_data"}).json()
    [stored] = own_server.home.glob(f"files/*/{file['id']}")
    stored.unlink()
    stored.mkdir()
    answer = http.delete(f"/v1/files/{file['id']}")
    stored.rmdir()
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert answer.headers["x-request-id"] in answer.json()["message"]
    wait_until(lambda: f"request_id={answer.headers['x-request-id']}" in own_server.log)
