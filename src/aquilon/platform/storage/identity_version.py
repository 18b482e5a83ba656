"""When what is known of people and keys was last changed, by whichever process on this home.

Whoever keeps such knowledge in memory asks for `IdentityVersion.current` before
reading it, and keeps it for as long as that stays the same: a commit that touches
one of the tables below gives another version before it returns.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session

from aquilon.platform.storage import schema

WITHOUT_CHANGE = "identity_unchanged"
"""Execution option of a statement that changes nothing that decides: when a key or session was last used."""

_TABLES = (
    schema.ApiKey,
    schema.ApiKeySecret,
    schema.Organization,
    schema.Session,
    schema.User,
    schema.Workspace,
    schema.WorkspaceMember,
)
_CHANGED = "identity_changed"


class IdentityVersion:
    """``marker`` is a file of which only the time of change matters."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker
        self._changes = 0
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT, 0o600))

    def current(self) -> tuple[int, int]:
        """Costs one ``stat``: some microseconds."""
        return self._changes, os.stat(self._marker).st_mtime_ns

    def changed(self) -> None:
        self._changes += 1
        now = time.time_ns()
        os.utime(self._marker, ns=(now, now))


class WatchedSession(Session):
    """Notes whether it changed one of the tables."""

    @property
    def identity_changed(self) -> bool:
        return bool(self.info.get(_CHANGED))


def _after_flush(session: Session, _context: Any) -> None:
    if any(isinstance(row, _TABLES) for row in (*session.new, *session.dirty, *session.deleted)):
        session.info[_CHANGED] = True


def _before_execute(state: ORMExecuteState) -> None:
    if state.is_select or state.execution_options.get(WITHOUT_CHANGE):
        return
    mapper = state.bind_mapper
    if mapper is None or issubclass(mapper.class_, _TABLES):
        state.session.info[_CHANGED] = True


event.listen(WatchedSession, "after_flush", _after_flush)
event.listen(WatchedSession, "do_orm_execute", _before_execute)
