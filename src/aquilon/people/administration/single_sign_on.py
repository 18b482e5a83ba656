"""Signing in through an identity provider: a known subject, an invitation, a link or a new account.

A provider's subject belongs to one person for ever, an e-mail address doesn't. An address
finds an account only if the provider's settings link by e-mail, the provider has verified
the address and may sign in its domain, and somebody other than the account's user has
confirmed it. So neither a made-up address at a provider nor an address that somebody put on
their account in advance gives access to another person's account.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, forbidden
from aquilon.people.administration.invitations import accept
from aquilon.people.identity import Role
from aquilon.people.look_alikes import mixed_word, skeleton
from aquilon.people.names import MAX_NAME_CHARACTERS, checked_email
from aquilon.people.openid import Claims
from aquilon.people.scope import Scope
from aquilon.people.sign_in import note_sign_in
from aquilon.people.store import accounts, identity_providers, invitations, sessions
from aquilon.people.store.audit import record
from aquilon.people.store.sessions import Browser, SignedIn
from aquilon.people.tables import IdentityProvider, Organization, User
from aquilon.storage import Database


async def sign_in(
    database: Database,
    provider_id: str,
    claims: Claims,
    *,
    browser: Browser,
    former: str | None,
    invitation: str | None = None,
    link_to: str | None = None,
) -> SignedIn:
    """``invitation`` is a token to join with, ``link_to`` the id of a signed-in user who adds this identity.

    Raises ApiError; the sign-in page chooses its text by the code.
    """
    async with database.writing(alone=True) as session:
        row = await identity_providers.provider_by(session, provider_id)
        if row is None or row[0].disabled_at is not None or row[1].disabled_at is not None:
            raise forbidden("This identity provider isn't used any more", code="provider_disabled")
        provider, organization = row
        user = await identity_providers.user_of_subject(session, provider, claims.subject)
        if link_to is not None:
            user = await _link(session, provider, organization, claims=claims, subject_user=user, user_id=link_to)
        elif user is None:
            user = await _newcomer(session, provider, organization, claims=claims, invitation=invitation)
        signed_in = await sessions.open_session(session, user.id, f"oidc:{provider.name}", browser=browser)
        if signed_in is None:
            raise forbidden("This account is disabled: ask an administrator", code="account_disabled")
        await note_sign_in(session, signed_in, former, browser=browser)
        return signed_in


async def _link(
    session: AsyncSession,
    provider: IdentityProvider,
    organization: Organization,
    *,
    claims: Claims,
    subject_user: User | None,
    user_id: str,
) -> User:
    user = await accounts.user_by_id(session, Scope(organization.id), user_id)
    if user is None:
        raise forbidden("This identity provider is for another organization's people", code="other_organization")
    if subject_user is not None:
        if subject_user.id != user.id:
            raise forbidden("Another account here has this identity", code="identity_taken")
        return user
    await _identify(session, provider, organization, claims=claims, user=user)
    return user


async def _newcomer(
    session: AsyncSession,
    provider: IdentityProvider,
    organization: Organization,
    *,
    claims: Claims,
    invitation: str | None,
) -> User:
    email = _address(claims)
    if invitation is not None:
        opened = await invitations.open_invitation(session, invitation)
        if opened is None or opened[1].id != organization.id:
            raise forbidden(
                "This invitation is unknown, used up, withdrawn, expired or for another organization: ask for another",
                code="invitation_not_open",
            )
        if email is not None and await accounts.user_with_email(session, Scope(organization.id), email) is not None:
            email = None
        name = await _free_name(session, organization, claims)
        user = await accept(session, *opened, name=name, email=email, email_vouched=True)
        await _identify(session, provider, organization, claims=claims, user=user)
        return user
    _require_domain(provider, email)
    scope = Scope(organization.id)
    email_user = None if email is None else await accounts.user_with_email(session, scope, email)
    if email_user is not None:
        if not (provider.links_by_email and provider.email_domains and email_user.email_vouched):
            raise forbidden(
                "An account has this e-mail address already: sign in to it as before, and add this identity there",
                code="account_exists",
            )
        await _identify(session, provider, organization, claims=claims, user=email_user)
        return email_user
    if provider.newcomer_role is None:
        raise forbidden("You have no account here yet: ask for an invitation", code="not_invited")
    name = await _free_name(session, organization, claims)
    role = cast(Role, provider.newcomer_role)
    user = await accounts.create_user(session, organization.id, name, role=role, email=email, email_vouched=True)
    actor = accounts.principal(user, organization, "", membership=None)
    await record(
        session, actor, "user.joined", object_id=user.id, object_name=user.name, role=role, provider=provider.name
    )
    await _identify(session, provider, organization, claims=claims, user=user)
    return user


async def _identify(
    session: AsyncSession, provider: IdentityProvider, organization: Organization, *, claims: Claims, user: User
) -> None:
    """Add the identity to the user. Raises ApiError if the user has another subject at this provider."""
    if await identity_providers.identity_of_user(session, provider, user) is not None:
        raise forbidden("This account has another identity of this provider already", code="already_linked")
    email = _address(claims)
    await identity_providers.add_identity(session, provider, claims.subject, user=user, email=email)
    actor = accounts.principal(user, organization, "", membership=None)
    await record(
        session,
        actor,
        "user.identity_added",
        object_id=user.id,
        object_name=user.name,
        provider=provider.name,
        email=email,
    )


def _require_domain(provider: IdentityProvider, email: str | None) -> None:
    if not provider.email_domains:
        return
    if email is None:
        raise forbidden("The identity provider hasn't verified an e-mail address of yours", code="email_not_verified")
    if email.rpartition("@")[2] not in provider.email_domains:
        raise _wrong_domain(email)


def _wrong_domain(email: str) -> ApiError:
    domain = email.rpartition("@")[2]
    return forbidden(
        f"People with addresses at {domain} don't sign in here",
        code="email_domain_not_allowed",
        values={"value": domain},
    )


def _address(claims: Claims) -> str | None:
    """The verified address, None if it is missing or isn't an e-mail address."""
    try:
        return None if claims.email is None else checked_email(claims.email)
    except ValueError:
        return None


async def _free_name(session: AsyncSession, organization: Organization, claims: Claims) -> str:
    """The person's name at the provider, with a number if another user has that name."""
    local = None if claims.email is None else claims.email.partition("@")[0]
    for candidate in (claims.name, claims.preferred_username, local, claims.subject, "new"):
        name = "".join(character for character in candidate or "" if character.isprintable()).strip()
        if name and mixed_word(name) is None:
            break
    name = name[: MAX_NAME_CHARACTERS - 10].strip()
    taken = {skeleton(user.name) for user in await accounts.list_users(session, Scope(organization.id))}
    names = (name if number == 1 else f"{name} {number}" for number in range(1, len(taken) + 2))
    return next(free for free in names if skeleton(free) not in taken)
