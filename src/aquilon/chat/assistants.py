"""Assistants: a model under a name, with instructions, sampling, tools and libraries. Mistral calls them agents.

A change makes a version, and an alias names one. A conversation keeps a copy of the version
that it began with (`conversation_settings`), so that it goes on whatever becomes of the assistant.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.pictures import picture_of
from aquilon.chat.store import assistants as stored
from aquilon.chat.store.assistants import ChosenAssistants
from aquilon.chat.tables.assistants import AssistantAlias, AssistantPicture, AssistantVersion, StoredAssistant
from aquilon.conversations.dialects.conversation_settings import ConversationSettings
from aquilon.errors import ApiError, forbidden, invalid, not_found
from aquilon.libraries.libraries import require_visible
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.secrets import new_id
from aquilon.storage import Database

MODEL_PREFIX = "assistant/"
"""What the name of a model begins with that is an assistant: ``assistant/ag_1``, ``assistant/ag_1:production``."""
MOST_NAME_CHARACTERS = 256
MOST_INSTRUCTION_CHARACTERS = 20_000
MOST_QUESTIONS = 8
MOST_QUESTION_CHARACTERS = 500
MOST_ALIASES = 50
MOST_VERSIONS = 200
"""Of one assistant. With a further one, the oldest goes that has no alias."""


class Assistant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a version has."""

    name: str
    model: str
    description: str | None = None
    instructions: str | None = None
    tools: list[dict[str, Any]] = []
    completion_args: dict[str, Any] = {}
    metadata: dict[str, Any] | None = None
    starter_questions: list[str] = []

    @classmethod
    def of(cls, version: AssistantVersion) -> Assistant:
        return msgspec.json.decode(version.content, type=cls)

    @property
    def library_ids(self) -> list[str]:
        """The libraries that its documents are in."""
        return [id_ for tool in self.tools for id_ in tool.get("library_ids") or ()]


@dataclass(frozen=True, kw_only=True)
class AssistantChange:
    """What isn't part of a version; None leaves it as it is."""

    visibility: str | None = None
    in_chat: bool | None = None
    message: str | None = None
    """Why the version was made."""


@dataclass(frozen=True, kw_only=True)
class VersionOf:
    """A version of an assistant, and what holds for all of its versions."""

    row: StoredAssistant
    version: AssistantVersion
    content: Assistant
    numbers: Sequence[int]
    """Of all versions."""
    editable: bool
    """Whether the caller may change it."""


