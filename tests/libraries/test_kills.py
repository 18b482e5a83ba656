"""A server that is killed while it reads documents loses none that it acknowledged, and has no passage twice."""

from __future__ import annotations

import random
import sqlite3
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.kills import kill
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server

CHAPTERS = 12
MODELS = {"AQUILON_MODELS": "none"}


class Adder:
    """A client that adds documents until the server is gone."""

    def __init__(self, url: str, key: str, store: str, acknowledged: list[str]) -> None:
        self._client = client_of(url, key)
        self._store = store
        self._acknowledged = acknowledged
        self.thread = threading.Thread(target=self._add)

    def _add(self) -> None:
        try:
            for _ in range(3):
                number = len(self._acknowledged)
                chapters = [f"# Chapter {at}\n\nNumber {number}, of word{number}x{at}y." for at in range(CHAPTERS)]
                upload = {"file": (f"{number}.md", "\n\n".join(chapters).encode())}
                file = self._client.post("/files", data={"purpose": "assistants"}, files=upload).json()["id"]
                self._client.post(f"{self._store}/files", json={"file_id": file}).raise_for_status()
                self._acknowledged.append(file)
        except httpx.TransportError:
            return  # killed: what it didn't acknowledge may be there or not


@pytest.mark.slow
def test_what_was_acknowledged_is_read_to_its_end_and_once_after_12_kills(tmp_path: Path) -> None:
    server = start_server(tmp_path, environment=MODELS)
    key, acknowledged, chance = server.api_key, list[str](), random.Random(12)
    store = "/vector_stores/" + client_of(server.url, key).post("/vector_stores", json={"name": "x"}).json()["id"]
    for _ in range(12):
        known = embedded(tmp_path)
        adder = Adder(server.url, key, store, acknowledged)
        adder.thread.start()
        progress = known + 1 + chance.randrange(CHAPTERS)
        wait_until(lambda least=progress: embedded(tmp_path) >= least, seconds=60)  # type: ignore[misc]
        kill(server)
        adder.thread.join()
        server = start_server(tmp_path, environment=MODELS)
    client = client_of(server.url, key)
    wait_until(lambda: client.get(store).json()["file_counts"]["in_progress"] == 0, seconds=120)
    assert acknowledged
    at = len(acknowledged) - 1
    [hit] = client.post(f"{store}/search", json={"query": f"word{at}x3y", "max_num_results": 1}).json()["data"]
    assert hit["file_id"] == acknowledged[-1]
    assert_whole(server, acknowledged)


def assert_whole(server: RunningServer, acknowledged: list[str]) -> None:
    server.stop()
    with sqlite3.connect(server.home / "aquilon.db") as database:
        statuses = dict(database.execute("SELECT file_id, status FROM library_documents").fetchall())
        assert {file: statuses.get(file) for file in acknowledged} == dict.fromkeys(acknowledged, "completed")
        query = "SELECT file_id, count(*), count(DISTINCT number), count(vector) FROM library_passages GROUP BY file_id"
        assert {row[1:] for row in database.execute(query)} == {(CHAPTERS, CHAPTERS, CHAPTERS)}
        indexed = database.execute("SELECT count(*), count(DISTINCT rowid) FROM passage_search").fetchone()
        assert indexed == (CHAPTERS * len(statuses),) * 2


def embedded(home: Path) -> int:
    with sqlite3.connect(home / "aquilon.db", timeout=30) as database:
        return int(database.execute("SELECT count(vector) FROM library_passages").fetchone()[0])


def client_of(url: str, key: str) -> Any:
    return httpx.Client(base_url=f"{url}/v1", headers={"authorization": f"Bearer {key}"}, timeout=60)
