"""A sample of text with as many bytes of each language, in bounded memory, whatever the sources' sizes."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from itertools import cycle

MOST_LANGUAGES = 64
_PIECE_CHARACTERS = 8192
_HELD_BACK_EVERY = 50
_HELD_BACK_BYTES = 2**20
_MOST_REPEATS = 8


class _Reservoir:
    """The pieces with the smallest of random numbers: each piece has the same chance to be among them."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, bytes]] = []
        self.bytes = 0

    def add(self, number: float, piece: bytes, *, most_bytes: int) -> None:
        heapq.heappush(self._heap, (-number, piece))
        self.bytes += len(piece)
        self.shrink(most_bytes)

    def shrink(self, most_bytes: int) -> None:
        while self.bytes > most_bytes and len(self._heap) > 1:
            self.bytes -= len(heapq.heappop(self._heap)[1])

    def pieces(self) -> list[bytes]:
        return [piece for _, piece in sorted(self._heap, reverse=True)]


class LanguageSample:
    """Texts by language: some to learn from, ``most_bytes`` in all, and a fiftieth to measure with.

    The same texts in the same order give the same sample.
    """

    def __init__(self, *, most_bytes: int, seed: int = 0) -> None:
        self._most_bytes, self._random = most_bytes, random.Random(seed)  # noqa: S311
        self._learnt: dict[str, _Reservoir] = {}
        self._held_back: dict[str, _Reservoir] = {}
        self._pieces: dict[str, int] = {}
        self.seen: dict[str, int] = {}
        """UTF-8 bytes that were added, by language."""

    def add(self, language: str, text: str) -> None:
        """Raises ValueError for more than MOST_LANGUAGES languages."""
        for piece in _pieces(text):
            if language not in self.seen:
                self._begin(language)
            data = piece.encode()
            self.seen[language] += len(data)
            self._pieces[language] += 1
            number = self._random.random()
            if self._pieces[language] % _HELD_BACK_EVERY:
                self._learnt[language].add(number, data, most_bytes=self._most_bytes // len(self._learnt))
            else:
                self._held_back[language].add(number, data, most_bytes=_HELD_BACK_BYTES)

    def _begin(self, language: str) -> None:
        if len(self.seen) == MOST_LANGUAGES:
            known = ", ".join(sorted(self.seen)[:5])
            raise ValueError(f"the texts have more than {MOST_LANGUAGES} languages: {known}, …")
        self.seen[language] = self._pieces[language] = 0
        self._learnt[language], self._held_back[language] = _Reservoir(), _Reservoir()
        for reservoir in self._learnt.values():
            reservoir.shrink(self._most_bytes // len(self._learnt))

    def learnt_bytes(self) -> int:
        """How many bytes ``learnt`` returns of each language: the most that a language has, but no language's text
        more often than ``_MOST_REPEATS`` times."""
        sizes = [reservoir.bytes for reservoir in self._learnt.values()]
        return min(max(sizes), _MOST_REPEATS * min(sizes)) if sizes else 0

    def repeats(self) -> dict[str, float]:
        """How often ``learnt`` returns each language's sample."""
        return {name: self.learnt_bytes() / max(1, reservoir.bytes) for name, reservoir in self._learnt.items()}

    def learnt(self) -> Iterator[str]:
        """The same number of bytes of each language, to the character; a small language's texts come repeatedly."""
        for language in self._learnt:
            yield from self.learnt_of(language)

    def learnt_of(self, language: str) -> Iterator[str]:
        """What ``learnt`` returns of one language."""
        left = self.learnt_bytes()
        for piece in cycle(self._learnt[language].pieces()):
            yield piece[:left].decode(errors="ignore")
            left -= len(piece)
            if left <= 0:
                return

    def held_back(self) -> dict[str, str]:
        """Text by language that ``learnt`` doesn't return; without an entry for a language with too little text."""
        return {
            name: b"".join(reservoir.pieces()).decode()
            for name, reservoir in self._held_back.items()
            if reservoir.bytes
        }


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of about ``_PIECE_CHARACTERS``, cut before a space where there is one."""
    start = 0
    while start < len(text):
        end = start + _PIECE_CHARACTERS
        space = text.find(" ", end, end + _PIECE_CHARACTERS)
        end = space if space >= 0 else end
        yield text[start:end]
        start = end
