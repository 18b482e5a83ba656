"""An operator's note on a model, which overrides what its files or its upstream say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Access = Literal["open", "commercial"]
"""``open``: the model's files can be downloaded. ``commercial``: it only answers over the API."""
ACCESSES: tuple[Access, ...] = get_args(Access)

LAST_MOMENT = 253_402_300_799
"""The last second of the year 9999, since 1970: Python's calendar ends there."""

LANGUAGE_CODE = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{2,8})*$"
"""A language as BCP 47 names it: ``fr``, ``pt-BR``."""

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
"""Licences under which weights may be passed on unchanged."""


@dataclass(frozen=True, kw_only=True)
class ModelNote:
    """None means that the operator says nothing. Times are seconds since 1970."""

    model: str
    access: Access | None = None
    description: str | None = None
    license: str | None = None
    languages: tuple[str, ...] | None = None
    """The codes of the languages that the model is good at, such as ``fr``."""
    default_temperature: float | None = None
    deprecated_at: int | None = None
    """When the model's retirement was announced."""
    retires_at: int | None = None
    """From this second on, the model answers no requests."""
    replacement: str | None = None
    """The model or alias to use in its place."""


def default_access(license: str, source: str) -> Access:
    """Open only with an open licence and a public source: a model from a folder may be the operator's own work."""
    public = source.startswith(("hf:", "pypi:"))
    return "open" if public and license.lower() in OPEN_LICENCES else "commercial"
