"""Embeddings and rankings by upstreams."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from aquilon.embeddings.request import Embedded, EmbeddingRequest, ReadingRequest, Reranked, RerankRequest, ranking
from aquilon.errors import ApiError
from aquilon.generation.metrics import Metrics
from aquilon.generation.upstream import doubt, note, paused
from aquilon.upstreams.failures import UpstreamFailure, broken
from aquilon.upstreams.registry import UpstreamModel, UpstreamRegistry
from aquilon.upstreams.routing import Target, in_turn

_LARGEST = 3.4e38
"""The largest number that fits a 32-bit float."""

T = TypeVar("T")


class _Vector(msgspec.Struct, frozen=True):
    embedding: list[float]
    index: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None


class _Vectors(msgspec.Struct, frozen=True):
    data: list[_Vector]
    usage: _Usage | None = None


async def _first_answer(
    registry: UpstreamRegistry, metrics: Metrics, model: str, ask: Callable[[Target], Awaitable[T]]
) -> T:
    """What the first of the model's upstreams answers that can. ``ask`` raises UpstreamFailure. Raises ApiError."""
    first_error: ApiError | None = None
    for target in in_turn(registry.targets(model)):
        target.health.begin()
        try:
            answer = await ask(target)
        except UpstreamFailure as failure:
            target.health.learn(failure)
            note(metrics, target, failure)
            if not failure.elsewhere:
                raise failure.answer from failure
            first_error = first_error or failure.answer
        except BaseException:
            target.health.abandon()
            raise
        else:
            target.health.succeed()
            metrics.upstream_requests.labels(target.upstream.name, model, "completed").inc()
            return answer
    raise first_error or paused(model, registry.targets(model))


class UpstreamEmbeddings:
    """An `embeddings.pipeline.EmbeddingBackend`."""

    def __init__(self, registry: UpstreamRegistry, metrics: Metrics) -> None:
        self._registry = registry
        self._metrics = metrics

    async def count(self, request: EmbeddingRequest, card: UpstreamModel) -> int:
        """An upper bound, since the tokenizer is at the upstream."""
        return request.most_tokens

    async def compute(self, request: EmbeddingRequest, card: UpstreamModel) -> Embedded:
        return await _first_answer(self._registry, self._metrics, card.name, lambda target: self._ask(target, request))

    async def _ask(self, target: Target, request: EmbeddingRequest) -> Embedded:
        model, timeouts = target.model, target.upstream.timeouts
        body = dict(request.upstream_fields) | {"model": model.remote, "encoding_format": "float"}
        body["input"] = list(request.texts) or [list(ids) for ids in request.token_ids]
        if request.dimensions is not None:
            body["output_dimension" if target.upstream.kind == "mistral" else "dimensions"] = request.dimensions
        if request.purpose == "passage" and target.upstream.kind == "aquilon":
            body["input_type"] = "passage"
        response = await target.client.post(
            "embeddings",
            msgspec.json.encode(body),
            model=model.name,
            remote=model.remote,
            seconds=timeouts.first_token,
            hops=request.hops,
        )
        data = await target.client.read_body(response, timeouts.total)
        try:
            answer = msgspec.json.decode(data, type=_Vectors)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise broken(f"sent embeddings that can't be read: {error}") from None
        vectors = [_packed(vector) for vector in _in_order(request, answer)]
        reported = None if answer.usage is None else answer.usage.prompt_tokens
        return Embedded(vectors, _tokens(self._metrics, target, request, reported=reported))


class _Ranked(msgspec.Struct, frozen=True):
    index: int
    relevance_score: float


class _RankingUsage(msgspec.Struct, frozen=True):
    total_tokens: int | None = None


class _Ranking(msgspec.Struct, frozen=True):
    results: list[_Ranked]
    usage: _RankingUsage | None = None


class UpstreamReranker:
    """A `Backend` for upstreams with a route ``rerank`` in Jina's or Cohere's shape."""

    def __init__(self, registry: UpstreamRegistry, metrics: Metrics) -> None:
        self._registry = registry
        self._metrics = metrics

    async def count(self, request: RerankRequest, card: UpstreamModel) -> int:
        """An upper bound, since the tokenizer is at the upstream."""
        return request.most_tokens

    async def compute(self, request: RerankRequest, card: UpstreamModel) -> Reranked:
        return await _first_answer(self._registry, self._metrics, card.name, lambda target: self._ask(target, request))

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
            answer = msgspec.json.decode(data, type=_Ranking)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise broken(f"sent a ranking that can't be read: {error}") from None
        scores = {entry.index: entry.relevance_score for entry in answer.results}
        if len(scores) != len(answer.results) or len(scores) not in (request.most_results, len(request.documents)):
            raise broken(f"ranked {len(answer.results)} documents, {len(scores)} of them different")
        if not all(0 <= index < len(request.documents) and math.isfinite(scores[index]) for index in scores):
            raise broken("ranked a document that it didn't get, or without a number")
        reported = None if answer.usage is None else answer.usage.total_tokens
        tokens = _tokens(self._metrics, target, request, reported=reported)
        return Reranked(ranking(request, scores.items()), tokens)


def _tokens(metrics: Metrics, target: Target, request: ReadingRequest, *, reported: int | None) -> int:
    """The upstream's count if it can be true, else an estimate."""
    if reported is not None and 0 < reported <= request.most_tokens:
        return reported
    if reported is not None:
        doubt(metrics, target, kind="prompt", reported=reported, counted=request.usual_tokens)
    return request.usual_tokens


def _in_order(request: EmbeddingRequest, answer: _Vectors) -> list[list[float]]:
    """A vector for each input. Raises UpstreamFailure if the answer doesn't have them."""
    entries = answer.data
    if any(entry.index is not None for entry in entries):
        if sorted(-1 if entry.index is None else entry.index for entry in entries) != list(range(len(entries))):
            raise broken(f"sent embeddings whose numbers are not those from 0 to {len(entries) - 1}")
        entries = sorted(entries, key=lambda entry: entry.index or 0)
    vectors = [entry.embedding for entry in entries]
    sizes = {len(vector) for vector in vectors}
    if len(vectors) != request.inputs or len(sizes) != 1 or 0 in sizes:
        raise broken(f"sent {len(vectors)} embeddings of {sorted(sizes)[:10]} numbers for {request.inputs} inputs")
    if request.dimensions not in (None, *sizes):
        raise broken(f"sent embeddings of {min(sizes)} numbers instead of {request.dimensions}")
    if not all(min(vector) >= -_LARGEST and max(vector) <= _LARGEST for vector in vectors):
        raise broken("sent an embedding with a number that doesn't fit a 32-bit float")
    return vectors


def _packed(numbers: list[float]) -> bytes:
    floats = array("f", numbers)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()
