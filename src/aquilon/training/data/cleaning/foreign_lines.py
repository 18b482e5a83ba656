"""Lines in another language than their document: a translator's instructions that were left in, pasted notices.

The short words of two languages are counted first, which is quick; lingua is asked about the few lines that remain.
"""

from __future__ import annotations

import re

from aquilon.training.data.identification import UNDECIDED, identify

_LEAST_WORDS, _LEAST_SHORT_WORDS, _TIMES_MORE = 6, 2, 3
_MOST_OF_A_TEXT = 0.5
"""A text with more in another language has two languages: no line of it is out of place."""

_WORD = re.compile(r"[^\W\d_]{2,}")
"""Not single letters, of which formulas are full."""

SHORT_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "en": """the be to of and that have with in is are for this it you not do as on by from or must if make which
            should was were they their there what when how all can will has been its""",
        "fr": """le la les de des du et à que est un une dans pour qui sur par ne pas vous nous il elle ce cette son sa
            ses au aux avec ou mais sont être plus leur comme si on se""",
        "de": """der die das und in zu den ist von mit nicht ein eine sie es im für auf dem des wird werden als oder
            kann sind wenn auch an zur bei dass sich wie er ich war aus nach über""",
        "es": """el la los las de del y en que un una es por con no para se su sus al lo como más pero o este esta son
            si fue ha ser muy sin sobre entre""",
        "it": """il lo la i gli le di del della e in che un una è per con non si da al dei delle nel come più ma o sono
            anche questo questa se suo sua ha era""",
    }.items()
}
"""The commonest words of the languages whose quality rules are known."""


def without_foreign_lines(text: str, language: str) -> tuple[str, list[str]]:
    """The text without lines that are clearly in another language, and those lines."""
    if language not in SHORT_WORDS:
        return text, []
    lines = text.split("\n")
    foreign = {number for number, line in enumerate(lines) if _is_foreign(line, language)}
    removed = [lines[number] for number in sorted(foreign)]
    if not removed or sum(map(len, removed)) > _MOST_OF_A_TEXT * len(text):
        return text, []
    return "\n".join(line for number, line in enumerate(lines) if number not in foreign), removed


def _is_foreign(line: str, language: str) -> bool:
    words = _WORD.findall(line.lower())
    if len(words) < _LEAST_WORDS:
        return False
    own = SHORT_WORDS[language]
    for short_words in SHORT_WORDS.values():
        of_other = sum(word in short_words and word not in own for word in words)
        of_own = sum(word in own and word not in short_words for word in words)
        if of_other >= _LEAST_SHORT_WORDS and of_other > _TIMES_MORE * of_own:
            return identify(line) not in (language, UNDECIDED)
    return False
