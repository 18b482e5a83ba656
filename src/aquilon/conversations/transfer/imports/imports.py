"""Imports of files, conversation by conversation: each is stored as a whole or not at all, and the report says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.transfer.imports.files import ReadConversation, conversations_of, read, unpacked
from aquilon.conversations.transfer.imports.storing import store
from aquilon.conversations.transfer.imports.tree import ImportRefused
from aquilon.errors import overloaded
from aquilon.people.identity import Principal
from aquilon.people.permissions import require, require_feature
from aquilon.storage import Database

_AT_ONCE = 2
"""Files that one process holds in memory."""
_RETRY_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class ImportedConversation:
    id: str
    position: int
    title: str | None
    messages: int
    detached: int


@dataclass(frozen=True, kw_only=True)
class SkippedConversation:
    position: int
    title: str | None
    code: str
    reason: str


@dataclass(frozen=True)
class ImportReport:
    imported: list[ImportedConversation] = field(default_factory=list)
    skipped: list[SkippedConversation] = field(default_factory=list)


class Imports:
    def __init__(self, database: Database, conversations: Conversations) -> None:
        self._database = database
        self._conversations = conversations
        self._places = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def place(self, principal: Principal) -> AsyncGenerator[None]:
        """Room for one file in memory. Raises ApiError: 400 and 403 for a caller who may not store any, 503."""
        require(principal, "generate", principal.workspace_role)
        require_feature(principal, "import")
        await self._conversations.require_kept(principal)
        if self._places.locked():
            raise overloaded("Other conversations are being imported now: try again soon", retry_after=_RETRY_SECONDS)
        async with self._places:
            yield

    async def run(self, principal: Principal, data: bytes, executor: Executor) -> ImportReport:
        """Store what a file has. Raises ApiError 400 or 413 for one that is no export."""
        loop, report = asyncio.get_running_loop(), ImportReport()
        conversations = await loop.run_in_executor(executor, _split, data)
        for position, raw in enumerate(conversations):
            conversation = await loop.run_in_executor(executor, read, raw, position)
            refused, tree = conversation.refused, conversation.tree
            if tree is not None:
                try:
                    id_ = await store(
                        self._database, self._conversations, principal, tree, once=True, executor=executor
                    )
                except ImportRefused as error:
                    refused = error
                else:
                    report.imported.append(
                        ImportedConversation(
                            id=id_,
                            position=position,
                            title=conversation.title,
                            messages=len(tree.nodes),
                            detached=tree.detached,
                        )
                    )
            if refused is not None:
                report.skipped.append(_skipped(conversation, refused))
        return report


def _split(data: bytes) -> list[msgspec.Raw]:
    return [conversation for file in unpacked(data) for conversation in conversations_of(file)]


def _skipped(conversation: ReadConversation, refused: ImportRefused) -> SkippedConversation:
    return SkippedConversation(
        position=conversation.position, title=conversation.title, code=refused.code, reason=str(refused)
    )
