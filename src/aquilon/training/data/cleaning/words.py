"""Words and sentences for datatrove's filters, which would else need spaCy or NLTK and their downloads."""

from __future__ import annotations

import re
from itertools import pairwise

from datatrove.utils.word_tokenizers import WordTokenizer

_WORD = re.compile(r"\w+(?:['’](?=\w))?|(?<!\S)[^\w\s]+(?!\S)")
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”»)]*+(?=\s|$)")
"""A sentence's end. It is tried once for each run of signs, however long that is."""


class PlainWords(WordTokenizer):  # type: ignore[misc]  # datatrove has no types
    """Letters and digits are words, with the apostrophe of an elision (``l'``, ``dell'``); so are signs between spaces.

    Signs at a word are no words of their own: Gopher's rules count what stands between spaces.
    """

    def word_tokenize(self, text: str) -> list[str]:
        return _WORD.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        return [text[start:end].strip() for start, end in self.span_tokenize(text)]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        ends = [*(match.end() for match in _END.finditer(text)), len(text)]
        return [(start, end) for start, end in pairwise([0, *ends]) if text[start:end].strip()]


PLAIN_WORDS = PlainWords()
