"""What upstreams stream: OpenAI's chunks, chat's and completions', with what other servers add to them."""

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
    """Google's: what is to come back with the call, such as the signature of its thoughts."""


class ContentPart(msgspec.Struct, frozen=True):
    """Mistral's: ``text``, or ``thinking`` with parts of its own."""

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
    """OpenAI's older shape of the only call."""


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


def read_chunk(data: bytes) -> tuple[Chunk, bool]:
    """The chunk, and whether its texts may begin or end with half a character, as JSON in ASCII writes it.

    Raises ValueError for what is no chunk. A usage that can't be read is none: the words beside it stay. What
    Python's own JSON has beyond the standard is read too: ``-Infinity`` and ``NaN``, halves, bytes that aren't UTF-8.
    """
    try:
        try:
            return _decode(data), False
        except msgspec.ValidationError:
            found = _decode_uncounted(data)
            return Chunk(found.choices, None, found.error), False
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _of_loose_json(data), True


_JOINED = frozenset({"content", "text", "thinking", "reasoning", "reasoning_content", "refusal", "arguments"})
"""Texts that go on in the next chunk, where the other half of a character may be."""


def _of_loose_json(data: bytes) -> Chunk:
    try:
        loose = _without_halves(json.loads(data.decode("utf-8", "replace")))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    try:
        return msgspec.convert(loose, Chunk)
    except msgspec.ValidationError:
        found = msgspec.convert(loose, _Uncounted)
        return Chunk(found.choices, None, found.error)


def _without_halves(value: Any, name: str = "") -> Any:
    if isinstance(value, str):
        return value if name in _JOINED else whole_characters(value)
    if isinstance(value, list):
        return [_without_halves(each, name) for each in value]
    if isinstance(value, dict):
        return {whole_characters(key): _without_halves(each, key) for key, each in value.items()}
    return value


def whole_characters(text: str) -> str:
    """Two halves in a row are one character, a half by itself becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class HalvesJoined:
    """Holds the first half of a character back until the text goes on. Texts are told apart by ``(choice, part)``."""

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
        """At a text's end: what stands for a half whose other one never came."""
        return "\ufffd" if self._held.pop((choice, part), "") else ""
