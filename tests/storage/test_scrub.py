"""What SQLite leaves of deleted rows in spite of ``secure_delete``: a scrub overwrites it, and nothing else."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from aquilon.storage import scrub


def traces(file: Path, words: set[str]) -> set[str]:
    """Another process reads, since this one's connections would lose their locks when it closes the file."""
    content = subprocess.run(["cat", file, f"{file}-wal"], capture_output=True, check=True).stdout
    return {word for word in words if word.encode() in content}


def run(file: Path) -> None:
    subprocess.run([sys.executable, "-I", scrub.__file__, str(file)], check=True)


@pytest.mark.parametrize("page_size", [1024, 4096, 65_536])
def test_copies_of_rows_that_moved_are_overwritten_and_rows_are_not(tmp_path: Path, page_size: int) -> None:
    file, chance = tmp_path / "a.db", random.Random(4)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for pragma in (f"page_size = {page_size}", "journal_mode = WAL", "secure_delete = ON", "synchronous = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE texts (id TEXT PRIMARY KEY, owner INTEGER, text TEXT) WITHOUT ROWID")
        left: set[str] = set()
        owners: dict[str, int] = {}
        for owner in range(12):
            for _ in range(40):
                word = f"zq{chance.getrandbits(48):x}x"
                owners[word] = chance.randrange(owner + 1)
                text = f"{word} " * chance.choice([1, 2, 5, 20, 60])
                connection.execute("INSERT INTO texts VALUES (?, ?, ?)", (word, owners[word], text))
            connection.execute("DELETE FROM texts WHERE owner = ?", (owner,))
            deleted = {word for word, of in owners.items() if of == owner}
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            left |= traces(file, deleted)
            run(file)
            assert traces(file, deleted) == set()
        rows = {id_ for [id_] in connection.execute("SELECT id FROM texts")}
        assert rows == traces(file, set(owners))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    if page_size == 4096 and not left:
        pytest.skip(f"SQLite {sqlite3.sqlite_version} leaves no copies")


def test_a_page_that_is_not_understood_is_left_alone() -> None:
    whole = bytes([13, 0, 0, 0, 1, 0x0F, 0xF0, 0, 0x0F, 0xF0]) + b"rest".ljust(4086, b"\0")
    assert scrub.gap(whole) == (10, 0x0FF0)
    assert scrub.gap(whole[:10] + bytes(4086)) is None
    for page in (
        bytes([0]) + whole[1:],  # of a long row's rest
        whole[:3] + bytes([0xFF, 0xFF]) + whole[5:],  # more rows than there is room for
        whole[:8] + bytes([0, 5]) + whole[10:],  # a row before the first one
    ):
        assert scrub.gap(page) is None
