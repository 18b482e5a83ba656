"""Names that people give to things."""

import re
import unicodedata
from collections.abc import Iterable

from aquilon.errors import Refusal
from aquilon.people.look_alikes import look_alike, require_one_alphabet, skeleton

MAX_NAME_CHARACTERS = 100
MAX_EMAIL_CHARACTERS = 254
"""RFC 5321's limit on a path, without its brackets."""

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)*")


def checked_name(name: str, kind: str) -> str:
    """The name in NFC, without spaces around it. Raises ValueError if it is empty, too long or unprintable."""
    name = unicodedata.normalize("NFC", name.strip())
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise Refusal(
            f"A {kind}'s name has 1 to {MAX_NAME_CHARACTERS} printable characters",
            code="name_invalid",
            values={"most": MAX_NAME_CHARACTERS},
        )
    return name


def free_name(name: str, kind: str, taken: Iterable[str]) -> str:
    """A checked name that doesn't look like one of the ``taken`` names.

    Raises ValueError if it is taken, looks like a taken one, or mixes alphabets in a word.
    """
    name = checked_name(name, kind)
    if not skeleton(name):
        raise Refusal(f"A {kind}'s name must have at least one visible character", code="name_invisible")
    other = look_alike(name, taken)
    if other == name:
        raise Refusal(f"There is {_article(kind)} {kind} '{name}' already", code="name_taken", values={"name": name})
    if other is not None:
        raise Refusal(
            f"'{name}' looks like the name of the {kind} '{other}', which exists already: choose another name",
            code="name_looks_like",
            values={"name": name, "other": other},
        )
    require_one_alphabet(name)
    return name


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeio" else "a"


def checked_email(email: str) -> str:
    """The address in lower case, without spaces around it. Raises ValueError if it isn't an e-mail address."""
    email = email.strip().lower()
    if len(email) > MAX_EMAIL_CHARACTERS or not email.isprintable() or _EMAIL.fullmatch(email) is None:
        raise Refusal("An e-mail address looks like name@example.org", code="email_invalid", param="email")
    return email
