"""Conversations and parts of them are deleted: in the database, in what is remembered of them, with their documents."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.conversations.documents import ConversationDocuments
from aquilon.conversations.erasure import Erasure
from aquilon.conversations.first_words import MOST_BEFORE, name_by_question
from aquilon.conversations.histories import Histories
from aquilon.conversations.items import MessageItem, decoded
from aquilon.conversations.rows import title_writes
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import items as stored_items
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.tables import StoredConversation, StoredItem, StoredRun
from aquilon.conversations.visible import conversation_in, item_not_found
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.storage import Database
from aquilon.storage.rows import write_in

_PRUNED_AT_ONCE = 50
_SUMMARY = '{"type":"compaction",'
"""What the text of a stored `CompactionItem` begins with."""


class Deletion:
    def __init__(
        self,
        database: Database,
        histories: Histories,
        *,
        erasure: Erasure | None = None,
        documents: ConversationDocuments | None = None,
    ) -> None:
        """``documents``: None where no conversation has any."""
        self._database = database
        self._histories = histories
        self._documents = documents
        self.erasure = erasure or Erasure(database)

    async def delete(self, principal: Principal, conversation_id: str) -> None:
        """Delete a conversation with its items, runs, events and documents. Raises ApiError 404."""
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            await conversation_in(session, principal, conversation_id)
        await self._delete_documents(scope, [conversation_id])
        async with self._database.writing() as session:
            await conversation_in(session, principal, conversation_id)
            await stored_conversations.delete(session, scope, conversation_id)
        self._forget(conversation_id)

    async def delete_all(self, principal: Principal, conversation_ids: Sequence[str]) -> None:
        """Delete those of these conversations that the caller may see, as `delete` does."""
        async with self._database.reading() as session:
            visible = await stored_conversations.visible_among(session, principal, conversation_ids)
        await self._delete_documents(Scope.of_organization(principal), visible)
        async with self._database.writing() as session:
            seen = await stored_conversations.delete_all(session, principal, conversation_ids)
        for conversation_id in seen:
            self._forget(conversation_id)

    async def delete_items(self, principal: Principal, conversation_id: str, item_ids: Sequence[str]) -> None:
        """Delete items; what was below one is then below the item above it. Raises ApiError 404."""
        scope = Scope.of_organization(principal)
        async with self._database.writing(alone=True) as session:
            conversation = await conversation_in(session, principal, conversation_id)
            await _delete_items(session, scope, conversation, item_ids)
        self._forget(conversation_id)

    async def delete_run(self, principal: Principal, run: StoredRun) -> None:
        """Delete a run that has ended, with its input and output; its conversation too if it has nothing else."""
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            rows = [
                *await stored_runs.items_of(session, scope, run.id, output=True),
                *await stored_runs.items_of(session, scope, run.id, output=False),
            ]
        await self.delete_items(principal, run.conversation_id, [row.id for row in rows])
        async with self._database.writing() as session:
            await stored_runs.delete(session, scope, run.id)
            await stored_conversations.delete_if_empty(session, scope, run.conversation_id)
        self._forget(run.conversation_id)

    async def delete_of_person(self, scope: Scope) -> int:
        """Delete some of the conversations that the scope's user began, shared ones too; returns how many."""
        async with self._database.reading() as session:
            ids = await stored_conversations.some_of_person(session, scope, most=_PRUNED_AT_ONCE)
        await self._delete_documents(Scope(scope.organization_id), ids)
        async with self._database.writing() as session:
            for conversation_id in ids:
                await stored_conversations.delete(session, scope, conversation_id)
        for conversation_id in ids:
            self._forget(conversation_id)
        return len(ids)

    async def delete_questions_of_person(self, scope: Scope) -> int:
        """Delete some of the questions that the scope's user asked in others' conversations, with all answers to them.

        Returns how many. What was below them is then below what was above them.
        """
        organization = Scope(scope.organization_id)
        async with self._database.reading() as session:
            questions = await stored_runs.asked_elsewhere(session, scope, after="", most=_PRUNED_AT_ONCE)
        for run in questions:
            async with self._database.writing(alone=True) as session:
                await _delete_question(session, organization, run)
            self._forget(run.conversation_id)
        return len(questions)

    async def prune(self) -> int:
        """Delete some of the conversations that are kept no longer, with their documents; returns how many."""
        now = int(time.time())
        async with self._database.reading() as session:
            expired = await stored_conversations.expired(session, now=now, most=_PRUNED_AT_ONCE)
        for organization_id, conversation_id in expired:
            await self._delete_documents(Scope(organization_id), [conversation_id])
        async with self._database.writing() as session:
            for organization_id, conversation_id in expired:
                await stored_conversations.delete(session, Scope(organization_id), conversation_id)
        for _, conversation_id in expired:
            self._forget(conversation_id)
        return len(expired)

    async def _delete_documents(self, scope: Scope, conversation_ids: Sequence[str]) -> None:
        if self._documents is not None and conversation_ids:
            await self._documents.delete(scope, conversation_ids)

    def _forget(self, conversation_id: str) -> None:
        """Something of the conversation was deleted: keep it nowhere else."""
        self._histories.forget(conversation_id)
        self.erasure.request()


