"""Queries over the words of passages: SQLite's FTS5, or PostgreSQL's text search with the same weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.scope import Scope
from aquilon.storage.word_index import WordIndex

WORD_INDEX = WordIndex("passage_search", deleted="deleted_passage_words", owner="library_id")
_LEAST_BEGINNING = 4
"""A word of so many letters also finds longer words that begin with it: plurals, and German compounds."""

_READY = "d.library_id = p.library_id AND d.file_id = p.file_id AND d.status = 'completed'"
_IN_SQLITE = (
    "SELECT p.id, p.words FROM (SELECT rowid, bm25(passage_search, 0.0, 1.0) AS cost FROM passage_search "
    "WHERE passage_search MATCH :asked ORDER BY cost LIMIT :ranked) AS found "
    "JOIN library_passages AS p ON p.id = found.rowid "
    "JOIN library_documents AS d ON {ready} "
    "WHERE p.organization_id = :owner AND p.library_id = :library {within}"
    "ORDER BY found.cost, p.id LIMIT :most"
)
"""Only what is ranked best is looked up: a common word is in thousands of passages."""
_MORE_RANKED = 4
"""How many times as many are looked up as are asked for, since some may not be ready."""
_IN_POSTGRESQL = (
    "WITH found AS (SELECT p.id, length(p.words) AS size, "
    "array_to_tsvector(string_to_array(p.words, ' ')) AS words FROM library_passages AS p "
    "JOIN library_documents AS d ON {ready} "
    "WHERE p.organization_id = :owner AND p.library_id = :library {within}"
    "AND array_to_tsvector(string_to_array(p.words, ' ')) @@ CAST(:asked AS tsquery)), "
    "hits AS (SELECT found.id, found.size, word.at FROM found "
    "JOIN unnest(CAST(:each AS tsquery[])) WITH ORDINALITY AS word(asked, at) ON found.words @@ word.asked), "
    "weights AS (SELECT at, ln(1 + (SELECT count(*) FROM found)::float / count(*)) AS weight FROM hits GROUP BY at), "
    "ranked AS (SELECT hits.id, sum(weights.weight) / (1 + ln(1 + min(hits.size) / 1000.0)) AS score FROM hits "
    "JOIN weights ON weights.at = hits.at GROUP BY hits.id ORDER BY score DESC, hits.id LIMIT :most) "
    "SELECT ranked.id, p.words FROM ranked JOIN library_passages AS p ON p.id = ranked.id "
    "ORDER BY ranked.score DESC, ranked.id"
)
"""The words of a passage count by how rare they are, as in BM25, but once each."""


class Worded(NamedTuple):
    """A passage with some of the words that were asked for."""

    id: int
    share: float
    """How many of these words it has: 1 for all."""


async def find(
    session: AsyncSession,
    scope: Scope,
    library_id: str,
    words: Sequence[str],
    *,
    within: Collection[str] | None,
    most: int,
) -> list[Worded]:
    """Passages with some of these words, the best first. ``within``: the files to search; None for all."""
    is_sqlite = (await session.connection()).dialect.name == "sqlite"
    values: dict[str, object] = {"owner": scope.organization_id, "library": library_id, "most": most}
    if is_sqlite:
        asked = " OR ".join(f'"{word}" *' if _may_begin(word) else f'"{word}"' for word in words)
        values["asked"] = f'library_id : "{library_id}" AND words : ({asked})'
        statement = _statement(_IN_SQLITE, "AND p.file_id IN (SELECT value FROM json_each(:files)) ", within)
        values["ranked"] = most * _MORE_RANKED if within is None else -1
        if within is not None:
            values["files"] = msgspec.json.encode(list(within)).decode()
    else:
        from sqlalchemy.dialects.postgresql import ARRAY, TEXT

        each = [f"'{word}':*" if _may_begin(word) else f"'{word}'" for word in words]
        values |= {"asked": " | ".join(each), "each": each}
        statement = _statement(_IN_POSTGRESQL, "AND p.file_id = ANY(:files) ", within)
        statement = statement.bindparams(bindparam("each", type_=ARRAY(TEXT)))
        if within is not None:
            statement = statement.bindparams(bindparam("files", type_=ARRAY(TEXT)))
            values["files"] = list(within)
    rows = await session.execute(statement, values)
    return [Worded(id_, _share(words, passage)) for id_, passage in rows]


def _share(words: Sequence[str], passage: str) -> float:
    spaced = f" {passage} "
    return sum((f" {word}" if _may_begin(word) else f" {word} ") in spaced for word in words) / len(words)


def _statement(template: str, condition: str, within: Collection[str] | None) -> TextClause:
    return text(template.format(ready=_READY, within="" if within is None else condition))


def _may_begin(word: str) -> bool:
    return len(word) >= _LEAST_BEGINNING
