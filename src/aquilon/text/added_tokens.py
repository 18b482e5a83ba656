"""Tokens that are matched as whole strings, outside the merges of the vocabulary: control tokens and others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

from aquilon.text.tokenizer import TokenizerError

_SPACES = re.compile(r"\s*")
_LONGEST = 256
_MOST_CHARACTERS = 200_000
"""The limit for all added tokens together; the largest known set has some 100,000."""
_DEEPEST = 60
"""The deepest nesting of shared prefixes in a regular expression; deeper sets get a plain list of alternatives."""
_BRACKETS = {"<": ">", "[": "]", "{": "}"}


@dataclass(frozen=True)
class AddedToken:
    """A token that is matched as a string before the rest of the text is encoded."""

    id: int
    text: str
    _: KW_ONLY
    control: bool
    """Whether it steers the model and has no text; plain text is never encoded to it."""
    strip_left: bool = False
    """Whether it includes the white space before it."""
    strip_right: bool = False
    single_word: bool = False
    """Whether it is only matched where no letter, digit or underscore is next to it."""

    @property
    def is_markup(self) -> bool:
        """Whether it is a control token or written like one (``<tool_call>``), unlike runs of spaces or plain words."""
        return len(self.text) <= _LONGEST and (self.control or self._is_bracketed)

    @property
    def _is_bracketed(self) -> bool:
        return len(self.text) > 2 and _BRACKETS.get(self.text[0]) == self.text[-1]


class AddedTokens:
    """A set of added tokens, which splits texts at them: leftmost first, then longest.

    Tokens of more than 256 characters are never matched. Raises TokenizerError for a set with too many characters.
    """

    def __init__(self, tokens: Iterable[AddedToken]) -> None:
        self._by_text = {token.text: token for token in tokens if 0 < len(token.text) <= _LONGEST}
        if sum(map(len, self._by_text)) > _MOST_CHARACTERS:
            raise TokenizerError(
                f"this vocabulary has too many special tokens: {len(self._by_text)} with more than "
                f"{_MOST_CHARACTERS:,} characters, the limit for all together"
            )
        self._pattern = re.compile(alternatives(self._by_text)) if self._by_text else None

    def __len__(self) -> int:
        return len(self._by_text)

    def __iter__(self) -> Iterator[AddedToken]:
        return iter(self._by_text.values())

    def split(self, text: str) -> Iterator[str | AddedToken]:
        """The text's pieces in order: the added tokens, and the non-empty text between them."""
        if self._pattern is None:
            if text:
                yield text
            return
        begin = search_from = 0
        while match := self._pattern.search(text, search_from):
            token = self._by_text[match.group()]
            start, search_from = match.span()
            if token.single_word and _touches_a_word(text, start, search_from):
                search_from = start + 1
                continue
            before = text[begin:start]
            if token.strip_left:
                before = before.rstrip()
            if before:
                yield before
            yield token
            if token.strip_right:
                search_from = _SPACES.match(text, search_from).end()  # type: ignore[union-attr]  # it may be empty
            begin = search_from
        if begin < len(text):
            yield text[begin:]


def alternatives(strings: Iterable[str]) -> str:
    """A regular expression that matches any of these strings, the longest first, and shares their prefixes."""
    texts = list(strings)
    root: dict[str, Any] = {}
    for string in texts:
        node = root
        for character in string:
            node = node.setdefault(character, {})
        node[""] = {}
    shared = _branch(root, _DEEPEST)
    return shared if shared is not None else "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))


def _branch(node: dict[str, Any], deepest: int) -> str | None:
    """The expression for the strings below a node; None where it would nest too deeply."""
    prefix = ""
    while len(node) == 1 and "" not in node:
        character, node = next(iter(node.items()))
        prefix += re.escape(character)
    children = []
    for character, child in node.items():
        if character:
            branch = _branch(child, deepest - 1) if deepest else None
            if branch is None:
                return None
            children.append(re.escape(character) + branch)
    if not children:
        return prefix
    ending = "?" if "" in node else ""
    return f"{prefix}(?:{'|'.join(children)}){ending}"


def _touches_a_word(text: str, start: int, end: int) -> bool:
    return (start > 0 and _is_word(text[start - 1])) or (end < len(text) and _is_word(text[end]))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
