"""A gateway in this process: a real database, the real pipeline, upstreams on loopback."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tests.support.homes import place_database

from aquilon.catalogue.annotations import Annotations
from aquilon.catalogue.catalogue import Catalogue
from aquilon.embeddings import EmbeddingPipeline
from aquilon.embeddings.local import EmbeddingModel, LocalEmbeddings
from aquilon.embeddings.process import EmbeddingProcess
from aquilon.embeddings.upstream import UpstreamEmbeddings
from aquilon.engine.client import Engine
from aquilon.engine.protocol import SamplingParameters
from aquilon.generation.metrics import Metrics, UpstreamCollector
from aquilon.generation.pipeline import Pipeline
from aquilon.generation.upstream import UpstreamModels
from aquilon.money.admission import Admission
from aquilon.money.settlement import Settlement
from aquilon.money.usage_writer import UsageWriter
from aquilon.people import first_run as operator
from aquilon.people.identity import Principal
from aquilon.people.store import api_keys
from aquilon.request import ChatPrompt, Delta, Event, GenerationRequest, Prompt
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.text.messages import Message
from aquilon.upstreams import administration
from aquilon.upstreams.registry import UpstreamModel, UpstreamRegistry
from aquilon.upstreams.upstream import Capability, ProvidedModel, Timeouts, Upstream, UpstreamKind

MODEL = "m"
QUICK = Timeouts(connect=1, first_token=0.3, between=0.3, total=2)


class NoEngine:
    statistics = None


@dataclass
class House:
    database: Database
    sealer: Sealer
    registry: UpstreamRegistry
    settlement: Settlement
    pipeline: Pipeline
    embeddings: EmbeddingPipeline
    """Its model here never answers."""
    metrics: Metrics
    writer: UsageWriter
    principal: Principal
    operator: Principal

    async def add(
        self,
        url: str,
        name: str = "elsewhere",
        *,
        kind: UpstreamKind = "openai",
        capabilities: frozenset[Capability] = frozenset({"chat", "function_calling", "vision", "completions"}),
        weight: int = 100,
        model: str = MODEL,
        remote: str = "there",
        **more: Any,
    ) -> Upstream:
        given = Upstream(
            id="",
            name=name,
            kind=kind,
            base_url=url,
            **({"api_key": "sk-very-secret-key", "timeouts": QUICK} | more),
            models=(ProvidedModel(model, remote, 4096, capabilities, weight),),
        )
        made = await administration.add(self.database, self.sealer, self.operator, given)
        await self.registry.refresh()
        return made

    def request(self, prompt: Prompt | str = "Hello", **more: Any) -> GenerationRequest:
        asked = ChatPrompt((Message("user", prompt),)) if isinstance(prompt, str) else prompt
        sampling = more.pop("sampling", SamplingParameters())
        return GenerationRequest(model=MODEL, prompt=asked, sampling=sampling, **more)

    async def answer(self, request: GenerationRequest, request_id: str = "r1") -> AsyncGenerator[Event]:
        prepared = await self.pipeline.prepare(request, self.principal)
        return self.pipeline.answer([prepared], self.principal, request_id)

    async def whole(self, prompt: Prompt | str = "Hello", request_id: str = "r1", **more: Any) -> list[Event]:
        return [event async for event in await self.answer(self.request(prompt, **more), request_id)]

    def events(self) -> dict[str, Any]:
        with sqlite3.connect(self.database.name) as raw:
            raw.row_factory = sqlite3.Row
            return {row["request_id"]: dict(row) for row in raw.execute("SELECT * FROM usage_events")}


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


@asynccontextmanager
async def gateway(home: Path) -> AsyncIterator[House]:
    settings = Settings(home=home)
    place_database(home)
    database = await Database.open(settings)
    first = await operator.prepare_first_run(database)
    assert first is not None
    async with database.writing() as session:
        found = await api_keys.holder_of(session, first.api_key)
    assert found is not None
    engine = cast(Engine, NoEngine())
    metrics = Metrics(engine)
    admission = Admission(database)
    writer = UsageWriter(database, admission.shared)
    settlement = Settlement(admission, writer)
    registry = UpstreamRegistry(database, Sealer.of(settings))
    metrics.registry.register(UpstreamCollector(registry))
    here = LocalEmbeddings(EmbeddingProcess(answer_seconds=0.0))
    catalogue = Catalogue(None, Annotations(database, settings_aliases={}), (registry, here))
    models = UpstreamModels(registry, metrics)
    pipeline = Pipeline(catalogue, settlement, {UpstreamModel: models}, None, registry.fallbacks)
    embeddings = EmbeddingPipeline(
        catalogue,
        settlement,
        {EmbeddingModel: here, UpstreamModel: UpstreamEmbeddings(registry, metrics)},
        registry.fallbacks,
    )
    acting = await operator.operator(database)
    house = House(
        database,
        registry.sealer,
        registry,
        settlement,
        pipeline,
        embeddings,
        metrics,
        writer,
        found.principal,
        acting,
    )
    try:
        yield house
    finally:
        await registry.close()
        await writer.close()
        await database.close()


@asynccontextmanager
async def beside(house: House) -> AsyncIterator[House]:
    """Another process's view of the same home."""
    database = await Database.open(Settings(home=Path(house.database.name).parent))
    registry = UpstreamRegistry(database, house.sealer)
    try:
        yield replace(house, database=database, registry=registry)
    finally:
        await registry.close()
        await database.close()
