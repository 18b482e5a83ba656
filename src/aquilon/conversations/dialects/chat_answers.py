"""The answer of ``POST /v1/chat/completions``: one object, or a stream of chunks."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.conversations.dialects.frames import DONE, frame
from aquilon.conversations.dialects.token_fields import PromptLogprobs, prompt_logprobs
from aquilon.conversations.dialects.usage import StreamedUsage, UsageBody, usage_body
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Drawn, Event, Finished, ScoredToken, Started, ToolCallDelta


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


class FunctionCallBody(msgspec.Struct, frozen=True):
    """In chunks ``arguments`` is to be appended, and ``name`` is empty in all but the first chunk of a call."""

    name: str
    arguments: str


class ToolCallBody(msgspec.Struct, frozen=True):
    id: str
    function: FunctionCallBody
    type: str = "function"
    extra_content: dict[str, Any] | UnsetType = UNSET
    """Google's field, from an upstream. Clients send it back with the call."""


class ToolCallChunk(msgspec.Struct, frozen=True):
    index: int
    function: FunctionCallBody
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    extra_content: dict[str, Any] | UnsetType = UNSET


class AssistantMessage(msgspec.Struct, frozen=True):
    role: str
    content: str | None
    """null if the message has only tool calls."""
    refusal: None = None
    """OpenAI's schema requires it; models here refuse in ``content``."""
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    """The same as ``reasoning_content``: newer clients read this name."""
    tool_calls: list[ToolCallBody] | UnsetType = UNSET
    function_call: FunctionCallBody | UnsetType = UNSET
    """OpenAI's older shape of a call, for requests in that shape."""


class ChatChoice(msgspec.Struct, frozen=True):
    index: int
    message: AssistantMessage
    finish_reason: str
    logprobs: ChoiceLogprobs | None = None
    token_ids: list[int] | UnsetType = UNSET
    """The tokens of the whole answer, thoughts, calls and end token among them (vLLM); only if asked for."""


