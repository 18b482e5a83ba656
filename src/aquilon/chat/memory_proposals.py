"""Entries that a model proposes for a person's memory: none is used before the person agrees."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

import msgspec
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.catalogue.catalogue import Catalogue
from aquilon.chat.memories import (
    MOST_CHARACTERS,
    Memories,
    MemoryChange,
    Source,
    checked_text,
    no_memory,
    require_future,
    require_new,
    require_on,
    require_places,
    required_item,
    settings_of,
)
from aquilon.chat.memory_use import nearness
from aquilon.chat.store import memories as stored
from aquilon.chat.tables.memories import Memory, MemoryProposal
from aquilon.conversations.asked_once import AskedOnce
from aquilon.conversations.items import MessageItem, decoded
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import runs as stored_runs
from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import ApiError, invalid, not_found
from aquilon.generation.pipeline import Pipeline
from aquilon.people.identity import Principal
from aquilon.people.permissions import require_feature
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.request import ChatPrompt, Delta, GenerationRequest, JsonSchema
from aquilon.storage import Database
from aquilon.text.messages import Message
from aquilon.text.words import words_of

MOST_FACTS = 3
"""Of one message."""
MOST_PROPOSALS = 50
"""Of one person: the oldest makes place for a new one."""
SAME = 0.97
"""The least cosine by which two texts say the same; by multilingual-e5-small, most that do have 0.93 to 0.99."""
SIMILAR = 0.92
"""From here on they may say the same, or the opposite: the person decides."""
ASKED_AGAIN_SECONDS = 600.0
"""How long a model isn't asked about the same message once more."""
_MOST_READ = 4000
"""Characters of a message."""
_MOST_TOKENS = 400
_MOST_FACT_CHARACTERS = 200

_TASK = (
    "You find what an assistant should remember about a user for later conversations: who they are, what they do, what "
    "they like, what they want answers to be like. Take only what the message itself says about the user and what will "
    "still matter in a month; no questions, no tasks, nothing about others, no passwords, nothing about health, faith, "
    "politics or sexuality. Write each as a short sentence about the user, in the language of the message. Most "
    'messages have none: then write {"facts": []}.'
)
_SCHEMA = {
    "type": "object",
    "properties": {
        "facts": {
            "type": "array",
            "maxItems": MOST_FACTS,
            "items": {"type": "string", "maxLength": _MOST_FACT_CHARACTERS},
        }
    },
    "required": ["facts"],
    "additionalProperties": False,
}


class _Facts(msgspec.Struct):
    facts: list[str] = []


@dataclass(frozen=True)
class Proposal:
    row: MemoryProposal
    similar: Memory | None
    """An entry that may say the same, and that this one may replace."""


