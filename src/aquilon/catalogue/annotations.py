"""What operators say of models, known in memory and read again when it changes: aliases and notes."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy.exc import DBAPIError

from aquilon.catalogue import store
from aquilon.catalogue.aliases import Alias
from aquilon.catalogue.model_notes import ModelNote
from aquilon.people.identity import Principal
from aquilon.storage import Database
from aquilon.storage.changes import Moment

CATCH_ALL = "*"
FRESH_SECONDS = 1.0
"""Aliases and notes that somebody changed on another machine count this soon while nobody tells of them."""
PATIENCE_SECONDS = 1.0
"""A slower database isn't waited for: what was known counts."""

log = structlog.get_logger("aquilon.catalogue")


class Annotations:
    """Read by ``refresh``; everything else answers from memory."""

    def __init__(
        self,
        database: Database | None = None,
        *,
        settings_aliases: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """An alias of the database counts in place of one of the settings with the same name."""
        self._database = database
        self._settings_aliases = {name: target for name, target in settings_aliases.items() if name != CATCH_ALL}
        self.catch_all = settings_aliases.get(CATCH_ALL)
        """The model that all other names stand for."""
        self._clock = clock
        self._aliases: dict[str, Alias] = {}
        self._switches: list[int] = []
        """When aliases will stand for something else."""
        self._notes: dict[str, ModelNote] = {}
        self._version = 0
        self._read_at: Moment | None = None
        self._pause_until = 0.0
        """The database was away: it is asked again then."""
        self._reading: asyncio.Task[None] | None = None
        self._reading_since = Moment(b"", 0.0)

    async def refresh(self, *, now: bool = False) -> None:
        """Know what was said of models a second ago, or ``now``. While the database is away, what was known counts."""
        if self._database is None or (not now and self._is_fresh(self._database)):
            return
        moment = self._database.changes.now()
        if self._reading is None or self._reading.done() or now or moment.version != self._reading_since.version:
            self._reading, self._reading_since = asyncio.create_task(self._read(self._database, moment)), moment
        await asyncio.wait({self._reading}, timeout=PATIENCE_SECONDS)

    @property
    def version(self) -> tuple[int, int]:
        """Differs whenever an alias stands for something else or a note has changed."""
        return self._version, bisect_right(self._switches, int(self._clock()))

    def aliases(self) -> list[Alias]:
        """Those of the settings and of the database, by name, as they are now."""
        moment = int(self._clock())
        aliases = {name: Alias(name=name, target=target) for name, target in self._settings_aliases.items()}
        aliases |= {name: alias.at(moment) for name, alias in self._aliases.items()}
        return [aliases[name] for name in sorted(aliases)]

    def is_stored(self, alias: str) -> bool:
        """Whether an alias is the database's own; the settings' can't be changed while the server runs."""
        return alias in self._aliases

    def target(self, name: str, principal: Principal | None) -> str | None:
        """The model that an alias stands for, for this caller; None where it is no alias."""
        alias = self._aliases.get(name)
        if alias is None:
            return self._settings_aliases.get(name)
        caller = "" if principal is None else principal.api_key_id or principal.user_id
        return alias.model(int(self._clock()), caller)

    def note(self, model: str) -> ModelNote | None:
        return self._notes.get(model)

    def _is_fresh(self, database: Database) -> bool:
        if self._read_at is not None and database.changes.none_since(self._read_at, unheard=FRESH_SECONDS):
            return True
        return time.monotonic() < self._pause_until

    async def _read(self, database: Database, moment: Moment) -> None:
        try:
            async with database.reading() as session:
                aliases = {alias.name: alias for alias in await store.aliases(session)}
                notes = await store.notes(session)
        except (DBAPIError, OSError) as error:
            log.warning("Aliases can't be read now", error=str(error))
            self._pause_until = moment.at + FRESH_SECONDS
        else:
            if self._read_at is not None and self._read_at.at > moment.at:
                return  # a later reading was quicker
            self._read_at = moment
            if (aliases, notes) != (self._aliases, self._notes):
                self._aliases, self._notes = aliases, notes
                self._switches = sorted(alias.switch_at for alias in aliases.values() if alias.switch_at is not None)
                self._version += 1
