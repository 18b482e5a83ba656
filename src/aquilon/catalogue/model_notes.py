"""What an operator says of a model, over what its files or its upstream say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Access = Literal["open", "commercial"]
"""``open``: its files can be downloaded; ``commercial``: it answers over the API only."""
ACCESSES: tuple[Access, ...] = get_args(Access)

LAST_MOMENT = 253_402_300_799
"""The end of the year 9999, in seconds since 1970: no calendar here goes further."""

OPEN_LICENCES = frozenset(
    {
        "apache-2.0",
        "mit",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc0-1.0",
        "cc-by-4.0",
        "cc-by-sa-4.0",
        "unlicense",
        "mpl-2.0",
    }
)
"""Under these, weights may be given on as they are."""


@dataclass(frozen=True, kw_only=True)
class ModelNote:
    """None is: nothing said. Times are seconds since 1970."""

    model: str
    access: Access | None = None
    description: str | None = None
    license: str | None = None
    default_temperature: float | None = None
    deprecated_at: int | None = None
    """When its end was announced."""
    retires_at: int | None = None
    """From then on it answers nobody."""
    replacement: str | None = None
    """The model to use in its place."""


def default_access(license: str, source: str) -> Access:
    """Open only with a licence that says so, and from a public place: what came from a folder may be one's own work."""
    public = source.startswith(("hf:", "pypi:"))
    return "open" if public and license.lower() in OPEN_LICENCES else "commercial"
