"""What names a conversation until a model has given it a title: the beginning of its first question."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.items import Item, MessageItem, decoded
from aquilon.conversations.rows import title_writes
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.tables import StoredConversation
from aquilon.people.scope import Scope
from aquilon.storage.rows import write_in

LONGEST_TITLE = 60
_MOST_READ = 4000
"""Characters of a question."""
MOST_BEFORE = 20
"""Items that may be above the first question: instructions, an assistant's greeting."""
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""What turns the direction of the text that follows, and places for breaks; joiners are parts of words."""
_JOINER = "\u200d"
_SKIN_TONES = "\U0001f3fb-\U0001f3ff"
_STAYS_WITH_FORMER = re.compile(f"[{_JOINER}\u200c{_SKIN_TONES}\U000e0020-\U000e007f]")
_FLAG_LETTERS = re.compile("[\U0001f1e6-\U0001f1ff]*$")


def first_words(text: str) -> str:
    """The beginning of a text on one line, cut between words where it can be, else between characters as readers see
    them; empty if nothing of it is seen."""
    flat = " ".join(_UNSEEN.sub("", _CONTROLS.sub(" ", text.lstrip()[:_MOST_READ])).split())
    if len(flat) <= LONGEST_TITLE:
        return flat
    most = LONGEST_TITLE - 1
    border = flat.rfind(" ", 0, most + 1)
    if border <= LONGEST_TITLE / 2:
        border = next((end for end in range(most, most // 2, -1) if not _is_within_character(flat, end)), most)
    return f"{flat[:border]}…"


def _is_within_character(text: str, place: int) -> bool:
    """Whether what stands before and after the place is one character to a reader: a letter and its accent, a flag."""
    before, after = text[place - 1], text[place]
    if before == _JOINER or unicodedata.category(after).startswith("M") or _STAYS_WITH_FORMER.match(after):
        return True
    letters = _FLAG_LETTERS.search(text[:place])
    return letters is not None and len(letters[0]) % 2 == 1 and _FLAG_LETTERS.fullmatch(after) is not None


def words_of_question(items: Iterable[Item]) -> str | None:
    """The first words of the first question among these items; None if there is none, or nothing of it is seen."""
    texts = (item.text for item in items if isinstance(item, MessageItem) and item.role == "user")
    return first_words(next((text for text in texts if text.strip()), "")) or None


async def words_of_stored_question(session: AsyncSession, scope: Scope, conversation_id: str) -> str | None:
    """Of the first question that was asked in a conversation."""
    rows = await stored_items.first(session, scope, conversation_id, limit=MOST_BEFORE)
    return words_of_question(decoded(row.content) for row in rows)


async def name_by_question(session: AsyncSession, scope: Scope, conversation: StoredConversation) -> None:
    """Name a conversation that has no title. One that came with an answer alone is in no list, and stays without."""
    if conversation.title is not None or conversation.implicit:
        return
    title = await words_of_stored_question(session, scope, conversation.id)
    if title is not None:
        conversation.title, conversation.named_by_person = title, False
        await write_in(session, title_writes(conversation.organization_id, conversation.id, title))
