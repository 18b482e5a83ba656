"""Queries over assistants: which ones a caller may see, their versions, aliases and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, false, func, or_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.chat.tables.assistants import AssistantAlias, AssistantPicture, AssistantVersion, StoredAssistant
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Scope


def visible(principal: Principal) -> Select[StoredAssistant]:
    """As with conversations: the workspace's shared ones and a signed-in person's own. Raises ApiError 403."""
    require(principal, "generate", principal.workspace_role)
    table = StoredAssistant
    seen: ColumnElement[bool] = and_(table.visibility == "workspace", table.workspace_id == principal.workspace_id)
    if principal.api_key_id is None:
        seen = or_(seen, and_(table.visibility == "user", table.user_id == principal.user_id))
    return Scope.of_organization(principal).select(table).where(seen)


async def by_id(session: AsyncSession, principal: Principal, assistant_id: str) -> StoredAssistant | None:
    """An assistant that the caller may see."""
    return await session.scalar(visible(principal).where(StoredAssistant.id == assistant_id))


SOURCE = "api"
"""Where every assistant was made, in Mistral's words: pages use the API too."""


@dataclass(frozen=True, kw_only=True)
class ChosenAssistants:
    """Which assistants a list has. None: all."""

    name: str | None = None
    search: str | None = None
    """A part of the name or of the id, in capitals or not."""
    id: str | None = None
    in_chat: bool | None = None
    sources: Sequence[str] = ()
    """Where they were made; none of these: wherever that was."""

    def criteria(self) -> list[ColumnElement[bool]]:
        table, criteria = StoredAssistant, list[ColumnElement[bool]]()
        if self.name is not None:
            criteria.append(table.name == self.name)
        if self.search:
            in_name = func.lower(table.name).contains(self.search.lower(), autoescape=True)
            criteria.append(or_(in_name, table.id.contains(self.search, autoescape=True)))
        if self.id is not None:
            criteria.append(table.id == self.id)
        if self.in_chat is not None:
            criteria.append(table.in_chat.is_(self.in_chat))
        if self.sources and SOURCE not in self.sources:
            criteria.append(false())
        return criteria


async def page(
    session: AsyncSession,
    principal: Principal,
    *,
    chosen: ChosenAssistants,
    after: str | None = None,
    offset: int = 0,
    limit: int,
) -> Sequence[StoredAssistant]:
    """A page of the caller's assistants, the newest first."""
    query = visible(principal).where(*chosen.criteria())
    if after is not None:
        query = query.where(StoredAssistant.id < after)
    return list(await session.scalars(query.order_by(StoredAssistant.id.desc()).offset(offset).limit(limit)))


async def version(session: AsyncSession, scope: Scope, assistant_id: str, number: int) -> AssistantVersion | None:
    query = scope.select(AssistantVersion).where(AssistantVersion.assistant_id == assistant_id)
    return await session.scalar(query.where(AssistantVersion.number == number))


async def present_versions(
    session: AsyncSession, scope: Scope, assistants: Sequence[StoredAssistant]
) -> dict[str, AssistantVersion]:
    """The present version of each assistant, by the assistant's id."""
    query = scope.select(AssistantVersion).join(
        StoredAssistant,
        and_(StoredAssistant.id == AssistantVersion.assistant_id, StoredAssistant.version == AssistantVersion.number),
    )
    rows = await session.scalars(query.where(StoredAssistant.id.in_([row.id for row in assistants])))
    return {row.assistant_id: row for row in rows}


async def numbers(session: AsyncSession, scope: Scope, ids: Sequence[str]) -> dict[str, list[int]]:
    """The numbers of the versions of each assistant, the first one first."""
    table = AssistantVersion
    query = scope.select(table).where(table.assistant_id.in_(ids)).order_by(table.number)
    numbers: dict[str, list[int]] = {id_: [] for id_ in ids}
    for assistant_id, number in await session.execute(query.with_only_columns(table.assistant_id, table.number)):
        numbers[assistant_id].append(number)
    return numbers


async def versions(
    session: AsyncSession, scope: Scope, assistant_id: str, *, offset: int, limit: int
) -> Sequence[AssistantVersion]:
    """A page of the versions, the newest first."""
    table = AssistantVersion
    query = scope.select(table).where(table.assistant_id == assistant_id).order_by(table.number.desc())
    return list(await session.scalars(query.offset(offset).limit(limit)))


async def delete_oldest_version(session: AsyncSession, scope: Scope, assistant: StoredAssistant) -> bool:
    """Delete the oldest version that is neither the present one nor has an alias; False if there is none."""
    table = AssistantVersion
    named = scope.select(AssistantAlias).where(AssistantAlias.assistant_id == assistant.id)
    query = scope.select(table).where(
        table.assistant_id == assistant.id,
        table.number != assistant.version,
        table.number.not_in(named.with_only_columns(AssistantAlias.version)),
    )
    oldest = await session.scalar(query.order_by(table.number).limit(1))
    if oldest is not None:
        await session.delete(oldest)
    return oldest is not None


async def aliases(session: AsyncSession, scope: Scope, assistant_id: str) -> Sequence[AssistantAlias]:
    query = scope.select(AssistantAlias).where(AssistantAlias.assistant_id == assistant_id)
    return list(await session.scalars(query.order_by(AssistantAlias.alias)))


async def alias(session: AsyncSession, scope: Scope, assistant_id: str, name: str) -> AssistantAlias | None:
    query = scope.select(AssistantAlias).where(AssistantAlias.assistant_id == assistant_id)
    return await session.scalar(query.where(AssistantAlias.alias == name))


async def picture(session: AsyncSession, scope: Scope, assistant_id: str) -> AssistantPicture | None:
    return await session.scalar(scope.select(AssistantPicture).where(AssistantPicture.assistant_id == assistant_id))


async def delete(session: AsyncSession, scope: Scope, assistant_id: str) -> None:
    """Delete an assistant with its versions, aliases and picture."""
    await session.execute(scope.delete(StoredAssistant).where(StoredAssistant.id == assistant_id))
