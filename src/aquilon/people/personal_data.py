"""What the server has of a person. Each wing describes its part: what an archive has of it, and how it is deleted.

A table with a column that names a user belongs to a part, or a test names the reason why not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from aquilon.people.archive_readme import Language
from aquilon.people.scope import Scope

ERASED_NAME = "deleted person"
"""In place of a person's name where an entry must stay; the audit log's triggers know it."""


@dataclass(frozen=True, kw_only=True)
class Person:
    organization_id: str
    user_id: str
    name: str
    email: str | None
    key_ids: tuple[str, ...]
    language: Language = "en"
    """In which an archive's headings are written."""

    @property
    def scope(self) -> Scope:
        """The organization's rows; in tables with a ``user_id`` only the person's."""
        return Scope(self.organization_id, self.user_id)


@dataclass(frozen=True)
class ArchiveFile:
    path: str
    """In the archive, with slashes."""
    content: AsyncIterator[bytes]
    packed: bool = True
    """False for content that is stored as it is, since it is large or compressed already."""


class PersonalData(Protocol):
    tables: frozenset[str]
    """The names of the tables that this part covers."""

    def export(self, person: Person) -> AsyncIterator[ArchiveFile]:
        """The files of an archive; each is read to its end before the next one is asked for."""

    async def erase(self, person: Person) -> Mapping[str, int]:
        """Delete all that may go; returns how many of what. A second call deletes what a first one left."""


async def text(*parts: str) -> AsyncIterator[bytes]:
    for part in parts:
        yield part.encode()


async def as_json(value: Any) -> AsyncIterator[bytes]:
    yield msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def csv_line(cells: Iterable[Any]) -> bytes:
    """A line of CSV by RFC 4180; what a spreadsheet would run as a formula is prefixed, so that it stays text."""
    line = io.StringIO()
    csv.writer(line).writerow([_cell(cell) for cell in cells])
    return line.getvalue().encode()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
