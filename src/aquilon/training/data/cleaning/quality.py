"""Which documents are prose: Gopher's, C4's and FineWeb's rules, with thresholds for each language.

Rae et al. 2021 (arXiv:2112.11446), Raffel et al. 2020, Penedo et al. 2024 (arXiv:2406.17557) and 2025 (FineWeb 2).
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Thresholds:
    """What differs between languages."""

    max_mean_word_length: float = 10
    min_letters_ratio: float = 0.75
    """Of the words and signs, those with a letter. Gopher has 0.8, for English; guillemets and dashes cost some."""


_THRESHOLDS = {
    "en": Thresholds(min_letters_ratio=0.8),
    "de": Thresholds(max_mean_word_length=12),
}


@cache
def quality_filters(language: str) -> dict[str, Any]:
    """datatrove's filters by the stage's name, in order; each may shorten the text of what it keeps."""
    thresholds, stop_words = _THRESHOLDS.get(language, Thresholds()), SHORT_WORDS.get(language, frozenset())
    return {
        "repetition": GopherRepetitionFilter(language=PLAIN_WORDS),
        "quality": GopherQualityFilter(
            max_doc_words=None,  # a novel is one document
            max_avg_word_length=thresholds.max_mean_word_length,
            max_non_alpha_words_ratio=thresholds.min_letters_ratio,
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
        "fineweb": FineWebQualityFilter(
            stop_chars=(*TERMINAL_PUNCTUATION, '"', "'", "”", "»", "“", ":", ";", ")"),
            char_duplicates_ratio=0.1,  # FineWeb's 0.01 is for pages whose repeated lines weren't removed before
            language=PLAIN_WORDS,
        ),
    }


def refusal(rule: Any, text: str) -> tuple[str | None, str]:
    """Why a filter refuses a text, None if it doesn't; and the text as it leaves it."""
    document = Document(text=text, id="")
    result = rule.filter(document)
    passed, reason = result if isinstance(result, tuple) else (result, "")
    return (None if passed else str(reason)), document.text
