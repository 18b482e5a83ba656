"""The canonical generation request and its events: every API's requests and answers are translated to and from them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from aquilon.engine.protocol import SamplingParameters
from aquilon.money.usage_event import Usage
from aquilon.text.messages import Message, Tool


class ToolUse(msgspec.Struct, frozen=True):
    """The functions that the model may call in its answer, and whether it must call one."""

    tools: tuple[Tool, ...]
    choice: Literal["auto", "none", "required", "named"] = "auto"
    named: str | None = None
    """With ``choice`` named: the function to call."""
    parallel: bool = True
    """Whether one answer may hold several calls."""


class ChatPrompt(msgspec.Struct, frozen=True):
    messages: tuple[Message, ...]
    continue_final: bool = False
    """Continue the last message, which is the assistant's, instead of answering it."""
    repeats_final: bool = False
    """Whether the answer repeats the last message, if it is the assistant's, at its beginning."""
    tool_use: ToolUse | None = None
    generation_prompt: bool = True
    """Open an answer after the last message; otherwise the model continues after the end of that message."""
    template_variables: dict[str, Any] = {}
    """What local chat templates read beside messages and tools, see `text.template_variables`."""
    add_special: bool = False
    """Whether the tokenizer adds its beginning-of-sequence token before what the template writes."""


class TextPrompt(msgspec.Struct, frozen=True):
    text: str
    add_special: bool = True
    """Whether the tokenizer adds its beginning-of-sequence token."""
    parse_special: bool = True
    """Whether names of control tokens in the text become those tokens; otherwise they are plain text."""


class TokenPrompt(msgspec.Struct, frozen=True):
    ids: tuple[int, ...]


class FillPrompt(msgspec.Struct, frozen=True):
    """The text before and after the gap to fill (fill in the middle)."""

    prefix: str
    suffix: str


Prompt = ChatPrompt | TextPrompt | TokenPrompt | FillPrompt


class JsonObject(msgspec.Struct, frozen=True, tag=True):
    """Any JSON object."""


class JsonSchema(msgspec.Struct, frozen=True, tag=True):
    schema: dict[str, Any]
    name: str = "answer"
    description: str | None = None
    strict: bool | None = None
    """Passed on to upstreams, as name and description are: a local answer always matches."""


class Regex(msgspec.Struct, frozen=True, tag=True):
    pattern: str


class Choice(msgspec.Struct, frozen=True, tag=True):
    """Exactly one of these texts."""

    options: tuple[str, ...]


class Grammar(msgspec.Struct, frozen=True, tag=True):
    """Rules in llguidance's variant of Lark's notation."""

    text: str


OutputFormat = JsonObject | JsonSchema | Regex | Choice | Grammar


class PromptCut(msgspec.Struct, frozen=True):
    """Keep at most this many tokens of a prompt."""

    tokens: int | None
    """None: as many as the context holds beside the answer."""
    keeps_end: bool = True
    """Whether the prompt's last tokens are kept, not its first."""


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to generate, whichever API the request came through."""

    model: str
    """The name that the client sent: a model's name or an alias."""
    prompt: Prompt
    sampling: SamplingParameters
    temperature: float | None = None
    """None takes the model's default. The local backend sets ``sampling.temperature`` from this."""
    stop: tuple[str, ...] = ()
    n: int = 1
    format: OutputFormat | None = None
    """What every answer must match; None for free text."""
    bad_words: tuple[str, ...] = ()
    """Words that the answer may not contain, as far as they are written in their usual tokens."""
    shows_stop: bool = False
    """Whether the answer ends with the stop string or token that ended it."""
    shows_control: bool = False
    """Whether control tokens in the answer are shown by their names."""
    cut: PromptCut | None = None
    """How a prompt is shortened that is too long; None refuses it."""
    returns_ids: bool = False
    """Whether the client gets the token ids of prompts and continuations: `Started.prompt_ids` and `Drawn`."""
    batch: bool = False
    """Whether it is part of a batch job: computed when no other request waits, at the batch price."""
    upstream_fields: dict[str, Any] = {}
    """The client's fields that only upstreams understand, unchanged."""
    anthropic_fields: dict[str, Any] = {}
    """The client's fields that only upstreams with Anthropic's API understand."""
    fits_context: bool = False
    """Whether the answer ends where the context does; otherwise a ``max_tokens`` that doesn't fit is refused."""
    limits_completion: bool = False
    """Whether the client sent ``max_completion_tokens`` instead of ``max_tokens``."""
    hops: int = 0
    """See `Principal.hops`."""

    @property
    def prefix(self) -> str:
        """The text that the answer begins with: the assistant's message that the model continues."""
        prompt = self.prompt
        return prompt.messages[-1].content if isinstance(prompt, ChatPrompt) and prompt.continue_final else ""


Bytes = bytes
"""The type, inside classes that have a field of its name."""


class Alternative(msgspec.Struct, frozen=True):
    """Another token that was possible, with its natural log probability."""

    id: int
    text: str
    bytes: Bytes
    logprob: float


class ScoredToken(msgspec.Struct, frozen=True):
    """A token with its natural log probability, and the most likely tokens at its position."""

    id: int
    text: str
    bytes: Bytes
    logprob: float
    top: tuple[Alternative, ...]
    offset: int | None = None
    """Where the token begins in the continuation's text, in characters; None if that is unknown."""
    rank: int | None = None
    """1 for the most likely token; None if that is unknown."""


class Started(msgspec.Struct, frozen=True, tag=True):
    """The backend has processed one of the request's prompts."""

    prompt: int
    """The prompt's number, from 0."""
    prompt_logprobs: tuple[ScoredToken | None, ...] | None = None
    """One entry for each prompt token, None for the first token; only if the client asked for them."""
    prompt_ids: tuple[int, ...] | None = None
    """The prompt's token ids; only if the client asked for them."""
    stand_in: str = ""
    """The fall-back model that answers; empty if the requested model answers."""
    prompt_tokens: int = 0
    """Estimated if an upstream answers, which reports its count at the end."""
    cached_tokens: int = 0
    """The prompt's tokens that were already computed, as far as is known by now."""


class Delta(msgspec.Struct, frozen=True, tag=True):
    """More of one continuation: whole characters of text, and its scored tokens if the client asked for them.

    Continuations are numbered through all prompts of the request.
    """

    index: int
    text: str
    tokens: tuple[ScoredToken, ...] = ()
    reasoning: str = ""
    """A reasoning model's thoughts before its answer."""
    signature: str = ""
    """The upstream's signature of the thoughts so far, at their end."""
    redacted: str = ""
    """Thoughts that the upstream encrypted, as a whole."""


class ToolCallDelta(msgspec.Struct, frozen=True, tag=True):
    """More of one tool call. A call's first delta has its id and name; each delta has arguments to append."""

    index: int
    call: int
    """The call's number in the continuation, from 0."""
    id: str = ""
    name: str = ""
    arguments: str = ""
    extra: dict[str, Any] = {}
    """In the first delta: fields that the upstream wants back with the call (Google's ``extra_content``)."""


class Drawn(msgspec.Struct, frozen=True, tag=True):
    """The tokens of one continuation as they are drawn, before the text that they make: its end token among them."""

    index: int
    ids: tuple[int, ...]


FinishedReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Finished(msgspec.Struct, frozen=True, tag=True):
    index: int
    reason: FinishedReason
    stop: str | None = None
    """The stop string that ended the continuation, if one did and it is known."""


Event = Started | Drawn | Delta | ToolCallDelta | Finished | Usage
