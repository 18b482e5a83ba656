"""The chunks that upstreams stream: OpenAI's for chat and completions, with other servers' additions.

`messages_stream` reads Anthropic's events as such chunks.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec


class FunctionPiece(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CallPiece(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None
    extra_content: dict[str, Any] | None = None
    """Google's: fields that must come back with the call, such as the signature of its thoughts."""


class ContentPart(msgspec.Struct, frozen=True):
    """Mistral's: ``text``, or ``thinking`` with inner parts."""

    type: str = "text"
    text: str | None = None
    thinking: str | list[dict[str, Any]] | None = None


class ChunkDelta(msgspec.Struct, frozen=True):
    content: str | list[ContentPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[CallPiece] | None = None
    function_call: FunctionPiece | None = None
    """OpenAI's older form of a single call."""
    signature: str | None = None
    """Anthropic's, of the thoughts so far."""
    redacted: str | None = None
    """Anthropic's: encrypted thoughts."""


class TokenScore(msgspec.Struct, frozen=True):
    token: str
    logprob: float | None = None
    bytes: list[int] | None = None
    token_id: int | None = None
    top_logprobs: list[TokenScore] | None = None


class Logprobs(msgspec.Struct, frozen=True):
    """``content`` is for chat, the other fields are for completions."""

    content: list[TokenScore] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None


class ChunkChoice(msgspec.Struct, frozen=True):
    index: int = 0
    delta: ChunkDelta | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    """vLLM's: the stop string that ended the text, the id of the stop token, or null."""
    logprobs: Logprobs | None = None
    token_ids: list[int] | None = None
    """vLLM's: the tokens since the choice's last chunk."""
    prompt_token_ids: list[int] | None = None
    """vLLM's, in a completion's first chunk; in that of a chat they are beside the choices."""


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
    is_last: bool = False
    prompt_token_ids: list[int] | None = None


class _Uncounted(msgspec.Struct, frozen=True):
    choices: list[ChunkChoice] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(Chunk).decode
_decode_uncounted = msgspec.json.Decoder(_Uncounted).decode


def read_chunk(data: bytes) -> tuple[Chunk, bool]:
    """The chunk, and whether its texts may begin or end with half of a surrogate pair, as ASCII JSON writes it.

    Raises ValueError for data that is not a chunk. A usage that can't be read is dropped, and the text beside it
    stays. Python's own JSON decoder reads data beyond the standard: ``-Infinity`` and ``NaN``, lone surrogates, bytes
    that aren't UTF-8.
    """
    try:
        try:
            return _decode(data), False
        except msgspec.ValidationError:
            uncounted = _decode_uncounted(data)
            return Chunk(uncounted.choices, None, uncounted.error), False
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _of_loose_json(data), True


_JOINED = frozenset(
    {"partial_json", "content", "text", "thinking", "reasoning", "reasoning_content", "refusal", "arguments"}
)
"""Texts that continue in the next chunk, which may begin with the other half of a surrogate pair."""


def loose_json(data: bytes) -> Any:
    """The value of JSON beyond the standard; texts that continue in the next chunk may have half a surrogate pair.

    Raises ValueError.
    """
    try:
        return _with_whole_characters(json.loads(data.decode("utf-8", "replace")))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _of_loose_json(data: bytes) -> Chunk:
    fields = loose_json(data)
    try:
        return msgspec.convert(fields, Chunk)
    except msgspec.ValidationError:
        uncounted = msgspec.convert(fields, _Uncounted)
        return Chunk(uncounted.choices, None, uncounted.error)


def _with_whole_characters(value: Any, name: str = "") -> Any:
    """The value without lone surrogates, except in texts that continue in the next chunk."""
    if isinstance(value, str):
        return value if name in _JOINED else whole_characters(value)
    if isinstance(value, list):
        return [_with_whole_characters(item, name) for item in value]
    if isinstance(value, dict):
        return {whole_characters(key): _with_whole_characters(item, key) for key, item in value.items()}
    return value


def whole_characters(text: str) -> str:
    """Surrogate pairs become one character, lone surrogates U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class SurrogateJoiner:
    """Holds the first half of a surrogate pair back until its text continues.

    ``choice`` and ``part`` tell the texts apart.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[int, str | int], str] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def join(self, choice: int, part: str | int, text: str) -> str:
        if text.isascii() and not self._held:
            return text
        text = self._held.pop((choice, part), "") + text
        if "\ud800" <= text[-1:] <= "\udbff":
            self._held[choice, part] = text[-1]
            text = text[:-1]
        return whole_characters(text)

    def take_rest(self, choice: int, part: str | int) -> str:
        """At a text's end: U+FFFD for a half that was held back, otherwise an empty text."""
        return "\ufffd" if self._held.pop((choice, part), "") else ""
