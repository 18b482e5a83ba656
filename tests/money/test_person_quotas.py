"""Quotas of persons in the ledger: at the border of a day, over both databases, with several processes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.money.test_ledger import NOW, ORGANIZATION, PRICE

from aquilon.errors import ApiError
from aquilon.money.administration import person_quotas as administration
from aquilon.money.admission import Admission
from aquilon.money.budgets import period_end
from aquilon.money.ledger import Ledger, Reservation
from aquilon.money.person_quotas import Allowance, PersonQuota, QuotaUnit, allowances
from aquilon.money.prices import FREE, Price
from aquilon.money.settlement import Settlement
from aquilon.money.store import person_quotas as stored
from aquilon.money.usage_writer import UsageWriter
from aquilon.people import first_run as operator
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.settings import Settings
from aquilon.storage import Database

PERSON = Principal(
    user_id="u",
    user_name="u",
    role="member",
    organization_id=ORGANIZATION,
    organization_name="o",
    workspace_id="w",
    workspace_role="member",
)


def quota(**numbers: int | None) -> PersonQuota:
    fields = {"messages": None, "tokens": None, "cost": None, **numbers}
    return PersonQuota(id="quota_1", workspace_id="", user_id="", period="day", **fields)


async def reserve(
    ledger: Ledger, *allowed: Allowance, prompt: int = 10, completion: int = 10, moment: int = NOW, price: Price = PRICE
) -> Reservation:
    return await ledger.reserve(
        ORGANIZATION,
        budgets=(),
        moment=moment,
        price=price,
        prompt_tokens=prompt,
        completion_tokens=completion,
        allowances=allowed,
    )


def used(messages: int = 0, tokens: int = 0, cost: int = 0) -> dict[QuotaUnit, int]:
    return {"messages": messages, "tokens": tokens, "cost": cost}


async def test_a_quota_is_never_passed_and_what_was_not_used_comes_back(database: Database) -> None:
    ledger = Admission(database).ledger
    tokens = allowances([quota(tokens=100)], PERSON)
    held = await reserve(ledger, *tokens, prompt=60, completion=1000)
    assert held.tokens == 40  # the answer is as long as the quota allows
    with pytest.raises(ApiError) as refused:
        await reserve(ledger, *tokens, prompt=1)
    limit = refused.value.limit
    assert limit is not None
    assert (refused.value.code, limit.kind, limit.remaining, limit.needed) == ("quota_exceeded", "quota_tokens", 0, 2)
    ledger.settle(held, held.amount, used(tokens=70))
    again = await reserve(ledger, *tokens, prompt=20, completion=10)
    assert again.tokens == 10
    ledger.settle(again, 0, used())
    costs = allowances([quota(cost=PRICE.input * 10 + PRICE.output * 3)], PERSON)
    assert (await reserve(ledger, *costs)).tokens == 3
    assert (await reserve(ledger, *costs, price=FREE)).tokens == 10


@pytest.mark.parametrize(
    ("moment", "resets"),
    [
        ("2026-03-28T23:59:59", "2026-03-29T00:00:00"),  # clocks in Europe go forward in that night
        ("2026-03-29T01:30:00", "2026-03-30T00:00:00"),
        ("2026-10-25T00:30:00", "2026-10-26T00:00:00"),  # and back in that one
        ("2028-02-29T23:59:59", "2028-03-01T00:00:00"),
        ("2026-12-31T23:59:59", "2027-01-01T00:00:00"),
    ],
)
async def test_a_day_ends_at_midnight_utc_whatever_clocks_do(database: Database, moment: str, resets: str) -> None:
    ledger = Admission(database).ledger
    [message] = allowances([quota(messages=1)], PERSON)
    at = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    anew = int(datetime.fromisoformat(resets).replace(tzinfo=UTC).timestamp())
    assert period_end("day", at) == anew
    ledger.settle(await reserve(ledger, message, moment=at), 0, used(messages=1))
    with pytest.raises(ApiError) as refused:
        await reserve(ledger, message, moment=anew - 1)
    assert refused.value.retry_after == 1
    assert await reserve(ledger, message, moment=anew)


async def test_requests_at_once_share_a_person_s_last_messages(database: Database) -> None:
    ledger = Admission(database).ledger
    [message] = allowances([quota(messages=3)], PERSON)
    answers = await asyncio.gather(*(reserve(ledger, message) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, Reservation) for answer in answers) == 3
    other = replace(PERSON, user_id="another")
    assert await reserve(ledger, *allowances([quota(messages=3)], other))


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
async def test_two_processes_count_a_person_s_messages_together(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    await operator.prepare_first_run(database)
    person = replace(await operator.operator(database), user_id="u", api_key_id=None)
    async with database.writing() as session:
        scope, none = Scope(person.organization_id), {"tokens": None, "cost": None}
        await stored.set_quota(session, scope, workspace_id="", user_id="", period="day", messages=4, **none)
    elsewhere = await Database.open(Settings(home=tmp_path / "other", database_url=settings.database_url))
    answered = 0
    try:
        processes = []
        for opened in (database, elsewhere):
            admission = Admission(opened)
            await admission.start()
            writer = UsageWriter(opened, admission.shared)
            processes.append((admission, Settlement(admission, writer), writer))
        for number in range(8):
            settlement = processes[number % 2][1]
            try:
                charge = await settlement.open(
                    person, f"r{number}", "m", prompt_tokens=1, completion_tokens=1, message=True
                )
            except ApiError as refused:
                assert refused.code == "quota_exceeded"  # noqa: PT017
                continue
            await charge.grant(1)
            charge.generated(1)
            await charge.complete()
            answered += 1
        [standing] = await administration.own(database, person, int(time.time()))
        assert answered == standing.used == 4
        for admission, _, writer in processes:
            await writer.close()
            await admission.close()
    finally:
        await elsewhere.close()


async def test_an_exception_and_a_workspace_s_quota_apply_beside_each_other() -> None:
    everybody, workspace = quota(messages=5), replace(quota(messages=2), id="quota_w", workspace_id="w")
    elsewhere = replace(quota(messages=1), id="quota_x", workspace_id="x")
    exception = replace(quota(messages=None), id="quota_e", user_id="u")
    rules = [exception, everybody, workspace, elsewhere, replace(exception, id="quota_o", user_id="other")]
    assert [(each.quota.id, each.limit) for each in allowances(rules, PERSON)] == [("quota_w", 2)]
    assert [each.limit for each in allowances(rules[1:], PERSON)] == [5, 2]
