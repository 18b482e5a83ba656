"""Names that people give to things."""

MAX_NAME_CHARACTERS = 100


def checked_name(name: str, of_what: str) -> str:
    """The name without spaces around it. Raises ValueError for one that is empty, too long or unprintable."""
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable():
        raise ValueError(f"A {of_what}'s name has 1 to {MAX_NAME_CHARACTERS} printable characters")
    return name
