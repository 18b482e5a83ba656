"""One upstream's stream as events, from the request to its last word."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from aquilon.people.secrets import new_id
from aquilon.request import Alternative, Delta, Finished, FinishedReason, ScoredToken, ToolCallDelta
from aquilon.upstreams.chunks import CallPiece, ChunkChoice, ChunkUsage, ContentPart, Logprobs, read_chunk
from aquilon.upstreams.event_decoder import EventDecoder, EventTooLong, ServerEvent
from aquilon.upstreams.failures import UpstreamFailure, broken, of_event, stopping, too_slow
from aquilon.upstreams.routing import Target

if TYPE_CHECKING:
    from aiohttp import ClientResponse

V = TypeVar("V")

_USAGE_SECONDS = 5.0
"""After the last continuation has finished, its usage is waited for so long."""
_DRAIN_SECONDS = 2.0
"""After its last event, so long for the connection's end of the answer, so that it can be used again."""
_MOST_CALLS = 256

_REASONS: dict[str, FinishedReason] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class Piece(NamedTuple):
    event: Delta | ToolCallDelta | Finished
    size: int
    """Bytes that the model wrote; 0 for an end."""


class UpstreamAnswer:
    """``await open(…)``, then its ``first`` pieces and ``await more()`` until there are none; ``close`` in any case."""

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
        self._finished: set[int] = set()
        self._calls: dict[int, list[int | str]] = {}
        """Of each choice: what the server tells its calls apart by, its number or id."""
        self._done = False
        self._failure: UpstreamFailure | None = None
        """Came behind pieces that are to be shown first."""
        self.first: list[Piece] = []
        self.usage: ChunkUsage | None = None
        """What the upstream says it counted; known at the end."""

    @classmethod
    async def open(
        cls, target: Target, path: str, body: bytes, *, offset: int, n: int, hops: int = 0
    ) -> UpstreamAnswer:
        """An answer that has begun. Continuations count from ``offset``. Raises UpstreamFailure: nothing came yet."""
        timeouts, loop = target.upstream.timeouts, asyncio.get_running_loop()
        begun = loop.time()
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
            answer = cls(target, response, offset=offset, n=n, ends_at=begun + timeouts.total)
            try:
                answer._require_stream()
                while not answer.first and not answer._done:
                    left = begun + timeouts.first_token - loop.time()
                    answer.first = await answer._read(left, "the first token", timeouts.first_token)
                if answer._failure is not None:
                    raise answer._failure  # nothing was shown yet: another may still answer
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
        """The next pieces; none at the end. Raises UpstreamFailure where it breaks off."""
        between = self.target.upstream.timeouts.between
        while not self._done:
            finished = len(self._finished) == self._n
            try:
                pieces = await self._read(_USAGE_SECONDS if finished else between, "the next token", between)
            except UpstreamFailure as failure:
                if finished:
                    return []  # all was said; only its count did not come
                if failure.unhealthy:
                    self.target.health.fail()
                raise
            if pieces:
                return pieces
        return []

    def close(self) -> None:
        """End the upstream's work, or where it has ended give its connection back."""
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
            raise broken(f"answered with '{kind[:100] or 'nothing'}' in place of a stream")

    async def _read(self, seconds: float, what: str, allowed: float) -> list[Piece]:
        if self._failure is not None:
            raise self._failure
        if (left := self._ends_at - self._loop.time()) < seconds:
            seconds, what, allowed = left, "the whole answer", self.target.upstream.timeouts.total
        try:
            self._expect(seconds)
            data = await self._response.content.readany()
        except Exception as error:
            if self._late:
                raise too_slow(what, allowed) from None
            if self.target.client.closed:
                raise stopping() from None
            raise broken(f"ended in the middle of an answer: {error or type(error).__name__}") from error
        finally:
            self._due = math.inf
        if not data:
            return self._end("ended in the middle of an answer")
        try:
            events = self._decoder.feed(data)
        except EventTooLong as error:
            raise broken(f"sent {error}") from None
        pieces: list[Piece] = []
        try:
            for event in events:
                self._take(event, pieces)
                if self._done:
                    break
        except UpstreamFailure as failure:
            if not pieces:
                raise
            self._failure = failure
        return pieces

    def _expect(self, seconds: float) -> None:
        """Close the connection unless something comes in this time.

        One timer an answer, not one a read: it looks again when it would have been time.
        """
        self._due = self._loop.time() + max(0.0, seconds)
        if self._timer is None or self._timer.when() > self._due:
            self._look_at(self._due)

    def _look_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due <= self._loop.time():
            self._late = True
            self._response.close()
        elif self._due < math.inf:
            self._look_at(self._due)

    def _end(self, otherwise: str) -> list[Piece]:
        if len(self._finished) < self._n:
            raise broken(otherwise)
        self._done = True
        return []

    def _take(self, event: ServerEvent, pieces: list[Piece]) -> None:
        data = event.data
        if data == b"[DONE]":
            self._done = True
            for index in range(self._n):  # some servers leave the reason out
                if index not in self._finished:
                    self._finished.add(index)
                    pieces.append(Piece(Finished(self._offset + index, "stop"), 0))
            return
        model = self.target.model
        if event.name == b"error":
            raise of_event(data, self.target.upstream, model=model.name, remote=model.remote)
        try:
            chunk = read_chunk(data)
        except (msgspec.MsgspecError, ValueError) as error:
            raise broken(f"sent what is no chunk: {error}") from None
        if chunk.error is not None:
            raise of_event(data, self.target.upstream, model=model.name, remote=model.remote)
        if chunk.usage is not None:
            self.usage = chunk.usage
        for choice in chunk.choices or ():
            self._take_choice(choice, pieces)

    def _take_choice(self, choice: ChunkChoice, pieces: list[Piece]) -> None:
        index = choice.index
        if not 0 <= index < self._n:
            raise broken(f"sent choice {index} of {self._n} that were asked for")
        if index in self._finished:
            return
        at = self._offset + index
        text, reasoning = choice.text or "", ""
        if (delta := choice.delta) is not None:
            if isinstance(delta.content, str):
                text = delta.content
            elif delta.content:
                text, reasoning = _parts(delta.content)
            text += delta.refusal or ""
            reasoning += delta.reasoning_content or delta.reasoning or ""
        scores = () if choice.logprobs is None else _scores(choice.logprobs)
        if text or reasoning or scores:
            pieces.append(Piece(Delta(at, text, scores, reasoning), len(text.encode()) + len(reasoning.encode())))
        if delta is not None and delta.tool_calls:
            for call in delta.tool_calls:
                pieces.append(self._call(index, call))
        if choice.finish_reason:  # some servers write an empty one until then
            if choice.finish_reason == "error":
                raise broken("ended an answer with the reason 'error'")
            self._finished.add(index)
            pieces.append(Piece(Finished(at, _REASONS.get(choice.finish_reason, "stop")), 0))

    def _call(self, index: int, call: CallPiece) -> Piece:
        """Calls are numbered from 0 as they come, whatever numbers and ids the server gives, repeats or leaves out."""
        known = self._calls.setdefault(index, [])
        function = call.function
        name = (function.name or "") if function is not None else ""
        key: int | str = call.id or "" if call.index is None else call.index
        if key == "":  # neither: a name begins one
            key = -1 - len(known) if name or not known else known[-1]
        fresh = key not in known
        if fresh:
            if len(known) == _MOST_CALLS:
                raise broken(f"sent more than {_MOST_CALLS} tool calls")
            known.append(key)
        arguments = (function.arguments or "") if function is not None else ""
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        event = ToolCallDelta(
            self._offset + index,
            known.index(key),
            id=(call.id or new_id("call")) if fresh else "",
            name=name if fresh else "",
            arguments=arguments,
        )
        return Piece(event, len(arguments.encode()) + len(event.name.encode()))


