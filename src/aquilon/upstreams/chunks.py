"""What upstreams stream: OpenAI's chunks, chat's and completions', with what other servers add to them."""

from __future__ import annotations

from typing import Any

import msgspec


class FunctionPiece(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CallPiece(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None


class ContentPart(msgspec.Struct, frozen=True):
    """Mistral's: ``text``, or ``thinking`` with parts of its own."""

    type: str = "text"
    text: str = ""
    thinking: str | list[dict[str, Any]] = ""


class ChunkDelta(msgspec.Struct, frozen=True):
    content: str | list[ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[CallPiece] | None = None


class TokenScore(msgspec.Struct, frozen=True):
    token: str
    logprob: float | None = None
    bytes: list[int] | None = None
    token_id: int | None = None
    top_logprobs: list[TokenScore] | None = None


class Logprobs(msgspec.Struct, frozen=True):
    """``content`` is chat's; the rest is completions'."""

    content: list[TokenScore] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class ChunkChoice(msgspec.Struct, frozen=True):
    index: int = 0
    delta: ChunkDelta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int | None = None


class ChunkUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class Chunk(msgspec.Struct, frozen=True):
    choices: list[ChunkChoice] | None = None
    usage: ChunkUsage | None = None
    error: Any = None


class _Uncounted(msgspec.Struct, frozen=True):
    choices: list[ChunkChoice] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(Chunk).decode
_decode_uncounted = msgspec.json.Decoder(_Uncounted).decode


def read_chunk(data: bytes) -> Chunk:
    """Raises ValueError for what is no chunk. A usage that can't be read is none: the words beside it stay."""
    try:
        try:
            return _decode(data)
        except msgspec.ValidationError:
            found = _decode_uncounted(data)
            return Chunk(found.choices, None, found.error)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
