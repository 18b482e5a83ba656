"""The one request and the few events that every API's requests and answers are translated to and from."""

from __future__ import annotations

from typing import Literal

import msgspec

from aquilon.engine.protocol import SamplingParameters
from aquilon.text.messages import Message


class ChatPrompt(msgspec.Struct, frozen=True):
    messages: tuple[Message, ...]
    continue_final: bool = False
    """Go on with the last message, which is the assistant's, in place of answering it."""


class TextPrompt(msgspec.Struct, frozen=True):
    text: str
    add_special: bool = True
    """Whether the tokenizer adds its beginning-of-sequence token."""


class TokenPrompt(msgspec.Struct, frozen=True):
    ids: tuple[int, ...]


Prompt = ChatPrompt | TextPrompt | TokenPrompt


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


class Delta(msgspec.Struct, frozen=True):
    """More of one continuation: text that is complete, and the tokens that came with it if they were asked for.

    Continuations are counted through all prompts of the request.
    """

    index: int
    text: str
    tokens: tuple[ScoredToken, ...] = ()


class Finished(msgspec.Struct, frozen=True):
    index: int
    reason: Literal["stop", "length"]


class Usage(msgspec.Struct, frozen=True):
    """Tokens; the last event of a request. The prompt counts once however many continuations there are."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


Event = Started | Delta | Finished | Usage
