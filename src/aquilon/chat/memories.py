"""What a person lets models know about them: off until they turn it on, seen by nobody else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.assistants import required as required_assistant
from aquilon.chat.store import memories as stored
from aquilon.chat.tables.memories import Memory, MemorySettings
from aquilon.conversations.projects import required as required_project
from aquilon.conversations.store import conversations as stored_conversations
from aquilon.conversations.store import runs as stored_runs
from aquilon.conversations.tables import StoredItem, StoredRun
from aquilon.conversations.visible import item_not_found
from aquilon.errors import ApiError, invalid, not_found
from aquilon.libraries.embedding import Embedder
from aquilon.libraries.vectors import packed
from aquilon.log import get_logger
from aquilon.people.identity import Principal
from aquilon.people.permissions import require, require_feature
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.people.store import api_keys
from aquilon.storage import Database
from aquilon.text.words import words_asked, words_of

MOST_CHARACTERS = 500
MOST_ENTRIES = 500
"""Of one person."""
MOST_KEYS = 20
MOST_PROPOSAL_DAYS = 30
"""A proposal that nobody answers is deleted then."""
_PRUNED_AT_ONCE = 200
_DAY = 86_400
_LATEST = 2**53
"""Seconds: the largest whole number that every JSON reader keeps."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

log = get_logger("aquilon.memory")


@dataclass(frozen=True, kw_only=True)
class Settings:
    enabled: bool = False
    proposes: bool = False
    key_ids: tuple[str, ...] = ()
    """The person's own keys that may use the memory where a request asks for it."""
    keys_allowed_at: int = 0


@dataclass(frozen=True)
class Source:
    """The message that an entry comes from."""

    conversation_id: str
    item_id: str


@dataclass(frozen=True, kw_only=True)
class MemoryChange:
    """UNSET leaves what is there."""

    text: str | UnsetType = UNSET
    project_id: str | UnsetType | None = UNSET
    """None for everywhere."""
    assistant_id: str | UnsetType | None = UNSET
    """None for all."""
    expires_at: int | UnsetType | None = UNSET


