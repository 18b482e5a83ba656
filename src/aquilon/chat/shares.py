"""Shares: read-only copies of conversations, for everybody who has a link.

The link's secret part stands behind ``#``, which browsers send to no server: no log of a server
or proxy has it. The page sends it in the body of a request, and only its SHA-256 is stored.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.store import shares as stored_shares
from aquilon.chat.tables.shares import Share
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.tables import StoredConversation
from aquilon.conversations.transfer.snapshots import SharedMessage, decoded_snapshot, taken
from aquilon.errors import ApiError, forbidden, not_found
from aquilon.money.memory_windows import MemoryWindows
from aquilon.people.identity import Principal
from aquilon.people.permissions import require, require_feature
from aquilon.people.scope import Scope
from aquilon.people.secrets import fingerprint, new_id, new_token
from aquilon.people.sign_in import network_of
from aquilon.people.store import access_rules
from aquilon.storage import Database

DEFAULT_DAYS = 30
MOST_DAYS = 3650
READS_A_MINUTE = 120
"""Of all links, from one address or IPv6 /64."""
_MINUTE = 60
_DAY = 86_400
_AT_ONCE = 100


@dataclass(frozen=True)
class NewShare:
    share: Share
    token: str
    """Shown once."""


@dataclass(frozen=True, kw_only=True)
class OpenedShare:
    title: str | None
    shared_by: str | None
    created_at: int
    expires_at: int | None
    messages: list[SharedMessage]


class Shares:
    def __init__(self, database: Database, conversations: Conversations, *, allowed: bool) -> None:
        """``allowed``: whether the server's operator allows sharing."""
        self._database = database
        self._conversations = conversations
        self._allowed = allowed
        self._reads = MemoryWindows()

    async def create(
        self,
        principal: Principal,
        conversation_id: str,
        *,
        leaf: str | None = None,
        days: int | None = DEFAULT_DAYS,
        shows_name: bool = False,
    ) -> NewShare:
        """Copy the messages on a path as they are now. ``days``: how long the link holds; None until it is revoked.

        Raises ApiError: 403 where the operator or the organization has turned sharing off, 404, and 400 for a path
        that can't be shared.
        """
        require_feature(principal, "sharing")
        if not self._allowed:
            raise forbidden(
                "Sharing by links is switched off here: ask an administrator, or export the conversation",
                code="sharing_off",
            )
        conversation = await self._conversations.get(principal, conversation_id)
        messages = await taken(self._conversations, principal, conversation_id, leaf=leaf)
        token, now = new_token(), int(time.time())
        share = Share(
            id=new_id("share"),
            organization_id=principal.organization_id,
            user_id=principal.user_id,
            conversation_id=conversation.id,
            token_hash=fingerprint(token),
            title=conversation.title,
            shared_by=principal.user_name if shows_name else None,
            messages=len(messages),
            snapshot=msgspec.json.encode(messages),
            created_at=now,
            expires_at=None if days is None else now + days * _DAY,
        )
        async with self._database.writing() as session:
            session.add(share)
        return NewShare(share, token)

    async def own(
        self, principal: Principal, *, conversation_id: str | None = None, after: str | None = None, limit: int
    ) -> tuple[Sequence[Share], bool]:
        """A page of the caller's shares and of those of the caller's conversations, the latest first, without expired
        ones, and whether there are more. Raises ApiError 404."""
        require(principal, "generate", principal.workspace_role)
        async with self._database.reading() as session:
            last = None if after is None else await stored_shares.own_by_id(session, principal, after)
            if after is not None and last is None:
                raise _no_share(after)
            rows = await stored_shares.own_latest_first(
                session,
                principal,
                conversation_id=conversation_id,
                after=last,
                limit=limit + 1,
                now=int(time.time()),
            )
        return rows[:limit], len(rows) > limit

    async def revoke(self, principal: Principal, share_id: str) -> None:
        """Delete a share with its snapshot. Raises ApiError 404."""
        require(principal, "generate", principal.workspace_role)
        async with self._database.writing() as session:
            share = await stored_shares.own_by_id(session, principal, share_id)
            if share is None:
                raise _no_share(share_id)
            scope = Scope.of_organization(principal)
            await session.execute(scope.delete(Share).where(Share.id == share.id))
        self._conversations.deletion.erasure.request()

    async def open(self, token: str, *, address: str) -> OpenedShare:
        """What a link shows, for anybody. ``address``: the reader's.

        Raises ApiError: 404 with the same words for a link that is unknown, expired, revoked or switched off, and 429
        for an address that opens too many.
        """
        key = f"shares:{network_of(address)}"
        if not await self._reads.acquire_sliding_window_entry(key, READS_A_MINUTE, _MINUTE):
            raise ApiError(
                429,
                "rate_limit_error",
                "Too many shared conversations were opened from this address: try again in a minute",
                code="too_many_attempts",
                retry_after=_MINUTE,
                values={"seconds": _MINUTE},
            )
        share = None
        if self._allowed:
            async with self._database.reading() as session:
                share = await stored_shares.of_link(session, fingerprint(token), now=int(time.time()))
                if share is not None and not await self._may_share(session, share):
                    share = None
        if share is None:
            raise not_found(
                "Nothing is shared under this link: it was revoked, has expired, or isn't complete",
                code="share_not_found",
            )
        return OpenedShare(
            title=share.title,
            shared_by=share.shared_by,
            created_at=share.created_at,
            expires_at=share.expires_at,
            messages=decoded_snapshot(share.snapshot),
        )

    @staticmethod
    async def _may_share(session: AsyncSession, share: Share) -> bool:
        """Whether the organization's rule lets the share's person share, now, in the conversation's workspace."""
        scope = Scope(share.organization_id)
        conversation = scope.select(StoredConversation).where(StoredConversation.id == share.conversation_id)
        workspace_id = await session.scalar(conversation.with_only_columns(StoredConversation.workspace_id))
        return workspace_id is not None and await access_rules.may_use(
            session, scope, "sharing", user_id=share.user_id, workspace_id=workspace_id
        )

    async def prune(self) -> int:
        """Delete some of the shares that have expired; returns how many."""
        async with self._database.writing() as session:
            deleted = await stored_shares.delete_expired(session, now=int(time.time()), most=_AT_ONCE)
        if deleted:
            self._conversations.deletion.erasure.request()
        return deleted


def _no_share(share_id: str) -> ApiError:
    return not_found(f"There is no share '{share_id[:100]}' of yours", code="share_not_found")
