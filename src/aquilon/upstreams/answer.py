"""Reads one upstream's streamed answer as events."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from aquilon.request import Alternative, Delta, Drawn, Finished, FinishedReason, ScoredToken, ToolCallDelta
from aquilon.upstreams.calls import StreamedCalls
from aquilon.upstreams.chunks import (
    CallPiece,
    ChunkChoice,
    ChunkUsage,
    ContentPart,
    Logprobs,
    SurrogateJoiner,
    read_chunk,
)
from aquilon.upstreams.event_decoder import EventDecoder, EventTooLong, ServerEvent
from aquilon.upstreams.failures import UpstreamFailure, broken, of_event, stopping, too_slow
from aquilon.upstreams.messages_stream import MessagesStream
from aquilon.upstreams.routing import Target

if TYPE_CHECKING:
    from aiohttp import ClientResponse

V = TypeVar("V")

_USAGE_SECONDS = 5.0
"""The longest wait for the usage after the last continuation has finished."""
_DRAIN_SECONDS = 2.0
"""The longest wait for the end of the response after its last event, so that the connection can be used again."""

_LENGTHS = frozenset(
    {"length", "model_length", "max_tokens", "max_output_tokens", "max_new_tokens", "token_limit", "error_limit"}
    | {"model_context_window_exceeded"}
)
"""Finish reasons of servers that cut an answer at a limit, in small letters. `_FILTERS`: a filter cut it; `_FAILURES`:
the server failed. All other reasons are a regular end; the answer itself shows whether it ends with calls."""
_FILTERS = frozenset(
    {"content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii"}
    | {"refusal", "error_toxic", "guardrail_intervened"}
)
_FAILURES = frozenset({"error", "abort", "insufficient_system_resource"})


class Piece(NamedTuple):
    event: Drawn | Delta | ToolCallDelta | Finished
    size: int
    """Bytes of text and calls that the model wrote; 0 for `Drawn` and `Finished`."""


class UpstreamAnswer:
    """``await open(…)``, then read ``first`` and ``await more()`` until it returns no pieces; always ``close``."""

    def __init__(self, target: Target, response: ClientResponse, *, offset: int, n: int, ends_at: float) -> None:
        self.target = target
        self._response = response
        self._offset = offset
        self._n = n
        self._ends_at = ends_at
        self._loop = asyncio.get_running_loop()
        self._due = math.inf
        self._late = False
        self._timer: asyncio.TimerHandle | None = None
        self._decoder = EventDecoder()
        self._read_chunk = MessagesStream().read if target.upstream.kind == "anthropic" else read_chunk
        self._finished: set[int] = set()
        self._surrogates = SurrogateJoiner()
        self._calls = [StreamedCalls(offset + index, self._surrogates) for index in range(n)]
        self._done = False
        self._failure: UpstreamFailure | None = None
        """A failure to raise after the pieces before it are returned."""
        self.first: list[Piece] = []
        self.prompt_ids: tuple[int, ...] | None = None
        """The prompt's token ids, if the upstream sent them with its first pieces."""
        self.usage: ChunkUsage | None = None
        """The upstream's own count; known at the end."""

    @classmethod
    async def open(
        cls, target: Target, path: str, body: bytes, *, offset: int, n: int, hops: int = 0
    ) -> UpstreamAnswer:
        """An answer with its first pieces. Continuations are numbered from ``offset``. Raises UpstreamFailure."""
        timeouts, loop = target.upstream.timeouts, asyncio.get_running_loop()
        started_at = loop.time()
        target.health.begin()
        try:
            response = await target.client.post(
                path,
                body,
                model=target.model.name,
                remote=target.model.remote,
                seconds=timeouts.first_token,
                hops=hops,
            )
            answer = cls(target, response, offset=offset, n=n, ends_at=started_at + timeouts.total)
            try:
                answer._require_stream()
                while not answer.first and not answer._done:
                    left = started_at + timeouts.first_token - loop.time()
                    answer.first = await answer._read(left, "the first token", timeouts.first_token)
                if answer._failure is not None:
                    raise answer._failure  # nothing was returned yet: another upstream may still answer
                if not answer.first:
                    raise broken("ended without an answer")
            except BaseException:
                answer.close()
                raise
        except UpstreamFailure as failure:
            target.health.learn(failure)
            raise
        except BaseException:
            target.health.abandon()
            raise
        target.health.succeed()
        return answer

    async def more(self) -> list[Piece]:
        """The next pieces; an empty list at the end. Raises UpstreamFailure if the answer breaks off."""
        between = self.target.upstream.timeouts.between
        while not self._done:
            finished = len(self._finished) == self._n
            try:
                pieces = await self._read(_USAGE_SECONDS if finished else between, "the next token", between)
            except UpstreamFailure as failure:
                if finished:
                    return []  # the answer is complete; only its usage is missing
                if failure.unhealthy:
                    self.target.health.fail()
                raise
            if pieces:
                return pieces
        return []

    def close(self) -> None:
        """Close the connection of an unfinished answer; keep the connection of a finished one for other requests."""
        self.target.client.running.discard(self._response)
        if self._timer is not None:
            self._timer.cancel()
        if not self._done:
            self._response.close()
        elif not self._response.content.at_eof():
            task = asyncio.get_running_loop().create_task(_drain(self._response))
            _draining.add(task)
            task.add_done_callback(_draining.discard)

    def _require_stream(self) -> None:
        kind = self._response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            raise broken(f"answered with the content type '{kind[:100]}' instead of 'text/event-stream'")

    async def _read(self, seconds: float, awaited: str, allowed: float) -> list[Piece]:
        """The pieces in the next bytes, which must come within ``seconds``.

        ``awaited`` and ``allowed`` name what is late and its time-out, for the failure.
        """
        if self._failure is not None:
            raise self._failure
        if (left := self._ends_at - self._loop.time()) < seconds:
            seconds, awaited, allowed = left, "the whole answer", self.target.upstream.timeouts.total
        try:
            self._expect(seconds)
            data = await self._response.content.readany()
        except Exception as error:
            if self._late:
                raise too_slow(awaited, allowed) from None
            if self.target.client.closed:
                raise stopping() from None
            raise broken(f"ended in the middle of an answer: {error or type(error).__name__}") from error
        finally:
            self._due = math.inf
        if not data:
            if len(self._finished) < self._n:
                raise broken("ended in the middle of an answer")
            self._done = True
            return []
        try:
            events = self._decoder.feed(data)
        except EventTooLong as error:
            raise broken(f"sent {error}") from None
        pieces: list[Piece] = []
        try:
            for event in events:
                self._add_event(event, pieces)
                if self._done:
                    break
        except UpstreamFailure as failure:
            if not pieces:
                raise
            self._failure = failure
        return pieces

    def _expect(self, seconds: float) -> None:
        """Close the connection unless something comes within ``seconds``.

        There is one timer for each answer, not for each read: it checks again when the time has passed.
        """
        self._due = self._loop.time() + max(0.0, seconds)
        if self._timer is None or self._timer.when() > self._due:
            self._check_at(self._due)

    def _check_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(moment, self._check_due)

    def _check_due(self) -> None:
        self._timer = None
        if self._due <= self._loop.time():
            self._late = True
            self._response.close()
        elif self._due < math.inf:
            self._check_at(self._due)

    def _add_event(self, event: ServerEvent, pieces: list[Piece]) -> None:
        """Add an event's pieces to ``pieces``, where those before a failure stay."""
        data = event.data
        if data == b"[DONE]":
            self._end(pieces)
            return
        model = self.target.model
        if event.name == b"error":
            raise of_event(data, self.target.upstream, model=model.name, remote=model.remote)
        try:
            chunk, has_halves = self._read_chunk(data)
        except (msgspec.MsgspecError, ValueError) as error:
            raise broken(f"sent a chunk that can't be read: {error}") from None
        if chunk.error is not None:
            raise of_event(data, self.target.upstream, model=model.name, remote=model.remote)
        if chunk.usage is not None:
            self.usage = chunk.usage
        if chunk.prompt_token_ids is not None:
            self.prompt_ids = tuple(chunk.prompt_token_ids)
        for choice in chunk.choices or ():
            self._add_choice(choice, has_halves, pieces)
        if chunk.is_last:
            self._end(pieces)

    def _end(self, pieces: list[Piece]) -> None:
        self._done = True
        for index in range(self._n):  # some servers send no finish reason
            if index not in self._finished:
                self._finish(index, "stop", pieces)

    def _add_choice(self, choice: ChunkChoice, has_halves: bool, pieces: list[Piece]) -> None:
        index = choice.index
        if not 0 <= index < self._n:
            raise broken(f"sent the choice {index}; the request has the choices from 0 to {self._n - 1}")
        if index in self._finished:
            return
        continuation = self._offset + index
        if choice.prompt_token_ids is not None:
            self.prompt_ids = tuple(choice.prompt_token_ids)
        if choice.token_ids:
            pieces.append(Piece(Drawn(continuation, tuple(choice.token_ids)), 0))
        text, reasoning, signature, redacted = choice.text or "", "", "", ""
        if (delta := choice.delta) is not None:
            if isinstance(delta.content, str):
                text = delta.content
            elif delta.content:
                text, reasoning = _parts(delta.content)
            text += delta.refusal or ""
            reasoning += delta.reasoning_content or delta.reasoning or ""
            signature, redacted = delta.signature or "", delta.redacted or ""
        if has_halves or self._surrogates:
            text = self._surrogates.join(continuation, "text", text)
            reasoning = self._surrogates.join(continuation, "reasoning", reasoning)
        scores = () if choice.logprobs is None else _scores(choice.logprobs)
        if text or reasoning or scores:
            pieces.append(_text_piece(Delta(continuation, text, tokens=scores, reasoning=reasoning)))
        if signature or redacted:
            pieces.append(Piece(Delta(continuation, "", signature=signature, redacted=redacted), 0))
        if delta is not None:
            for call in delta.tool_calls or ():
                self._add_call(index, call, pieces)
            if delta.function_call is not None:
                self._add_call(index, CallPiece(function=delta.function_call), pieces)
        if choice.finish_reason:  # some servers send an empty one in each chunk before the last
            stop = choice.stop_reason if isinstance(choice.stop_reason, str) else None
            self._finish(index, choice.finish_reason.lower(), pieces, stop=stop)

    def _add_call(self, index: int, call: CallPiece, pieces: list[Piece]) -> None:
        if (event := self._calls[index].add(call)) is not None:
            pieces.append(_call_piece(event))

    def _finish(self, index: int, server_reason: str, pieces: list[Piece], *, stop: str | None = None) -> None:
        """An answer ends with ``tool_calls`` if and only if it has calls and wasn't cut, whatever the server says."""
        if server_reason in _FAILURES:
            raise broken(f"ended an answer with the reason '{server_reason}'")
        reason: FinishedReason = "stop"
        if server_reason in _LENGTHS:
            reason = "length"
        elif server_reason in _FILTERS:
            reason = "content_filter"
        calls, continuation = self._calls[index], self._offset + index
        text = self._surrogates.take_rest(continuation, "text")
        reasoning = self._surrogates.take_rest(continuation, "reasoning")
        if text or reasoning:
            pieces.append(_text_piece(Delta(continuation, text, reasoning=reasoning)))
        pieces.extend(map(_call_piece, calls.finish(cut=reason != "stop")))
        self._finished.add(index)
        reason = "tool_calls" if reason == "stop" and calls else reason
        pieces.append(Piece(Finished(continuation, reason, stop if reason == "stop" else None), 0))


