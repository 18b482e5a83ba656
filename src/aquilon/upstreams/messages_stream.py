"""Reads the events that upstreams with Anthropic's API stream, as chunks."""

from __future__ import annotations

from typing import Any

import msgspec

from aquilon.upstreams.chunks import (
    CallPiece,
    Chunk,
    ChunkChoice,
    ChunkDelta,
    ChunkUsage,
    CompletionDetails,
    FunctionPiece,
    PromptDetails,
    loose_json,
)


class _OutputDetails(msgspec.Struct, frozen=True):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    """All counts are of the whole answer. A count that an event leaves out is as the event before had it."""

    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _Message(msgspec.Struct, frozen=True):
    usage: _Usage | None = None


class _Block(msgspec.Struct, frozen=True):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None


class _Delta(msgspec.Struct, frozen=True):
    """More of a block, or in ``message_delta`` the reason of the end."""

    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str = ""
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Event).decode


class MessagesStream:
    """The events of one answer, in their order."""

    def __init__(self) -> None:
        self._usage = _Usage()
        self._calls: set[int] = set()
        """The blocks that call a function of the client."""

    def read(self, data: bytes) -> tuple[Chunk, bool]:
        """As `chunks.read_chunk`. Events that say nothing are empty chunks."""
        event, has_halves = _read(data)
        return self._chunk(event), has_halves

    def _chunk(self, event: _Event) -> Chunk:
        match event.type:
            case "error":
                return Chunk(error=event.error or event.type)
            case "message_start":
                self._count(event.message.usage if event.message is not None else None)
            case "content_block_start" if event.content_block is not None:
                return _chunk(self._begun(event.index, event.content_block))
            case "content_block_delta" if event.delta is not None:
                return _chunk(self._grown(event.index, event.delta))
            case "message_delta":
                self._count(event.usage)
                delta = event.delta or _Delta()
                end = ChunkChoice(finish_reason=delta.stop_reason, stop_reason=delta.stop_sequence)
                return Chunk([end], _chunk_usage(self._usage))
            case "message_stop":
                return Chunk(is_last=True)
        return Chunk()

    def _begun(self, index: int, block: _Block) -> ChunkDelta:
        match block.type:
            case "text":
                return ChunkDelta(content=block.text)
            case "thinking":
                return ChunkDelta(reasoning_content=block.thinking)
            case "redacted_thinking":
                return ChunkDelta(redacted=block.data)
            case "tool_use":
                self._calls.add(index)
                function = FunctionPiece(block.name, block.input or None)
                return ChunkDelta(tool_calls=[CallPiece(index, block.id, function)])
        return ChunkDelta()

    def _grown(self, index: int, delta: _Delta) -> ChunkDelta:
        if delta.partial_json is not None:
            if index not in self._calls:
                return ChunkDelta()  # a tool that the upstream itself runs
            return ChunkDelta(tool_calls=[CallPiece(index, function=FunctionPiece(arguments=delta.partial_json))])
        return ChunkDelta(content=delta.text, reasoning_content=delta.thinking, signature=delta.signature)

    def _count(self, usage: _Usage | None) -> None:
        if usage is not None:
            present = {name: value for name, value in msgspec.structs.asdict(usage).items() if value is not None}
            self._usage = msgspec.structs.replace(self._usage, **present)


def _read(data: bytes) -> tuple[_Event, bool]:
    try:
        return _decode(data), False
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.convert(loose_json(data), _Event), True


def _chunk(delta: ChunkDelta) -> Chunk:
    return Chunk([ChunkChoice(delta=delta)])


def _chunk_usage(usage: _Usage) -> ChunkUsage:
    """In OpenAI's counts, where cached tokens are among those of the prompt."""
    details = usage.output_tokens_details
    cached = usage.cache_read_input_tokens or 0
    prompt = None
    if usage.input_tokens is not None:
        prompt = usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0)
    return ChunkUsage(
        prompt,
        usage.output_tokens,
        PromptDetails(cached),
        CompletionDetails(details.thinking_tokens if details is not None else None),
    )
