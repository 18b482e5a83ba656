"""When what every request asks for was last changed, by whichever process on this machine: people and keys, budgets,
limits and prices, upstreams and what is said of models.

Whoever keeps such knowledge in memory notes the `Moment` before reading it, and keeps
it while there was `Changes.none_since`: a commit that touches one of the tables below
is counted before it returns.
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

from aquilon.catalogue import tables as models_schema
from aquilon.money import limits_tables as limits_schema
from aquilon.money import tables as usage_schema
from aquilon.people import tables as schema
from aquilon.upstreams import tables as upstreams_schema

WITHOUT_CHANGE = "aquilon_unchanged"
"""Execution option of a statement that changes nothing that decides: when a key or session was last used."""

_TABLES = (
    schema.ApiKey,
    schema.ApiKeySecret,
    schema.Organization,
    schema.Session,
    schema.User,
    schema.Workspace,
    schema.WorkspaceMember,
    usage_schema.StoredBudget,
    usage_schema.StoredPrice,
    limits_schema.StoredLimit,
    models_schema.StoredAlias,
    models_schema.StoredModelNote,
    upstreams_schema.StoredUpstream,
    upstreams_schema.StoredUpstreamModel,
    upstreams_schema.StoredFallback,
)
_CHANGED = "aquilon_changed"
_BYTES = 16


class Moment(NamedTuple):
    version: bytes
    at: float
    """Seconds, by the clock that only goes forward."""


class Changes:
    """``marker`` is a file that all processes on a database have mapped: its bytes are other ones after each change."""

    def __init__(self, marker: Path) -> None:
        file = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(file).st_size != _BYTES:
                os.ftruncate(file, 0)
                os.pwrite(file, secrets.token_bytes(_BYTES), 0)  # a hole could not be filled on a full disk
            self._shared = mmap.mmap(file, _BYTES)
        finally:
            os.close(file)
        self.heard = True
        """Whether a change by any process counts here at once: one on another machine needs to be told of."""

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


class WatchedSession(Session):
    """Notes whether it changed one of the tables."""

    @property
    def changed(self) -> bool:
        return bool(self.info.get(_CHANGED))


def _after_flush(session: Session, _context: Any) -> None:
    if any(isinstance(row, _TABLES) for row in (*session.new, *session.dirty, *session.deleted)):
        session.info[_CHANGED] = True


def _before_execute(state: ORMExecuteState) -> None:
    if state.is_select or state.execution_options.get(WITHOUT_CHANGE):
        return
    table = state.bind_mapper.local_table if state.bind_mapper is not None else getattr(state.statement, "table", None)
    if any(table is each.__table__ for each in _TABLES):
        state.session.info[_CHANGED] = True


event.listen(WatchedSession, "after_flush", _after_flush)
event.listen(WatchedSession, "do_orm_execute", _before_execute)
