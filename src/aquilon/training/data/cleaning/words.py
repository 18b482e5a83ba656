"""Words and sentences for datatrove's filters, which would else need spaCy or NLTK and their downloads."""

from __future__ import annotations

import re

from datatrove.utils.word_tokenizers import WordTokenizer

_WORD = re.compile(r"\w+(?:['’](?=\w))?|(?<!\S)[^\w\s]+(?!\S)")
_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"'”»)]*(?=\s|$)|$)", re.DOTALL)


class PlainWords(WordTokenizer):  # type: ignore[misc]  # datatrove has no types
    """Letters and digits are words, with the apostrophe of an elision (``l'``, ``dell'``); so are signs between spaces.

    Signs at a word are no words of their own: Gopher's rules count what stands between spaces.
    """

    def word_tokenize(self, text: str) -> list[str]:
        return _WORD.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        return [sentence.strip() for sentence in _SENTENCE.findall(text) if sentence.strip()]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [match.span() for match in _SENTENCE.finditer(text) if match.group().strip()]


PLAIN_WORDS = PlainWords()