def _text_piece(event: Delta) -> Piece:
    return Piece(event, len(event.text.encode()) + len(event.reasoning.encode()))


def _call_piece(event: ToolCallDelta) -> Piece:
    return Piece(event, len(event.arguments.encode()) + len(event.name.encode()))


_draining: set[asyncio.Task[None]] = set()


async def _drain(response: ClientResponse) -> None:
    """Read the end of a response. If it doesn't end, the connection is closed."""
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            if await response.content.readany():
                response.close()
    except Exception:
        response.close()


def _parts(parts: list[ContentPart]) -> tuple[str, str]:
    text, reasoning = "", ""
    for part in parts:
        if part.type == "thinking":
            thoughts = part.thinking if isinstance(part.thinking, list) else [{"text": part.thinking}]
            reasoning += "".join(str(thought.get("text") or "") for thought in thoughts)
        else:
            text += part.text or ""
    return text, reasoning


def _scores(logprobs: Logprobs) -> tuple[ScoredToken, ...]:
    if logprobs.content is not None:
        return tuple(
            ScoredToken(
                id=-1 if score.token_id is None else score.token_id,
                text=score.token,
                bytes=_bytes(score.token, score.bytes),
                logprob=_finite(score.logprob),
                top=tuple(
                    Alternative(
                        id=-1 if other.token_id is None else other.token_id,
                        text=other.token,
                        bytes=_bytes(other.token, other.bytes),
                        logprob=_finite(other.logprob),
                    )
                    for other in score.top_logprobs or ()
                ),
            )
            for score in logprobs.content
        )
    scores = []
    for place, token in enumerate(logprobs.tokens or ()):
        logprob = _at(logprobs.token_logprobs, place)
        top = tuple(
            Alternative(id=-1, text=text, bytes=text.encode(), logprob=_finite(value))
            for text, value in (_at(logprobs.top_logprobs, place) or {}).items()
        )
        scores.append(ScoredToken(id=-1, text=token, bytes=token.encode(), logprob=_finite(logprob), top=top))
    return tuple(scores)


def _at(values: list[V] | None, place: int) -> V | None:
    return values[place] if values is not None and place < len(values) else None


def _bytes(token: str, values: list[int] | None) -> bytes:
    return token.encode() if values is None else bytes(value & 255 for value in values)


def _finite(logprob: float | None) -> float:
    """The value, or -9999, which OpenAI sends too, for values that JSON can't write."""
    return -9999.0 if logprob is None or not math.isfinite(logprob) else logprob
