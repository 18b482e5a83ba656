"""One run in the process that computes it: its numbered events, which any number of readers follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal, cast

import msgspec

from aquilon.conversations.footnotes import Checked, Cited, Searched
from aquilon.errors import ApiError, ErrorType
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Drawn, Event, Finished, FinishedReason, Started, ToolCallDelta

RunStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]

MOST_EVENTS = 20_000
"""A longer run's further text comes in larger pieces, so that no run takes too much memory."""
_LARGE_PIECE = 400
"""Characters."""


class RunError(msgspec.Struct, frozen=True):
    status: int
    type: str
    code: str | None
    message: str

    def raised(self) -> ApiError:
        return ApiError(self.status, cast(ErrorType, self.type), self.message, code=self.code)


CANCELLED = RunError(409, "invalid_request_error", "cancelled", "The answer was cancelled")


class RunEnded(msgspec.Struct, frozen=True, tag=True):
    """The last event of every run."""

    status: RunStatus
    usage: Usage
    reason: FinishedReason = "stop"
    error: RunError | None = None


RunEvent = Started | Drawn | Delta | ToolCallDelta | Finished | Searched | Cited | Checked | RunEnded

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[list[RunEvent]] = msgspec.msgpack.Decoder(list[RunEvent])


def encoded_events(events: list[RunEvent]) -> bytes:
    return _encoder.encode(events)


def decoded_events(data: bytes) -> list[RunEvent]:
    return _decoder.decode(data)


async def unnumbered(events: AsyncGenerator[tuple[int, RunEvent]]) -> AsyncGenerator[RunEvent]:
    async with aclosing(events):
        async for _, event in events:
            yield event


class RunLog:
    """A run's events, numbered from 0."""

    def __init__(self) -> None:
        self.events: list[RunEvent] = []
        self._piece: Delta | ToolCallDelta | None = None
        """Text of a very long run that waits until there is enough of it."""
        self._grown = asyncio.get_running_loop().create_future()

    @property
    def ended(self) -> RunEnded | None:
        last = self.events[-1] if self.events else None
        return last if isinstance(last, RunEnded) else None

    def append(self, event: RunEvent) -> None:
        if len(self.events) >= MOST_EVENTS and (piece := _joined(self._piece, event)) is not None:
            self._piece = piece
            if _size(piece) < _LARGE_PIECE:
                return
            event, self._piece = piece, None
        self.flush()
        self.events.append(event)
        self._grown.set_result(None)
        self._grown = asyncio.get_running_loop().create_future()

    def flush(self) -> None:
        """Number what waited for more text."""
        if self._piece is not None:
            self.events.append(self._piece)
            self._piece = None

    async def read(self, first: int = 0) -> AsyncGenerator[tuple[int, RunEvent]]:
        """Each event from ``first`` on with its number, as they come, until the last one."""
        number = first
        while True:
            grown = self._grown
            while number < len(self.events):
                event = self.events[number]
                yield number, event
                if isinstance(event, RunEnded):
                    return
                number += 1
                grown = self._grown
            if self.ended is not None:
                return
            await asyncio.shield(grown)


async def answer_events(numbered: AsyncGenerator[tuple[int, RunEvent]]) -> AsyncGenerator[Event]:
    """A run's events as `Pipeline.answer` gives those of an answer, with the usage at the end, without footnotes.

    Raises ApiError once a run has failed or was cancelled.
    """
    async with aclosing(numbered):
        async for _, event in numbered:
            if isinstance(event, Searched | Cited | Checked):
                continue
            if not isinstance(event, RunEnded):
                yield event
            elif event.status in ("completed", "incomplete"):
                yield event.usage
            else:
                raise (event.error or CANCELLED).raised()


def _joined(piece: Delta | ToolCallDelta | None, event: RunEvent) -> Delta | ToolCallDelta | None:
    """The piece with the event's text, thoughts or arguments at its end; None if they must stay apart."""
    match event:
        case Delta(index, text, (), "", "", "") if text:
            if piece is None:
                return event
            if isinstance(piece, Delta) and piece.index == index and not piece.reasoning:
                return Delta(index, piece.text + text)
        case Delta(index, "", (), reasoning, "", "") if reasoning:
            if piece is None:
                return event
            if isinstance(piece, Delta) and piece.index == index and not piece.text:
                return Delta(index, "", reasoning=piece.reasoning + reasoning)
        case ToolCallDelta(index, call, "", "", arguments):
            if piece is None:
                return event
            if isinstance(piece, ToolCallDelta) and (piece.index, piece.call) == (index, call):
                return ToolCallDelta(index, call, arguments=piece.arguments + arguments)
    return None


def _size(piece: Delta | ToolCallDelta) -> int:
    return len(piece.arguments) if isinstance(piece, ToolCallDelta) else len(piece.text) + len(piece.reasoning)
