"""What a request must pass before it runs: one object for the whole server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aquilon.money.ledger import Ledger, Line, OwnStock
from aquilon.money.rates import Rates
from aquilon.money.shared_stock import SharedStock
from aquilon.money.store.budgets import spending
from aquilon.money.terms import KnownTerms
from aquilon.people.scope import Scope
from aquilon.storage import Database


class Admission:
    """Over SQLite one process decides alone. Over PostgreSQL several processes share what is left of each budget."""

    def __init__(self, database: Database, redis_url: str | None = None) -> None:
        self._redis = None
        if redis_url is not None:
            from aquilon.money.redis_windows import RedisWindows  # 6 MB that few servers need

            self._redis = RedisWindows(redis_url)
        self._database = database
        self.shared = SharedStock(database) if database.is_shared else None
        self.terms = KnownTerms(database)
        self.rates = Rates(self._redis)
        self.ledger = Ledger(self.shared or OwnStock(self._spent))

    async def start(self) -> None:
        """Raises DBAPIError if a shared database can't be written."""
        if self.shared is not None:
            await self.shared.start()

    async def close(self) -> None:
        """Return what this process holds in a shared database."""
        if self.shared is not None:
            await self.shared.stop()
        if self._redis is not None:
            await self._redis.close()

    async def _spent(self, organization_id: str, lines: Sequence[Line]) -> Mapping[Line, int]:
        async with self._database.reading() as session:
            return await spending(session, Scope(organization_id), list(lines))
