"""What a password may be: NIST SP 800-63B, section 3.1.1 — long rather than full of signs, and not one's own name."""

from __future__ import annotations

import unicodedata

MIN_CHARACTERS = 12
MAX_CHARACTERS = 500
_FEWEST_DIFFERENT = 5


def normalized(password: str) -> str:
    """The same text however a keyboard composed it."""
    return unicodedata.normalize("NFKC", password)


def checked_password(password: str, *names: str | None) -> str:
    """Normalized. ``names`` are the account's own, which it must not be. Raises ValueError, never with the password."""
    password = normalized(password)
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise ValueError(f"A password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters: a few words do well")
    if len(set(password)) < _FEWEST_DIFFERENT:
        raise ValueError(f"A password has at least {_FEWEST_DIFFERENT} different characters")
    if password.casefold() in {normalized(name).casefold() for name in names if name}:
        raise ValueError("A password must not be the account's own name or address")
    return password
