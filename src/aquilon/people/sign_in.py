"""Signing in by a one-time link or a password.

A wrong name and a wrong password get the same answer, and failures make the next attempt wait.
Failures are counted by account, by the entered name in its `skeleton` form, and by the
client's network. The count by entered name doesn't depend on whether an account has
that name, so the waiting time doesn't show which accounts exist.
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
    """Each sign-in ends the session in ``former``, the cookie value that the browser sent."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords
        self._networks = Attempts(FAILURES_OF_A_NETWORK)
        self._accounts = Attempts(FAILURES_OF_AN_ACCOUNT)
        self._entered_names = Attempts(FAILURES_OF_AN_ACCOUNT)
        """Separate from the accounts, so that made-up names push no account out of the bounded memory."""

    async def by_link(self, token: str, browser: Browser, former: str | None) -> SignedIn:
        """Raises ApiError 401 or 429."""
        self.require_wait_over(browser.address)
        async with self._database.writing() as session:
            signed_in = await sessions.sign_in(session, token, browser)
            if signed_in is not None:
                await note_sign_in(session, signed_in, former, browser=browser)
        if signed_in is None:
            self.record_failure(browser.address)
            raise unauthenticated(
                "This sign-in link is wrong, was used already, or is older than a day: "
                "create another with `aquilon users link NAME`",
                code="invalid_login_token",
            )
        return signed_in

    async def by_password(
        self, name: str, password: str, organization: str | None, *, browser: Browser, former: str | None
    ) -> SignedIn:
        """``name`` is an e-mail address, or a name in ``organization``, by default the one that runs the server.

        Raises ApiError: 401 for a wrong name or password, 403 if the organization allows no
        passwords, 400 if the password fits several organizations' accounts, 429 while waiting.
        """
        async with self._database.reading() as session:
            claimants = await accounts.claimants(session, name, organization)
            stored = {user.id: await password_hash(session, user) for user in claimants.users}
        matching_ids = await self._verify(
            stored,
            password,
            browser.address,
            entered_name=claimants.entered_name,
            min_hashes=claimants.max_users,
        )
        users = [user for user in claimants.users if user.id in matching_ids]
        if len(users) > 1:
            raise invalid(
                "This address and password fit accounts in several organizations: name the organization",
                param="organization",
                code="which_organization",
            )
        user, former_hash = users[0], stored[users[0].id]
        assert former_hash is not None
        outdated = self._passwords.is_outdated(former_hash)
        renewed_hash = await self._passwords.hash(normalized(password)) if outdated else None
        async with self._database.writing(alone=True) as session:
            current = await accounts.user_by_id(session, Scope(user.organization_id), user.id)
            if current is None or await password_hash(session, current) != former_hash:
                raise _wrong_credentials()  # the password was changed meanwhile
            own_organization = await accounts.organization_by(session, user.organization_id)
            if own_organization is None or not own_organization.password_sign_in:
                raise forbidden(
                    "This organization's people sign in with its identity provider, not with a password",
                    code="password_sign_in_off",
                )
            if renewed_hash is not None:
                await set_password_hash(session, current, renewed_hash)
            signed_in = await sessions.open_session(session, user.id, "password", browser=browser)
            if signed_in is None:
                raise _wrong_credentials()
            await note_sign_in(session, signed_in, former, browser=browser)
        return signed_in

    async def verify(self, user_id: str, hash_: str | None, password: str, *, address: str) -> None:
        """Check the password of an account whose hash this is, None for no password. Raises ApiError 401 or 429."""
        await self._verify({user_id: hash_}, password, address)

    async def _verify(
        self,
        hashes: Mapping[str, str | None],
        password: str,
        address: str,
        *,
        entered_name: str | None = None,
        min_hashes: int = 1,
    ) -> set[str]:
        """The ids of the accounts that the password is right for. Raises ApiError 401 or 429.

        ``hashes`` are the accounts' by id. At least ``min_hashes`` are computed, so that the
        time doesn't show how many accounts there are.
        """
        self.require_wait_over(address, [*hashes], entered_name)
        names = [(self._accounts, user_id) for user_id in hashes] + (
            [] if entered_name is None else [(self._entered_names, entered_name)]
        )
        for attempts, name in names:
            attempts.record_failure(name)  # before the check, so that simultaneous guesses all count
        try:
            matching_ids = set[str]()
            for user_id, hash_ in [*hashes.items(), *[("", None)] * (min_hashes - len(hashes))]:
                if await self._passwords.verify(hash_, normalized(password)):
                    matching_ids.add(user_id)
        except BaseException:
            for attempts, name in names:
                attempts.undo_failure(name)
            raise
        if not matching_ids:
            self._networks.record_failure(network_of(address))  # after the check: a whole office may sign in at once
            raise _wrong_credentials()
        for attempts, name in names:
            if attempts is self._entered_names or name in matching_ids:  # other accounts keep this failed guess
                attempts.forget(name)
        return matching_ids

    def record_failure(self, address: str) -> None:
        """Count an invalid token against the address's network."""
        self._networks.record_failure(network_of(address))

    def require_wait_over(self, address: str, user_ids: Sequence[str] = (), entered_name: str | None = None) -> None:
        """Raises ApiError 429 while the network, an account or the entered name must wait."""
        waits = [self._networks.wait(network_of(address)), *map(self._accounts.wait, user_ids)]
        if entered_name is not None:
            waits.append(self._entered_names.wait(entered_name))
        if wait := max(waits):
            raise ApiError(
                429,
                "rate_limit_error",
                f"Too many failed sign-ins: try again in {counted(wait, 'second')}",
                code="too_many_attempts",
                retry_after=wait,
                values={"seconds": wait},
            )


def network_of(address: str) -> str:
    """The addresses that one client can choose from: its IPv6 /64, its single IPv4 address; other texts unchanged."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


async def note_sign_in(session: AsyncSession, signed_in: SignedIn, former: str | None, *, browser: Browser) -> None:
    """End the browser's former session and record the sign-in in the audit log."""
    if former is not None:
        await sessions.sign_out(session, former)
    principal, method = signed_in.principal, signed_in.holder.method
    await audit.record(
        session,
        principal,
        "user.signed_in",
        object_id=principal.user_id,
        object_name=principal.user_name,
        method=method,
        address=browser.address,
    )


def _wrong_credentials() -> ApiError:
    return unauthenticated("The name or the password is wrong", code="invalid_credentials")
