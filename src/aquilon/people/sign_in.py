"""Signing in by a one-time link or a password: one answer for everything that is wrong, and more waiting each time."""

from __future__ import annotations

from collections.abc import Sequence

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

FAILURES_OF_AN_ADDRESS = 10
FAILURES_OF_AN_ACCOUNT = 5


class SignIn:
    """``former``, the cookie's value that the browser came with, is no session any more afterwards."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords
        self._addresses = Attempts(FAILURES_OF_AN_ADDRESS)
        self._accounts = Attempts(FAILURES_OF_AN_ACCOUNT)

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
        account = f"{organization or ''}\0{name.strip().casefold()}"
        async with self._database.reading() as session:
            users = await accounts.users_signing_in(session, name, organization)
            stored = [(user, await password_hash(session, user)) for user in users]
        hashes = {user.id: hash_ for user, hash_ in stored if hash_ is not None}
        right = await self.verify(account, list(hashes.values()), password, browser.address)
        fitting = [user for user in users if hashes.get(user.id) in right]
        if len(fitting) > 1:
            raise invalid(
                "This opens accounts in several organizations: say which",
                param="organization",
                code="which_organization",
            )
        user, former_hash = fitting[0], right[0]
        outdated = self._passwords.is_outdated(former_hash)
        fresh = await self._passwords.hash(normalized(password)) if outdated else None
        async with self._database.writing(alone=True) as session:
            again = await accounts.user_by_id(session, Scope(user.organization_id), user.id)
            if again is None or await password_hash(session, again) != former_hash:
                raise _wrong()  # it was changed meanwhile
            found = await accounts.organization_by(session, user.organization_id)
            if found is None or not found.password_sign_in:
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

    async def verify(self, account: str, hashes: Sequence[str], password: str, address: str) -> list[str]:
        """Those that the password is right for, of the hashes that the ``account`` has. Raises ApiError 401 or 429."""
        self.require_patience(address, account)
        self._accounts.failed(account)  # before it is known: many guesses at the same moment are as many
        tried: list[str | None] = [*hashes] or [None]
        try:
            right = [
                hash_
                for hash_ in tried
                if await self._passwords.verify(hash_, normalized(password)) and hash_ is not None
            ]
        except BaseException:
            self._accounts.did_not_fail(account)
            raise
        if not right:
            self._addresses.failed(address)  # afterwards: a whole office may sign in at the same moment
            raise _wrong()
        if len(hashes) > 1:  # one of several that took the same address forgives nobody who guesses at the others
            self._accounts.did_not_fail(account)
        else:
            self._accounts.forget(account)
        return right

    def failed(self, address: str) -> None:
        """A token that opens nothing came from there."""
        self._addresses.failed(address)

    def require_patience(self, address: str, account: str | None = None) -> None:
        """Raises ApiError 429."""
        wait = max(self._addresses.wait(address), 0 if account is None else self._accounts.wait(account))
        if wait:
            raise ApiError(
                429,
                "rate_limit_error",
                f"Too many failed sign-ins: try again in {wait} seconds",
                code="too_many_attempts",
                retry_after=wait,
            )


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
