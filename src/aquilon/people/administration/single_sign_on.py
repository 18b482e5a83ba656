"""Whom an identity provider means: found by its subject, else invited, linked or let in as its settings say.

A subject is for ever one person's. An e-mail address is not: it finds an account only
where the provider is told to, has verified it, may speak for its domain, and somebody
besides the account's own user has said that it is theirs. So neither a made-up address
at a provider nor one put on an account in advance leads into somebody else's.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, forbidden
from aquilon.people.administration.invitations import accept
from aquilon.people.identity import Role
from aquilon.people.identity_tables import IdentityProvider
from aquilon.people.names import MAX_NAME_CHARACTERS, checked_email
from aquilon.people.openid import Claims
from aquilon.people.scope import Scope
from aquilon.people.sign_in import note_sign_in
from aquilon.people.store import accounts, identity_providers, invitations, sessions
from aquilon.people.store.audit import record
from aquilon.people.store.sessions import Browser, SignedIn
from aquilon.people.tables import Organization, User
from aquilon.storage import Database


async def sign_in(
    database: Database,
    provider_id: str,
    claims: Claims,
    browser: Browser,
    former: str | None,
    *,
    invitation: str | None = None,
    link_to: str | None = None,
) -> SignedIn:
    """``invitation`` is a token to join by, ``link_to`` a signed-in user who asked for this identity.

    Raises ApiError, whose code tells the sign-in page what to say.
    """
    async with database.writing(alone=True) as session:
        found = await identity_providers.provider_by(session, provider_id)
        if found is None or found[0].disabled_at is not None or found[1].disabled_at is not None:
            raise forbidden("This identity provider isn't used any more", code="provider_disabled")
        provider, organization = found
        user = await identity_providers.user_of_subject(session, provider, claims.subject)
        if link_to is not None:
            user = await _link(session, provider, organization, claims, user, link_to)
        elif user is None:
            user = await _newcomer(session, provider, organization, claims, invitation)
        signed_in = await sessions.open_session(session, user.id, f"oidc:{provider.name}", browser)
        if signed_in is None:
            raise forbidden("This account is disabled: ask an administrator", code="account_disabled")
        await note_sign_in(session, signed_in, former, browser)
        return signed_in


async def _link(
    session: AsyncSession,
    provider: IdentityProvider,
    organization: Organization,
    claims: Claims,
    known: User | None,
    user_id: str,
) -> User:
    user = await accounts.user_by_id(session, Scope(organization.id), user_id)
    if user is None:
        raise forbidden("This identity provider is for another organization's people", code="other_organization")
    if known is not None:
        if known.id != user.id:
            raise forbidden("Another account here has this identity", code="identity_taken")
        return user
    await _identify(session, provider, organization, claims, user)
    return user


async def _newcomer(
    session: AsyncSession,
    provider: IdentityProvider,
    organization: Organization,
    claims: Claims,
    invitation: str | None,
) -> User:
    email = _address(claims)
    if invitation is not None:
        opened = await invitations.open_invitation(session, invitation)
        if opened is None or opened[1].id != organization.id:
            raise forbidden("This invitation is not open here (any more): ask for another", code="invitation_not_open")
        if email is not None and await accounts.user_with_email(session, Scope(organization.id), email) is not None:
            email = None
        name = await _free_name(session, organization, claims)
        user = await accept(session, *opened, name, email=email, email_vouched=True)
        await _identify(session, provider, organization, claims, user)
        return user
    _require_domain(provider, email)
    scope = Scope(organization.id)
    holder = None if email is None else await accounts.user_with_email(session, scope, email)
    if holder is not None:
        if not (provider.links_by_email and provider.email_domains and holder.email_vouched):
            raise forbidden(
                "An account has this address already: sign in to it as before, and add this identity there",
                code="account_exists",
            )
        await _identify(session, provider, organization, claims, holder)
        return holder
    if provider.newcomer_role is None:
        raise forbidden("You have no account here yet: ask for an invitation", code="not_invited")
    name = await _free_name(session, organization, claims)
    role = cast(Role, provider.newcomer_role)
    user = await accounts.create_user(session, organization.id, name, role, email=email, email_vouched=True)
    actor = accounts.principal(user, organization, "", None)
    await record(session, actor, "user.joined", user.id, user.name, role=role, provider=provider.name)
    await _identify(session, provider, organization, claims, user)
    return user


async def _identify(
    session: AsyncSession, provider: IdentityProvider, organization: Organization, claims: Claims, user: User
) -> None:
    """Raises ApiError where the user has another subject at this provider."""
    if await identity_providers.identity_of_user(session, provider, user) is not None:
        raise forbidden("This account has another identity of this provider already", code="already_linked")
    email = _address(claims)
    await identity_providers.add_identity(session, provider, claims.subject, user, email)
    actor = accounts.principal(user, organization, "", None)
    await record(session, actor, "user.identity_added", user.id, user.name, provider=provider.name, email=email)


def _require_domain(provider: IdentityProvider, email: str | None) -> None:
    if not provider.email_domains:
        return
    if email is None:
        raise forbidden("The identity provider vouches for no e-mail address of yours", code="email_not_verified")
    if email.rpartition("@")[2] not in provider.email_domains:
        raise _wrong_domain(email)


def _wrong_domain(email: str) -> ApiError:
    domain = email.rpartition("@")[2]
    return forbidden(f"People with addresses at {domain} don't sign in here", code="email_domain_not_allowed")


def _address(claims: Claims) -> str | None:
    """The verified address, if it looks like one."""
    try:
        return None if claims.email is None else checked_email(claims.email)
    except ValueError:
        return None


async def _free_name(session: AsyncSession, organization: Organization, claims: Claims) -> str:
    """What the provider calls the person, with a number where somebody else has that name."""
    local = None if claims.email is None else claims.email.partition("@")[0]
    for told in (claims.name, claims.preferred_username, local, claims.subject, "new"):
        wanted = "".join(character for character in told or "" if character.isprintable()).strip()
        if wanted:
            break
    wanted = wanted[: MAX_NAME_CHARACTERS - 10].strip()
    taken = {user.name for user in await accounts.list_users(session, Scope(organization.id))}
    names = (wanted if number == 1 else f"{wanted} {number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
