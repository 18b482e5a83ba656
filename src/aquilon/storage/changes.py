"""Whether a `Watched` table changed since it was read into memory, by any process on this machine.

Watched tables have what every request needs: people and keys, budgets, limits and prices,
upstreams and models. A cache takes `Changes.now` before it reads such a table, and is valid
while `Changes.none_since` that moment. A commit that changes a `Watched` table is noted
before it returns.
"""

from __future__ import annotations

import mmap
import os
import secrets
import time
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from aquilon.storage.base import Watched

WITHOUT_CHANGE = "aquilon_unchanged"
"""Execution option of a statement after which caches stay valid, such as one that sets a time of last use."""

_CHANGED = "aquilon_changed"
_BYTES = 16


class Moment(NamedTuple):
    version: bytes
    at: float
    """Seconds, by the monotonic clock."""


class Changes:
    """``marker`` is a file that all processes on a database map; each change sets other random bytes in it."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker
        self._shared, self._mapped = _map(marker)
        self.heard = True
        """Whether changes by all processes arrive at once; those on another machine arrive as notifications."""

    def find_marker_again(self) -> None:
        """If the marker file was removed or replaced, map the one that is there now. Raises OSError."""
        try:
            status = os.stat(self._marker)
            if (status.st_dev, status.st_ino) == self._mapped and status.st_size == _BYTES:
                return
        except FileNotFoundError:
            pass
        self._shared, self._mapped = _map(self._marker)
        self.note()  # changes of the meantime weren't seen here

    def now(self) -> Moment:
        """The present moment. It takes less than a microsecond, since every request needs it several times."""
        return Moment(self._shared[:], time.monotonic())

    def none_since(self, then: Moment, *, unheard: float) -> bool:
        """Whether data read ``then`` is current; while changes aren't `heard`, for at most ``unheard`` seconds."""
        now = self.now()
        return then.version == now.version and (self.heard or now.at - then.at < unheard)

    def note(self) -> None:
        """Note a change, for all processes that map the marker."""
        self._shared[:] = secrets.token_bytes(_BYTES)


def _map(marker: Path) -> tuple[mmap.mmap, tuple[int, int]]:
    """The file's mapped bytes, and its device and inode."""
    file = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        status = os.fstat(file)
        if status.st_size != _BYTES:
            os.ftruncate(file, 0)
            os.pwrite(
                file, secrets.token_bytes(_BYTES), 0
            )  # writes all bytes now, since a hole can't be filled on a full disk
        return mmap.mmap(file, _BYTES), (status.st_dev, status.st_ino)
    finally:
        os.close(file)


class WatchedSession(Session):
    """A session that knows whether it changed a `Watched` table."""

    @property
    def changed(self) -> bool:
        return bool(self.info.get(_CHANGED))


def _after_flush(session: Session, _context: Any) -> None:
    if any(isinstance(row, Watched) for row in (*session.new, *session.dirty, *session.deleted)):
        session.info[_CHANGED] = True


def _before_execute(state: ORMExecuteState) -> None:
    if state.is_select or state.execution_options.get(WITHOUT_CHANGE):
        return
    if state.bind_mapper is not None and issubclass(state.bind_mapper.class_, Watched):
        state.session.info[_CHANGED] = True


event.listen(WatchedSession, "after_flush", _after_flush)
event.listen(WatchedSession, "do_orm_execute", _before_execute)
