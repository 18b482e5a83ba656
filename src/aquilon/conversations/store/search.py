"""Queries over the words of messages and titles: SQLite's FTS5, or PostgreSQL's text search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    cast,
    column,
    desc,
    func,
    insert,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.store.conversations import Chosen, visible
from aquilon.conversations.tables import SearchedWords, StoredConversation, StoredItem
from aquilon.people.identity import Principal
from aquilon.people.scope import Everyone, Scope
from aquilon.storage.rows import Statement
from aquilon.storage.word_index import WordIndex

WORD_INDEX = WordIndex("conversation_search", deleted="deleted_words", owner="organization_id")
MOST_RANKED = 1000
"""Of the texts that have all words, only this many, the latest, are ranked and found."""

_FIRST_UNSPACED = 0x0E00
"""From here on, most scripts are cut into pairs of characters (`words`)."""

ADD = Statement(
    insert(SearchedWords).values(
        organization_id=bindparam("owner"),
        conversation_id=bindparam("conversation"),
        item_id=bindparam("item"),
        words=bindparam("new_words"),
    )
)
INDEX_ITEM = Statement(
    text(
        "INSERT INTO conversation_search (rowid, organization_id, words) "
        "SELECT id, organization_id, words FROM searched_words WHERE item_id = :item"
    ),
    only_sqlite=True,
)
FORGET_TITLE = Statement(
    Everyone.delete(SearchedWords).where(
        SearchedWords.organization_id == bindparam("owner"),
        SearchedWords.conversation_id == bindparam("conversation"),
        SearchedWords.item_id.is_(None),
    )
)
INDEX_TITLE = Statement(
    text(
        "INSERT INTO conversation_search (rowid, organization_id, words) "
        "SELECT id, organization_id, words FROM searched_words WHERE conversation_id = :conversation "
        "AND item_id IS NULL"
    ),
    only_sqlite=True,
)


class Found(NamedTuple):
    conversation: StoredConversation
    item: StoredItem | None
    """None if it is the title that has the words."""


async def find(
    session: AsyncSession, principal: Principal, words: Sequence[str], *, chosen: Chosen, offset: int, limit: int
) -> list[Found]:
    """The messages and titles with all these words that the caller may see, the best first, then the latest."""
    scope = Scope.of_organization(principal)
    is_sqlite = (await session.connection()).dialect.name == "sqlite"
    matches = (_in_sqlite if is_sqlite else _in_postgresql)(scope, words)
    seen = visible(principal).where(StoredConversation.id == SearchedWords.conversation_id, *chosen.criteria())
    latest = matches.where(seen.exists()).limit(MOST_RANKED).subquery()
    best = select(latest.c.conversation_id, latest.c.item_id).order_by(desc(latest.c.score), latest.c.id.desc())
    rows = (await session.execute(best.offset(offset).limit(limit))).all()
    conversations = visible(principal).where(StoredConversation.id.in_({row.conversation_id for row in rows}))
    items = scope.select(StoredItem).where(StoredItem.id.in_({row.item_id for row in rows if row.item_id}))
    by_id = {row.id: row for row in await session.scalars(conversations)}
    item_by_id = {row.id: row for row in await session.scalars(items)}
    return [Found(by_id[row.conversation_id], item_by_id.get(row.item_id)) for row in rows]


def _in_sqlite(scope: Scope, words: Sequence[str]) -> Select[Any]:
    index = table("conversation_search", column("rowid"), column("conversation_search"))
    rank: ColumnElement[float] = func.bm25(index.c.conversation_search, 0.0, 1.0)
    asked = " AND ".join(f'"{word}" *' if _may_begin(word) else f'"{word}"' for word in words)
    match = f'organization_id : "{scope.organization_id}" AND words : ({asked})'
    query = _columns(scope, -rank).join(index, index.c.rowid == SearchedWords.id)
    return query.where(index.c.conversation_search.op("MATCH")(match)).order_by(index.c.rowid.desc())


def _in_postgresql(scope: Scope, words: Sequence[str]) -> Select[Any]:
    from sqlalchemy.dialects.postgresql import TSQUERY

    vector = func.array_to_tsvector(func.string_to_array(SearchedWords.words, text("' '")))  # as in its index
    asked = cast(literal(" & ".join(f"'{word}':*" if _may_begin(word) else f"'{word}'" for word in words)), TSQUERY)
    matches = _columns(scope, func.ts_rank(vector, asked)).where(vector.op("@@")(asked))
    return matches.order_by(SearchedWords.id.desc())


def _may_begin(word: str) -> bool:
    """Whether a text is found by a longer word too. Too many begin with a single letter of an alphabet."""
    return len(word) > 1 or ord(word) >= _FIRST_UNSPACED


def _columns(scope: Scope, score: ColumnElement[float]) -> Select[Any]:
    columns: Any = (SearchedWords.id, SearchedWords.conversation_id, SearchedWords.item_id, score.label("score"))
    return scope.select(SearchedWords).with_only_columns(*columns)
