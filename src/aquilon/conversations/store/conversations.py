"""Queries over conversations: which ones a caller may see, and how long they are kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from aquilon.conversations.items import Item, decoded
from aquilon.conversations.retention import DAY
from aquilon.conversations.tables import (
    ConversationBranch,
    ConversationPolicy,
    StoredConversation,
    StoredItem,
    StoredProject,
)
from aquilon.people.identity import Principal
from aquilon.people.permissions import require
from aquilon.people.scope import Everyone, Scope
from aquilon.storage.rows import Statement

_RULE = (
    Everyone.select(ConversationPolicy)
    .with_only_columns(ConversationPolicy.days)
    .where(ConversationPolicy.organization_id == StoredConversation.organization_id)
    .scalar_subquery()
)
_OWN = StoredConversation.retention_days
_DAY: ColumnElement[int] = literal_column(str(DAY))  # written in the statement itself
_SECONDS_KEPT = case((_OWN.is_(None), _RULE), (_OWN < _RULE, _OWN), else_=func.coalesce(_RULE, _OWN)) * _DAY
"""After a conversation's last change: its own days, or fewer by its organization's rule; NULL for ever."""
_EXPIRES_AT = StoredConversation.updated_at + _SECONDS_KEPT

ADD = Statement(insert(StoredConversation))
ADD_BRANCH = Statement(insert(ConversationBranch))
_NEXT_HEAD = case(
    (
        or_(
            StoredConversation.head_id == bindparam("former_head_id", type_=String),
            ~Everyone.select(StoredItem).where(StoredItem.id == bindparam("former_head_id", type_=String)).exists(),
        ),
        func.coalesce(bindparam("new_head_id", type_=String), StoredConversation.head_id),
    ),
    else_=StoredConversation.head_id,
)
_MOVE_HEAD = (
    Everyone.update(StoredConversation)
    .where(
        StoredConversation.organization_id == bindparam("owner"),
        StoredConversation.id == bindparam("conversation"),
    )
    .values(
        head_id=func.coalesce(bindparam("new_head_id", type_=String), StoredConversation.head_id),
        updated_at=bindparam("changed_at"),
        expires_at=cast(bindparam("changed_at"), BigInteger) + _SECONDS_KEPT,
    )
)
MOVE_HEAD = Statement(_MOVE_HEAD)
"""``owner`` is an organization's id. Without a new head, the conversation keeps the one that it has."""
MOVE_HEAD_ON = Statement(_MOVE_HEAD.values(head_id=_NEXT_HEAD))
"""The same, from ``former_head_id`` on, unless that is deleted: a head that was moved meanwhile stays where it is."""
_IF_UNCHANGED = case((StoredConversation.edition == bindparam("place_edition"), StoredConversation.edition))
MOVE_HEAD_OF_PLACE = Statement(_MOVE_HEAD.values(edition=_IF_UNCHANGED))
"""The same, for items that are added at a place. An item deleted since it was looked up may have made place for
another one above: then the edition is none, which the database refuses. Comes first, since it locks the row."""


def visible(principal: Principal) -> Select[StoredConversation]:
    """The conversations of the caller's workspace that are shared with it and, for a signed-in person, their own.

    One that is kept no longer is invisible at once, until it is deleted. Raises ApiError 403 if the caller may not ask
    models.
    """
    return _kept(principal).where(seen_by(principal, StoredConversation))


def seen_by(principal: Principal, table: type[StoredConversation] | type[StoredProject]) -> ColumnElement[bool]:
    """Those that the caller's workspace shares and, for a signed-in person, their own."""
    return or_(*_kinds_seen(principal, table))


def _kinds_seen(
    principal: Principal, table: type[StoredConversation] | type[StoredProject]
) -> list[ColumnElement[bool]]:
    shared = and_(table.visibility == "workspace", table.workspace_id == principal.workspace_id)
    if principal.api_key_id is not None:
        return [shared]
    return [shared, and_(table.visibility == "user", table.user_id == principal.user_id)]


def _kept(principal: Principal) -> Select[StoredConversation]:
    table = StoredConversation
    require(principal, "generate", principal.workspace_role)
    query = Scope.of_organization(principal).select(table)
    return query.where(or_(table.expires_at.is_(None), table.expires_at > int(time.time())))