class Memories:
    """Each method is about the caller's own memory: no other person's can be named."""

    def __init__(self, database: Database, embedder: Embedder, *, on_deletion: Callable[[], None]) -> None:
        """``on_deletion`` is called when texts were deleted, so that they leave the database's files too."""
        self._database = database
        self._embedder = embedder
        self._on_deletion = on_deletion

    def erase(self) -> None:
        """Something was deleted by others than these methods."""
        self._on_deletion()

    async def settings(self, principal: Principal) -> Settings:
        async with self._database.reading() as session:
            return await settings_of(session, Scope.of_user(principal))

    async def set(
        self,
        principal: Principal,
        *,
        enabled: bool | None = None,
        proposes: bool | None = None,
        key_ids: Sequence[str] | None = None,
    ) -> Settings:
        """Change what is given. Raises ApiError: 403 where the organization has turned memory off, 404 for a key."""
        if enabled or proposes or key_ids:
            require_feature(principal, "memory")
        scope, now = Scope.of_user(principal), int(time.time())
        async with self._database.writing(alone=True) as session:
            old = await settings_of(session, scope)
            keys, allowed_at = old.key_ids, old.keys_allowed_at
            if key_ids is not None:
                keys, allowed_at = tuple(dict.fromkeys(key_ids)), now
                own = {key.id for key, _ in await api_keys.list_api_keys(session, scope)}
                if unknown := [key_id for key_id in keys if key_id not in own]:
                    raise not_found(
                        f"You have no API key '{unknown[0][:100]}'", param="key_ids", code="api_key_not_found"
                    )
            new = Settings(
                enabled=old.enabled if enabled is None else enabled,
                proposes=old.proposes if proposes is None else proposes,
                key_ids=keys,
                keys_allowed_at=allowed_at,
            )
            await session.execute(scope.delete(MemorySettings))
            session.add(
                MemorySettings(
                    user_id=principal.user_id,
                    organization_id=principal.organization_id,
                    enabled=new.enabled,
                    proposes=new.proposes,
                    key_ids=list(keys),
                    keys_allowed_at=allowed_at,
                    changed_at=now,
                )
            )
        return new

    async def switched_on(self, principal: Principal) -> dict[str, bool]:
        """By person, whether the memory is on, for an administrator, who sees no more of it. Raises ApiError 403."""
        require(principal, "members.read")
        async with self._database.reading() as session:
            return await stored.settings_of_all(session, Scope.of_organization(principal))

    async def page(
        self,
        principal: Principal,
        *,
        query: str = "",
        project_id: str | None = None,
        assistant_id: str | None = None,
        after: str | None = None,
        limit: int,
    ) -> tuple[Sequence[Memory], bool]:
        """A page of the entries, the latest first, and whether there are more. ``query``: words that each has."""
        async with self._database.reading() as session:
            rows = await stored.entries(session, Scope.of_user(principal), now=int(time.time()))
        asked = words_asked(query)
        rows = [
            row
            for row in rows
            if (after is None or row.id < after)
            and (project_id is None or row.project_id == project_id)
            and (assistant_id is None or row.assistant_id == assistant_id)
            and (not query or (bool(asked) and _has_words(row.text, asked)))
        ]
        return rows[:limit], len(rows) > limit

    async def create(
        self,
        principal: Principal,
        text: str,
        *,
        project_id: str | None = None,
        assistant_id: str | None = None,
        source: Source | None = None,
        expires_at: int | None = None,
    ) -> Memory:
        """Raises ApiError: 403 where memory is turned off, 400 for a text without a letter or an expiry that is past,
        404 for a project, assistant or message that the caller can't see, 409 for an entry that is there already, and
        where there are too many."""
        require_feature(principal, "memory")
        text, now, scope = checked_text(text), int(time.time()), Scope.of_user(principal)
        require_future(expires_at, now)
        async with self._database.reading() as session:
            require_on(await settings_of(session, scope))
            await require_places(session, principal, project_id=project_id, assistant_id=assistant_id)
            if source is not None:
                await required_item(session, principal, source)
            await require_new(session, scope, text, now=now)
        model, vector = await self.vector(principal, text)
        memory = Memory(
            id=new_id("mem"),
            organization_id=principal.organization_id,
            user_id=principal.user_id,
            text=text,
            project_id=project_id,
            assistant_id=assistant_id,
            conversation_id=None if source is None else source.conversation_id,
            item_id=None if source is None else source.item_id,
            embedding_model=model,
            vector=vector,
            created_at=now,
            updated_at=now,
            expires_at=expires_at,
            last_used_at=None,
            uses=0,
        )
        async with self._database.writing(alone=project_id is not None or assistant_id is not None) as session:
            # they may have been deleted meanwhile
            await require_places(session, principal, project_id=project_id, assistant_id=assistant_id)
            await require_new(session, scope, text, now=now)
            session.add(memory)
        return memory

    async def change(self, principal: Principal, memory_id: str, change: MemoryChange) -> Memory:
        """Raises ApiError as `create` does, and 404 for an unknown entry."""
        require_feature(principal, "memory")
        now, scope = int(time.time()), Scope.of_user(principal)
        text, vector = None, None
        if change.expires_at is not UNSET:
            require_future(change.expires_at, now)
        async with self._database.reading() as session:
            memory = await _required(session, scope, memory_id, now=now)
            if change.text is not UNSET and checked_text(change.text) != memory.text:
                text = checked_text(change.text)
                await require_new(session, scope, text, now=now, instead_of=memory_id)
        if text is not None:
            vector = await self.vector(principal, text)
        project_id = None if change.project_id is UNSET else change.project_id
        assistant_id = None if change.assistant_id is UNSET else change.assistant_id
        async with self._database.writing(alone=project_id is not None or assistant_id is not None) as session:
            memory = await _required(session, scope, memory_id, now=now)
            await require_places(session, principal, project_id=project_id, assistant_id=assistant_id)
            if text is not None and vector is not None:
                memory.text = text
                memory.embedding_model, memory.vector = vector
            if change.project_id is not UNSET:
                memory.project_id = project_id
            if change.assistant_id is not UNSET:
                memory.assistant_id = assistant_id
            if change.expires_at is not UNSET:
                memory.expires_at = change.expires_at
            memory.updated_at = now
        if text is not None:
            self._on_deletion()
        return memory

    async def delete(self, principal: Principal, memory_id: str) -> None:
        """Delete an entry with its vector and the record of its uses. Raises ApiError 404."""
        async with self._database.writing() as session:
            if not await stored.delete_entry(session, Scope.of_user(principal), memory_id):
                raise no_memory(memory_id)
        self._on_deletion()

    async def delete_all(self, principal: Principal) -> int:
        """Delete all entries and proposals; returns how many."""
        return await self.delete_of_person(Scope.of_user(principal))

    async def delete_of_person(self, scope: Scope) -> int:
        """The same, for the person of the scope."""
        async with self._database.writing() as session:
            deleted = await stored.delete_all(session, scope)
        self._on_deletion()
        return deleted

    async def used(
        self, principal: Principal, *, run_id: str | None = None, conversation_id: str | None = None
    ) -> Sequence[tuple[str, str]]:
        """The ids of the caller's entries that an answer, or those of a conversation, used: pairs with the answer's.

        Raises ApiError 404 for an answer or a conversation that the caller can't see.
        """
        async with self._database.reading() as session:
            if run_id is not None:
                if await stored_runs.by_id(session, principal, run_id) is None:
                    raise not_found(
                        f"There is no response '{run_id[:100]}': it was not stored, or it was deleted",
                        code="response_not_found",
                    )
                which = StoredRun.id == run_id
            else:
                if await stored_conversations.by_id(session, principal, conversation_id or "") is None:
                    raise _no_conversation(conversation_id or "")
                which = StoredRun.conversation_id == conversation_id
            return await stored.uses(session, Scope.of_user(principal), which)

    async def prune(self) -> int:
        """Delete some of the expired entries and old proposals; returns how many."""
        now = int(time.time())
        async with self._database.writing() as session:
            before = now - MOST_PROPOSAL_DAYS * _DAY
            deleted = await stored.prune(session, now=now, proposed_before=before, most=_PRUNED_AT_ONCE)
        if deleted:
            self._on_deletion()
        return deleted

    async def vector(self, principal: Principal, text: str) -> tuple[str | None, bytes | None]:
        """The model that read the text, and its vector; None where no model can now: it is read when it is needed."""
        model = await self._embedder.model()
        if model is None:
            return None, None
        try:
            [vector], _ = await self._embedder.vectors(model, [text], "passage", principal)
        except ApiError as error:
            if error.status < 500 and error.code != "model_not_allowed":
                raise
            log.warning("An entry's vector can't be computed now", model=model, error=error.message)
            return None, None
        return model, packed(vector)


