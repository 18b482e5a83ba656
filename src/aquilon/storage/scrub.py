"""Overwrites what SQLite leaves of deleted rows in the unused middle of its pages.

``secure_delete`` overwrites a row where it is when it is deleted. But where a row was
before its page was divided or joined with another, a copy may lie in the gap between the
page's list of rows and the rows, which SQLite neither reads nor overwrites. This finds
pages with something in their gap, and overwrites it while it holds the lock of a writer
and the write-ahead log is empty, so that the file has each page's present state.

It is a program of its own, since a process that closes a file loses the locks that its
other connections have on it (POSIX). It imports nothing but the standard library.
The format: https://sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
import sqlite3
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_ROWS = {2: 12, 5: 12, 10: 8, 13: 8}
"""The size of a page's head, by the first byte of those pages that have rows."""
_MOST_PAGES = 2 << 24
"""In a larger file, the number that a page of a long row begins with may look like such a byte."""
_PAGES_READ = 1024
_PAGES_CLEARED = 200
"""While others wait to write: a few milliseconds."""
_TRIES = 20
_BUSY_SECONDS = 10


def gap(page: bytes) -> tuple[int, int] | None:
    """Begin and end of the unused bytes in the middle of a page, if they aren't zeros."""
    head = _ROWS.get(page[0])
    if head is None:
        return None
    number, first = struct.unpack_from(">HH", page, 3)
    begin, end = head + 2 * number, first or 65_536
    if not begin < end <= len(page) or page.count(0, begin, end) == end - begin:
        return None
    rows = struct.unpack_from(f">{number}H", page, head)
    return (begin, end) if all(end <= row < len(page) for row in rows) else None


def scrub(file: Path) -> None:
    """Overwrite all gaps. Raises sqlite3.Error, OSError.

    Closes neither the file nor its connection: the last connection to be closed would
    remove the log, and another process' may seem to be gone.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    connection = sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)
    [size] = connection.execute("PRAGMA page_size").fetchone()
    [moves] = connection.execute("PRAGMA auto_vacuum").fetchone()
    [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    if moves or mode != "wal" or os.fstat(descriptor).st_size // size >= _MOST_PAGES:
        return
    pages = list(_with_rest(descriptor, size))
    for position in range(0, len(pages), _PAGES_CLEARED):
        _clear(file, connection, descriptor, size=size, pages=pages[position : position + _PAGES_CLEARED])


def _with_rest(descriptor: int, size: int) -> Iterator[int]:
    """The pages that have something in their gap. The first page, with the tables' names, is left out."""
    position = size
    while block := os.pread(descriptor, _PAGES_READ * size, position):
        for start in range(0, len(block) - size + 1, size):
            if gap(block[start : start + size]) is not None:
                yield (position + start) // size
        position += len(block) - len(block) % size or size


def _clear(file: Path, connection: sqlite3.Connection, descriptor: int, *, size: int, pages: list[int]) -> None:
    """Overwrite the gaps of these pages, unless others write or read all the time."""
    for _ in range(_TRIES):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        try:
            if os.stat(f"{file}-wal").st_size:  # somebody wrote in between: the file's pages may be old
                continue
            for number in pages:
                if (rest := gap(os.pread(descriptor, size, number * size))) is not None:
                    begin, end = rest
                    os.pwrite(descriptor, bytes(end - begin), number * size + begin)
            os.fsync(descriptor)
            [version] = connection.execute("PRAGMA user_version").fetchone()
            # A change, so that no connection goes on with pages that it remembers, and writes their gaps again.
            connection.execute(f"PRAGMA user_version = {(version + 1) % 2**31}")
            connection.execute("COMMIT")
            return
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def main() -> None:
    os.nice(10)
    status = 1
    try:
        scrub(Path(sys.argv[1]))
        status = 0
    except (sqlite3.Error, OSError) as error:
        print(error, file=sys.stderr, flush=True)
    finally:
        os._exit(status)  # without closing anything


if __name__ == "__main__":
    main()
