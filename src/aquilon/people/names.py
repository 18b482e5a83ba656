"""Names that people give to things."""

import re
import unicodedata
from collections.abc import Iterable

from aquilon.people.look_alikes import look_alike, require_one_alphabet, skeleton

MAX_NAME_CHARACTERS = 100
MAX_EMAIL_CHARACTERS = 254
"""RFC 5321's path, less its brackets."""

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)*")


def checked_name(name: str, of_what: str) -> str:
    """The name in NFC, without spaces around it. Raises ValueError for one that is empty, too long or unprintable."""
    name = unicodedata.normalize("NFC", name.strip())
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise ValueError(f"A {of_what}'s name has 1 to {MAX_NAME_CHARACTERS} printable characters")
    return name


def free_name(name: str, of_what: str, taken: Iterable[str]) -> str:
    """A checked name that nobody takes for one of those that are taken.

    Raises ValueError for one that is taken, looks like one that is, or mixes alphabets in a word.
    """
    name = checked_name(name, of_what)
    if not skeleton(name):
        raise ValueError(f"A {of_what}'s name has characters that can be seen")
    other = look_alike(name, taken)
    if other == name:
        raise ValueError(f"There is {_article(of_what)} {of_what} '{name}' already")
    if other is not None:
        raise ValueError(f"'{name}' is taken for the {of_what} '{other}', which is there already: take another name")
    require_one_alphabet(name)
    return name


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeio" else "a"


def checked_email(email: str) -> str:
    """The address in lower case, without spaces around it. Raises ValueError for what can't be one."""
    email = email.strip().lower()
    if len(email) > MAX_EMAIL_CHARACTERS or not email.isprintable() or _EMAIL.fullmatch(email) is None:
        raise ValueError("An e-mail address looks like name@example.org")
    return email
