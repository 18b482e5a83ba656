"""Identity providers and their users' subjects."""

from __future__ import annotations

import time

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.scope import Everyone, Scope
from aquilon.people.tables import Identity, IdentityProvider, Organization, User


async def list_providers(session: AsyncSession) -> list[tuple[IdentityProvider, Organization]]:
    """Every organization's providers, sorted by name."""
    query = (
        Everyone.select(IdentityProvider)
        .add_columns(Organization)
        .join(Organization, Organization.id == IdentityProvider.organization_id)
        .order_by(IdentityProvider.name)
    )
    return [(provider, organization) for provider, organization in await session.execute(query)]


async def provider_by(session: AsyncSession, id_or_name: str) -> tuple[IdentityProvider, Organization] | None:
    query = (
        Everyone.select(IdentityProvider)
        .add_columns(Organization)
        .join(Organization, Organization.id == IdentityProvider.organization_id)
        .where((IdentityProvider.id == id_or_name) | (IdentityProvider.name == id_or_name))
    )
    row = (await session.execute(query.limit(1))).first()
    return None if row is None else (row[0], row[1])


async def user_of_subject(session: AsyncSession, provider: IdentityProvider, subject: str) -> User | None:
    """The user with this subject, disabled or not."""
    scope = Scope(provider.organization_id)
    query = scope.select(User).join(Identity, Identity.user_id == User.id)
    return await session.scalar(query.where(Identity.provider_id == provider.id, Identity.subject == subject))


async def identity_of_user(session: AsyncSession, provider: IdentityProvider, user: User) -> Identity | None:
    scope = Scope(user.organization_id, user.id)
    return await session.scalar(scope.select(Identity).where(Identity.provider_id == provider.id))


async def identities_of_user(session: AsyncSession, scope: Scope) -> list[tuple[Identity, IdentityProvider]]:
    """The identities in a user's scope, with their providers."""
    query = (
        scope.select(Identity)
        .add_columns(IdentityProvider)
        .join(IdentityProvider, IdentityProvider.id == Identity.provider_id)
        .order_by(IdentityProvider.name)
    )
    return [(identity, provider) for identity, provider in await session.execute(query)]


async def add_identity(
    session: AsyncSession, provider: IdentityProvider, subject: str, *, user: User, email: str | None
) -> None:
    session.add(
        Identity(
            provider_id=provider.id,
            subject=subject,
            user_id=user.id,
            organization_id=user.organization_id,
            email=email,
            created_at=int(time.time()),
        )
    )
    await session.flush()
