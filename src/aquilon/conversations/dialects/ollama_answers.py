"""The answers of ``/api/chat`` and ``/api/generate``: lines of JSON, or one object. Durations are nanoseconds."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.errors import server_error
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Event, Finished, ScoredToken, Started, ToolCallDelta

Kind = Literal["chat", "generate"]

_encode = msgspec.json.Encoder().encode


class LikelyToken(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]


class AnsweredToken(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[LikelyToken] | UnsetType = UNSET


class AnsweredFunction(msgspec.Struct, frozen=True):
    index: int
    name: str
    arguments: dict[str, Any]


class AnsweredCall(msgspec.Struct, frozen=True):
    id: str
    function: AnsweredFunction


class AnswerMessage(msgspec.Struct, frozen=True):
    content: str = ""
    thinking: str | UnsetType = UNSET
    tool_calls: list[AnsweredCall] | UnsetType = UNSET
    role: str = "assistant"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a stream, or a whole answer. The counts and durations are in the last line."""

    model: str
    """The model that answered: the requested one by its own name, or its fall-back."""
    created_at: str
    done: bool = False
    done_reason: str | UnsetType = UNSET
    """``stop``, ``length`` or ``content_filter``; ``load`` or ``unload`` if nothing was asked."""
    total_duration: int | UnsetType = UNSET
    load_duration: int | UnsetType = UNSET
    """The time until the model was in memory, 0 if it was."""
    prompt_eval_count: int | UnsetType = UNSET
    prompt_eval_duration: int | UnsetType = UNSET
    """From then to the first token: waiting for the engine and computing the prompt."""
    eval_count: int | UnsetType = UNSET
    eval_duration: int | UnsetType = UNSET
    logprobs: list[AnsweredToken] | UnsetType = UNSET


class ChatLine(Line, frozen=True, kw_only=True):
    message: AnswerMessage


class GenerateLine(Line, frozen=True, kw_only=True):
    response: str
    thinking: str | UnsetType = UNSET


class Clock:
    """Measures one request, from its creation on."""

    def __init__(self, ready_since: Mapping[str, float]) -> None:
        """``ready_since``: when each model was last loaded, on the same clock."""
        self.begun = time.monotonic()
        self._ready_since = ready_since
        self._first_token_at = self.begun

    def prompt_computed(self) -> None:
        self._first_token_at = time.monotonic()

    def measured(self, model: str, usage: Usage) -> dict[str, int]:
        """The fields of the last line."""
        now = time.monotonic()
        loaded = min(max(self.begun, self._ready_since.get(model, self.begun)), self._first_token_at)
        return {
            "total_duration": _nanoseconds(now - self.begun),
            "load_duration": _nanoseconds(loaded - self.begun),
            "prompt_eval_count": usage.prompt_tokens,
            "prompt_eval_duration": _nanoseconds(self._first_token_at - loaded),
            "eval_count": usage.completion_tokens,
            "eval_duration": _nanoseconds(now - self._first_token_at),
        }


class _Part(msgspec.Struct, frozen=True):
    """More of an answer, by this model."""

    model: str
    text: str = ""
    thinking: str = ""
    calls: list[AnsweredCall] = []
    scores: list[AnsweredToken] = []


class _End(msgspec.Struct, frozen=True):
    model: str
    reason: str
    usage: Usage


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer is written."""

    kind: Kind
    model: str
    clock: Clock
    thoughts: bool = True
    """Whether the client wants the model's thoughts."""

    async def whole(self, events: AsyncGenerator[Event]) -> bytes:
        """The answer as one object, once it has ended."""
        text, thinking = "", ""
        calls: list[AnsweredCall] = []
        scores: list[AnsweredToken] = []
        end = _End(self.model, "stop", Usage(0, 0))
        async with aclosing(self._parts(events)) as parts:
            async for part in parts:
                if isinstance(part, _End):
                    end = part
                else:
                    text += part.text
                    thinking += part.thinking
                    calls += part.calls
                    scores += part.scores
        return _encode(_line(self.kind, _Part(end.model, text, thinking, calls, scores), **self._totals(end)))

    async def lines(self, events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
        """A line for each part of the answer; the last one has the counts and durations."""
        async with aclosing(self._parts(events)) as parts:
            async for part in parts:
                if isinstance(part, _End):
                    line = _line(self.kind, _Part(part.model), **self._totals(part))
                else:
                    line = _line(self.kind, part)
                yield _encode(line) + b"\n"

    async def _parts(self, events: AsyncGenerator[Event]) -> AsyncGenerator[_Part | _End]:
        """Calls come together when the model has finished: their arguments are objects, which have no parts."""
        model, reason = self.model, "stop"
        calls: list[ToolCallDelta] = []
        async with aclosing(events):
            async for event in events:
                match event:
                    case Started():
                        self.clock.prompt_computed()
                        model = event.stand_in or model
                    case Delta():
                        thinking = event.reasoning if self.thoughts else ""
                        if event.text or thinking or event.tokens:
                            yield _Part(model, event.text, thinking, scores=[_logprob(token) for token in event.tokens])
                    case ToolCallDelta() if event.call == len(calls):
                        calls.append(event)
                    case ToolCallDelta():
                        begun = calls[event.call]
                        arguments = begun.arguments + event.arguments
                        calls[event.call] = msgspec.structs.replace(begun, arguments=arguments)
                    case Finished():
                        reason = "stop" if event.reason == "tool_calls" else event.reason
                        if answered := _answered(calls, cut=event.reason == "length"):
                            yield _Part(model, calls=answered)
                    case Usage():
                        yield _End(model, reason, event)

    def _totals(self, end: _End) -> dict[str, Any]:
        return {"done": True, "done_reason": end.reason, **self.clock.measured(end.model, end.usage)}


def without_prompt(kind: Kind, model: str, reason: Literal["load", "unload"]) -> bytes:
    """The line that answers a request without a prompt."""
    return _encode(_line(kind, _Part(model), done=True, done_reason=reason)) + b"\n"


def _line(kind: Kind, part: _Part, **more: Any) -> ChatLine | GenerateLine:
    common = {"model": part.model, "created_at": now(), "logprobs": part.scores or UNSET, **more}
    thinking = part.thinking or UNSET
    if kind == "generate":
        return GenerateLine(response=part.text, thinking=thinking, **common)
    return ChatLine(message=AnswerMessage(part.text, thinking, part.calls or UNSET), **common)


def now() -> str:
    """The present time in the format of RFC 3339."""
    return rfc3339(time.time())


def rfc3339(seconds: float) -> str:
    """``seconds`` since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _answered(calls: list[ToolCallDelta], *, cut: bool) -> list[AnsweredCall]:
    """The calls with their arguments as objects. The last call is left out if the answer's length ``cut`` it.

    Raises ApiError 500 for other arguments that aren't an object.
    """
    answered = []
    for call in calls:
        try:
            arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            if cut and call is calls[-1]:
                break
            raise server_error(
                f"The model calls '{call.name[:100]}' with arguments that aren't a JSON object", code="invalid_call"
            ) from None
        answered.append(AnsweredCall(call.id, AnsweredFunction(call.call, call.name, arguments)))
    return answered


def _logprob(token: ScoredToken) -> AnsweredToken:
    top = [LikelyToken(other.text, other.logprob, list(other.bytes)) for other in token.top]
    return AnsweredToken(token.text, token.logprob, list(token.bytes), top or UNSET)


def nanoseconds_since(begun: float) -> int:
    """``begun``: on `time.monotonic`'s clock."""
    return _nanoseconds(time.monotonic() - begun)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
