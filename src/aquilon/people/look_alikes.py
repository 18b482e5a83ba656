"""Names that a reader takes for each other: those with the same `skeleton`.

After Unicode's UTS #39: compatibility forms (full width, ligatures), case, characters
that can't be seen, and letters of Cyrillic, Greek and Armenian that are drawn like
Latin ones make no difference. The table has these three alphabets alone; words put
together of several alphabets, whichever, are refused by `require_one_alphabet`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_DRAWN_LIKE_LATIN = str.maketrans(
    dict(
        zip(
            "авгеікмнорстухѕјһԁӏԛԝѵ" + "αβεζηικμνορτυχ" + "ոսօհցզյք" + "ıȷɡɑ",
            "abreikmhopctyxsjhdlqwv" + "abezhikmnoptux" + "nuohgqjp" + "ijga",
            strict=True,
        )
    )
)
"""Small letters, each for its capital too: В is drawn like B, and в stands for both."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_WORD = re.compile(r"[^\W\d_]+")
_WRITTEN_TOGETHER = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "LATIN"})
"""Japanese, Korean and Chinese mix these."""


def skeleton(name: str) -> str:
    """What is the same for names that look the same; to compare, never to show or store."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join(_UNSEEN.sub("", folded).translate(_DRAWN_LIKE_LATIN).split())


def look_alike(name: str, others: Iterable[str]) -> str | None:
    """The first of the others that a reader takes the name for."""
    sought = skeleton(name)
    return next((other for other in others if skeleton(other) == sought), None)


def mixed_word(name: str) -> str | None:
    """The first word that mixes alphabets, as only those write who want to be taken for another."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", name)):
        letters = [letter for letter in word if unicodedata.category(letter) != "Lm"]  # ʻ and 々 go with any
        alphabets = {unicodedata.name(letter, "UNNAMED").split()[0] for letter in letters}
        if len(alphabets) > 1 and not alphabets <= _WRITTEN_TOGETHER:
            return str(word)
    return None


def require_one_alphabet(name: str) -> None:
    """Raises ValueError for a name with a `mixed_word`."""
    if (word := mixed_word(name)) is not None:
        raise ValueError(f"'{word}' mixes letters of several alphabets: write each word in one")