async def _delete_items(
    session: AsyncSession, scope: Scope, conversation: StoredConversation, item_ids: Sequence[str]
) -> None:
    """Delete items, and what a model made of the questions among them: a title, summaries. Raises ApiError 404."""
    of_conversation = StoredItem.conversation_id == conversation.id
    named_by_them, summaries = False, set[str]()
    for item_id in item_ids:
        row = await session.scalar(scope.select(StoredItem).where(StoredItem.id == item_id, of_conversation))
        if row is None:
            raise item_not_found(item_id, conversation.id)
        if _is_question(row):
            named_by_them |= await _is_first_question(session, scope, row)
            summaries.update(await _summaries_since(session, scope, row))
        above = await stored_items.above(session, scope, row)
        children = scope.update(StoredItem).where(StoredItem.parent_id == item_id, of_conversation)
        await session.execute(children.values(parent_id=above))
        leaves = scope.update(StoredRun).where(
            StoredRun.leaf_id == item_id, StoredRun.conversation_id == conversation.id
        )
        await session.execute(leaves.values(leaf_id=above))
        await session.execute(scope.delete(StoredItem).where(StoredItem.id == item_id))
        if conversation.head_id == item_id:
            conversation.head_id = above
    conversation.edition += 1
    if summaries:
        await _delete_items(session, scope, conversation, sorted(summaries.difference(item_ids)))
    if named_by_them and not conversation.named_by_person:
        conversation.title = None
        await write_in(session, title_writes(scope.organization_id, conversation.id, None))
        await name_by_question(session, scope, conversation)


async def _is_first_question(session: AsyncSession, scope: Scope, row: StoredItem) -> bool:
    """Whether a question has none above it: of such a one, and its answer, a title is made."""
    id_ = row.conversation_id
    path = await stored_items.segments(session, scope, id_, branch=row.branch, depth=row.depth)
    higher = stored_items.clipped(path, above=row.depth)
    return not any(map(_is_question, await stored_items.page_down(session, scope, id_, higher, limit=MOST_BEFORE)))


async def _summaries_since(session: AsyncSession, scope: Scope, row: StoredItem) -> Sequence[str]:
    """The summaries that may have words of an item. Without one, its conversation's items are read again."""
    query = scope.select(StoredItem).where(StoredItem.conversation_id == row.conversation_id)
    query = query.where(StoredItem.created_at >= row.created_at, StoredItem.content.startswith(_SUMMARY))
    return list(await session.scalars(query.with_only_columns(StoredItem.id)))


def _is_question(row: StoredItem) -> bool:
    item = decoded(row.content)
    return isinstance(item, MessageItem) and item.role == "user"


async def _delete_question(session: AsyncSession, scope: Scope, run: StoredRun) -> None:
    """Delete a run with its question and all answers to that."""
    conversation = await session.scalar(
        scope.select(StoredConversation).where(StoredConversation.id == run.conversation_id)
    )
    if conversation is None:  # it was deleted meanwhile
        return
    asked = await stored_runs.items_of(session, scope, run.id, output=False)
    for run_id in await stored_runs.answering(session, scope, run):
        answer = await stored_runs.items_of(session, scope, run_id, output=True)
        await _delete_items(session, scope, conversation, [row.id for row in answer])
        if run_id != run.id:
            await stored_runs.delete(session, scope, run_id)
    await _delete_items(session, scope, conversation, [row.id for row in asked])
    await stored_runs.delete(session, scope, run.id)
    await stored_conversations.delete_if_empty(session, scope, run.conversation_id)
