"""Names that look alike to a reader: those with the same `skeleton`.

After Unicode's UTS #39: compatibility forms (full width, ligatures), case, invisible
characters, and letters of Cyrillic, Greek and Armenian that look like Latin ones make
no difference. The table has these three alphabets alone; `require_one_alphabet`
refuses words that mix any alphabets.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from aquilon.errors import Refusal

_DRAWN_LIKE_LATIN = str.maketrans(
    dict(
        zip(
            "авгеікмнорстухѕјһԁӏԛԝѵ" + "αβεζηικμνορτυχ" + "ոսօհցզյք" + "ıȷɡɑ",
            "abreikmhopctyxsjhdlqwv" + "abezhikmnoptux" + "nuohgqjp" + "ijga",
            strict=True,
        )
    )
)
"""Small letters, each for its capital too: В looks like B, and в stands for both."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_WORD = re.compile(r"[^\W\d_]+")
_MIXED_BY_CUSTOM = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "LATIN"})
"""Alphabets that Japanese, Korean and Chinese words mix."""


def skeleton(name: str) -> str:
    """Equal for names that look alike; for comparison only, never shown or stored."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(_INVISIBLE.sub("", folded).translate(_DRAWN_LIKE_LATIN).split())


def look_alike(name: str, others: Iterable[str]) -> str | None:
    """The first of ``others`` that looks like the name."""
    name_skeleton = skeleton(name)
    return next((other for other in others if skeleton(other) == name_skeleton), None)


def mixed_word(name: str) -> str | None:
    """The first word of the name that mixes alphabets; real names don't."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", name)):
        letters = [
            letter for letter in word if unicodedata.category(letter) != "Lm"
        ]  # ʻ and 々 belong to every alphabet
        alphabets = {unicodedata.name(letter, "UNNAMED").split()[0] for letter in letters}
        if len(alphabets) > 1 and not alphabets <= _MIXED_BY_CUSTOM:
            return str(word)
    return None


def require_one_alphabet(name: str) -> None:
    """Raises ValueError for a name with a `mixed_word`."""
    if (word := mixed_word(name)) is not None:
        raise Refusal(
            f"'{word}' mixes letters of several alphabets: write each word in one alphabet",
            code="name_mixes_alphabets",
            values={"word": word},
        )
