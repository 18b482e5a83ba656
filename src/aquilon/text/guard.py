"""Protects chat templates: text from outside can't become a control token.

A template is rendered to text, and only then split into tokens. So that ``<|im_end|>`` in
a message stays plain text, a mark is put inside every markup token in a string from
outside, and inside every beginning of one at a string's end. The mark is a character that
occurs nowhere else; it is removed after the rendered text was split at its control tokens
(``SubwordTokenizer.encode_markup``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from aquilon.text.added_tokens import alternatives

_NONCHARACTERS = [
    *range(0xFDD0, 0xFDF0),
    *(plane + end for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF)),
]
_PRIVATE_USE = range(0xF0000, 0xFFFFE)


class Guard:
    """Marks one set of tokens in strings. Case is ignored, because templates may change it."""

    def __init__(self, tokens: Iterable[str], *, template_literals: Iterable[str] = ()) -> None:
        texts = sorted({token for token in tokens if len(token) > 1})
        self._inside = None
        self._at_start: tuple[str, ...] = ()
        self._infixes = ""
        if not texts:
            return
        # The first character of each token, wherever the whole token follows or the string ends within it.
        by_first: dict[str, list[str]] = {}
        for text in texts:
            by_first.setdefault(text[0], []).append(text[1:])
        whole = (f"{re.escape(first)}(?={alternatives(rest)})" for first, rest in by_first.items())
        self._inside = re.compile("|".join(whole), re.IGNORECASE)
        prefixes = {text[:length] for text in texts for length in range(1, len(text))}
        self._longest = max(map(len, texts))
        self._prefixes = frozenset(prefix.lower() for prefix in prefixes)
        if any(literal.endswith(prefix) for literal in template_literals for prefix in prefixes):
            self._at_start = tuple({text[begin:].lower() for text in texts for begin in range(1, len(text))})
            self._infixes = "\n".join(texts).lower()

    def protect(self, text: str, mark: str) -> str:
        """The string with ``mark`` inside every token, and inside every part that could become one.

        An empty string and white space stay unchanged, because templates test for empty contents.
        """
        if self._inside is None or not text.strip():
            return text
        text = self._inside.sub(lambda match: match.group() + mark, text)
        body = text.rstrip()
        for length in range(min(self._longest - 1, len(body)), 0, -1):
            if body[-length:].lower() in self._prefixes:
                cut = len(body) - length + 1
                text = text[:cut] + mark + text[cut:]
                break
        if self._at_start:
            begin = len(text) - len(text.lstrip())
            if text[begin:].lower().startswith(self._at_start) or (body.strip().lower() in self._infixes):
                text = text[:begin] + mark + text[begin:]
        return text


def unused_character(strings: Iterable[str]) -> str:
    """A noncharacter, or else a private-use character, that is in none of the strings. Raises ValueError if all are."""
    joined = "\0".join(strings)
    for code in _NONCHARACTERS:
        if chr(code) not in joined:
            return chr(code)
    used = set(joined)
    for code in _PRIVATE_USE:
        if chr(code) not in used:
            return chr(code)
    raise ValueError("the messages use every noncharacter and private character of Unicode")


def strings_in(value: Any) -> Iterator[str]:
    """Every string in plain data, including names of fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(strings_in, chain(value.keys(), value.values())))
    elif isinstance(value, list | tuple):
        yield from chain.from_iterable(map(strings_in, value))


def protect_all(value: Any, guard: Guard, mark: str) -> Any:
    """Plain data with every string in it protected, including names of fields."""
    if isinstance(value, str):
        return guard.protect(value, mark)
    if isinstance(value, dict):
        return {protect_all(key, guard, mark): protect_all(item, guard, mark) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [protect_all(item, guard, mark) for item in value]
    return value
