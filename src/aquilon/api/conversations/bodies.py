"""A conversation as OpenAI's and as Mistral's clients are shown it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from aquilon.api.generation.assisted import assistant_of
from aquilon.api.listing import PageOf
from aquilon.api.services import Services
from aquilon.conversations.dialects.conversation_settings import ConversationSettings, kept_settings
from aquilon.conversations.tables import StoredConversation
from aquilon.people.identity import Principal


class ConversationAgent(msgspec.Struct, frozen=True, kw_only=True):
    """The assistant that a conversation began with, as it was then."""

    id: str
    version: int
    name: str


class ConversationBody(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation without its items. Times are in unix seconds."""

    id: str
    object: str = "conversation"
    created_at: int
    updated_at: int
    metadata: dict[str, Any]
    title: str | None
    visibility: str
    """``workspace``, or ``user``: only its person sees it, signed in."""
    head_id: str | None
    """The item below which the next one is added, unless the client names another."""
    pinned: bool
    archived: bool
    project_id: str | None
    agent: ConversationAgent | UnsetType | None = UNSET
    """The assistant that it began with; not in lists."""


class ConversationPage(PageOf[ConversationBody], frozen=True, kw_only=True):
    pass


class MistralConversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in Mistral's contract, without its entries."""

    id: str
    object: str = "conversation"
    created_at: datetime
    updated_at: datetime
    model: str
    """The model that answers next."""
    name: str | None
    description: str | None
    metadata: dict[str, Any]
    instructions: str | None
    tools: list[dict[str, Any]]
    completion_args: dict[str, Any]


class MistralAgentConversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation with an agent in Mistral's contract, without its entries."""

    id: str
    object: str = "conversation"
    created_at: datetime
    updated_at: datetime
    agent_id: str
    agent_version: int | None
    name: str | None
    description: str | None
    metadata: dict[str, Any]


class DeletedConversation(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "conversation.deleted"
    deleted: bool = True


def conversation_body(row: StoredConversation, *, listed: bool = False) -> ConversationBody:
    """``listed``: without what lists don't read."""
    return ConversationBody(
        id=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        metadata=msgspec.json.decode(row.labels),
        title=row.title,
        visibility=row.visibility,
        head_id=row.head_id,
        pinned=row.pinned_at is not None,
        archived=row.archived_at is not None,
        project_id=row.project_id,
        agent=UNSET if listed else _agent(assistant_of(row)),
    )


def _agent(kept: ConversationSettings | None) -> ConversationAgent | None:
    if kept is None:
        return None
    return ConversationAgent(id=kept.agent_id or "", version=kept.agent_version or 0, name=kept.agent_name or "")


async def mistral_conversations(
    state: Services, caller: Principal, rows: Sequence[StoredConversation]
) -> list[MistralConversation | MistralAgentConversation]:
    default = next((card.name for card in state.catalogue.cards()), "")
    return [
        _mistral_conversation(row, settings, default)
        for row, settings in zip(rows, await kept_settings(state.conversations, caller, rows), strict=True)
    ]


def _mistral_conversation(
    row: StoredConversation, settings: ConversationSettings, default_model: str
) -> MistralConversation | MistralAgentConversation:
    if settings.agent_id is not None:
        return MistralAgentConversation(
            id=row.id,
            created_at=time_of(row.created_at),
            updated_at=time_of(row.updated_at),
            agent_id=settings.agent_id,
            agent_version=settings.agent_version,
            name=row.title,
            description=settings.description,
            metadata=msgspec.json.decode(row.labels),
        )
    return MistralConversation(
        id=row.id,
        created_at=time_of(row.created_at),
        updated_at=time_of(row.updated_at),
        model=settings.model or default_model,
        name=row.title,
        description=settings.description,
        metadata=msgspec.json.decode(row.labels),
        instructions=settings.instructions,
        tools=settings.tools,
        completion_args=settings.completion_args,
    )


def time_of(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
