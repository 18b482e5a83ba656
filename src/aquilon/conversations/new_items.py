"""New items of a conversation: how many and how large they may be, their ids and their rows."""

from __future__ import annotations

from collections.abc import Sequence

from aquilon.conversations.items import MOST_ITEM_BYTES, PREFIXES, Item, encoded, require_shallow
from aquilon.conversations.rows import ItemRows
from aquilon.conversations.store.items import Place
from aquilon.errors import ApiError, invalid
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id

MOST_ITEMS_AT_ONCE = 1000


def new_items(items: Sequence[Item], *, most: int = MOST_ITEMS_AT_ONCE, param: str = "items") -> list[tuple[str, Item]]:
    """Items with new ids. Raises ApiError 400 for items that are too many, 413 for one that is too large."""
    require_size(items, most=most, param=param)
    return copied_items(items)


def copied_items(items: Sequence[Item]) -> list[tuple[str, Item]]:
    """Stored items with new ids, for another conversation."""
    return [(new_id(PREFIXES[type(item)]), item) for item in items]


def rows_of_new_items(
    items: Sequence[Item], place: Place, principal: Principal, *, branch: int
) -> tuple[ItemRows, str | None]:
    """The rows of items below a place, and the id of the last one."""
    rows, parent_id = ItemRows(), place.parent_id
    for depth, (id_, item) in enumerate(new_items(items), place.depth + 1):
        rows.add(
            id_,
            item,
            organization_id=principal.organization_id,
            conversation_id=place.conversation_id,
            parent_id=parent_id,
            branch=branch,
            depth=depth,
        )
        parent_id = id_
    return rows, parent_id


def require_size(items: Sequence[Item], *, most: int = MOST_ITEMS_AT_ONCE, param: str = "items") -> None:
    if len(items) > most:
        raise invalid(
            f"{len(items)} items are more than {most}, the most for one request",
            param=param,
            code="too_many_items",
            values={"most": most},
        )
    for position, item in enumerate(items):
        content = encoded(item)
        require_shallow(content, f"items.{position}")
        if (size := len(content)) > MOST_ITEM_BYTES:
            raise ApiError(
                413,
                "invalid_request_error",
                f"Item {position} has {size} bytes, more than {MOST_ITEM_BYTES}",
                param=f"{param}.{position}",
                code="item_too_large",
                values={"most": MOST_ITEM_BYTES},
            )
