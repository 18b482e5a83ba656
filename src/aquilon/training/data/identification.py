"""The language of a text, by lingua's models, which its package carries."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lingua import LanguageDetector

_PARTS, _PART_CHARACTERS = 3, 400
"""Of a long text as many parts are read, evenly spaced: more changes no answer and costs a millisecond each."""

UNDECIDED = "und"
"""ISO 639-3's code for a text whose language can't be told."""


class MissingPackage(RuntimeError):
    """A package of the extra ``train`` isn't installed."""


def identify(text: str) -> str:
    """The code of the text's likeliest language; UNDECIDED for one without letters. Raises MissingPackage."""
    language = _detector().detect_language_of(_excerpt(text))
    return UNDECIDED if language is None else language.iso_code_639_1.name.lower()


def _excerpt(text: str) -> str:
    if len(text) <= _PARTS * _PART_CHARACTERS:
        return text
    step = (len(text) - _PART_CHARACTERS) // (_PARTS - 1)
    return "\n".join(text[start : start + _PART_CHARACTERS] for start in range(0, _PARTS * step, step))


@cache
def _detector() -> LanguageDetector:
    try:
        from lingua import LanguageDetectorBuilder
    except ImportError:
        raise MissingPackage("identifying languages needs lingua: pip install 'aquilon[train]'") from None
    # Its other mode reads groups of five letters too. They decide about single words, which nobody trains on, and
    # loading them takes a process ten seconds.
    return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()