class MemoryProposals:
    """Each method is about the caller's own memory. Raises ApiError."""

    def __init__(self, database: Database, memories: Memories, pipeline: Pipeline, catalogue: Catalogue) -> None:
        self._database = database
        self._memories = memories
        self._pipeline = pipeline
        self._catalogue = catalogue
        self._asked: AskedOnce[list[str]] = AskedOnce(ASKED_AGAIN_SECONDS)
        """The ids of the proposals that were made."""

    async def page(self, principal: Principal, *, after: str | None, limit: int) -> tuple[list[Proposal], bool]:
        """A page of the proposals, the latest first, and whether there are more."""
        scope = Scope.of_user(principal)
        async with self._database.reading() as session:
            rows = [row for row in await stored.proposals(session, scope) if after is None or row.id < after]
            return await _compared(session, scope, rows[:limit]), len(rows) > limit

    async def propose(self, principal: Principal, source: Source, *, model: str | None) -> list[Proposal]:
        """Ask a model for facts about the caller in one of their messages. ``model``: None for the one that answered.

        What is remembered or proposed already is left out. Asked again within some minutes, it is what was found then
        and still waits. Raises ApiError: 409 where the person hasn't turned proposals on, 404 for an unknown message,
        400 for one that isn't the person's own or that others see.
        """
        require_feature(principal, "memory")
        scope = Scope.of_user(principal)
        async with self._database.reading() as session:
            settings = await settings_of(session, scope)
            require_on(settings)
            if not settings.proposes:
                raise ApiError(
                    409,
                    "invalid_request_error",
                    "You have not allowed models to propose entries: set 'proposes' with PUT /v1/memories/settings",
                    code="memory_proposals_off",
                )
            text = await _own_words(session, principal, source)
            conversation = await stored_conversations.by_id(session, principal, source.conversation_id)
            models = await stored_runs.latest_models(
                session, Scope.of_organization(principal), [source.conversation_id]
            )
        assert conversation is not None
        asked = model or models.get(source.conversation_id) or self._catalogue.default_name()
        found = await self._asked.answer(
            (principal.user_id, source, asked),
            lambda: self._propose(principal, source, text=text, model=asked, project_id=conversation.project_id),
        )
        async with self._database.reading() as session:
            rows = {row.id: row for row in await stored.proposals(session, scope)}
            return await _compared(session, scope, [rows[id_] for id_ in found if id_ in rows])

    async def _propose(
        self, principal: Principal, source: Source, *, text: str, model: str, project_id: str | None
    ) -> list[str]:
        """The ids of the new ones."""
        rows: list[MemoryProposal] = []
        for fact in await self._facts(principal, model, text):
            embedding_model, vector = await self._memories.vector(principal, fact)
            rows.append(
                MemoryProposal(
                    id=new_id("memprop"),
                    organization_id=principal.organization_id,
                    user_id=principal.user_id,
                    text=fact,
                    project_id=project_id,
                    conversation_id=source.conversation_id,
                    item_id=source.item_id,
                    embedding_model=embedding_model,
                    vector=vector,
                    created_at=int(time.time()),
                )
            )
        return await self._added(principal, source, rows)

    async def accept(
        self, principal: Principal, proposal_id: str, change: MemoryChange, *, replaces: str | None
    ) -> Memory:
        """Make a proposal an entry, as ``change`` says. ``replaces``: an entry that it takes the place of.

        Raises ApiError 404, and as `Memories.create` does.
        """
        require_feature(principal, "memory")
        scope, now = Scope.of_user(principal), int(time.time())
        async with self._database.reading() as session:
            require_on(await settings_of(session, scope))
            proposal = await _required(session, scope, proposal_id)
        expires_at = None if change.expires_at is UNSET else change.expires_at
        require_future(expires_at, now)
        text = proposal.text if change.text is UNSET else checked_text(change.text)
        project_id = None if change.project_id is UNSET else change.project_id
        assistant_id = None if change.assistant_id is UNSET else change.assistant_id
        if text == proposal.text:
            embedding_model, vector = proposal.embedding_model, proposal.vector
        else:
            embedding_model, vector = await self._memories.vector(principal, text)
        async with self._database.writing(alone=project_id is not None or assistant_id is not None) as session:
            proposal = await _required(session, scope, proposal_id)
            await require_places(session, principal, project_id=project_id, assistant_id=assistant_id)
            if replaces is not None and not await stored.delete_entry(session, scope, replaces):
                raise no_memory(replaces)
            await require_new(session, scope, text, now=now)
            memory = Memory(
                id=new_id("mem"),
                organization_id=principal.organization_id,
                user_id=principal.user_id,
                text=text,
                project_id=project_id,
                assistant_id=assistant_id,
                conversation_id=proposal.conversation_id,
                item_id=proposal.item_id,
                embedding_model=embedding_model,
                vector=vector,
                created_at=now,
                updated_at=now,
                expires_at=expires_at,
                last_used_at=None,
                uses=0,
            )
            session.add(memory)
            await stored.delete_proposal(session, scope, proposal_id)
        self._memories.erase()
        return memory

    async def refuse(self, principal: Principal, proposal_id: str) -> None:
        """Delete a proposal. Raises ApiError 404."""
        async with self._database.writing() as session:
            if not await stored.delete_proposal(session, Scope.of_user(principal), proposal_id):
                raise _no_proposal(proposal_id)
        self._memories.erase()

    async def _facts(self, principal: Principal, model: str, text: str) -> list[str]:
        """What the model finds; nothing if it writes something else."""
        request = GenerationRequest(
            model=model,
            prompt=ChatPrompt(
                (Message("system", _TASK), Message("user", text[:_MOST_READ])),
                template_variables={"enable_thinking": False},
            ),
            sampling=SamplingParameters(max_tokens=_MOST_TOKENS),
            temperature=0.0,
            format=JsonSchema(_SCHEMA, "facts", strict=True),
        )
        prepared, written = await self._pipeline.prepare(request, principal), ""
        answer = self._pipeline.answer([prepared], principal, request_id=new_id("memreq"), is_message=False)
        async with aclosing(answer) as events:
            async for event in events:
                if isinstance(event, Delta):
                    written += event.text
        try:
            facts = msgspec.json.decode(written, type=_Facts).facts
        except msgspec.MsgspecError:  # it was cut, or an upstream doesn't know schemas
            return []
        lines = (" ".join(fact.split())[:MOST_CHARACTERS] for fact in facts[:MOST_FACTS])
        return [checked_text(line) for line in lines if words_of(line)]

    async def _added(self, principal: Principal, source: Source, rows: Sequence[MemoryProposal]) -> list[str]:
        scope, now = Scope.of_user(principal), int(time.time())
        async with self._database.writing(alone=True) as session:
            await required_item(session, principal, source)  # it may have been deleted meanwhile
            conversation = await stored_conversations.by_id(session, principal, source.conversation_id)
            for row in rows:  # its project too
                row.project_id = None if conversation is None else conversation.project_id
            waiting = list(await stored.proposals(session, scope))
            known: list[Memory | MemoryProposal] = [*await stored.entries(session, scope, now=now), *waiting]
            new: list[MemoryProposal] = []
            for row in rows:
                if not any(_is_same(row, other) for other in (*known, *new)):
                    new.append(row)
            session.add_all(new)
            await session.flush()
            for old in waiting[max(0, MOST_PROPOSALS - len(new)) :]:
                await stored.delete_proposal(session, scope, old.id)
            return [row.id for row in new]


