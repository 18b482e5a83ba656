"""Documents in the order of their relevance to a query: by a reranker of an upstream, or by an embedding model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.embeddings.numbers import similarities
from aquilon.embeddings.pipeline import Backend, EmbeddingBackend, ReadingPipeline
from aquilon.embeddings.request import EmbeddingRequest, Reranked, RerankRequest, ranking
from aquilon.errors import ApiError, invalid
from aquilon.money.settlement import Settlement
from aquilon.people.identity import Principal
from aquilon.upstreams.failures import broken


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
        return Reranked(ranking(request, enumerate(scores)), query.tokens + passages.tokens)


def _texts(request: RerankRequest, purpose: Literal["query", "passage"]) -> EmbeddingRequest:
    texts = (request.query,) if purpose == "query" else request.documents
    return EmbeddingRequest(model=request.model, texts=texts, purpose=purpose, hops=request.hops)
