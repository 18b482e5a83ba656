"""Embeddings by upstreams."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from aquilon.embeddings.request import Embedded, EmbeddingRequest
from aquilon.errors import ApiError
from aquilon.generation.metrics import Metrics
from aquilon.generation.upstream import doubt, note, paused
from aquilon.upstreams.failures import UpstreamFailure, broken
from aquilon.upstreams.registry import UpstreamModel, UpstreamRegistry
from aquilon.upstreams.routing import Target, in_turn

_LARGEST = 3.4e38
"""The largest number that fits a 32-bit float."""

T = TypeVar("T")


class _Entry(msgspec.Struct, frozen=True):
    embedding: list[float]
    index: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct, frozen=True):
    data: list[_Entry]
    usage: _Usage | None = None


async def first_answer(
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
        return await first_answer(self._registry, self._metrics, card.name, lambda target: self._ask(target, request))

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
            answer = msgspec.json.decode(data, type=_Answer)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise broken(f"sent embeddings that can't be read: {error}") from None
        vectors = [_packed(vector) for vector in _in_order(request, answer)]
        return Embedded(vectors, self._tokens(target, request, answer))

    def _tokens(self, target: Target, request: EmbeddingRequest, answer: _Answer) -> int:
        """The upstream's count if it can be true, else a token for every four bytes."""
        reported = answer.usage.prompt_tokens if answer.usage is not None else None
        if reported is not None and 0 < reported <= request.most_tokens:
            return reported
        if reported is not None:
            doubt(self._metrics, target, kind="prompt", reported=reported, counted=request.usual_tokens)
        return request.usual_tokens


def _in_order(request: EmbeddingRequest, answer: _Answer) -> list[list[float]]:
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
