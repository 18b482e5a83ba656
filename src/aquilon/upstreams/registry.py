"""The upstreams in memory: current at once after a change by this process, within a second after another's."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from aquilon.catalogue.card import ModelCard
from aquilon.log import get_logger
from aquilon.storage import Database
from aquilon.storage.changes import Moment
from aquilon.storage.sealing import Sealer
from aquilon.upstreams import store as stored
from aquilon.upstreams.health import Health
from aquilon.upstreams.routing import Target
from aquilon.upstreams.upstream import Upstream

if TYPE_CHECKING:
    from aquilon.upstreams.client import UpstreamClient

_REFRESH_SECONDS = 0.5

log = get_logger("aquilon.upstreams")


@dataclass(frozen=True, kw_only=True)
class UpstreamModel(ModelCard):
    """A model that one or more upstreams provide, with the capabilities that all of them have."""


class UpstreamRegistry:
    """``await refresh()`` once before use; ``await close()`` at the end."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self.sealer = sealer
        self._version: str | None = None
        self._read: Moment | None = None
        self._upstreams: dict[str, Upstream] = {}
        self._clients: dict[str, UpstreamClient] = {}
        self._retired: set[UpstreamClient] = set()
        """Clients of upstreams that were changed or removed, with answers that may still be running."""
        self._health: dict[tuple[str, str], Health] = {}
        self._targets: dict[str, list[Target]] = {}
        self._fallbacks: Mapping[str, tuple[str, ...]] = {}
        self._cards: list[UpstreamModel] = []
        self._turn = asyncio.Lock()

    def cards(self) -> Sequence[UpstreamModel]:
        """The cards of all models that enabled upstreams provide; the same objects until something changes."""
        return self._cards

    def targets(self, model: str) -> Sequence[Target]:
        """The model at each upstream that provides it; empty if none does."""
        return self._targets.get(model, ())

    def fallbacks(self, model: str) -> tuple[str, ...]:
        """The names of the model's fall-backs, in order."""
        return self._fallbacks.get(model, ())

    def states(self) -> list[tuple[str, str, str]]:
        """Upstream, model and `Health.state` of each target."""
        return [
            (target.upstream.name, target.model.name, target.health.state)
            for targets in self._targets.values()
            for target in targets
        ]

    async def refresh(self) -> None:
        """Read the upstreams if they changed. Raises DBAPIError if the database can't be read."""
        async with self._turn:
            if self._read is not None and self._database.changes.none_since(self._read, unheard=0):
                return
            moment = self._database.changes.now()
            async with self._database.reading() as session:
                version = await stored.version(session)
                if version != self._version:
                    upstreams = await stored.upstreams(session, self.sealer)
                    fallbacks = await stored.fallbacks(session)
                    self._replace(upstreams, fallbacks)
            self._read, self._version = moment, version

    async def keep_fresh(self, stop: asyncio.Event) -> None:
        """Follow other processes' changes until ``stop``; while the database fails, the last known state counts."""
        while not stop.is_set():
            try:
                await self.refresh()
            except (DBAPIError, OSError) as error:
                log.debug("Upstreams can't be read now", error=str(error))
            try:
                async with asyncio.timeout(_REFRESH_SECONDS):
                    await stop.wait()
            except TimeoutError:
                pass

    async def close(self) -> None:
        for client in (*self._clients.values(), *self._retired):
            await client.close()
        self._clients.clear()
        self._retired.clear()

    def _replace(self, upstreams: Sequence[Upstream], fallbacks: Mapping[str, tuple[str, ...]]) -> None:
        for upstream in upstreams:
            before = self._upstreams.get(upstream.id)
            if upstream.problem and (before is None or before.problem != upstream.problem):
                log.error("An upstream can't be used", upstream=upstream.name, problem=upstream.problem)
        usable = {upstream.id: upstream for upstream in upstreams if upstream.enabled and not upstream.problem}
        for id_ in [id_ for id_, client in self._clients.items() if usable.get(id_) != client.upstream]:
            self._retire(self._clients.pop(id_))
            for key in [key for key in self._health if key[0] == id_]:
                del self._health[key]  # a changed upstream starts healthy
        targets = defaultdict(list)
        for upstream in usable.values():
            client = self._client(upstream)
            for model in upstream.models:
                health = self._health.setdefault((upstream.id, model.name), Health())
                targets[model.name].append(Target(upstream=upstream, model=model, client=client, health=health))
        self._upstreams = {upstream.id: upstream for upstream in upstreams}
        self._targets = dict(targets)
        self._fallbacks = fallbacks
        self._cards = [_card(name, model_targets) for name, model_targets in targets.items()]

    def _client(self, upstream: Upstream) -> UpstreamClient:
        from aquilon.upstreams.client import UpstreamClient  # aiohttp is loaded only if needed

        if upstream.id not in self._clients:
            self._clients[upstream.id] = UpstreamClient(upstream)
        return self._clients[upstream.id]

    def _retire(self, client: UpstreamClient) -> None:
        self._retired.add(client)
        loop = asyncio.get_running_loop()
        loop.call_later(client.upstream.timeouts.total, lambda: loop.create_task(self._close_retired(client)))

    async def _close_retired(self, client: UpstreamClient) -> None:
        self._retired.discard(client)
        await client.close()


def _card(name: str, targets: Sequence[Target]) -> UpstreamModel:
    capabilities = frozenset.intersection(*(target.model.capabilities for target in targets))
    return UpstreamModel(
        name=name,
        source="upstream",
        created=min(target.upstream.created_at for target in targets),
        max_context=min(target.model.max_context for target in targets),
        chat="chat" in capabilities,
        completions="completions" in capabilities,
        fim="fim" in capabilities,
        function_calling="function_calling" in capabilities,
        vision="vision" in capabilities,
        reasoning="reasoning" in capabilities,
        embeddings="embeddings" in capabilities,
        rerank="rerank" in capabilities,
        provider=", ".join(sorted({target.upstream.name for target in targets})),
    )
