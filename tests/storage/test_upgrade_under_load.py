"""A server's upgrade while processes of the version before write: nothing is lost, and there is a way back."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.storage.test_upgrade import FIRST_WITH_CONVERSATIONS, KEY, left_by
from tests.support.server import RunningServer, start_server

from aquilon.settings import Settings
from aquilon.text.words import words_of

CONVERSATIONS = 1000
PAUSE = 0.02
"""Seconds between two of an old process's writes."""
QUESTION, ANSWER = "Which wind is number {}?", "Wind {} is an aquilon."

Content = dict[str, list[str]]
"""The texts of a conversation's items in order, by its id."""


def insert(connection: sqlite3.Connection, number: int) -> tuple[str, list[str]]:
    """A conversation with a question and an answer, written with the statements of the first schema that has any."""
    id_, owner = f"conv_{number:06}", "org_house"
    texts = [QUESTION.format(number), ANSWER.format(number)]
    connection.execute(
        "INSERT INTO conversations (id, organization_id, workspace_id, user_id, visibility, implicit, title, labels, "
        "settings, edition, head_id, created_at, updated_at) VALUES (?, ?, 'workspace_house', 'user_ada', 'workspace', "
        "false, ?, '{}', '{}', 0, ?, ?, ?)",
        (id_, owner, f"Wind {number}", f"msg_{number}_1", 10_000 + number, 10_000 + number),
    )
    connection.execute("INSERT INTO conversation_branches VALUES (?, 0, ?, NULL, -1)", (id_, owner))
    for depth, (role, text) in enumerate(zip(("user", "assistant"), texts, strict=True)):
        item, parent = f"msg_{number}_{depth}", f"msg_{number}_0" if depth else None
        content = json.dumps({"type": "message", "role": role, "content": [{"type": "text", "text": text}]})
        connection.execute(
            "INSERT INTO conversation_items VALUES (?, ?, ?, 0, ?, ?, NULL, false, 'completed', ?, ?)",
            (item, owner, id_, depth, parent, content, 10_000 + number),
        )
        words = connection.execute(
            "INSERT INTO searched_words (organization_id, conversation_id, item_id, words) VALUES (?, ?, ?, ?)",
            (owner, id_, item, words_of(text)),
        )
        connection.execute(
            "INSERT INTO conversation_search (rowid, organization_id, words) VALUES (?, ?, ?)",
            (words.lastrowid, owner, words_of(text)),
        )
    return id_, texts


def old_connection(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=60, isolation_level=None)
    for pragma in ("journal_mode = WAL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@dataclass
class OldProcess:
    """Writes conversations one after the other, as a server of the version before that runs on."""

    file: Path
    first: int
    written: Content = field(default_factory=dict)
    """What was committed."""
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with closing(old_connection(self.file)) as connection:
            number = self.first
            while not self._ended.wait(PAUSE):
                connection.execute("BEGIN IMMEDIATE")
                id_, texts = insert(connection, number)
                connection.execute("COMMIT")
                self.written[id_] = texts
                number += 1

    def end(self) -> None:
        self._ended.set()


@contextmanager
def writing(file: Path) -> Iterator[list[OldProcess]]:
    """Two processes of the version before, which write until the end."""
    processes = [OldProcess(file, first) for first in (100_000, 200_000)]
    with ThreadPoolExecutor(len(processes)) as pool:
        running = [pool.submit(process.run) for process in processes]
        try:
            until(lambda: all(len(process.written) >= 5 for process in processes))
            yield processes
        finally:
            for process in processes:
                process.end()
        for process in running:
            process.result()


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        threading.Event().wait(0.01)


def content_in(file: Path) -> Content:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        content: Content = {}
        query = "SELECT conversation_id, content FROM conversation_items WHERE conversation_id LIKE 'conv_______' "
        for id_, item in connection.execute(query + "ORDER BY conversation_id, depth"):
            content.setdefault(id_, []).append(json.loads(item)["content"][0]["text"])
    return content


def check_served(server: RunningServer, expected: Content, *, exactly: bool) -> None:
    """A client lists these conversations and reads every twentieth; where ``exactly``, there are no others."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        listed: set[str] = set()
        after, more = None, True
        while more:
            page = client.get("/v1/conversations", params={"limit": 100} | ({"after": after} if after else {})).json()
            listed |= {conversation["id"] for conversation in page["data"]}
            after, more = page["last_id"], page["has_more"]
        assert expected.keys() <= listed
        assert not exactly or listed == expected.keys() | {"conv_tea"}
        for id_ in sorted(expected)[::20]:
            items = client.get(f"/v1/conversations/{id_}/items", params={"order": "asc"}).json()["data"]
            assert [item["content"][0]["text"] for item in items] == expected[id_]
        found = client.get("/v1/conversations/search", params={"query": "aquil 100002"}).json()["data"]
        assert [hit["conversation_id"] for hit in found] == ["conv_100002"]


@pytest.mark.slow
def test_an_upgrade_under_load_and_the_way_back_lose_and_change_no_conversation(tmp_path: Path) -> None:
    file = tmp_path / "aquilon.db"
    asyncio.run(left_by(FIRST_WITH_CONVERSATIONS, Settings(home=tmp_path)))
    with closing(old_connection(file)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        stored = dict(insert(connection, number) for number in range(CONVERSATIONS))
        connection.execute("COMMIT")

    with writing(file) as processes:
        before = stored | {id_: texts for process in processes for id_, texts in list(process.written.items())}
        server = start_server(tmp_path, environment={"AQUILON_MODELS": "none"})
        at_start = [len(process.written) for process in processes]
        until(lambda: all(len(p.written) >= n + 5 for p, n in zip(processes, at_start, strict=True)))
        check_served(server, before, exactly=False)  # while the others write
    written = stored | processes[0].written | processes[1].written
    check_served(server, written, exactly=True)
    assert server.stop() == 0
    assert content_in(file) == written

    [copy] = (tmp_path / "backups").glob(f"aquilon-{FIRST_WITH_CONVERSATIONS}-*.db")
    kept = content_in(copy)
    assert before.items() <= kept.items() <= written.items()
    for there in (file, *tmp_path.glob("aquilon.db-*")):
        there.unlink()
    shutil.copy(copy, file)
    with closing(old_connection(file)) as connection:  # the version before goes on
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (FIRST_WITH_CONVERSATIONS,)
        id_, texts = insert(connection, 300_000)
    again = start_server(tmp_path, environment={"AQUILON_MODELS": "none"})
    check_served(again, kept | {id_: texts}, exactly=True)
    assert again.stop() == 0
    assert content_in(file) == kept | {id_: texts}