async def settings_of(session: AsyncSession, scope: Scope) -> Settings:
    row = await stored.settings(session, scope)
    if row is None:
        return Settings()
    return Settings(
        enabled=row.enabled, proposes=row.proposes, key_ids=tuple(row.key_ids), keys_allowed_at=row.keys_allowed_at
    )


def require_on(settings: Settings) -> None:
    """Raises ApiError 409."""
    if not settings.enabled:
        raise ApiError(
            409,
            "invalid_request_error",
            "Your memory is off: turn it on first, with PUT /v1/memories/settings",
            code="memory_off",
        )


def checked_text(text: str) -> str:
    """In one line. Raises ApiError 400."""
    line = " ".join(_CONTROLS.sub(" ", text).split())
    if not words_of(line):
        raise invalid(
            "The entry has no letter and no digit: write what is to be remembered", param="text", code="memory_empty"
        )
    return line


async def require_places(
    session: AsyncSession, principal: Principal, *, project_id: str | None, assistant_id: str | None
) -> None:
    """Where an entry is used must be what the caller can see. Raises ApiError 404."""
    if project_id is not None:
        await required_project(session, principal, project_id)
    if assistant_id is not None:
        await required_assistant(session, principal, assistant_id, param="assistant_id")


async def required_item(session: AsyncSession, principal: Principal, source: Source) -> StoredItem:
    """A message in a conversation that the caller may see. Raises ApiError 404."""
    if await stored_conversations.by_id(session, principal, source.conversation_id) is None:
        raise _no_conversation(source.conversation_id)
    query = Scope.of_organization(principal).select(StoredItem).where(StoredItem.id == source.item_id)
    item = await session.scalar(query.where(StoredItem.conversation_id == source.conversation_id))
    if item is None:
        raise item_not_found(source.item_id, source.conversation_id)
    return item


async def require_new(
    session: AsyncSession, scope: Scope, text: str, *, now: int, instead_of: str | None = None
) -> None:
    """Raises ApiError 409 for an entry with the same words, and for one too many."""
    entries, words = await stored.entries(session, scope, now=now), words_of(text)
    for entry in entries:
        if entry.id != instead_of and words_of(entry.text) == words:
            raise ApiError(
                409,
                "invalid_request_error",
                f"This is remembered already, as '{entry.id}'",
                param="text",
                code="memory_exists",
            )
    if instead_of is None and len(entries) >= MOST_ENTRIES:
        raise ApiError(
            409,
            "invalid_request_error",
            f"Your memory has {len(entries)} entries; it may have {MOST_ENTRIES}: delete some first",
            code="memory_full",
            values={"most": MOST_ENTRIES},
        )


def no_memory(memory_id: str) -> ApiError:
    return not_found(f"There is no entry '{memory_id[:100]}' in your memory", code="memory_not_found")


async def _required(session: AsyncSession, scope: Scope, memory_id: str, *, now: int) -> Memory:
    memory = await stored.by_id(session, scope, memory_id, now=now)
    if memory is None:
        raise no_memory(memory_id)
    return memory


def require_future(expires_at: int | None, now: int) -> None:
    """Raises ApiError 400."""
    if expires_at is not None and not now < expires_at <= _LATEST:
        raise invalid(
            f"expires_at is {expires_at}; it must be a time in the future, in unix seconds",
            param="expires_at",
            code="memory_expired",
        )


def _no_conversation(conversation_id: str) -> ApiError:
    return not_found(
        f"There is no conversation '{conversation_id[:100]}'", param="conversation", code="conversation_not_found"
    )


def _has_words(text: str, asked: Sequence[str]) -> bool:
    words = words_of(text).split()
    return all(any(word.startswith(one) for word in words) for one in asked)
