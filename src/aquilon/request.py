"""The one request and the few events that every API's requests and answers are translated to and from."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from aquilon.engine.protocol import SamplingParameters
from aquilon.text.messages import Message, Tool


class ToolUse(msgspec.Struct, frozen=True):
    """The functions that the model may call in its answer, and whether it must."""

    tools: tuple[Tool, ...]
    choice: Literal["auto", "none", "required", "named"] = "auto"
    named: str | None = None
    """The one function to call, with ``choice`` named."""
    parallel: bool = True
    """Whether one answer may hold several calls."""


class ChatPrompt(msgspec.Struct, frozen=True):
    messages: tuple[Message, ...]
    continue_final: bool = False
    """Go on with the last message, which is the assistant's, in place of answering it."""
    repeats_final: bool = False
    """Whether the answer then begins with that message."""
    tool_use: ToolUse | None = None


class TextPrompt(msgspec.Struct, frozen=True):
    text: str
    add_special: bool = True
    """Whether the tokenizer adds its beginning-of-sequence token."""


class TokenPrompt(msgspec.Struct, frozen=True):
    ids: tuple[int, ...]


class FillPrompt(msgspec.Struct, frozen=True):
    """What stands before and after the gap that is to be filled (fill in the middle)."""

    prefix: str
    suffix: str


Prompt = ChatPrompt | TextPrompt | TokenPrompt | FillPrompt


class JsonObject(msgspec.Struct, frozen=True, tag=True):
    """Any JSON object."""


class JsonSchema(msgspec.Struct, frozen=True, tag=True):
    schema: dict[str, Any]
    name: str = "answer"


class Regex(msgspec.Struct, frozen=True, tag=True):
    pattern: str


class Choice(msgspec.Struct, frozen=True, tag=True):
    """One of these texts, as it is."""

    options: tuple[str, ...]


class Grammar(msgspec.Struct, frozen=True, tag=True):
    """In llguidance's variant of Lark's notation."""

    text: str


OutputFormat = JsonObject | JsonSchema | Regex | Choice | Grammar


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to generate, whoever asked and however."""

    model: str
    """As the client named it: a model's name or an alias."""
    prompt: Prompt
    sampling: SamplingParameters
    temperature: float | None = None
    """None takes the model's own default; ``sampling.temperature`` is set from this."""
    stop: tuple[str, ...] = ()
    n: int = 1
    format: OutputFormat | None = None
    """What every answer must match; None is free text."""
    batch: bool = False
    """Part of a batch job: computed when nobody waits, at the batch price."""
    upstream_fields: dict[str, Any] = {}
    """The client's fields that mean something to an upstream alone, as they came."""
    hops: int = 0
    """As `Principal.hops`."""

    @property
    def begun(self) -> str:
        """What the answer begins with already: the assistant's message that is to be gone on with."""
        prompt = self.prompt
        return prompt.messages[-1].content if isinstance(prompt, ChatPrompt) and prompt.continue_final else ""


class Alternative(msgspec.Struct, frozen=True):
    """A token that could have come, with its natural log probability."""

    id: int
    text: str
    bytes: bytes
    logprob: float


class ScoredToken(msgspec.Struct, frozen=True):
    """A token with its natural log probability, and the most likely ones in its place."""

    id: int
    text: str
    bytes: bytes
    logprob: float
    top: tuple[Alternative, ...]


class Started(msgspec.Struct, frozen=True):
    """The engine has computed one of the request's prompts."""

    prompt: int
    """Which one, from 0."""
    prompt_logprobs: tuple[ScoredToken | None, ...] | None = None
    """One entry a prompt token, None for the first; only if they were asked for."""
    stand_in: str = ""
    """The model that answers, where that is a fall-back of the one that was asked."""


class Delta(msgspec.Struct, frozen=True):
    """More of one continuation: text that is complete, and the tokens that came with it if they were asked for.

    Continuations are counted through all prompts of the request.
    """

    index: int
    text: str
    tokens: tuple[ScoredToken, ...] = ()
    reasoning: str = ""
    """What a reasoning model says to itself before its answer."""


class ToolCallDelta(msgspec.Struct, frozen=True):
    """More of one tool call: the first of a call has its id and name, all have arguments to append."""

    index: int
    call: int
    """Which call of the continuation, from 0."""
    id: str = ""
    name: str = ""
    arguments: str = ""


FinishedReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Finished(msgspec.Struct, frozen=True):
    index: int
    reason: FinishedReason


class Usage(msgspec.Struct, frozen=True):
    """Tokens; the last event of a request. The prompt counts once however many continuations there are."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    """Of the completion's: what a model thought before it answered."""

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


Event = Started | Delta | ToolCallDelta | Finished | Usage
