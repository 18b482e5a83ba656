"""Names that people give to things."""

import re

MAX_NAME_CHARACTERS = 100
MAX_EMAIL_CHARACTERS = 254
"""RFC 5321's path, less its brackets."""

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)*")


def checked_name(name: str, of_what: str) -> str:
    """The name without spaces around it. Raises ValueError for one that is empty, too long or unprintable."""
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise ValueError(f"A {of_what}'s name has 1 to {MAX_NAME_CHARACTERS} printable characters")
    return name


def checked_email(email: str) -> str:
    """The address in lower case, without spaces around it. Raises ValueError for what can't be one."""
    email = email.strip().lower()
    if len(email) > MAX_EMAIL_CHARACTERS or not email.isprintable() or _EMAIL.fullmatch(email) is None:
        raise ValueError("An e-mail address looks like name@example.org")
    return email
