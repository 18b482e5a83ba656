"""A conversation that its caller may see, and its items; any other is answered like one that doesn't exist."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.store.items import Place
from aquilon.conversations.tables import StoredConversation, StoredItem
from aquilon.errors import ApiError, not_found
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope

BEGINNING = ""
"""In place of an item's id: the beginning of a conversation, above all items."""


async def item_in(session: AsyncSession, principal: Principal, conversation_id: str, item_id: str) -> StoredItem:
    """An item of a conversation that the caller may see. Raises ApiError 404."""
    query = Scope.of_organization(principal).select(StoredItem)
    row = await session.scalar(query.where(StoredItem.id == item_id, StoredItem.conversation_id == conversation_id))
    if row is None:
        raise item_not_found(item_id, conversation_id)
    return row


async def conversation_in(session: AsyncSession, principal: Principal, conversation_id: str) -> StoredConversation:
    """Raises ApiError 404."""
    conversation = await stored_conversations.by_id(session, principal, conversation_id)
    if conversation is None:
        raise not_found(
            f"There is no conversation '{conversation_id[:100]}'",
            param="conversation",
            code="conversation_not_found",
        )
    return conversation


async def place_in(session: AsyncSession, principal: Principal, conversation_id: str, leaf: str | None) -> Place:
    """Below an item, or at the head. Raises ApiError 404."""
    conversation = await conversation_in(session, principal, conversation_id)
    item_id = item_id_below(conversation, leaf)
    place = await stored_items.place_below(session, Scope.of_organization(principal), conversation, item_id)
    if place is None:
        raise item_not_found(item_id or "", conversation_id)
    return place


def item_id_below(conversation: StoredConversation, below: str | None) -> str | None:
    """The item below which something is added: ``below``, or the head; None for the beginning."""
    return conversation.head_id if below is None else below or None


def item_not_found(item_id: str, conversation_id: str) -> ApiError:
    message = f"The conversation '{conversation_id[:100]}' has no item '{item_id[:100]}'"
    return not_found(message, code="item_not_found")


def default_visibility(principal: Principal) -> str:
    """A person's conversation is their own; one that a key begins belongs to the key's workspace."""
    return "user" if principal.api_key_id is None else "workspace"
