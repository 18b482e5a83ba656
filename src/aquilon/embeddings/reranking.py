"""Documents in the order of their relevance to a query: by a reranker of an upstream, or by an embedding model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.embeddings.numbers import similarities
from aquilon.embeddings.pipeline import Backend, EmbeddingBackend, ReadingPipeline
from aquilon.embeddings.request import EmbeddingRequest, ReadingRequest, most_tokens, usual_tokens
from aquilon.embeddings.upstream import first_answer
from aquilon.errors import ApiError, invalid
from aquilon.generation.metrics import Metrics
from aquilon.generation.upstream import doubt
from aquilon.money.settlement import Settlement
from aquilon.people.identity import Principal
from aquilon.upstreams.failures import broken
from aquilon.upstreams.registry import UpstreamModel, UpstreamRegistry
from aquilon.upstreams.routing import Target


@dataclass(frozen=True, kw_only=True)
class RerankRequest(ReadingRequest):
    query: str
    documents: tuple[str, ...]
    most_results: int
    """How many of the most relevant documents are asked for, at most all."""

    @property
    def most_tokens(self) -> int:
        """A reranker reads the query with each document."""
        return most_tokens(self.documents) + most_tokens([self.query]) * len(self.documents)

    @property
    def usual_tokens(self) -> int:
        return max(1, usual_tokens(self.documents) + usual_tokens([self.query]) * len(self.documents))


@dataclass(frozen=True)
class Reranked:
    ranking: list[tuple[int, float]]
    """Indexes of documents and their scores, the most relevant first."""
    tokens: int


class RerankPipeline(ReadingPipeline[RerankRequest, Reranked]):
    def __init__(
        self,
        catalogue: Catalogue,
        settlement: Settlement,
        *,
        rerankers: Mapping[type[ModelCard], Backend[RerankRequest, Reranked]],
        embedders: Mapping[type[ModelCard], EmbeddingBackend],
        fallbacks: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        """``rerankers`` and ``embedders`` by the kind of the model's card."""
        super().__init__(catalogue, settlement, fallbacks=fallbacks)
        self._rerankers = rerankers
        self._embedders = {kind: ByEmbeddings(backend) for kind, backend in embedders.items()}

    def card(self, name: str, principal: Principal) -> ModelCard:
        return self._catalogue.rerank_card(name, principal)

    def _backend(self, card: ModelCard) -> Backend[RerankRequest, Reranked] | None:
        if card.rerank:
            return self._rerankers.get(type(card))
        return self._embedders.get(type(card)) if card.embeddings else None

    def _unable(self, card: ModelCard) -> ApiError:
        return invalid(
            f"The model '{card.name}' ranks no documents: ask a reranker or an embedding model",
            param="model",
            code="not_a_reranking_model",
        )


class ByEmbeddings:
    """A `Backend` whose score is the cosine of the query's and the document's vector."""

    def __init__(self, embeddings: EmbeddingBackend) -> None:
        self._embeddings = embeddings

    async def count(self, request: RerankRequest, card: Any) -> int:
        tokens = 0
        for part in (_texts(request, "query"), _texts(request, "passage")):
            try:
                tokens += await self._embeddings.count(part, card)
            except ApiError as error:
                if error.param == "input":
                    error.param = "query" if part.purpose == "query" else "documents"
                raise
        return tokens

    async def compute(self, request: RerankRequest, card: Any) -> Reranked:
        query = await self._embeddings.compute(_texts(request, "query"), card)
        passages = await self._embeddings.compute(_texts(request, "passage"), card)
        if {len(vector) for vector in passages.vectors} != {len(query.vectors[0])}:
            raise broken("sent vectors of different sizes for a query and its documents").answer
        scores = similarities(query.vectors[0], passages.vectors)
        return Reranked(_ranking(request, enumerate(scores)), query.tokens + passages.tokens)


class _Entry(msgspec.Struct, frozen=True):
    index: int
    relevance_score: float


class _Usage(msgspec.Struct, frozen=True):
    total_tokens: int | None = None


class _Answer(msgspec.Struct, frozen=True):
    results: list[_Entry]
    usage: _Usage | None = None


class UpstreamReranker:
    """A `Backend` for upstreams with a route ``rerank`` in Jina's or Cohere's shape."""

    def __init__(self, registry: UpstreamRegistry, metrics: Metrics) -> None:
        self._registry = registry
        self._metrics = metrics

    async def count(self, request: RerankRequest, card: UpstreamModel) -> int:
        """An upper bound, since the tokenizer is at the upstream."""
        return request.most_tokens

    async def compute(self, request: RerankRequest, card: UpstreamModel) -> Reranked:
        return await first_answer(self._registry, self._metrics, card.name, lambda target: self._ask(target, request))

    async def _ask(self, target: Target, request: RerankRequest) -> Reranked:
        model, timeouts = target.model, target.upstream.timeouts
        body = {"model": model.remote, "query": request.query, "documents": list(request.documents)}
        response = await target.client.post(
            "rerank",
            msgspec.json.encode(dict(request.upstream_fields) | body | {"top_n": request.most_results}),
            model=model.name,
            remote=model.remote,
            seconds=timeouts.first_token,
            hops=request.hops,
        )
        data = await target.client.read_body(response, timeouts.total)
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise broken(f"sent a ranking that can't be read: {error}") from None
        scores = {entry.index: entry.relevance_score for entry in answer.results}
        if len(scores) != len(answer.results) or len(scores) not in (request.most_results, len(request.documents)):
            raise broken(f"ranked {len(answer.results)} documents, {len(scores)} of them different")
        if not all(0 <= index < len(request.documents) and math.isfinite(scores[index]) for index in scores):
            raise broken("ranked a document that it didn't get, or without a number")
        return Reranked(_ranking(request, scores.items()), self._tokens(target, request, answer))

    def _tokens(self, target: Target, request: RerankRequest, answer: _Answer) -> int:
        """The upstream's count if it can be true, else an estimate."""
        reported = answer.usage.total_tokens if answer.usage is not None else None
        if reported is not None and 0 < reported <= request.most_tokens:
            return reported
        if reported is not None:
            doubt(self._metrics, target, kind="prompt", reported=reported, counted=request.usual_tokens)
        return request.usual_tokens


def _texts(request: RerankRequest, purpose: Literal["query", "passage"]) -> EmbeddingRequest:
    texts = (request.query,) if purpose == "query" else request.documents
    return EmbeddingRequest(model=request.model, texts=texts, purpose=purpose, hops=request.hops)


def _ranking(request: RerankRequest, scores: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """The most relevant first; of two with the same score, the earlier document."""
    return sorted(scores, key=lambda scored: (-scored[1], scored[0]))[: request.most_results]
