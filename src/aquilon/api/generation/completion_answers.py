"""``POST /v1/completions``, the answer: one object, or chunks as the tokens come."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.api.event_stream import DONE, frame
from aquilon.api.generation.usage import StreamedUsage, UsageBody, usage_body
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Event, Finished, ScoredToken, Started

_PLAIN_BYTES = frozenset(range(0x20, 0x7F)) - {ord("\\")}


class CompletionLogprobs(msgspec.Struct, frozen=True):
    """Four lists of one length. The first token of a prompt has nothing before it: null.

    Tokens that are parts of characters are written ``bytes:\\xf0\\x9f``; offsets are characters of the choice's text.
    """

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
    tokens: Sequence[str]
    """Each token of the prompt, as log probabilities show it."""
    offsets: Sequence[int]
    """Where in the text each of them begins."""


class _Choice:
    """One choice as it grows: gives the piece that each event adds."""

    def __init__(self, index: int, echo: Echo | None, scored: bool) -> None:
        self._index = index
        self._echo = echo
        self._scored = scored
        self._begin = 0 if echo is None else len(echo.text)
        """Where the continuation begins in the choice's text."""
        self._shown = self._offset = self._begin

    def begin(self, prompt_logprobs: Sequence[ScoredToken | None] | None) -> CompletionChoice | None:
        echo = self._echo
        if echo is None:
            return None
        logprobs = CompletionLogprobs([], [], [], []) if self._scored else None
        if logprobs is not None:
            for score, token, offset in zip(prompt_logprobs or (), echo.tokens, echo.offsets, strict=False):
                _append(logprobs, token, offset, score)
        return CompletionChoice(self._index, echo.text, None, logprobs)

    def more(self, delta: Delta) -> CompletionChoice:
        self._shown += len(delta.text)
        return CompletionChoice(self._index, delta.text, None, self._logprobs(delta.tokens))

    def end(self, finished: Finished) -> CompletionChoice:
        return CompletionChoice(self._index, "", finished.reason, self._logprobs(()))

    def _logprobs(self, tokens: Sequence[ScoredToken]) -> CompletionLogprobs | None:
        if not self._scored:
            return None
        logprobs = CompletionLogprobs([], [], [], [])
        for token in tokens:
            text = shown_token(token.text, token.bytes)
            offset = self._offset if token.offset is None else self._begin + token.offset
            _append(logprobs, text, min(offset, self._shown), token)
            self._offset = offset + len(token.text)
        return logprobs


def shown_token(text: str, data: bytes) -> str:
    """A token by its text, or by its bytes where they are only parts of characters, as OpenAI writes them."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(chr(byte) if byte in _PLAIN_BYTES else f"\\x{byte:02x}" for byte in data)
    return text


def _append(logprobs: CompletionLogprobs, token: str, offset: int, score: ScoredToken | None) -> None:
    logprobs.tokens.append(token)
    logprobs.text_offset.append(offset)
    if score is None:
        logprobs.token_logprobs.append(None)
        logprobs.top_logprobs.append(None)
        return
    logprobs.token_logprobs.append(score.logprob)
    top: dict[str, float] = {}
    for other in score.top:
        top.setdefault(shown_token(other.text, other.bytes), other.logprob)  # the likelier of a same text stays
    logprobs.top_logprobs.append(top | {token: score.logprob})


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
    pieces: AsyncGenerator[Piece], *, id_: str, model: str, count: int, usage: StreamedUsage
) -> AsyncGenerator[bytes]:
    """Server-sent frames; the usage is in the last choice's last chunk, in one of its own, or nowhere."""
    encoder, created = msgspec.json.Encoder(), int(time.time())
    no_usage: UnsetType | None = None if usage == "by itself" else UNSET
    unfinished, last = count, CompletionChoice(0, "", "stop")

    def chunk(choices: list[CompletionChoice], told: UsageBody | UnsetType | None) -> bytes:
        return frame(encoder.encode(Completion(id=id_, created=created, model=model, choices=choices, usage=told)))

    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Usage):
                yield chunk([last], usage_body(piece) if usage == "with the last" else no_usage)
                if usage == "by itself":
                    yield chunk([], usage_body(piece))
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
