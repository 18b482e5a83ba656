"""Words as a search compares them: without capitals and accents, whatever the language.

Both databases get words that are cut and folded here, so that a search finds the same with
either. Scripts that put no spaces between words are cut into pairs of characters, which
overlap, so that any two characters that follow each other are found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MOST_CHARACTERS = 100_000
"""A longer text is found by its beginning. PostgreSQL takes at most a megabyte of words for a row."""
MOST_WORDS_ASKED = 16
SNIPPET_CHARACTERS = 240
_MOST_OF_A_WORD = 64
_MOST_MARKS = 20

_ACCENTS = "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
"""Accents of Latin, Greek and Cyrillic, and the vowel points of Hebrew and Arabic: words are equal without them."""
_SIGNS = (
    "\u0900-\u0963\u0971-\u0df3\u0e30-\u0e3a\u0e47-\u0e4e\u0eb0-\u0ebd\u0ec8-\u0ece\u0f71-\u0f84\u102b-\u109d"
    "\u17b4-\u17d3\u3099\u309a"
)
"""Letters and vowel signs of scripts whose signs are parts of words, though Python's ``\\w`` doesn't say so."""
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese."""
_WORD = re.compile(rf"(?:[^\W_]|[{_SIGNS}])(?:[^\W_]|[{_ACCENTS}{_SIGNS}])*")
_ACCENT = re.compile(f"[{_ACCENTS}]")
_NO_PART_OF_WORDS = re.compile(rf"[^\w{_SIGNS}]|_")
_RUNS = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i"})


class Mark(NamedTuple):
    """A part of a snippet's text that was asked for, in characters (Unicode code points)."""

    begin: int
    end: int


class Snippet(NamedTuple):
    text: str
    marks: tuple[Mark, ...]


def words_of(text: str) -> str:
    """A text's words in order, as they are compared, with a space between two."""
    text = text[:MOST_CHARACTERS]
    if text.isascii():
        words: Iterator[str] | list[str] = [word[:_MOST_OF_A_WORD] for word in _WORD.findall(text.lower())]
    else:
        words = (piece for word in _WORD.findall(text) for piece in _pieces(_folded(word)))
    return " ".join(words)[:MOST_CHARACTERS]


def words_asked(query: str) -> list[str]:
    """The words that a text must have, or that its words must begin with. All else in a query has no meaning."""
    asked = dict[str, None]()
    for word in _WORD.findall(query):
        for piece in _pieces(_folded(word), beginning=True):
            asked[piece] = None
    return list(asked)[:MOST_WORDS_ASKED]


def snippet(text: str, asked: Sequence[str]) -> Snippet:
    """The part of a text around the first word that was asked for, with all that were."""
    text = text[:MOST_CHARACTERS]
    marks = list[Mark]()
    begin = 0
    for match in _WORD.finditer(text):
        if (marks and match.end() > begin + SNIPPET_CHARACTERS) or len(marks) == _MOST_MARKS:
            break
        if any(piece.startswith(word) for piece in _pieces(_folded(match.group())) for word in asked):
            if not marks:
                begin = _snippet_begin(text, match.start())
            marks.append(Mark(match.start() - begin, min(match.end() - begin, SNIPPET_CHARACTERS)))
    return Snippet(text[begin : begin + SNIPPET_CHARACTERS], tuple(marks))


def _snippet_begin(text: str, position: int) -> int:
    """Some words before the position; the beginning of a word."""
    earliest = position - SNIPPET_CHARACTERS // 4
    if earliest <= 0:
        return 0
    space = text.find(" ", earliest, position)
    return position if space < 0 else space + 1


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    plain = _ACCENT.sub("", unicodedata.normalize("NFKD", word.casefold().translate(_LETTERS)))
    return _NO_PART_OF_WORDS.sub("", unicodedata.normalize("NFC", plain.casefold()))


def _pieces(word: str, *, beginning: bool = False) -> Iterator[str]:
    """The words into which a folded word is cut.

    ``beginning``: it may be the beginning of a longer one, so that its last character alone says nothing.
    """
    if word.isascii():
        if word:
            yield word[:_MOST_OF_A_WORD]
        return
    for run in _RUNS.findall(word):
        if _IS_UNSPACED.match(run) is None:
            yield run[:_MOST_OF_A_WORD]
            continue
        for position in range(len(run) - 1):
            yield run[position : position + 2]
        if not beginning or len(run) == 1:
            yield run[-1]