class ChatCompletion(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "chat.completion"
    created: int
    model: str
    """The model that answered: the requested one, or its fall-back."""
    choices: list[ChatChoice]
    usage: UsageBody
    prompt_token_ids: list[int] | UnsetType = UNSET
    prompt_logprobs: PromptLogprobs | UnsetType = UNSET
    """For each token of the prompt: by id, the token itself and the likeliest ones (vLLM); only if asked for."""
    metadata: dict[str, str] | UnsetType = UNSET
    """Of a stored chat completion, when it is read."""


class ChunkDelta(msgspec.Struct, frozen=True):
    role: str | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET
    tool_calls: list[ToolCallChunk] | UnsetType = UNSET
    function_call: FunctionCallBody | UnsetType = UNSET


class ChunkChoice(msgspec.Struct, frozen=True):
    index: int
    delta: ChunkDelta
    finish_reason: str | None = None
    logprobs: ChoiceLogprobs | None = None
    token_ids: list[int] | UnsetType = UNSET
    """The tokens drawn since the choice's last chunk."""


class ChatCompletionChunk(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: UsageBody | UnsetType | None = UNSET
    prompt_token_ids: list[int] | UnsetType = UNSET
    """In the first chunk."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The values that all chunks and choices of an answer share."""

    id: str
    model: str
    n: int
    created: int = msgspec.field(default_factory=lambda: int(time.time()))
    logprobs: bool = False
    prompt_logprobs: int | None = None
    """How many alternatives to report beside each token of the prompt; None reports nothing."""
    token_ids: bool = False
    """Whether the token ids of prompt and choices are reported."""
    usage: StreamedUsage = "in last chunk"
    functions: bool = False
    """Whether calls are written in OpenAI's older shape."""

    def reason(self, finished: Finished) -> str:
        return "function_call" if self.functions and finished.reason == "tool_calls" else finished.reason


class _Choice:
    """One choice of an answer that isn't streamed, while it grows."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.reason = "stop"
        self.tokens: list[ScoredToken] = []
        self.token_ids: list[int] = []
        self.calls: list[ToolCallDelta] = []

    def add(self, event: Delta) -> None:
        self.text += event.text
        self.reasoning += event.reasoning
        self.tokens += event.tokens

    def call(self, event: ToolCallDelta) -> None:
        if event.call == len(self.calls):
            self.calls.append(event)
        else:
            last = self.calls[event.call]
            self.calls[event.call] = msgspec.structs.replace(last, arguments=last.arguments + event.arguments)

    def message(self, shape: Shape) -> AssistantMessage:
        calls = [
            ToolCallBody(call.id, FunctionCallBody(call.name, call.arguments), extra_content=call.extra or UNSET)
            for call in self.calls
        ]
        return AssistantMessage(
            "assistant",
            self.text if self.text or not calls else None,
            reasoning_content=self.reasoning or UNSET,
            reasoning=self.reasoning or UNSET,
            tool_calls=calls if calls and not shape.functions else UNSET,
            function_call=calls[0].function if calls and shape.functions else UNSET,
        )


class Writing:
    """An answer that isn't streamed, while it grows."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._choices = [_Choice() for _ in range(shape.n)]
        self._model = shape.model
        self._usage = Usage(0, 0)
        self._started = Started(0)

    def add(self, event: Event) -> None:
        match event:
            case Delta():
                self._choices[event.index].add(event)
            case ToolCallDelta():
                self._choices[event.index].call(event)
            case Finished():
                self._choices[event.index].reason = self._shape.reason(event)
            case Usage():
                self._usage = event
            case Drawn():
                self._choices[event.index].token_ids += event.ids
            case Started():
                self._started, self._model = event, event.stand_in or self._model

    @property
    def completion(self) -> ChatCompletion:
        shape, scores = self._shape, self._started.prompt_logprobs
        choices = [
            ChatChoice(
                index,
                choice.message(shape),
                choice.reason,
                _logprobs(choice.tokens) if shape.logprobs else None,
                choice.token_ids if shape.token_ids else UNSET,
            )
            for index, choice in enumerate(self._choices)
        ]
        return ChatCompletion(
            id=shape.id,
            created=shape.created,
            model=self._model,
            choices=choices,
            usage=usage_body(self._usage),
            prompt_token_ids=_prompt_ids(self._started, shape),
            prompt_logprobs=UNSET
            if scores is None or shape.prompt_logprobs is None
            else prompt_logprobs(scores, shape.prompt_logprobs),
        )


async def whole_answer(events: AsyncGenerator[Event], shape: Shape) -> bytes:
    """The ChatCompletion as JSON, once every choice has finished."""
    writing = Writing(shape)
    async with aclosing(events):
        async for event in events:
            writing.add(event)
    return msgspec.json.encode(writing.completion)


def _prompt_ids(started: Started, shape: Shape) -> list[int] | UnsetType:
    return UNSET if started.prompt_ids is None or not shape.token_ids else list(started.prompt_ids)


async def chunks(events: AsyncGenerator[Event], shape: Shape) -> AsyncGenerator[bytes]:
    """Server-sent frames.

    Each choice's first chunk has the role, its last the ``finish_reason``. A choice with only
    calls has no content, not an empty one: clients would show that as an answer.
    """
    encoder = msgspec.json.Encoder()
    no_usage: UnsetType | None = None if shape.usage == "in own chunk" else UNSET
    has_role, has_calls = [False] * shape.n, [False] * shape.n
    model = shape.model
    unfinished, last = shape.n, ChunkChoice(0, ChunkDelta(), "stop")
    prompt_ids: list[int] | UnsetType = UNSET
    drawn: list[list[int]] = [[] for _ in range(shape.n)]
    """The tokens of each choice that no chunk has yet."""

    def chunk(choices: list[ChunkChoice], usage: UsageBody | UnsetType | None) -> bytes:
        nonlocal prompt_ids
        ids, prompt_ids = prompt_ids, UNSET
        body = ChatCompletionChunk(
            id=shape.id, created=shape.created, model=model, choices=choices, usage=usage, prompt_token_ids=ids
        )
        return frame(encoder.encode(body))

    def take_ids(index: int) -> list[int] | UnsetType:
        ids, drawn[index] = drawn[index], []
        return ids if shape.token_ids else UNSET

    held = b""  # sent together with the next chunk: one packet less
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Delta) and not (event.text or event.reasoning or event.tokens):
                continue  # a signature of thoughts, which chat completions don't have
            if isinstance(event, Delta | ToolCallDelta | Finished) and not has_role[event.index]:
                has_role[event.index] = True
                has_text = isinstance(event, Finished) or (isinstance(event, Delta) and not event.reasoning)
                held += chunk([ChunkChoice(event.index, ChunkDelta("assistant", "" if has_text else None))], no_usage)
            if isinstance(event, Delta):
                scores = _logprobs(list(event.tokens)) if shape.logprobs else None
                choice = ChunkChoice(event.index, _delta(event), None, scores, take_ids(event.index))
                yield held + chunk([choice], no_usage)
                held = b""
            elif isinstance(event, ToolCallDelta):
                has_calls[event.index] = True
                choice = ChunkChoice(event.index, _call_delta(event, shape), token_ids=take_ids(event.index))
                yield held + chunk([choice], no_usage)
                held = b""
            elif isinstance(event, Finished):
                unfinished -= 1
                content: str | UnsetType = UNSET if has_calls[event.index] else ""
                delta, ids = ChunkDelta(content=content), take_ids(event.index)
                last = ChunkChoice(event.index, delta, shape.reason(event), token_ids=ids)
                if unfinished:
                    yield held + chunk([last], no_usage)
                    held = b""
            elif isinstance(event, Usage):
                held += chunk([last], usage_body(event) if shape.usage == "in last chunk" else no_usage)
                if shape.usage == "in own chunk":
                    held += chunk([], usage_body(event))
            elif isinstance(event, Drawn):
                drawn[event.index] += event.ids
            elif isinstance(event, Started):
                model, prompt_ids = event.stand_in or model, _prompt_ids(event, shape)
    yield held + DONE


def _delta(event: Delta) -> ChunkDelta:
    if event.reasoning:
        return ChunkDelta(content=event.text or UNSET, reasoning_content=event.reasoning, reasoning=event.reasoning)
    return ChunkDelta(content=event.text)


def _call_delta(event: ToolCallDelta, shape: Shape) -> ChunkDelta:
    function = FunctionCallBody(event.name, event.arguments)
    if shape.functions:
        return ChunkDelta(function_call=function)
    type_ = "function" if event.id else UNSET
    return ChunkDelta(tool_calls=[ToolCallChunk(event.call, function, event.id or UNSET, type_, event.extra or UNSET)])


def _logprobs(tokens: list[ScoredToken]) -> ChoiceLogprobs:
    return ChoiceLogprobs([token_logprob(token) for token in tokens])


def token_logprob(token: ScoredToken) -> TokenLogprob:
    top = [TopLogprob(other.text, other.logprob, list(other.bytes), other.id) for other in token.top]
    return TokenLogprob(token.text, token.logprob, list(token.bytes), token.id, top)
