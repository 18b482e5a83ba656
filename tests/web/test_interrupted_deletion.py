"""The deletion of an account that a kill interrupts."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.people import joined, signed_in_owner
from tests.support.polling import wait_until
from tests.support.server import start_server


def test_the_next_start_goes_on_with_it(tmp_path: Path) -> None:
    environment = {"AQUILON_MODELS": "none"}
    server = start_server(tmp_path, environment=environment)
    person = joined(server, signed_in_owner(server), "ben")
    person.post("/v1/conversations", json={"title": "Ben's own"}).raise_for_status()
    user = person.get("/v1/me").json()["id"]
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    with closing(sqlite3.connect(tmp_path / "aquilon.db")) as database, database:  # as if the request had come this far
        database.execute("INSERT INTO account_deletions SELECT id, organization_id, 1 FROM users WHERE id = ?", (user,))

    def left() -> int:
        with closing(sqlite3.connect(tmp_path / "aquilon.db")) as database:
            [(conversations, users)] = database.execute(
                "SELECT (SELECT count(*) FROM conversations), (SELECT count(*) FROM users WHERE id = ?)", (user,)
            )
            return int(conversations) + int(users)

    assert left() == 2
    server = start_server(tmp_path, environment=environment)
    wait_until(lambda: left() == 0, seconds=30)
    server.stop()
