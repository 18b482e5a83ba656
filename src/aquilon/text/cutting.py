"""Cut long texts where the tokens of the pieces are the same as those of the whole text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import tokenizers

CHUNK_CHARACTERS = 2**16
LONGEST_RUN = 2**18
"""A text without a place to cut is cut after so many characters: no real text has such words."""

_PLACES = (
    (r"(?<=[A-Za-z])(?= [A-Za-z])", ("ab cd", "AB CD", "a B", "Ab cD")),
    (r"(?<=\S\n)(?=[^\W\d_])", ("ab\ncd", "a.\nB", "1\nÉ", "。\n你")),
    (r"(?<=[^\W_])(?=[.,;:!?。，、！？<>|()\[\]{}])", ("ab.cd", "A,b", "1<b", "é|", "你。好", "x)", "b}\n", "z[ ")),
)
"""Before a word, after the end of a line, before punctuation; with samples to test each pipeline with."""


class Cutter:
    """Cuts texts where this pipeline always begins a new word, as samples show.

    The library keeps about a hundred bytes for each token until it has encoded the
    whole text; in pieces, a text of any length takes the memory of one piece.
    """

    def __init__(self, pipeline: tokenizers.Tokenizer) -> None:
        places = [
            place
            for place, samples in _PLACES
            if all(_begins_word(pipeline, sample, re.compile(place)) for sample in samples)
        ]
        self._place = re.compile("|".join(places)) if places else None

    def cut(self, text: str) -> Iterator[str]:
        """The text in pieces of about ``CHUNK_CHARACTERS``, and of ``LONGEST_RUN`` at most."""
        begin = 0
        while len(text) - begin > CHUNK_CHARACTERS:
            last = begin + LONGEST_RUN
            match = self._place.search(text, begin + CHUNK_CHARACTERS, last) if self._place is not None else None
            if match is None and last >= len(text):
                break
            end = match.start() if match is not None else last
            yield text[begin:end]
            begin = end
        yield text[begin:]


def _begins_word(pipeline: tokenizers.Tokenizer, sample: str, place: re.Pattern[str]) -> bool:
    if pipeline.pre_tokenizer is None:
        return False
    match = place.search(sample)
    normalized = pipeline.normalizer.normalize_str(sample) if pipeline.normalizer is not None else sample
    if match is None or len(normalized) != len(sample):
        return False
    return match.start() in {start for _, (start, _) in pipeline.pre_tokenizer.pre_tokenize_str(normalized)}
