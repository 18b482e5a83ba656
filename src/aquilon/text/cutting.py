"""Long texts in pieces: where a text may be cut so that its parts' tokens are the whole's."""

from __future__ import annotations

import re
from collections.abc import Iterator

import tokenizers

CHUNK_CHARACTERS = 2**16
LONGEST_RUN = 2**18
"""Characters without any place to cut, after which a text is cut all the same: nobody writes such words."""

_PLACES = (
    (r"(?<=[A-Za-z])(?= [A-Za-z])", ("ab cd", "AB CD", "a B", "Ab cD")),
    (r"(?<=\S\n)(?=[^\W\d_])", ("ab\ncd", "a.\nB", "1\nÉ", "。\n你")),
    (r"(?<=[^\W_])(?=[.,;:!?。，、！？<>|()\[\]{}])", ("ab.cd", "A,b", "1<b", "é|", "你。好", "x)", "b}\n", "z[ ")),
)
"""Before a word, after a line's end, before punctuation; with samples that each pipeline is tried on."""


class Cutter:
    """Cuts texts where this pipeline begins a new word whatever stands around, as tried out on samples.

    The library keeps about a hundred bytes for each token of a text until it is done
    with it; in pieces, a text of any length takes the memory of one piece.
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
            found = self._place.search(text, begin + CHUNK_CHARACTERS, last) if self._place is not None else None
            if found is None and last >= len(text):
                break
            end = found.start() if found is not None else last
            yield text[begin:end]
            begin = end
        yield text[begin:]


def _begins_word(pipeline: tokenizers.Tokenizer, sample: str, place: re.Pattern[str]) -> bool:
    if pipeline.pre_tokenizer is None:
        return False
    found = place.search(sample)
    normalized = pipeline.normalizer.normalize_str(sample) if pipeline.normalizer is not None else sample
    if found is None or len(normalized) != len(sample):
        return False
    return found.start() in {start for _, (start, _) in pipeline.pre_tokenizer.pre_tokenize_str(normalized)}
