"""``POST /v1/completions``, the answer: one object, or chunks as the tokens come."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.api.event_stream import DONE, frame
from aquilon.api.generation.usage import UsageBody, usage_body
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Event, Finished, ScoredToken, Started


class CompletionLogprobs(msgspec.Struct, frozen=True):
    """Four lists of one length. The first token of a prompt has nothing before it: null."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CompletionChoice(msgspec.Struct, frozen=True):
    index: int
    text: str
    finish_reason: str | None = None
    logprobs: CompletionLogprobs | None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, and also each chunk of a streamed one."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    """Who answered: the model that was asked, or the fall-back in its place."""
    choices: list[CompletionChoice]
    usage: UsageBody | UnsetType | None = UNSET


class Echo(msgspec.Struct, frozen=True):
    """A prompt as it is shown at the beginning of its answers."""

    text: str
    first_token: str


class _Choice:
    """One choice as it grows: gives the piece that each event adds."""

    def __init__(self, index: int, echo: Echo | None, scored: bool) -> None:
        self._index = index
        self._echo = echo
        self._scored = scored
        self._offset = 0

    def begin(self, prompt_logprobs: Sequence[ScoredToken | None] | None) -> CompletionChoice | None:
        if self._echo is None:
            return None
        return CompletionChoice(self._index, self._echo.text, None, self._logprobs(prompt_logprobs or ()))

    def more(self, delta: Delta) -> CompletionChoice:
        return CompletionChoice(self._index, delta.text, None, self._logprobs(delta.tokens))

    def end(self, finished: Finished) -> CompletionChoice:
        return CompletionChoice(self._index, "", finished.reason, self._logprobs(()))

    def _logprobs(self, tokens: Sequence[ScoredToken | None]) -> CompletionLogprobs | None:
        if not self._scored:
            return None
        logprobs = CompletionLogprobs([], [], [], [])
        for token in tokens:
            if token is None:
                text = self._echo.first_token if self._echo is not None else ""
                logprobs.token_logprobs.append(None)
                logprobs.top_logprobs.append(None)
            else:
                text = token.text
                logprobs.token_logprobs.append(token.logprob)
                top = {other.text: other.logprob for other in reversed(token.top)}  # the likelier of a same text stays
                logprobs.top_logprobs.append(dict(reversed(top.items())) | {text: token.logprob})
            logprobs.tokens.append(text)
            logprobs.text_offset.append(self._offset)
            self._offset += len(text)
        return logprobs


Piece = CompletionChoice | Started | Usage
"""``Started`` comes where a fall-back answers."""


async def pieces(
    events: AsyncGenerator[Event], *, n: int, echoes: Sequence[Echo | None], logprobs: bool
) -> AsyncGenerator[Piece]:
    """What each step adds to each choice, all prompts at once; in the end the usage of them together."""
    choices = [_Choice(index, echoes[index // n], logprobs) for index in range(len(echoes) * n)]
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Started):
                if event.stand_in:
                    yield event
                for choice in choices[event.prompt * n : (event.prompt + 1) * n]:
                    if (piece := choice.begin(event.prompt_logprobs)) is not None:
                        yield piece
            elif isinstance(event, Delta):
                yield choices[event.index].more(event)
            elif isinstance(event, Finished):
                yield choices[event.index].end(event)
            elif isinstance(event, Usage):
                yield event


async def whole_answer(pieces: AsyncGenerator[Piece], *, id_: str, model: str, count: int) -> bytes:
    """The Completion as JSON, when each of ``count`` choices has finished."""
    collected: list[list[CompletionChoice]] = [[] for _ in range(count)]
    usage = Usage(0, 0)
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Usage):
                usage = piece
            elif isinstance(piece, Started):
                model = piece.stand_in
            else:
                collected[piece.index].append(piece)
    return msgspec.json.encode(
        Completion(
            id=id_,
            created=int(time.time()),
            model=model,
            choices=[_joined(index, parts) for index, parts in enumerate(collected)],
            usage=usage_body(usage),
        )
    )


async def chunks(
    pieces: AsyncGenerator[Piece], *, id_: str, model: str, count: int, usage_chunk: bool
) -> AsyncGenerator[bytes]:
    """Server-sent frames; the last choice's last chunk carries the usage, or with ``usage_chunk`` one of its own."""
    encoder, created = msgspec.json.Encoder(), int(time.time())
    no_usage: UnsetType | None = None if usage_chunk else UNSET
    unfinished, last = count, CompletionChoice(0, "", "stop")

    def chunk(choices: list[CompletionChoice], usage: UsageBody | UnsetType | None) -> bytes:
        return frame(encoder.encode(Completion(id=id_, created=created, model=model, choices=choices, usage=usage)))

    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Usage):
                usage = usage_body(piece)
                yield chunk([last], None if usage_chunk else usage)
                if usage_chunk:
                    yield chunk([], usage)
            elif isinstance(piece, Started):
                model = piece.stand_in
            elif piece.finish_reason is not None and (unfinished := unfinished - 1) == 0:
                last = piece
            else:
                yield chunk([piece], no_usage)
    yield DONE


def _joined(index: int, parts: list[CompletionChoice]) -> CompletionChoice:
    logprobs = None
    if parts and parts[0].logprobs is not None:
        logprobs = CompletionLogprobs([], [], [], [])
        for part in parts:
            if part.logprobs is not None:
                logprobs.tokens.extend(part.logprobs.tokens)
                logprobs.token_logprobs.extend(part.logprobs.token_logprobs)
                logprobs.top_logprobs.extend(part.logprobs.top_logprobs)
                logprobs.text_offset.extend(part.logprobs.text_offset)
    reason = next((part.finish_reason for part in parts if part.finish_reason is not None), "stop")
    return CompletionChoice(index, "".join(part.text for part in parts), reason, logprobs)
