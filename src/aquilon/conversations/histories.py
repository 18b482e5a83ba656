"""The items on the path to an item, as the next run's model reads them.

What was read or written last is remembered, so that the next turn of a conversation
reads no earlier rows, however many there are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.items import Item, decoded
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.store.items import Place
from aquilon.errors import invalid
from aquilon.people.scope import Scope

MOST_BYTES = 64 * 2**20
"""Of one history, and of all that are remembered, as JSON."""
_MOST_ITEMS = 100_000
_MOST_FORGOTTEN = 10_000


@dataclass(frozen=True)
class History:
    items: tuple[Item, ...]
    bytes: int
    """The items' size as JSON."""


class Histories:
    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._known: OrderedDict[tuple[str, int, str], History] = OrderedDict()
        """By conversation, its edition, and the last item."""
        self._forgotten: OrderedDict[str, None] = OrderedDict()
        """Conversations of which something was deleted lately: a first answer may still be written in one."""

    async def of(self, session: AsyncSession, scope: Scope, place: Place) -> History:
        """The items above a place. Its caller has checked that the conversation may be read.

        Raises ApiError 400 for more than `MOST_BYTES`.
        """
        if place.parent_id is None:
            return History((), 0)
        key = (place.conversation_id, place.edition, place.parent_id)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        parts = await stored_items.segments(
            session, scope, place.conversation_id, branch=place.branch, depth=place.depth
        )
        number, cut = await stored_items.fitting(
            session,
            scope,
            place.conversation_id,
            parts,
            upwards=False,
            limit=_MOST_ITEMS,
            most_bytes=MOST_BYTES,
        )
        if cut:
            raise invalid(
                f"The items of this conversation up to '{place.parent_id}' have more than {MOST_BYTES} bytes, the most "
                "that a model is given: delete some, or go on in another conversation",
                code="conversation_too_large",
            )
        rows = await stored_items.page_down(session, scope, place.conversation_id, parts, limit=number)
        history = History(tuple(decoded(row.content) for row in rows), sum(len(row.content) for row in rows))
        self._remember(key, history)
        return history

    @property
    def bytes(self) -> int:
        """How much is remembered, as JSON."""
        return self._bytes

    def grow(self, place: Place, items: Sequence[Item], *, leaf_id: str, more_bytes: int) -> None:
        """Note that ``items`` were stored below ``place``; the last of them is ``leaf_id``."""
        before = History((), 0)
        if place.parent_id is not None:
            known = self._known.pop((place.conversation_id, place.edition, place.parent_id), None)
            if known is None:
                return
            self._bytes -= known.bytes
            before = known
        elif place.conversation_id in self._forgotten:
            return
        history = History((*before.items, *items), before.bytes + more_bytes)
        self._remember((place.conversation_id, place.edition, leaf_id), history)

    def forget(self, conversation_id: str) -> None:
        """Remember nothing of a conversation any more."""
        self._forgotten[conversation_id] = None
        if len(self._forgotten) > _MOST_FORGOTTEN:
            self._forgotten.popitem(last=False)
        for key in [key for key in self._known if key[0] == conversation_id]:
            self._bytes -= self._known.pop(key).bytes

    def _remember(self, key: tuple[str, int, str], history: History) -> None:
        replaced = self._known.pop(key, None)
        self._bytes += history.bytes - (0 if replaced is None else replaced.bytes)
        self._known[key] = history
        while self._bytes > self._most_bytes and self._known:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= oldest.bytes
