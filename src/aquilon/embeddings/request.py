"""The canonical embedding and rerank requests, which every API's requests are translated to, and their results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from aquilon.request import PromptCut

Purpose = Literal["query", "passage"]
"""The use of a text: some models embed a question differently from the passages that answer it."""

DataType = Literal["float", "int8", "uint8", "binary", "ubinary"]


@dataclass(frozen=True, kw_only=True)
class ReadingRequest:
    """A request of texts that a model reads without generating any."""

    model: str
    """The name that the client sent: a model's name or an alias."""
    upstream_fields: dict[str, Any] = field(default_factory=dict)
    """The client's fields that only upstreams understand, unchanged."""
    hops: int = 0
    """See `Principal.hops`."""

    @property
    def most_tokens(self) -> int:
        """An upper bound of the tokens to read."""
        raise NotImplementedError

    @property
    def usual_tokens(self) -> int:
        """An estimate of them, for upstreams that don't report their count."""
        raise NotImplementedError

    @property
    def any_model_reads(self) -> bool:
        """Whether another model than the requested one can read the inputs."""
        return True


@dataclass(frozen=True, kw_only=True)
class EmbeddingRequest(ReadingRequest):
    texts: tuple[str, ...] = ()
    token_ids: tuple[tuple[int, ...], ...] = ()
    """Instead of texts: ids of the model's own vocabulary."""
    purpose: Purpose = "query"
    dimensions: int | None = None
    """None for all dimensions of the model."""
    cut: PromptCut | None = None
    """How a text is shortened that is too long; None refuses it."""

    @property
    def inputs(self) -> int:
        return len(self.texts) or len(self.token_ids)

    @property
    def most_tokens(self) -> int:
        return most_tokens(self.texts) + sum(len(ids) for ids in self.token_ids)

    @property
    def any_model_reads(self) -> bool:
        return not self.token_ids

    @property
    def usual_tokens(self) -> int:
        return max(1, usual_tokens(self.texts) + sum(len(ids) for ids in self.token_ids))


@dataclass(frozen=True)
class Embedded:
    vectors: list[bytes]
    """A vector for each input, in order: 32-bit floats, little end first."""
    tokens: int
    """The tokens that the model read."""


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


def ranking(request: RerankRequest, scores: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
    """The most relevant first; of two with the same score, the earlier document."""
    return sorted(scores, key=lambda scored: (-scored[1], scored[0]))[: request.most_results]


def most_tokens(texts: Iterable[str]) -> int:
    """An upper bound: no tokenizer makes more tokens of a text than it has bytes, plus a few around it."""
    return sum(len(text.encode()) + 8 for text in texts)


def usual_tokens(texts: Iterable[str]) -> int:
    """An estimate: a token for every four bytes."""
    return -(-sum(len(text.encode()) for text in texts) // 4)