class Assistants:
    """Methods raise ApiError: 403 without the right, 404 for an assistant that the caller can't see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, principal: Principal, content: Assistant, *, visibility: str, in_chat: bool, message: str | None
    ) -> VersionOf:
        """Raises ApiError: 400 for a name without a visible character, and for what is too large; 404 for a library
        that the caller can't see."""
        stored.visible(principal)
        content = _checked(content)
        await require_visible(self._database, principal, content.library_ids)
        now = int(time.time())
        row = StoredAssistant(
            id=new_id("ag"),
            organization_id=principal.organization_id,
            workspace_id=principal.workspace_id,
            user_id=principal.user_id,
            by_key=principal.api_key_id is not None,
            visibility=visibility,
            in_chat=in_chat,
            name=content.name,
            version=1,
            picture=None,
            created_at=now,
            updated_at=now,
        )
        version = _version(row, 1, content, message)
        async with self._database.writing() as session:
            session.add(row)
            await session.flush()
            session.add(version)
        return VersionOf(row=row, version=version, content=content, numbers=[1], editable=True)

    async def get(self, principal: Principal, assistant_id: str, version: str | int | None = None) -> VersionOf:
        """The present version, or one by its number or alias."""
        async with self._database.reading() as session:
            row = await required(session, principal, assistant_id)
            return await self._shown(session, principal, row, await _found(session, principal, row, version))

    async def page(
        self,
        principal: Principal,
        chosen: ChosenAssistants,
        *,
        after: str | None = None,
        offset: int = 0,
        limit: int,
    ) -> tuple[list[VersionOf], bool]:
        """A page of the caller's assistants in their present versions, the newest first, and whether there are more."""
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            rows = await stored.page(session, principal, chosen=chosen, after=after, offset=offset, limit=limit + 1)
            more, rows = len(rows) > limit, rows[:limit]
            versions = await stored.present_versions(session, scope, rows)
            numbers = await stored.numbers(session, scope, [row.id for row in rows])
        page = [
            VersionOf(
                row=row,
                version=versions[row.id],
                content=Assistant.of(versions[row.id]),
                numbers=numbers[row.id],
                editable=_may_change(principal, row),
            )
            for row in rows
        ]
        return page, more

    async def change(
        self, principal: Principal, assistant_id: str, fields: dict[str, Any], change: AssistantChange
    ) -> VersionOf:
        """``fields``: of `Assistant`, those that are replaced; where that changes anything, it makes a new version."""
        scope = Scope.of_organization(principal)
        if "tools" in fields:
            present = (await self.get(principal, assistant_id)).content
            new = msgspec.structs.replace(present, tools=fields["tools"]).library_ids
            await require_visible(self._database, principal, [id_ for id_ in new if id_ not in present.library_ids])
        async with self._database.writing() as session:
            row = await _changeable(session, principal, assistant_id)
            version = await _found(session, principal, row, None)
            row.visibility = change.visibility or row.visibility
            row.in_chat = row.in_chat if change.in_chat is None else change.in_chat
            row.updated_at = int(time.time())
            present = Assistant.of(version)
            content = _checked(msgspec.structs.replace(present, **fields))
            if content != present:
                numbers = (await stored.numbers(session, scope, [row.id]))[row.id]
                if len(numbers) >= MOST_VERSIONS and not await stored.delete_oldest_version(session, scope, row):
                    raise _conflict(f"Each of the {MOST_VERSIONS} versions has an alias: delete an alias first")
                version = _version(row, numbers[-1] + 1, content, change.message)
                session.add(version)
                row.version, row.name = version.number, content.name
                await session.flush()
            return await self._shown(session, principal, row, version)

    async def switch(self, principal: Principal, assistant_id: str, number: int) -> VersionOf:
        """Make another version the present one."""
        async with self._database.writing() as session:
            row = await _changeable(session, principal, assistant_id)
            version = await _found(session, principal, row, number)
            row.version, row.name, row.updated_at = number, Assistant.of(version).name, int(time.time())
            await session.flush()
            return await self._shown(session, principal, row, version)

    async def versions(self, principal: Principal, assistant_id: str, *, offset: int, limit: int) -> list[VersionOf]:
        """A page of the versions, the newest first."""
        scope = Scope.of_organization(principal)
        async with self._database.reading() as session:
            row = await required(session, principal, assistant_id)
            versions = await stored.versions(session, scope, row.id, offset=offset, limit=limit)
            numbers = (await stored.numbers(session, scope, [row.id]))[row.id]
        editable = _may_change(principal, row)
        return [
            VersionOf(row=row, version=one, content=Assistant.of(one), numbers=numbers, editable=editable)
            for one in versions
        ]

    async def delete(self, principal: Principal, assistant_id: str) -> None:
        """Conversations that began with it keep their copies."""
        async with self._database.writing() as session:
            await _changeable(session, principal, assistant_id)
            await stored.delete(session, Scope.of_organization(principal), assistant_id)

    async def aliases(self, principal: Principal, assistant_id: str) -> Sequence[AssistantAlias]:
        async with self._database.reading() as session:
            row = await required(session, principal, assistant_id)
            return await stored.aliases(session, Scope.of_organization(principal), row.id)

    async def set_alias(self, principal: Principal, assistant_id: str, alias: str, number: int) -> AssistantAlias:
        """Raises ApiError 409 for a further alias than `MOST_ALIASES`."""
        scope, now = Scope.of_organization(principal), int(time.time())
        async with self._database.writing() as session:
            row = await _changeable(session, principal, assistant_id)
            await _found(session, principal, row, number)
            named = await stored.alias(session, scope, row.id, alias)
            if named is None:
                if len(await stored.aliases(session, scope, row.id)) >= MOST_ALIASES:
                    raise _conflict(f"An assistant has at most {MOST_ALIASES} aliases: delete one first")
                named = AssistantAlias(
                    assistant_id=row.id, alias=alias, organization_id=row.organization_id, created_at=now
                )
                session.add(named)
            named.version, named.updated_at = number, now
        return named

    async def delete_alias(self, principal: Principal, assistant_id: str, alias: str) -> None:
        async with self._database.writing() as session:
            row = await _changeable(session, principal, assistant_id)
            named = await stored.alias(session, Scope.of_organization(principal), row.id, alias)
            if named is None:
                raise not_found(
                    f"The assistant has no alias '{alias[:100]}'", param="alias", code="assistant_alias_not_found"
                )
            await session.delete(named)

    async def picture(self, principal: Principal, assistant_id: str) -> AssistantPicture:
        async with self._database.reading() as session:
            row = await required(session, principal, assistant_id)
            picture = await stored.picture(session, Scope.of_organization(principal), row.id)
        if picture is None:
            raise not_found("The assistant has no picture", code="picture_not_found")
        return picture

    async def set_picture(self, principal: Principal, assistant_id: str, content: bytes | None) -> None:
        """None deletes it. Raises ApiError 400 and 413 as `picture_of`."""
        async with self._database.writing() as session:
            row = await _changeable(session, principal, assistant_id)
            media_type = None if content is None else picture_of(content).media_type
            former = await stored.picture(session, Scope.of_organization(principal), row.id)
            if former is not None:
                await session.delete(former)
                await session.flush()
            row.picture, row.updated_at = None, int(time.time())
            if content is not None and media_type is not None:
                row.picture = hashlib.sha256(content).hexdigest()
                picture = AssistantPicture(
                    assistant_id=row.id, organization_id=row.organization_id, media_type=media_type, content=content
                )
                session.add(picture)

    async def settings(
        self, principal: Principal, assistant_id: str, version: str | int | None = None
    ) -> ConversationSettings:
        """What a conversation with it keeps."""
        chosen = await self.get(principal, assistant_id, version)
        return ConversationSettings(
            model=chosen.content.model,
            instructions=chosen.content.instructions,
            tools=chosen.content.tools,
            completion_args=chosen.content.completion_args,
            agent_id=chosen.row.id,
            agent_version=chosen.version.number,
            agent_name=chosen.content.name,
        )

    async def _shown(
        self, session: AsyncSession, principal: Principal, row: StoredAssistant, version: AssistantVersion
    ) -> VersionOf:
        numbers = await stored.numbers(session, Scope.of_organization(principal), [row.id])
        return VersionOf(
            row=row,
            version=version,
            content=Assistant.of(version),
            numbers=numbers[row.id],
            editable=_may_change(principal, row),
        )


