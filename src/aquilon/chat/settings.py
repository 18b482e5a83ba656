"""What an organization sets for its chat: how a conversation begins, and whether judgements are kept for training.

The server adds the instructions to no request: the page reads them, as any client can, and
begins its conversations with them. So an API client's prompts stay its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.tables.settings import StoredChatSettings
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope
from aquilon.people.store import audit
from aquilon.storage import Database
from aquilon.storage.changes import Moment

MAX_INSTRUCTIONS = 8000
"""Characters."""
_FRESH_SECONDS = 1.0
"""While changes on other machines aren't announced, a change counts after this long."""


@dataclass(frozen=True)
class ChatSettings:
    default_model: str | None = None
    """None is the server's default."""
    instructions: str = ""
    preference_pairs: bool = False
    """Whether people may let their judgements of answers be kept for training."""


class KnownChatSettings:
    """Each organization's settings, cached until they change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[Moment, ChatSettings]] = {}

    async def of(self, organization_id: str) -> ChatSettings:
        known = self._known.get(organization_id)
        if known is not None and self._database.changes.none_since(known[0], unheard=_FRESH_SECONDS):
            return known[1]
        moment = self._database.changes.now()
        async with self._database.reading() as session:
            settings = await stored(session, Scope(organization_id))
        self._known[organization_id] = moment, settings
        return settings

    async def set(self, principal: Principal, settings: ChatSettings) -> None:
        """Raises ApiError 403."""
        require(principal, "organization.update")
        scope = Scope.of_organization(principal)
        async with self._database.writing(alone=True) as session:
            await session.execute(scope.delete(StoredChatSettings))
            session.add(
                StoredChatSettings(
                    organization_id=scope.organization_id,
                    default_model=settings.default_model,
                    instructions=settings.instructions,
                    preference_pairs=settings.preference_pairs,
                    changed_at=int(time.time()),
                )
            )
            await audit.record(
                session,
                principal,
                "chat.settings_changed",
                object_id=principal.organization_id,
                object_name=principal.organization_name,
                default_model=settings.default_model,
                instructions=settings.instructions,
                preference_pairs=settings.preference_pairs,
            )


async def stored(session: AsyncSession, scope: Scope) -> ChatSettings:
    row = await session.scalar(scope.select(StoredChatSettings))
    return ChatSettings() if row is None else ChatSettings(row.default_model, row.instructions, row.preference_pairs)
