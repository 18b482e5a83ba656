"""A person's shares, feedback, comparisons and saved prompts in an archive, and their deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Select

from aquilon.chat.store import shares
from aquilon.chat.tables.comparisons import ComparisonVote, StoredComparison
from aquilon.chat.tables.feedback import Feedback
from aquilon.chat.tables.prompts import StoredPrompt
from aquilon.chat.tables.shares import Share
from aquilon.people.personal_data import ArchiveFile, Person
from aquilon.storage import Database

_AT_ONCE = 50


@dataclass(frozen=True)
class _Kind:
    table: Any
    key: str
    columns: Sequence[str]
    as_json: Sequence[str] = ()
    """The columns that have JSON."""


_KINDS = {
    "shares": _Kind(
        Share, "id", ("id", "conversation_id", "title", "shared_by", "created_at", "expires_at"), ("snapshot",)
    ),
    "feedback": _Kind(
        Feedback, "run_id", ("run_id", "rating", "reason", "comment", "consent", "created_at", "updated_at")
    ),
    "comparisons": _Kind(
        StoredComparison,
        "id",
        ("id", "visibility", "blind", "left_model", "right_model", "left_side", "right_side", "prompt", "created_at"),
    ),
    "votes": _Kind(ComparisonVote, "comparison_id", ("comparison_id", "choice", "blind", "created_at", "changed_at")),
    "prompts": _Kind(
        StoredPrompt, "id", ("id", "visibility", "name", "created_at", "updated_at"), ("messages", "settings")
    ),
}


class TalkData:
    tables = frozenset({"shares", "feedback", "comparisons", "comparison_votes", "prompts"})

    def __init__(self, database: Database) -> None:
        self._database = database

    async def export(self, person: Person) -> AsyncIterator[ArchiveFile]:
        """A line for each; shares with what their links show, without the links, which nobody knows any more."""
        for name, kind in _KINDS.items():
            if first := await self._after(person, kind, ""):
                yield ArchiveFile(f"{name}.jsonl", self._lines(person, kind, first))

    async def erase(self, person: Person) -> Mapping[str, int]:
        """Others' shares go too where they may show what the person asked."""
        numbers: dict[str, int] = {}
        async with self._database.writing() as session:
            for name, kind in _KINDS.items():
                deleted = person.scope.delete(kind.table).returning(getattr(kind.table, kind.key))
                numbers[name] = len((await session.execute(deleted)).all())
            await shares.delete_with_questions_of(session, person.scope)
        return numbers

    async def _lines(self, person: Person, kind: _Kind, rows: Sequence[Any]) -> AsyncIterator[bytes]:
        while rows:
            for row in rows:
                described = {name: getattr(row, name) for name in kind.columns}
                described |= {name: msgspec.Raw(getattr(row, name)) for name in kind.as_json}
                yield msgspec.json.encode(described) + b"\n"
            rows = await self._after(person, kind, getattr(rows[-1], kind.key))

    async def _after(self, person: Person, kind: _Kind, last: str) -> Sequence[Any]:
        key = getattr(kind.table, kind.key)
        query: Select[Any] = person.scope.select(kind.table).where(key > last).order_by(key).limit(_AT_ONCE)
        async with self._database.reading() as session:
            return list(await session.scalars(query))
