"""The upstreams in memory: fresh at once after a change here, within a second after one by another process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from aquilon.catalogue.catalogue import ModelCard
from aquilon.storage import Database
from aquilon.storage.changes import Moment
from aquilon.storage.sealing import Sealer
from aquilon.upstreams import store as stored
from aquilon.upstreams.health import Health
from aquilon.upstreams.routing import Target
from aquilon.upstreams.upstream import Upstream

if TYPE_CHECKING:
    from aquilon.upstreams.client import UpstreamClient

_LOOK_SECONDS = 0.5

log = structlog.get_logger("aquilon.upstreams")


@dataclass(frozen=True, kw_only=True)
class UpstreamModel(ModelCard):
    """A model that one or more upstreams provide: what all of them can do."""


class UpstreamRegistry:
    """``await refresh()`` once before use; ``await close()`` in the end."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self.sealer = sealer
        self._version: str | None = None
        self._read: Moment | None = None
        self._upstreams: dict[str, Upstream] = {}
        self._clients: dict[str, UpstreamClient] = {}
        self._retired: set[UpstreamClient] = set()
        """Of upstreams that were changed or removed while answers may have been running."""
        self._health: dict[tuple[str, str], Health] = {}
        self._targets: dict[str, list[Target]] = {}
        self._fallbacks: Mapping[str, tuple[str, ...]] = {}
        self._cards: list[UpstreamModel] = []
        self._turn = asyncio.Lock()

    def cards(self) -> Sequence[UpstreamModel]:
        """Every model that an upstream in use provides; the same objects until something changes."""
        return self._cards

    def targets(self, model: str) -> Sequence[Target]:
        """Who provides the model; none for one that is not an upstream's."""
        return self._targets.get(model, ())

    def fallbacks(self, model: str) -> tuple[str, ...]:
        """The models that answer in its place, in order."""
        return self._fallbacks.get(model, ())

    def states(self) -> list[tuple[str, str, str]]:
        """Upstream, model and `Health.state` of each that is in use."""
        return [
            (target.upstream.name, target.model.name, target.health.state)
            for targets in self._targets.values()
            for target in targets
        ]

    async def refresh(self) -> None:
        """Read what changed. Raises DBAPIError where the database can't be read."""
        async with self._turn:
            if self._read is not None and self._database.changes.none_since(self._read, unheard=0):
                return
            moment = self._database.changes.now()
            async with self._database.reading() as session:
                version = await stored.version(session)
                if version != self._version:
                    upstreams = await stored.upstreams(session, self.sealer)
                    fallbacks = await stored.fallbacks(session)
                    self._take(upstreams, fallbacks)
            self._read, self._version = moment, version

    async def keep_fresh(self, stop: asyncio.Event) -> None:
        """Follow what other processes change, until ``stop``; without the database, what was known counts."""
        while not stop.is_set():
            try:
                await self.refresh()
            except (DBAPIError, OSError) as error:
                log.debug("Upstreams can't be read now", error=str(error))
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await stop.wait()
            except TimeoutError:
                pass

    async def close(self) -> None:
        for client in (*self._clients.values(), *self._retired):
            await client.close()
        self._clients.clear()
        self._retired.clear()

    def _take(self, upstreams: Sequence[Upstream], fallbacks: Mapping[str, tuple[str, ...]]) -> None:
        for each in upstreams:
            known = self._upstreams.get(each.id)
            if each.problem and (known is None or known.problem != each.problem):
                log.error("An upstream can't be used", upstream=each.name, problem=each.problem)
        usable = {each.id: each for each in upstreams if each.enabled and not each.problem}
        for id_ in [id_ for id_, client in self._clients.items() if usable.get(id_) != client.upstream]:
            self._retire(self._clients.pop(id_))
            for key in [key for key in self._health if key[0] == id_]:
                del self._health[key]  # what is configured anew gets a new chance
        targets = defaultdict(list)
        for each in usable.values():
            client = self._client(each)
            for model in each.models:
                health = self._health.setdefault((each.id, model.name), Health())
                targets[model.name].append(Target(each, model, client, health))
        self._upstreams = {each.id: each for each in upstreams}
        self._targets = dict(targets)
        self._fallbacks = fallbacks
        self._cards = [_card(name, found) for name, found in targets.items()]

    def _client(self, upstream: Upstream) -> UpstreamClient:
        from aquilon.upstreams.client import UpstreamClient  # aiohttp: only where there are upstreams

        if upstream.id not in self._clients:
            self._clients[upstream.id] = UpstreamClient(upstream)
        return self._clients[upstream.id]

    def _retire(self, client: UpstreamClient) -> None:
        self._retired.add(client)
        loop = asyncio.get_running_loop()
        loop.call_later(client.upstream.timeouts.total, lambda: loop.create_task(self._let_go(client)))

    async def _let_go(self, client: UpstreamClient) -> None:
        self._retired.discard(client)
        await client.close()


def _card(name: str, targets: Sequence[Target]) -> UpstreamModel:
    can = frozenset.intersection(*(target.model.capabilities for target in targets))
    return UpstreamModel(
        name=name,
        source="upstream",
        created=min(target.upstream.created_at for target in targets),
        max_context=min(target.model.max_context for target in targets),
        chat="chat" in can,
        completions="completions" in can,
        fim="fim" in can,
        function_calling="function_calling" in can,
        vision="vision" in can,
        reasoning="reasoning" in can,
        embeddings="embeddings" in can,
        provider=", ".join(sorted({target.upstream.name for target in targets})),
    )
