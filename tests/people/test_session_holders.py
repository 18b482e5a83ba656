"""The cache of sessions' holders is right at every moment, on both databases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from aquilon.errors import ApiError
from aquilon.people import first_run
from aquilon.people.administration import members, organizations, profile, workspaces
from aquilon.people.administration.members import UserChanges
from aquilon.people.holders import SessionHolders
from aquilon.people.password_hashes import Passwords
from aquilon.people.sign_in import SignIn
from aquilon.people.store import passwords
from aquilon.people.store.sessions import Browser
from aquilon.settings import Settings
from aquilon.storage import Database

HERE = Browser("a test", "127.0.0.1")
PASSWORD = "correct horse battery staple"


@pytest.fixture
async def first(database: Database) -> first_run.FirstRun:
    run = await first_run.prepare_first_run(database, "Example House")
    assert run is not None
    return run


async def dora(database: Database) -> tuple[str, str]:
    """A developer's id and the cookie of a session of theirs."""
    actor = await first_run.operator(database)
    member = await members.create(database, actor, "dora", role="developer", email="dora@example.org")
    signed_in = await SignIn(database, Passwords()).by_link(member.login_token, HERE, None)
    return member.user.id, signed_in.session_id


async def by_disabling(database: Database, user_id: str, cookie: str) -> None:
    await members.change(database, await first_run.operator(database), user_id, changes=UserChanges(disabled=True))


async def by_a_reset(database: Database, user_id: str, cookie: str) -> None:
    await members.reset(database, await first_run.operator(database), user_id)


async def by_a_password_from_the_operator(database: Database, user_id: str, cookie: str) -> None:
    await members.set_password(
        database, await first_run.operator(database), Passwords(), user_id=user_id, password=PASSWORD
    )


async def by_ending_it(database: Database, user_id: str, cookie: str) -> None:
    holder = await SessionHolders(database).of(cookie)
    assert holder is not None
    await profile.end_session(database, holder, holder.id)


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("end", [by_disabling, by_a_reset, by_a_password_from_the_operator, by_ending_it])
async def test_ending_a_session_in_any_process_takes_effect_at_once(
    settings: Settings,
    database: Database,
    first: first_run.FirstRun,
    end: Callable[[Database, str, str], Awaitable[None]],
    elsewhere: bool,
) -> None:
    user_id, cookie = await dora(database)
    holders = SessionHolders(database)
    assert await holders.of(cookie) is not None
    other = await Database.open(settings) if elsewhere else database
    await end(other, user_id, cookie)
    assert await holders.of(cookie) is None
    if elsewhere:
        await other.close()


async def test_a_session_is_refused_while_its_organization_is_disabled(
    database: Database, first: first_run.FirstRun
) -> None:
    actor = await first_run.operator(database)
    guests = await organizations.create(database, actor, "guests", owner="gina")
    signed_in = await SignIn(database, Passwords()).by_link(guests.login_token, HERE, None)
    holders = SessionHolders(database)
    for disabled in (False, True, False):
        await organizations.change(database, actor, "guests", disabled=disabled)
        assert (await holders.of(signed_in.session_id) is None) == disabled


async def test_a_change_of_role_or_workspace_takes_effect_at_once(
    database: Database, first: first_run.FirstRun
) -> None:
    actor = await first_run.operator(database)
    user_id, cookie = await dora(database)
    holders = SessionHolders(database)
    research = await workspaces.create(database, actor, "research")
    holder = await holders.of(cookie)
    assert holder is not None
    with pytest.raises(ApiError, match="There is no workspace 'research'"):
        await profile.choose_workspace(database, holder, "research")
    await workspaces.set_member(database, actor, research.id, user_id=user_id, role="billing")
    await profile.choose_workspace(database, holder, "research")
    holder = await holders.of(cookie)
    assert holder is not None
    assert (holder.principal.workspace_id, holder.principal.workspace_role) == (research.id, "billing")
    await members.change(database, actor, user_id, changes=UserChanges(role="administrator"))
    holder = await holders.of(cookie)
    assert holder is not None
    assert holder.principal.role == "administrator"
    await workspaces.archive(database, actor, research.id)
    holder = await holders.of(cookie)
    assert holder is not None
    assert holder.principal.workspace_id != research.id


async def test_a_hash_with_older_parameters_is_renewed_at_the_next_sign_in(
    database: Database, first: first_run.FirstRun
) -> None:
    import argon2

    user_id, _ = await dora(database)
    old = argon2.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    user = await first_run.user_of(database, "dora")
    async with database.writing() as session:
        await passwords.set_password_hash(session, user, old)
    sign_in = SignIn(database, Passwords())
    assert (
        await sign_in.by_password("dora@example.org", PASSWORD, None, browser=HERE, former=None)
    ).principal.user_id == user_id
    async with database.reading() as session:
        renewed = await passwords.password_hash(session, user)
    assert renewed is not None
    assert "m=47104,t=2,p=1" in renewed
    assert (
        await sign_in.by_password("dora", PASSWORD, "Example House", browser=HERE, former=None)
    ).principal.user_id == user_id
