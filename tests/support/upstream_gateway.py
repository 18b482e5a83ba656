"""A gateway in the tests' process: a real database, the real pipeline, upstreams on loopback."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tests.support.homes import place_database

from aquilon.catalogue.annotations import Annotations
from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.embeddings.local import EmbeddingModel, LocalEmbeddings
from aquilon.embeddings.pipeline import EmbeddingBackend, EmbeddingPipeline
from aquilon.embeddings.process import EmbeddingProcess
from aquilon.embeddings.reranking import RerankPipeline
from aquilon.embeddings.upstream import UpstreamEmbeddings, UpstreamReranker
from aquilon.engine.client import Engine
from aquilon.engine.protocol import SamplingParameters
from aquilon.generation.metrics import Metrics, UpstreamCollector
from aquilon.generation.pipeline import Pipeline
from aquilon.generation.upstream import UpstreamModels
from aquilon.money.admission import Admission
from aquilon.money.settlement import Settlement
from aquilon.money.usage_writer import UsageWriter
from aquilon.people import first_run
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


@dataclass(kw_only=True)
class Gateway:
    database: Database
    sealer: Sealer
    registry: UpstreamRegistry
    settlement: Settlement
    pipeline: Pipeline
    embeddings: EmbeddingPipeline
    """Its local model never answers."""
    reranking: RerankPipeline
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
        model_there = ProvidedModel(model, remote, max_context=4096, capabilities=capabilities, weight=weight)
        upstream = Upstream(
            id="",
            name=name,
            kind=kind,
            base_url=url,
            **({"api_key": "sk-very-secret-key", "timeouts": QUICK} | more),
            models=(model_there,),
        )
        added = await administration.add(self.database, self.sealer, self.operator, upstream=upstream)
        await self.registry.refresh()
        return added

    def request(self, prompt: Prompt | str = "Hello", **more: Any) -> GenerationRequest:
        chat = ChatPrompt((Message("user", prompt),)) if isinstance(prompt, str) else prompt
        sampling = more.pop("sampling", SamplingParameters())
        return GenerationRequest(model=MODEL, prompt=chat, sampling=sampling, **more)

    async def answer(self, request: GenerationRequest, request_id: str = "r1") -> AsyncGenerator[Event]:
        prepared = await self.pipeline.prepare(request, self.principal)
        return self.pipeline.answer([prepared], self.principal, request_id=request_id)

    async def whole(self, prompt: Prompt | str = "Hello", request_id: str = "r1", **more: Any) -> list[Event]:
        """All events of an answer."""
        return [event async for event in await self.answer(self.request(prompt, **more), request_id)]

    def events(self) -> dict[str, Any]:
        """The recorded usage events by their request's id."""
        with sqlite3.connect(self.database.name) as connection:
            connection.row_factory = sqlite3.Row
            return {row["request_id"]: dict(row) for row in connection.execute("SELECT * FROM usage_events")}


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


@asynccontextmanager
async def open_gateway(home: Path) -> AsyncIterator[Gateway]:
    settings = Settings(home=home)
    place_database(home)
    database = await Database.open(settings)
    created = await first_run.prepare_first_run(database)
    assert created is not None
    async with database.writing() as session:
        holder = await api_keys.holder_of(session, created.api_key)
    assert holder is not None
    engine = cast(Engine, NoEngine())
    metrics = Metrics(engine)
    admission = Admission(database)
    writer = UsageWriter(database, admission.shared)
    settlement = Settlement(admission, writer)
    registry = UpstreamRegistry(database, Sealer.of(settings))
    metrics.registry.register(UpstreamCollector(registry))
    local_embeddings = LocalEmbeddings(EmbeddingProcess(answer_seconds=0.0))
    catalogue = Catalogue(None, Annotations(database, settings_aliases={}), (registry, local_embeddings))
    models = UpstreamModels(registry, metrics)
    pipeline = Pipeline(catalogue, settlement, {UpstreamModel: models}, fallbacks=registry.fallbacks)
    embedders: dict[type[ModelCard], EmbeddingBackend] = {
        EmbeddingModel: local_embeddings,
        UpstreamModel: UpstreamEmbeddings(registry, metrics),
    }
    reranking = RerankPipeline(
        catalogue,
        settlement,
        rerankers={UpstreamModel: UpstreamReranker(registry, metrics)},
        embedders=embedders,
        fallbacks=registry.fallbacks,
    )
    gateway = Gateway(
        database=database,
        sealer=registry.sealer,
        registry=registry,
        settlement=settlement,
        pipeline=pipeline,
        embeddings=EmbeddingPipeline(catalogue, settlement, embedders, fallbacks=registry.fallbacks),
        reranking=reranking,
        metrics=metrics,
        writer=writer,
        principal=holder.principal,
        operator=await first_run.operator(database),
    )
    try:
        yield gateway
    finally:
        await registry.close()
        await writer.close()
        await database.close()


@asynccontextmanager
async def another_process(gateway: Gateway) -> AsyncIterator[Gateway]:
    """The same home with another database connection and registry, as another process has them."""
    database = await Database.open(Settings(home=Path(gateway.database.name).parent))
    registry = UpstreamRegistry(database, gateway.sealer)
    try:
        yield replace(gateway, database=database, registry=registry)
    finally:
        await registry.close()
        await database.close()
