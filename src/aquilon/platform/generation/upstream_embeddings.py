"""Embeddings that upstreams compute."""

from __future__ import annotations

import sys
from array import array

import msgspec
import structlog

from aquilon.platform.domain.embeddings import Embedded, EmbeddingRequest
from aquilon.platform.domain.errors import ApiError, overloaded
from aquilon.platform.upstreams.failures import UpstreamFailure, broken
from aquilon.platform.upstreams.registry import UpstreamModel, UpstreamRegistry
from aquilon.platform.upstreams.routing import Target, in_turn

log = structlog.get_logger("aquilon.upstreams")


class _Entry(msgspec.Struct, frozen=True):
    embedding: list[float]
    index: int = 0


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None


class _Answer(msgspec.Struct, frozen=True):
    data: list[_Entry]
    usage: _Usage | None = None


class UpstreamEmbeddings:
    """An `embeddings.pipeline.EmbeddingHouse`."""

    def __init__(self, registry: UpstreamRegistry) -> None:
        self._registry = registry

    async def count(self, request: EmbeddingRequest, card: UpstreamModel) -> int:
        """An upper bound: no tokenizer makes more tokens than a text has bytes, but for its frame."""
        return sum(len(text.encode()) + 8 for text in request.texts) + sum(len(ids) for ids in request.token_ids)

    async def embed(self, request: EmbeddingRequest, card: UpstreamModel) -> Embedded:
        """Raises ApiError. Nothing is streamed, so that every failure may be tried elsewhere."""
        failed: ApiError | None = None
        for name in (card.name, *self._registry.fallbacks(card.name)):
            for target in in_turn(self._registry.targets(name)):
                target.health.begin()
                try:
                    embedded = await self._ask(target, request)
                except UpstreamFailure as failure:
                    _note(target, failure)
                    if not failure.elsewhere:
                        raise failure.answer from failure
                    failed = failed or failure.answer
                except BaseException:
                    target.health.abandon()
                    raise
                else:
                    target.health.succeed()
                    return embedded
        raise failed or overloaded(
            f"The upstreams of '{card.name}' failed just now and are given a pause; try again in a moment",
            retry_after=5,
            code="upstream_unavailable",
        )

    async def _ask(self, target: Target, request: EmbeddingRequest) -> Embedded:
        model, timeouts = target.model, target.upstream.timeouts
        body = dict(request.upstream_fields) | {"model": model.remote, "encoding_format": "float"}
        body["input"] = list(request.texts) or [list(ids) for ids in request.token_ids]
        if request.dimensions is not None:
            body["output_dimension" if target.upstream.kind == "mistral" else "dimensions"] = request.dimensions
        response = await target.client.post(
            "embeddings",
            msgspec.json.encode(body),
            model=model.name,
            remote=model.remote,
            seconds=timeouts.first_token,
        )
        data = await target.client.whole(response, timeouts.total)
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except (msgspec.MsgspecError, ValueError) as error:
            raise broken(f"sent what are no embeddings: {error}") from None
        entries = sorted(answer.data, key=lambda entry: entry.index)
        sizes = {len(entry.embedding) for entry in entries}
        if len(entries) != request.inputs or len(sizes) != 1 or 0 in sizes:
            raise broken(f"sent {len(entries)} embeddings of {sorted(sizes)} numbers for {request.inputs} inputs")
        return Embedded([_vector(entry.embedding) for entry in entries], _tokens(request, answer))


def _tokens(request: EmbeddingRequest, answer: _Answer) -> int:
    """What the upstream counted where it can be true, else a token for every four bytes."""
    size = sum(len(text.encode()) for text in request.texts)
    told = answer.usage.prompt_tokens if answer.usage is not None else None
    if told is not None and 0 < told <= size + 8 * request.inputs + sum(len(ids) for ids in request.token_ids):
        return told
    return sum(len(ids) for ids in request.token_ids) or max(1, -(-size // 4))


def _vector(numbers: list[float]) -> bytes:
    floats = array("f", numbers)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()


def _note(target: Target, failure: UpstreamFailure) -> None:
    if failure.rest:
        target.health.rest(failure.rest)
    if failure.unhealthy:
        target.health.fail()
    else:
        target.health.abandon()
    if failure.elsewhere:
        log.warning("An upstream failed", upstream=target.upstream.name, model=target.model.name, reason=str(failure))
