"""Sessions of signed-in browsers, and the one-time links that open one."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.people.identity import Principal
from aquilon.people.scope import Everyone, Scope
from aquilon.people.secrets import fingerprint, new_id, new_token
from aquilon.people.store import accounts
from aquilon.people.store.access_rules import under_rules
from aquilon.people.store.workspaces import first_workspace
from aquilon.people.tables import LoginLink, Organization, Session, User, Workspace, WorkspaceMember
from aquilon.storage.changes import WITHOUT_CHANGE

LOGIN_LINK_SECONDS = 24 * 3600
SESSION_SECONDS = 30 * 24 * 3600
_MAX_BROWSER_CHARACTERS = 200


@dataclass(frozen=True)
class Browser:
    """The browser that opens a session, so that a person recognizes their sessions in a list."""

    user_agent: str = ""
    address: str = ""


@dataclass(frozen=True, kw_only=True)
class SessionHolder:
    """The principal that a session's cookie authenticates."""

    principal: Principal
    id: str
    method: str
    created_at: int
    last_used_at: int
    expires_at: int


@dataclass(frozen=True)
class SignedIn:
    session_id: str
    """The cookie's value; only its SHA-256 is stored."""
    holder: SessionHolder

    @property
    def principal(self) -> Principal:
        return self.holder.principal


async def create_login_link(session: AsyncSession, user: User) -> str:
    """A token that signs this user in once, within a day. Earlier links stay valid."""
    token, now = new_token(), _now()
    await session.execute(delete(LoginLink).where(LoginLink.expires_at <= now))
    session.add(
        LoginLink(token_sha256=fingerprint(token), user_id=user.id, created_at=now, expires_at=now + LOGIN_LINK_SECONDS)
    )
    await session.flush()
    return token


async def sign_in(session: AsyncSession, token: str, browser: Browser = Browser()) -> SignedIn | None:
    """Spend a login link's token for a new session; None if it is wrong, spent, expired, or its user disabled."""
    now = _now()
    user_id = await session.scalar(
        update(LoginLink)
        .where(LoginLink.token_sha256 == fingerprint(token), LoginLink.used_at.is_(None), LoginLink.expires_at > now)
        .values(used_at=now)
        .returning(LoginLink.user_id)
    )
    return None if user_id is None else await open_session(session, user_id, "link", browser=browser)


async def open_session(session: AsyncSession, user_id: str, method: str, *, browser: Browser) -> SignedIn | None:
    """None if the user or the organization is disabled. ``method`` as in `people.tables.Session`."""
    now, secret = _now(), new_token()
    await session.execute(delete(Session).where(Session.expires_at <= now))
    session.add(
        Session(
            id_sha256=fingerprint(secret),
            id=new_id("session"),
            user_id=user_id,
            method=method,
            user_agent=_printable(browser.user_agent),
            address=_printable(browser.address),
            created_at=now,
            last_used_at=now,
            expires_at=now + SESSION_SECONDS,
        )
    )
    await session.flush()
    holder = await holder_of(session, secret)
    return None if holder is None else SignedIn(secret, holder)


async def holder_of(session: AsyncSession, session_id: str) -> SessionHolder | None:
    """The holder of the session with this cookie value, None if nobody is signed in with it."""
    query = (
        Everyone.select(User)
        .add_columns(Organization, Session)
        .join(Session, Session.user_id == User.id)
        .join(Organization, Organization.id == User.organization_id)
        .where(
            Session.id_sha256 == fingerprint(session_id),
            Session.expires_at > _now(),
            User.disabled_at.is_(None),
            Organization.disabled_at.is_(None),
        )
    )
    joined = (await session.execute(query)).first()
    if joined is None:
        return None
    user, organization, row = joined
    workspace_id, membership = await workspace_of(session, user, row.workspace_id)
    return SessionHolder(
        principal=await under_rules(
            session, accounts.principal(user, organization, workspace_id, membership=membership)
        ),
        id=row.id,
        method=row.method,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )


async def record_use(session: AsyncSession, holder: SessionHolder, at: int) -> None:
    statement = update(Session).where(Session.id == holder.id).values(last_used_at=at)
    await session.execute(statement.execution_options(**{WITHOUT_CHANGE: True}))


async def choose_workspace(session: AsyncSession, session_id: str, workspace_id: str) -> None:
    """``session_id`` is the id that lists show, as in the functions below."""
    await session.execute(update(Session).where(Session.id == session_id).values(workspace_id=workspace_id))


async def list_sessions(session: AsyncSession, user_id: str) -> list[Session]:
    """The sessions that haven't expired, the last used first."""
    query = select(Session).where(Session.user_id == user_id, Session.expires_at > _now())
    return list(await session.scalars(query.order_by(Session.last_used_at.desc(), Session.id.desc())))


async def end_session(session: AsyncSession, user_id: str, session_id: str) -> bool:
    """End the user's session; False if there was none with this id."""
    query = delete(Session).where(Session.id == session_id, Session.user_id == user_id)
    return await session.scalar(query.returning(Session.id)) is not None


async def end_other_sessions(session: AsyncSession, user_id: str, session_id: str) -> None:
    await session.execute(delete(Session).where(Session.user_id == user_id, Session.id != session_id))


async def sign_out(session: AsyncSession, secret: str) -> None:
    """``secret`` is the cookie's value."""
    await session.execute(delete(Session).where(Session.id_sha256 == fingerprint(secret)))


async def revoke_access(session: AsyncSession, user: User) -> None:
    """End every session of a user and spend every open login link."""
    await session.execute(delete(Session).where(Session.user_id == user.id))
    await spend_links(session, user.id)


async def spend_links(session: AsyncSession, user_id: str) -> None:
    open_links = update(LoginLink).where(LoginLink.user_id == user_id, LoginLink.used_at.is_(None))
    await session.execute(open_links.values(used_at=_now()))


async def workspace_of(session: AsyncSession, user: User, chosen: str | None) -> tuple[str, WorkspaceMember | None]:
    """The chosen workspace if the user can still use it, else the first that the user is a member of."""
    scope = Scope(user.organization_id)
    query = (
        Scope(user.organization_id, user.id)
        .select(WorkspaceMember)
        .join(Workspace, Workspace.id == WorkspaceMember.workspace_id)
        .where(Workspace.archived_at.is_(None))
        .order_by(Workspace.created_at, Workspace.id)
    )
    memberships = {member.workspace_id: member for member in await session.scalars(query)}
    if chosen is not None and chosen not in memberships and accounts.reaches_every_workspace(user):
        active = scope.select(Workspace).where(Workspace.id == chosen, Workspace.archived_at.is_(None))
        if await session.scalar(active) is not None:
            return chosen, None
    membership = memberships.get(chosen or "") or next(iter(memberships.values()), None)
    if membership is None:
        return (await first_workspace(session, scope)).id, None
    return membership.workspace_id, membership


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:_MAX_BROWSER_CHARACTERS]


def _now() -> int:
    return int(time.time())
