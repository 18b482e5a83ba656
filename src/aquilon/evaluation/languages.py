"""Which language a file's name says that its text is in."""

from __future__ import annotations

import re
from pathlib import Path

LANGUAGES = {"en": "English", "fr": "French", "de": "German", "es": "Spanish", "it": "Italian"}
"""The five of a scorecard, in its order."""

_NAMES = {
    "en": ("en", "eng", "english"),
    "fr": ("fr", "fra", "fre", "french", "francais"),
    "de": ("de", "deu", "ger", "german", "deutsch"),
    "es": ("es", "spa", "spanish", "espanol"),
    "it": ("it", "ita", "italian", "italiano"),
}
_BY_NAME = {name: code for code, names in _NAMES.items() for name in names}
_CODE = re.compile(r"[a-z]{2,3}")


def language_of(path: Path) -> str | None:
    """From a word of the file's name, such as ``fra`` in ``fra-law.txt.xz``; None if no word or several tell."""
    words = re.split(r"[^a-z]+", path.name.lower())
    languages = {_BY_NAME[word] for word in words if word in _BY_NAME}
    return languages.pop() if len(languages) == 1 else None


def is_code(text: str) -> bool:
    """Whether it can be a language's code of ISO 639."""
    return _CODE.fullmatch(text) is not None
