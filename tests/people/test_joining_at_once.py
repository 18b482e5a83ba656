"""An invitation that several people use at the same moment, over both databases."""

from __future__ import annotations

import asyncio
import time

from aquilon.errors import ApiError
from aquilon.people import first_run as operator
from aquilon.people.administration import invitations, waiting_list
from aquilon.people.administration.waiting_list import WaitingList
from aquilon.people.password_hashes import Passwords
from aquilon.people.scope import Scope
from aquilon.people.sign_in import SignIn
from aquilon.people.store.accounts import list_users
from aquilon.people.store.sessions import Browser, SignedIn
from aquilon.storage import Database


async def test_an_invitation_of_the_waiting_list_admits_one_person_however_many_use_it_at_once(
    database: Database,
) -> None:
    await operator.prepare_first_run(database)
    actor = await operator.operator(database)
    await waiting_list.set_open(database, actor, True)
    visitors = WaitingList(database)
    await visitors.ask("Rosa", "rosa@example.org", "", organization=None, address="203.0.113.1")
    waves = await asyncio.gather(*(waiting_list.admit(database, actor, "member", first=1) for _ in range(3)))
    [admitted] = [person for wave in waves for person in wave]

    passwords = Passwords()
    sign_in = SignIn(database, passwords)

    async def join(name: str) -> SignedIn:
        return await invitations.join(
            database,
            passwords,
            sign_in,
            token=admitted.token,
            name=name,
            email=None,
            password="correct horse battery staple",
            browser=Browser(),
            former=None,
        )

    answers = await asyncio.gather(*(join(f"guest {number}") for number in range(4)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ApiError)]
    assert (len(refused), {error.code for error in refused}) == (3, {"invitation_not_open"})
    async with database.reading() as session:
        users = [user.name for user in await list_users(session, Scope.of_organization(actor))]
    assert len([name for name in users if name.startswith("guest")]) == 1


async def test_decided_entries_are_deleted_after_their_days(database: Database) -> None:
    await operator.prepare_first_run(database)
    actor = await operator.operator(database)
    await waiting_list.set_open(database, actor, True)
    visitors = WaitingList(database)
    for number, name in enumerate(("waits", "old", "new")):
        await visitors.ask(name, f"{name}@example.org", "", organization=None, address=f"203.0.113.{number}")
    rows = {
        row.name: row for row in await waiting_list.page(database, actor, "waiting", search="", after=None, limit=10)
    }
    await waiting_list.refuse(database, actor, [rows["old"].id, rows["new"].id])
    long_ago = int(time.time()) - waiting_list.DECIDED_DAYS * 86_400 - 1
    async with database.writing() as session:
        entry = await session.merge(rows["old"])
        entry.status, entry.decided_at = "refused", long_ago
    assert await visitors.prune() == 1
    left = await waiting_list.page(database, actor, "refused", search="", after=None, limit=10)
    assert [row.name for row in left] == ["new"]
    assert len(await waiting_list.page(database, actor, "waiting", search="", after=None, limit=10)) == 1
