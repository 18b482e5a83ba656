"""When what every request asks for was last changed, by whichever process on this machine: people and keys, budgets,
limits and prices, upstreams and what is said of models.

Whoever keeps such knowledge in memory notes the `Moment` before reading it, and keeps
it while there was `Changes.none_since`: a commit that touches a `Watched` table is
counted before it returns.
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
"""Execution option of a statement that changes nothing that decides: when a key or session was last used."""

_CHANGED = "aquilon_changed"
_BYTES = 16


class Moment(NamedTuple):
    version: bytes
    at: float
    """Seconds, by the clock that only goes forward."""


class Changes:
    """``marker`` is a file that all processes on a database have mapped: its bytes are other ones after each change."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker
        self._shared, self._mapped = _map(marker)
        self.heard = True
        """Whether a change by any process counts here at once: one on another machine needs to be told of."""

    def find_marker_again(self) -> None:
        """Where the marker was removed or replaced, map the one that other processes find now. Raises OSError."""
        try:
            found = os.stat(self._marker)
            if (found.st_dev, found.st_ino) == self._mapped and found.st_size == _BYTES:
                return
        except FileNotFoundError:
            pass
        self._shared, self._mapped = _map(self._marker)
        self.note()  # what was changed meanwhile wasn't told here

    def now(self) -> Moment:
        """Costs less than a microsecond: every request asks for it several times."""
        return Moment(self._shared[:], time.monotonic())

    def none_since(self, then: Moment, *, unheard: float) -> bool:
        """Whether what was read then still holds; while changes aren't `heard`, for ``unheard`` seconds at most."""
        now = self.now()
        return then.version == now.version and (self.heard or now.at - then.at < unheard)

    def note(self) -> None:
        """Something changed."""
        self._shared[:] = secrets.token_bytes(_BYTES)


def _map(marker: Path) -> tuple[mmap.mmap, tuple[int, int]]:
    """The file's bytes, and which file it is."""
    file = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        found = os.fstat(file)
        if found.st_size != _BYTES:
            os.ftruncate(file, 0)
            os.pwrite(file, secrets.token_bytes(_BYTES), 0)  # a hole could not be filled on a full disk
        return mmap.mmap(file, _BYTES), (found.st_dev, found.st_ino)
    finally:
        os.close(file)


class WatchedSession(Session):
    """Notes whether it changed one of the tables."""

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
