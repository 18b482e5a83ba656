"""The bytes of a vocabulary's pieces."""

from __future__ import annotations

import re


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet: printable Latin-1 characters represent their own byte, U+0100 and following the other bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


BYTE_ALPHABET = _byte_alphabet()

_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SPACE = "▁"


def byte_level_bytes(piece: str) -> bytes:
    """The bytes of a byte-level BPE piece; UTF-8 for a piece with characters outside the byte alphabet."""
    try:
        return bytes(map(BYTE_ALPHABET.__getitem__, piece))
    except KeyError:
        return piece.encode()


def sentencepiece_bytes(piece: str) -> bytes:
    """The bytes of a SentencePiece piece: ``▁`` is a space, ``<0x0A>`` a byte."""
    if match := _BYTE_PIECE.fullmatch(piece):
        return bytes((int(match.group(1), 16),))
    return piece.replace(_SPACE, " ").encode()