_draining: set[asyncio.Task[None]] = set()


async def _drain(response: ClientResponse) -> None:
    """Read the end of an answer; whatever goes wrong then, the connection is closed."""
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
            reasoning += "".join(str(thought.get("text", "")) for thought in thoughts)
        else:
            text += part.text
    return text, reasoning


def _scores(logprobs: Logprobs) -> tuple[ScoredToken, ...]:
    if logprobs.content is not None:
        return tuple(
            ScoredToken(
                -1 if score.token_id is None else score.token_id,
                score.token,
                _bytes(score.token, score.bytes),
                _finite(score.logprob),
                tuple(
                    Alternative(
                        -1 if other.token_id is None else other.token_id,
                        other.token,
                        _bytes(other.token, other.bytes),
                        _finite(other.logprob),
                    )
                    for other in score.top_logprobs or ()
                ),
            )
            for score in logprobs.content
        )
    found = []
    for place, token in enumerate(logprobs.tokens or ()):
        logprob = _at(logprobs.token_logprobs, place)
        top = _at(logprobs.top_logprobs, place) or {}
        others = tuple(Alternative(-1, text, text.encode(), value) for text, value in top.items())
        found.append(ScoredToken(-1, token, token.encode(), _finite(logprob), others))
    return tuple(found)


def _at(values: list[V] | None, place: int) -> V | None:
    return values[place] if values is not None and place < len(values) else None


def _bytes(token: str, values: list[int] | None) -> bytes:
    return token.encode() if values is None else bytes(value & 255 for value in values)


def _finite(logprob: float | None) -> float:
    """OpenAI's own floor in place of what JSON has no number for."""
    return -9999.0 if logprob is None else logprob
