"""Finding messages and conversations by their words, with SQLite or PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

from aquilon.conversations.items import decoded, search_text
from aquilon.conversations.store import search as stored_words
from aquilon.conversations.store.conversations import ALL, Chosen
from aquilon.conversations.tables import StoredConversation, StoredItem
from aquilon.errors import invalid
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.storage import Database
from aquilon.text.words import MOST_CHARACTERS, Snippet, snippet, words_asked

MOST_QUERY_CHARACTERS = 500
MOST_RANKED = stored_words.MOST_RANKED


@dataclass(frozen=True, kw_only=True)
class Hit:
    conversation: StoredConversation
    item: StoredItem | None
    """The message with the words; None if the conversation's title has them."""
    snippet: Snippet


async def search(
    database: Database, principal: Principal, query: str, *, chosen: Chosen = ALL, offset: int = 0, limit: int
) -> tuple[list[Hit], bool]:
    """A page of the messages and titles that have all words of the query, and whether there are more.

    A word is found by its beginning; capitals and accents don't matter, and no sign has a
    meaning. The best come first, of those that are alike the latest. Raises ApiError: 400
    for a query that is too long or has no word, 403.
    """
    require(principal, "generate", principal.workspace_role)
    if len(query) > MOST_QUERY_CHARACTERS:
        raise invalid(
            f"The query has {len(query)} characters; it may have at most {MOST_QUERY_CHARACTERS}",
            param="query",
            code="query_too_long",
            values={"most": MOST_QUERY_CHARACTERS},
        )
    words = words_asked(query)
    if not words:
        raise invalid("The query has no word to search for: write letters or digits", param="query", code="query_empty")
    async with database.reading() as session:
        rows = await stored_words.find(session, principal, words, chosen=chosen, offset=offset, limit=limit + 1)
    hits = []
    for conversation, item in rows[:limit]:
        text = (conversation.title or "") if item is None else search_text(decoded(item.content))
        hits.append(Hit(conversation=conversation, item=item, snippet=snippet(text[:MOST_CHARACTERS], words)))
    return hits, len(rows) > limit
