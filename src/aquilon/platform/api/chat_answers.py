"""``POST /v1/chat/completions``, the answer: one object, or chunks as the tokens come."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.platform.api.event_stream import DONE, frame
from aquilon.platform.api.usage import UsageBody, usage_body
from aquilon.platform.domain.generation import Delta, Event, Finished, ScoredToken, Usage


class TopLogprob(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]
    token_id: int


class TokenLogprob(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]
    token_id: int
    top_logprobs: list[TopLogprob]


class ChoiceLogprobs(msgspec.Struct, frozen=True):
    content: list[TokenLogprob]


class AssistantMessage(msgspec.Struct, frozen=True):
    role: str
    content: str


class ChatChoice(msgspec.Struct, frozen=True):
    index: int
    message: AssistantMessage
    finish_reason: str
    logprobs: ChoiceLogprobs | None = None


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: UsageBody


class ChunkDelta(msgspec.Struct, frozen=True):
    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET


class ChunkChoice(msgspec.Struct, frozen=True):
    index: int
    delta: ChunkDelta
    finish_reason: str | None = None
    logprobs: ChoiceLogprobs | None = None


class ChatCompletionChunk(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: UsageBody | UnsetType | None = UNSET


async def whole_answer(events: AsyncGenerator[Event], *, id_: str, model: str, n: int, logprobs: bool) -> bytes:
    """The ChatCompletion as JSON, when every choice has finished."""
    texts, reasons = [""] * n, ["stop"] * n
    tokens: list[list[ScoredToken]] = [[] for _ in range(n)]
    usage = Usage(0, 0)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Delta):
                texts[event.index] += event.text
                tokens[event.index] += event.tokens
            elif isinstance(event, Finished):
                reasons[event.index] = event.reason
            elif isinstance(event, Usage):
                usage = event
    choices = [
        ChatChoice(
            index,
            AssistantMessage("assistant", texts[index]),
            reasons[index],
            _logprobs(tokens[index]) if logprobs else None,
        )
        for index in range(n)
    ]
    return msgspec.json.encode(
        ChatCompletion(id=id_, created=int(time.time()), model=model, choices=choices, usage=usage_body(usage))
    )


async def chunks(
    events: AsyncGenerator[Event], *, id_: str, model: str, n: int, logprobs: bool, usage_chunk: bool
) -> AsyncGenerator[bytes]:
    """Server-sent frames.

    Each choice's first chunk has the role, its last the ``finish_reason``. The last
    choice to finish carries the usage, which is what Mistral's clients read; with
    ``usage_chunk`` it comes in a chunk of its own, which is what OpenAI's ask for.
    """
    encoder, created = msgspec.json.Encoder(), int(time.time())
    no_usage: UnsetType | None = None if usage_chunk else UNSET
    begun = [False] * n
    unfinished, last = n, ChunkChoice(0, ChunkDelta(), "stop")

    def chunk(choices: list[ChunkChoice], usage: UsageBody | UnsetType | None) -> bytes:
        body = ChatCompletionChunk(id=id_, created=created, model=model, choices=choices, usage=usage)
        return frame(encoder.encode(body))

    async with aclosing(events):
        async for event in events:
            if isinstance(event, Delta | Finished) and not begun[event.index]:
                begun[event.index] = True
                yield chunk([ChunkChoice(event.index, ChunkDelta("assistant", ""))], no_usage)
            if isinstance(event, Delta):
                scores = _logprobs(list(event.tokens)) if logprobs else None
                yield chunk([ChunkChoice(event.index, ChunkDelta(content=event.text), None, scores)], no_usage)
            elif isinstance(event, Finished):
                unfinished -= 1
                last = ChunkChoice(event.index, ChunkDelta(content=""), event.reason)
                if unfinished:
                    yield chunk([last], no_usage)
            elif isinstance(event, Usage):
                usage = usage_body(event)
                yield chunk([last], None if usage_chunk else usage)
                if usage_chunk:
                    yield chunk([], usage)
    yield DONE


def _logprobs(tokens: list[ScoredToken]) -> ChoiceLogprobs:
    return ChoiceLogprobs(
        [
            TokenLogprob(
                token.text,
                token.logprob,
                list(token.bytes),
                token.id,
                [TopLogprob(other.text, other.logprob, list(other.bytes), other.id) for other in token.top],
            )
            for token in tokens
        ]
    )