def assistant_named(model: str) -> tuple[str, str | None] | None:
    """The id of the assistant that a model's name means, and a version or alias; None for an ordinary model."""
    if not model.startswith(MODEL_PREFIX):
        return None
    assistant_id, _, version = model.removeprefix(MODEL_PREFIX).partition(":")
    return assistant_id, version or None


async def required(
    session: AsyncSession, principal: Principal, assistant_id: str, *, param: str = "agent_id"
) -> StoredAssistant:
    """An assistant that the caller may see. Raises ApiError 404."""
    row = await stored.by_id(session, principal, assistant_id)
    if row is None:
        raise not_found(f"There is no assistant '{assistant_id[:100]}'", param=param, code="assistant_not_found")
    return row


async def _changeable(session: AsyncSession, principal: Principal, assistant_id: str) -> StoredAssistant:
    row = await required(session, principal, assistant_id)
    if not _may_change(principal, row):
        raise forbidden(
            "Only the person whose assistant it is, signed in, may change or delete it: create another one like it",
            code="assistant_not_yours",
        )
    return row


def _may_change(principal: Principal, row: StoredAssistant) -> bool:
    """What a person created signed in, only that person changes; what a key created, everybody who sees it."""
    return row.by_key or (principal.api_key_id is None and principal.user_id == row.user_id)


async def _found(
    session: AsyncSession, principal: Principal, row: StoredAssistant, version: str | int | None
) -> AssistantVersion:
    """The present version, or one by its number or alias. Raises ApiError 404."""
    scope, number = Scope.of_organization(principal), row.version if version is None else None
    if isinstance(version, int):
        number = version
    elif version is not None:
        named = await stored.alias(session, scope, row.id, version)
        if named is not None:
            number = named.version
        elif version.isascii() and version.isdigit():
            number = int(version[:18])
    chosen = None if number is None else await stored.version(session, scope, row.id, number)
    if chosen is None:
        raise not_found(
            f"The assistant has no version or alias '{str(version)[:100]}'",
            param="agent_version",
            code="assistant_version_not_found",
        )
    return chosen


def _version(row: StoredAssistant, number: int, content: Assistant, message: str | None) -> AssistantVersion:
    return AssistantVersion(
        assistant_id=row.id,
        number=number,
        organization_id=row.organization_id,
        content=msgspec.json.encode(content).decode(),
        message=message,
        created_at=int(time.time()),
    )


def _checked(content: Assistant) -> Assistant:
    """With the name as it is shown. Raises ApiError 400."""
    name = " ".join(content.name.split())
    if not name:
        raise invalid(
            "The assistant's name is empty: write at least one letter or digit",
            param="name",
            code="assistant_name_empty",
        )
    _ = ConversationSettings(tools=content.tools, completion_args=content.completion_args).stored  # its size and depth
    return msgspec.structs.replace(content, name=name)


def _conflict(message: str) -> ApiError:
    return ApiError(409, "invalid_request_error", message, code="too_many_versions")
