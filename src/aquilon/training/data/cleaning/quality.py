"""Which documents are prose: Gopher's, C4's and FineWeb's rules, with thresholds for each language.

Rae et al. 2021 (arXiv:2112.11446), Raffel et al. 2020, Penedo et al. 2024 (arXiv:2406.17557) and 2025 (FineWeb 2).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import TERMINAL_PUNCTUATION

from aquilon.training.data.cleaning.foreign_lines import SHORT_WORDS
from aquilon.training.data.cleaning.words import PLAIN_WORDS

_MEAN_WORD_LENGTH = 10
_MEAN_WORD_LENGTHS = {"de": 12}
"""The most, in letters. German writes compounds as one word."""


@cache
def quality_filters(language: str) -> dict[str, Any]:
    """datatrove's filters by the stage's name, in order; each may shorten the text of what it keeps."""
    stop_words = SHORT_WORDS.get(language, frozenset())
    return {
        "repetition": GopherRepetitionFilter(language=PLAIN_WORDS),
        "quality": GopherQualityFilter(
            max_doc_words=None,  # a novel is one document
            max_avg_word_length=_MEAN_WORD_LENGTHS.get(language, _MEAN_WORD_LENGTH),
            min_stop_words=2 if stop_words else None,  # of languages whose words aren't known, none are asked for
            stop_words=list(stop_words),
            language=PLAIN_WORDS,
        ),
        # As FineWeb does, C4's rule that a line ends with a full stop is left out. So are those on curly brackets,
        # on the word JavaScript and on lines of one or two words: they cost documentation and dialogues.
        "c4": C4QualityFilter(
            filter_no_terminal_punct=False,
            filter_javascript=False,
            filter_curly_bracket=False,
            min_words_per_line=-1,
            min_num_sentences=3,
            language=PLAIN_WORDS,
        ),
        "fineweb": _FineWebLines(),
    }


class _FineWebLines:
    """FineWeb's rules on lines. Where lines are cut to a width, that they end with a full stop says nothing."""

    def __init__(self) -> None:
        self._plain, self._wrapped = (
            FineWebQualityFilter(
                line_punct_thr=least_ends,
                stop_chars=(*TERMINAL_PUNCTUATION, '"', "'", "”", "»", "“", ":", ";", ")"),
                char_duplicates_ratio=0.1,  # FineWeb's 0.01 is for pages whose repeated lines weren't removed before
                language=PLAIN_WORDS,
            )
            for least_ends in (0.12, 0)
        )

    def filter(self, document: Document) -> bool | tuple[bool, str]:
        result: bool | tuple[bool, str]
        result = (self._wrapped if is_wrapped(document.text) else self._plain).filter(document)
        return result


def is_wrapped(text: str) -> bool:
    """Whether a text's lines are cut to a width, as law and mail often are: half of them are nearly as long as most."""
    lengths = sorted(len(line) for line in text.split("\n") if line.strip())
    if len(lengths) < 10:
        return False
    long = lengths[len(lengths) * 9 // 10]
    return long <= 120 and lengths[len(lengths) // 2] >= 0.7 * long


def refusal(rule: Any, text: str) -> tuple[str | None, str]:
    """Why a filter refuses a text, None if it doesn't; and the text as it leaves it."""
    document = Document(text=text, id="")
    result = rule.filter(document)
    passed, reason = result if isinstance(result, tuple) else (result, "")
    return (None if passed else str(reason)), document.text
