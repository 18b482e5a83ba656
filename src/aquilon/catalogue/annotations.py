"""Aliases, operators' notes on models and fine-tuned models, kept in memory and read again after a change."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping

from sqlalchemy.exc import DBAPIError

from aquilon.catalogue import store
from aquilon.catalogue.aliases import Alias
from aquilon.catalogue.model_notes import ModelNote
from aquilon.catalogue.tables import FineTunedModel
from aquilon.log import get_logger
from aquilon.people.identity import Principal
from aquilon.storage import Database
from aquilon.storage.changes import Moment

CATCH_ALL = "*"
FRESH_SECONDS = 1.0
"""While changes on other machines aren't announced, they count after this long."""
PATIENCE_SECONDS = 1.0
"""How long a reading may take. After that, what was read before counts."""

log = get_logger("aquilon.catalogue")


class Annotations:
    """``refresh`` reads the database; everything else answers from memory."""

    def __init__(
        self,
        database: Database | None = None,
        *,
        settings_aliases: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """An alias in the database overrides one of the settings with the same name."""
        self._database = database
        self._settings_aliases = {name: target for name, target in settings_aliases.items() if name != CATCH_ALL}
        self.catch_all = settings_aliases.get(CATCH_ALL)
        """The model for all unknown names, if there is one."""
        self._clock = clock
        self._aliases: dict[str, Alias] = {}
        self._switches: list[int] = []
        """The moments of planned switches, sorted."""
        self._notes: dict[str, ModelNote] = {}
        self._fine_tuned: tuple[FineTunedModel, ...] = ()
        self._fine_tuned_facts: list[object] = []
        self._version = 0
        self._read_at: Moment | None = None
        self._pause_until = 0.0
        """The database couldn't be reached, and is not asked before this moment."""
        self._reading: asyncio.Task[None] | None = None
        self._reading_since = Moment(b"", 0.0)

    async def refresh(self, *, now: bool = False) -> None:
        """Read them all if they may have changed, or always with ``now``. On failure, the known ones count."""
        if self._database is None or (not now and self._is_fresh(self._database)):
            return
        moment = self._database.changes.now()
        if self._reading is None or self._reading.done() or now or moment.version != self._reading_since.version:
            self._reading, self._reading_since = asyncio.create_task(self._read(self._database, moment)), moment
        await asyncio.wait({self._reading}, timeout=PATIENCE_SECONDS)

    @property
    def version(self) -> tuple[int, int]:
        """Changes whenever an alias has another target, or a note or a fine-tuned model has changed."""
        return self._version, bisect_right(self._switches, int(self._clock()))

    def aliases(self) -> list[Alias]:
        """The present aliases of the settings and the database, sorted by name."""
        moment = int(self._clock())
        aliases = {name: Alias(name=name, target=target) for name, target in self._settings_aliases.items()}
        aliases |= {name: alias.at(moment) for name, alias in self._aliases.items()}
        return [aliases[name] for name in sorted(aliases)]

    def is_stored(self, alias: str) -> bool:
        """Whether the alias is in the database. One of the settings can't be changed while the server runs."""
        return alias in self._aliases

    def target(
        self, name: str, principal: Principal | None, *, is_theirs: Callable[[str], bool] = lambda model: True
    ) -> str | None:
        """The model for which an alias stands, for this caller; None if ``name`` is no alias.

        ``is_theirs``: whether the caller may know of a model; only those who may take part in its share.
        """
        alias = self._aliases.get(name)
        if alias is None:
            return self._settings_aliases.get(name)
        moment = int(self._clock())
        caller = "" if principal is None else principal.api_key_id or principal.user_id
        model = alias.model(moment, caller)
        return model if is_theirs(model) else alias.at(moment).target

    def fine_tuned_models(self) -> tuple[FineTunedModel, ...]:
        """Those of all organizations, without archived ones."""
        return self._fine_tuned

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
                fine_tuned = await store.fine_tuned_models(session)
        except (DBAPIError, OSError) as error:
            log.warning("Aliases can't be read now", error=str(error))
            self._pause_until = moment.at + FRESH_SECONDS
        else:
            if self._read_at is not None and self._read_at.at > moment.at:
                return  # a later reading has finished before
            self._read_at = moment
            facts: list[object] = [(model.name, model.title, model.description, model.archived) for model in fine_tuned]
            if (aliases, notes, facts) != (self._aliases, self._notes, self._fine_tuned_facts):
                self._aliases, self._notes, self._fine_tuned_facts = aliases, notes, facts
                self._fine_tuned = tuple(model for model in fine_tuned if not model.archived)
                self._switches = sorted(alias.switch_at for alias in aliases.values() if alias.switch_at is not None)
                self._version += 1