async def by_id(session: AsyncSession, principal: Principal, conversation_id: str) -> StoredConversation | None:
    """A conversation that the caller may see."""
    return await session.scalar(visible(principal).where(StoredConversation.id == conversation_id))


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which conversations a list or a search has. None: whether or not."""

    pinned: bool | None = None
    archived: bool | None = None
    project_id: str | None = None
    """``NO_PROJECT``: those in none."""

    def criteria(self) -> list[ColumnElement[bool]]:
        table, criteria = StoredConversation, list[ColumnElement[bool]]()
        for wanted, time_ in ((self.pinned, table.pinned_at), (self.archived, table.archived_at)):
            if wanted is not None:
                criteria.append(time_.is_not(None) if wanted else time_.is_(None))
        if self.project_id == NO_PROJECT:
            criteria.append(table.project_id.is_(None))
        elif self.project_id is not None:
            criteria.append(table.project_id == self.project_id)
        return criteria


NO_PROJECT = "none"
ALL = Chosen()


async def latest_first(
    session: AsyncSession,
    principal: Principal,
    *,
    chosen: Chosen = ALL,
    after: StoredConversation | None = None,
    offset: int = 0,
    limit: int,
    settings: bool = False,
) -> Sequence[StoredConversation]:
    """A page of the caller's conversations, those with the latest change first.

    Those that came about with stored answers alone are left out. ``after``: the last one of the page before.
    ``settings``: with what a dialect keeps, which may be large.
    What the workspace shares and what is the caller's own are read in two indexes, each only as far as the page needs.
    """
    table = StoredConversation
    order = (table.updated_at.desc(), table.id.desc())
    query = _kept(principal).where(table.implicit.is_(False), *chosen.criteria())
    if after is not None:
        query = query.where(tuple_(table.updated_at, table.id) < tuple_(literal(after.updated_at), literal(after.id)))
    first = [
        query.where(kind).with_only_columns(table.id).order_by(*order).limit(offset + limit).subquery()
        for kind in _kinds_seen(principal, table)
    ]
    ids = union_all(*(select(part.c.id) for part in first))
    page = _kept(principal).where(table.id.in_(ids)).order_by(*order).offset(offset).limit(limit)
    if not settings:
        page = page.options(defer(table.settings, raiseload=True))
    return list(await session.scalars(page))


async def delete(session: AsyncSession, scope: Scope, conversation_id: str) -> bool:
    """Delete a conversation with all that it has; True if it existed."""
    query = scope.delete(StoredConversation).where(StoredConversation.id == conversation_id)
    return (await session.execute(query.returning(StoredConversation.id))).first() is not None


async def visible_among(session: AsyncSession, principal: Principal, ids: Sequence[str]) -> Sequence[str]:
    """Those of these conversations that the caller may see."""
    query = visible(principal).where(StoredConversation.id.in_(ids)).with_only_columns(StoredConversation.id)
    return list(await session.scalars(query))


async def delete_all(session: AsyncSession, principal: Principal, ids: Sequence[str]) -> Sequence[str]:
    """Delete those of these conversations that the caller may see; returns their ids."""
    seen = visible(principal).where(StoredConversation.id.in_(ids)).with_only_columns(StoredConversation.id)
    query = Scope.of_organization(principal).delete(StoredConversation).where(StoredConversation.id.in_(seen))
    return list(await session.scalars(query.returning(StoredConversation.id)))


async def labels(session: AsyncSession, scope: Scope, ids: Sequence[str]) -> dict[str, str]:
    """By conversation, its labels as JSON."""
    columns = (StoredConversation.id, StoredConversation.labels)
    query = scope.select(StoredConversation).where(StoredConversation.id.in_(ids)).with_only_columns(*columns)
    return {row[0]: row[1] for row in await session.execute(query)}


async def in_project(session: AsyncSession, principal: Principal, project_id: str, *, most: int) -> Sequence[str]:
    """The ids of some of a project's conversations that the caller may see."""
    query = visible(principal).where(StoredConversation.project_id == project_id)
    return list(await session.scalars(query.with_only_columns(StoredConversation.id).limit(most)))


async def has_shared_in(session: AsyncSession, scope: Scope, project_id: str) -> bool:
    """Whether a project has a conversation that is not one person's alone."""
    query = scope.select(StoredConversation).where(
        StoredConversation.project_id == project_id, StoredConversation.visibility == "workspace"
    )
    return await session.scalar(query.with_only_columns(StoredConversation.id).limit(1)) is not None


async def delete_if_empty(session: AsyncSession, scope: Scope, conversation_id: str) -> None:
    """Delete a conversation that came about with its runs alone, once it has no items."""
    items = scope.select(StoredItem).where(StoredItem.conversation_id == conversation_id)
    empty = scope.delete(StoredConversation).where(
        StoredConversation.id == conversation_id, StoredConversation.implicit.is_(True), ~items.exists()
    )
    await session.execute(empty)


async def items_by_id(session: AsyncSession, principal: Principal, ids: Sequence[str]) -> dict[str, Item]:
    """Those of these items whose conversations the caller may see."""
    seen = visible(principal).with_only_columns(StoredConversation.id)
    query = Scope.of_organization(principal).select(StoredItem)
    rows = await session.scalars(query.where(StoredItem.id.in_(ids), StoredItem.conversation_id.in_(seen)))
    return {row.id: decoded(row.content) for row in rows}


async def expired(session: AsyncSession, *, now: int, most: int) -> Sequence[tuple[str, str]]:
    """The organization and id of conversations that are kept no longer."""
    query = Everyone.select(StoredConversation).where(StoredConversation.expires_at <= now)
    columns = query.with_only_columns(StoredConversation.organization_id, StoredConversation.id)
    return [(row[0], row[1]) for row in await session.execute(columns.limit(most))]


async def some_of_person(session: AsyncSession, scope: Scope, *, most: int) -> Sequence[str]:
    """Ids of conversations that the scope's user began."""
    query = scope.select(StoredConversation).with_only_columns(StoredConversation.id)
    return list(await session.scalars(query.limit(most)))


async def policy_days(session: AsyncSession, scope: Scope) -> int | None:
    """For how many days the organization's conversations are kept: 0 if none is stored, None for ever."""
    return await session.scalar(scope.select(ConversationPolicy).with_only_columns(ConversationPolicy.days))


async def set_policy(session: AsyncSession, scope: Scope, days: int | None) -> None:
    """Change for how many days the organization's conversations are kept, those that it has included."""
    await session.execute(scope.delete(ConversationPolicy))
    if days is not None:
        row = ConversationPolicy(organization_id=scope.organization_id, days=days, changed_at=int(time.time()))
        session.add(row)
        await session.flush()
    await session.execute(scope.update(StoredConversation).values(expires_at=_EXPIRES_AT))


async def set_retention(session: AsyncSession, scope: Scope, conversation_id: str, days: int | None) -> None:
    """Change for how many days a conversation is kept; None for as long as the organization's rule says."""
    of_conversation = scope.update(StoredConversation).where(StoredConversation.id == conversation_id)
    await session.execute(of_conversation.values(retention_days=days))
    await session.execute(of_conversation.values(expires_at=_EXPIRES_AT))
