"""Invitations: a token with which a number of people may join an organization in a role, until it expires."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.identity import Role
from aquilon.people.scope import Everyone, Scope
from aquilon.people.secrets import fingerprint, new_id, new_token
from aquilon.people.tables import Invitation, Organization


@dataclass(frozen=True)
class NewInvitation:
    token: str
    """Shown once; only its SHA-256 is stored."""
    record: Invitation


async def create_invitation(
    session: AsyncSession,
    scope: Scope,
    created_by: str,
    *,
    role: Role,
    workspace_ids: Sequence[str],
    note: str,
    expires_at: int,
    uses: int,
) -> NewInvitation:
    token = new_token()
    record = Invitation(
        id=new_id("invitation"),
        organization_id=scope.organization_id,
        token_sha256=fingerprint(token),
        role=role,
        workspace_ids=list(workspace_ids),
        note=note,
        created_by=created_by,
        created_at=int(time.time()),
        expires_at=expires_at,
        uses=uses,
        used=0,
    )
    session.add(record)
    await session.flush()
    return NewInvitation(token, record)


async def list_invitations(
    session: AsyncSession, scope: Scope, *, after: str | None = None, limit: int | None = None
) -> list[Invitation]:
    """The invitations, used up, expired and revoked ones too, the newest first: those behind the one with the id
    ``after``, or the first ones if that one is gone."""
    query = scope.select(Invitation)
    if after is not None and (last := await invitation_by_id(session, scope, after)) is not None:
        query = query.where(tuple_(Invitation.created_at, Invitation.id) < tuple_(last.created_at, last.id))
    query = query.order_by(Invitation.created_at.desc(), Invitation.id.desc()).limit(limit)
    return list(await session.scalars(query))


async def invitation_by_id(session: AsyncSession, scope: Scope, invitation_id: str) -> Invitation | None:
    return await session.scalar(scope.select(Invitation).where(Invitation.id == invitation_id))


async def open_invitation(session: AsyncSession, token: str) -> tuple[Invitation, Organization] | None:
    """The open invitation of this token, with its organization; None if it isn't open."""
    query = (
        Everyone.select(Invitation)
        .add_columns(Organization)
        .join(Organization, Organization.id == Invitation.organization_id)
        .where(Invitation.token_sha256 == fingerprint(token), Organization.disabled_at.is_(None), *_is_open())
    )
    row = (await session.execute(query)).first()
    return None if row is None else (row[0], row[1])


async def use_invitation(session: AsyncSession, invitation: Invitation) -> bool:
    """Count one more person who joins; False if the invitation isn't open any more."""
    statement = Scope(invitation.organization_id).update(Invitation).where(Invitation.id == invitation.id, *_is_open())
    statement = statement.values(used=Invitation.used + 1).returning(Invitation.id)
    return await session.scalar(statement.execution_options(synchronize_session=False)) is not None


async def revoke_invitations_of(session: AsyncSession, scope: Scope, user_id: str) -> None:
    """Revoke every open invitation of a user who may no longer invite people."""
    statement = scope.update(Invitation).where(Invitation.created_by == user_id, Invitation.revoked_at.is_(None))
    await session.execute(statement.values(revoked_at=int(time.time())))


def _is_open() -> tuple[ColumnElement[bool], ...]:
    return (
        Invitation.revoked_at.is_(None),
        Invitation.expires_at > int(time.time()),
        Invitation.used < Invitation.uses,
    )
