"""What a streamed answer is taken apart into."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """Text for the person who asked."""

    text: str


class Thought(NamedTuple):
    """What a reasoning model says to itself."""

    text: str


class CallBegun(NamedTuple):
    """A tool call, of which the name is known."""

    name: str


class CallGrown(NamedTuple):
    """More of the last call's arguments, JSON text to append."""

    arguments: str


Piece = Said | Thought | CallBegun | CallGrown


def joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of one kind as one; nothing empty."""
    made: list[Piece] = []
    for piece in pieces:
        last = made[-1] if made else None
        if isinstance(piece, Said) and isinstance(last, Said):
            made[-1] = Said(last.text + piece.text)
        elif isinstance(piece, Thought) and isinstance(last, Thought):
            made[-1] = Thought(last.text + piece.text)
        elif isinstance(piece, CallGrown) and isinstance(last, CallGrown):
            made[-1] = CallGrown(last.arguments + piece.arguments)
        elif piece[0] or isinstance(piece, CallBegun):
            made.append(piece)
    return made
