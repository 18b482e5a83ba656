"""The pieces of a streamed answer."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """Text for the person who sent the request."""

    text: str


class Thought(NamedTuple):
    """Text between a reasoning model's markers of thoughts."""

    text: str


class CallBegun(NamedTuple):
    """The beginning of a tool call: its name."""

    name: str


class CallGrown(NamedTuple):
    """More of the last call's arguments, JSON text to append."""

    arguments: str


Piece = Said | Thought | CallBegun | CallGrown


def joined(pieces: list[Piece]) -> list[Piece]:
    """The pieces with neighbours of one kind merged and empty texts removed."""
    merged: list[Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if isinstance(piece, Said) and isinstance(last, Said):
            merged[-1] = Said(last.text + piece.text)
        elif isinstance(piece, Thought) and isinstance(last, Thought):
            merged[-1] = Thought(last.text + piece.text)
        elif isinstance(piece, CallGrown) and isinstance(last, CallGrown):
            merged[-1] = CallGrown(last.arguments + piece.arguments)
        elif piece[0] or isinstance(piece, CallBegun):
            merged.append(piece)
    return merged
