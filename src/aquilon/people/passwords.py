"""Rules for passwords after NIST SP 800-63B, section 3.1.1: long rather than full of signs, and not the user's name."""

from __future__ import annotations

import unicodedata

from aquilon.errors import Refusal

MIN_CHARACTERS = 12
MAX_CHARACTERS = 500
_MIN_DIFFERENT = 5


def normalized(password: str) -> str:
    """NFKC: the same text for every way in which a keyboard composes it."""
    return unicodedata.normalize("NFKC", password)


def checked_password(password: str, *names: str | None) -> str:
    """The normalized password, which must not be one of the account's ``names``.

    Raises ValueError; its message never has the password.
    """
    password = normalized(password)
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise Refusal(
            f"A password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters, such as a few words",
            code="password_length",
            values={"least": MIN_CHARACTERS, "most": MAX_CHARACTERS},
        )
    if len(set(password)) < _MIN_DIFFERENT:
        raise Refusal(
            f"A password has at least {_MIN_DIFFERENT} different characters",
            code="password_repetitive",
            values={"least": _MIN_DIFFERENT},
        )
    if password.casefold() in {normalized(name).casefold() for name in names if name}:
        raise Refusal("A password must not be the account's own name or address", code="password_is_name")
    return password