async def _own_words(session: AsyncSession, principal: Principal, source: Source) -> str:
    """The text of a message that the caller wrote in a conversation of theirs. Raises ApiError 400 and 404."""
    item = await required_item(session, principal, source)
    conversation = await stored_conversations.by_id(session, principal, source.conversation_id)
    assert conversation is not None
    if conversation.visibility != "user" or conversation.user_id != principal.user_id:
        raise invalid(
            "Other people see this conversation: entries are proposed only from one that you alone see",
            param="conversation_id",
            code="memory_needs_private",
        )
    message = decoded(item.content)
    if not isinstance(message, MessageItem) or message.role != "user" or not message.text.strip():
        raise invalid(
            f"'{source.item_id[:100]}' is no message of yours with a text", param="item_id", code="memory_needs_message"
        )
    return message.text


async def _compared(session: AsyncSession, scope: Scope, rows: Sequence[MemoryProposal]) -> list[Proposal]:
    """Each proposal with the entry that it is nearest to, if that is near."""
    import numpy as np

    entries = await stored.entries(session, scope, now=int(time.time())) if rows else []
    compared: list[Proposal] = []
    for row in rows:
        similar = None
        if row.vector is not None:
            read = [entry for entry in entries if entry.vector and entry.embedding_model == row.embedding_model]
            near = nearness(read, np.frombuffer(row.vector, "<f2").astype("<f4").tobytes())
            if len(near) and near.max() >= SIMILAR:
                similar = read[int(near.argmax())]
        compared.append(Proposal(row, similar))
    return compared


def _is_same(one: MemoryProposal, other: Memory | MemoryProposal) -> bool:
    import numpy as np

    if words_of(one.text) == words_of(other.text):
        return True
    if one.vector is None or other.vector is None or one.embedding_model != other.embedding_model:
        return False
    vectors = (np.frombuffer(vector, "<f2").astype(np.float32) for vector in (one.vector, other.vector))
    return float(np.dot(*vectors)) >= SAME


async def _required(session: AsyncSession, scope: Scope, proposal_id: str) -> MemoryProposal:
    proposal = await stored.proposal(session, scope, proposal_id)
    if proposal is None:
        raise _no_proposal(proposal_id)
    return proposal


def _no_proposal(proposal_id: str) -> ApiError:
    return not_found(f"There is no proposal '{proposal_id[:100]}' for your memory", code="proposal_not_found")
