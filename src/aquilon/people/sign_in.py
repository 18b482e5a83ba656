"""Signing in by a one-time link or a password: one answer for everything that is wrong, and more waiting each time.

Failures are counted by the accounts that were found, and by what was given, written in
one way: the latter whether or not there is such an account, so that waiting tells
nobody who has one. They are counted by network too, where the client comes from.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.errors import ApiError, forbidden, invalid, unauthenticated
from aquilon.people.attempts import Attempts
from aquilon.people.password_hashes import Passwords
from aquilon.people.passwords import normalized
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, audit, sessions
from aquilon.people.store.passwords import password_hash, set_password_hash
from aquilon.people.store.sessions import Browser, SignedIn
from aquilon.storage import Database
from aquilon.wording import counted

FAILURES_OF_A_NETWORK = 10
FAILURES_OF_AN_ACCOUNT = 5


class SignIn:
    """``former``, the cookie's value that the browser came with, is no session any more afterwards."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords
        self._networks = Attempts(FAILURES_OF_A_NETWORK)
        self._accounts = Attempts(FAILURES_OF_AN_ACCOUNT)
        self._given = Attempts(FAILURES_OF_AN_ACCOUNT)
        """Apart from the accounts: inventing names pushes no account out of what is remembered."""

    async def by_link(self, token: str, browser: Browser, former: str | None) -> SignedIn:
        """Raises ApiError 401 or 429."""
        self.require_patience(browser.address)
        async with self._database.writing() as session:
            found = await sessions.sign_in(session, token, browser)
            if found is not None:
                await note_sign_in(session, found, former, browser)
        if found is None:
            self.failed(browser.address)
            raise unauthenticated(
                "This sign-in link is wrong, was used already, or is older than a day: "
                "make another with `aquilon users link NAME`",
                code="invalid_login_token",
            )
        return found

    async def by_password(
        self, name: str, password: str, organization: str | None, browser: Browser, former: str | None
    ) -> SignedIn:
        """``name`` is an e-mail address, or a name in the organization (the one that runs the server).

        Raises ApiError: 401 for whatever is wrong, 403 where a right password isn't enough, 429.
        """
        async with self._database.reading() as session:
            found = await accounts.claimants(session, name, organization)
            stored = {user.id: await password_hash(session, user) for user in found.users}
        right = await self._verify(stored, password, browser.address, given=found.given, most=found.most)
        fitting = [user for user in found.users if user.id in right]
        if len(fitting) > 1:
            raise invalid(
                "This opens accounts in several organizations: say which",
                param="organization",
                code="which_organization",
            )
        user, former_hash = fitting[0], stored[fitting[0].id]
        assert former_hash is not None
        outdated = self._passwords.is_outdated(former_hash)
        fresh = await self._passwords.hash(normalized(password)) if outdated else None
        async with self._database.writing(alone=True) as session:
            again = await accounts.user_by_id(session, Scope(user.organization_id), user.id)
            if again is None or await password_hash(session, again) != former_hash:
                raise _wrong()  # it was changed meanwhile
            place = await accounts.organization_by(session, user.organization_id)
            if place is None or not place.password_sign_in:
                raise forbidden(
                    "This organization's people sign in with its identity provider, not with a password",
                    code="password_sign_in_off",
                )
            if fresh is not None:
                await set_password_hash(session, again, fresh)
            signed_in = await sessions.open_session(session, user.id, "password", browser)
            if signed_in is None:
                raise _wrong()
            await note_sign_in(session, signed_in, former, browser)
        return signed_in

    async def verify(self, user_id: str, hash_: str | None, password: str, address: str) -> None:
        """That the password is the account's, which has None or this hash. Raises ApiError 401 or 429."""
        await self._verify({user_id: hash_}, password, address)

    async def _verify(
        self, hashes: Mapping[str, str | None], password: str, address: str, *, given: str | None = None, most: int = 1
    ) -> set[str]:
        """The accounts that the password is right for, of those with their hashes. Raises ApiError 401 or 429.

        ``most`` hashes are computed, however many accounts there are.
        """
        self.require_patience(address, [*hashes], given)
        names = [(self._accounts, user_id) for user_id in hashes] + ([] if given is None else [(self._given, given)])
        for attempts, name in names:
            attempts.failed(name)  # before it is known: many guesses at the same moment are as many
        try:
            right = set[str]()
            for user_id, hash_ in [*hashes.items(), *[("", None)] * (most - len(hashes))]:
                if await self._passwords.verify(hash_, normalized(password)):
                    right.add(user_id)
        except BaseException:
            for attempts, name in names:
                attempts.did_not_fail(name)
            raise
        if not right:
            self._networks.failed(network_of(address))  # afterwards: a whole office may sign in at the same moment
            raise _wrong()
        for attempts, name in names:
            if attempts is self._given or name in right:  # others of the same address were guessed at, and remember it
                attempts.forget(name)
        return right

    def failed(self, address: str) -> None:
        """A token that opens nothing came from there."""
        self._networks.failed(network_of(address))

    def require_patience(self, address: str, user_ids: Sequence[str] = (), given: str | None = None) -> None:
        """Raises ApiError 429."""
        waits = [self._networks.wait(network_of(address)), *map(self._accounts.wait, user_ids)]
        if given is not None:
            waits.append(self._given.wait(given))
        if wait := max(waits):
            raise ApiError(
                429,
                "rate_limit_error",
                f"Too many failed sign-ins: try again in {counted(wait, 'second')}",
                code="too_many_attempts",
                retry_after=wait,
            )


def network_of(address: str) -> str:
    """What one client may choose its address in: IPv6's /64, a single address of IPv4; what is no address as it is."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


async def note_sign_in(session: AsyncSession, signed_in: SignedIn, former: str | None, browser: Browser) -> None:
    """End the session that the browser had, and write in the audit log that there is another."""
    if former is not None:
        await sessions.sign_out(session, former)
    principal, method = signed_in.principal, signed_in.holder.method
    await audit.record(
        session,
        principal,
        "user.signed_in",
        principal.user_id,
        principal.user_name,
        method=method,
        address=browser.address,
    )


def _wrong() -> ApiError:
    return unauthenticated("The name or the password is wrong", code="invalid_credentials")
