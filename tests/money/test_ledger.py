"""The ledger never overspends a budget: in one process over SQLite, and in several over PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.errors import ApiError
from aquilon.money.admission import Admission
from aquilon.money.budgets import BUDGET_PERIODS, Budget, BudgetPeriod, period_end, period_start
from aquilon.money.ledger import RESERVED_TOKENS, Ledger, Line, OwnStock, Reservation
from aquilon.money.limits import Limit
from aquilon.money.prices import FREE, Price
from aquilon.storage import Database

PRICE = Price(0, input=2, cached_input=1, output=3)
NOW = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp())
ORGANIZATION = "org_1"


def budget(limit: int, *, id_: str = "b", period: BudgetPeriod = "month") -> Budget:
    return Budget(id=id_, subject_kind="key", subject_id="key_1", period=period, limit=limit)


def slots(most: int) -> Limit:
    return Limit(
        id="limit_1",
        subject_kind="key",
        subject_id="key_1",
        model="",
        requests_per_minute=None,
        tokens_per_minute=None,
        parallel_requests=most,
    )


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Ledger]:
    admission = Admission(database)
    yield admission.ledger
    await admission.close()


async def reserve(
    ledger: Ledger,
    *budgets: Budget,
    prompt: int = 0,
    completion: int = 0,
    moment: int = NOW,
    price: Price = PRICE,
    limits: Sequence[Limit] = (),
) -> Reservation:
    return await ledger.reserve(
        ORGANIZATION,
        budgets=budgets,
        moment=moment,
        price=price,
        prompt_tokens=prompt,
        completion_tokens=completion,
        limits=limits,
    )


async def test_a_request_reserves_its_prompt_and_a_thousand_tokens_and_gives_back_what_it_did_not_use(
    ledger: Ledger,
) -> None:
    line = ("b", period_start("month", NOW))
    held = await reserve(ledger, budget(10**6), prompt=100, completion=5000)
    assert held.tokens == RESERVED_TOKENS
    assert ledger.reserved == {line: 100 * 2 + RESERVED_TOKENS * 3}
    assert await ledger.extend(held, 10) == 10
    ledger.settle(held, 350)
    ledger.settle(held, 350)
    assert ledger.reserved == {}
    again = await reserve(ledger, budget(350 + 3 * 9), completion=5000)
    assert again.tokens == 9


async def test_a_reservation_gets_the_tokens_that_fit_and_no_more(ledger: Ledger) -> None:
    held = await reserve(ledger, budget(200 + 3 * 7 + 2), prompt=100, completion=5000)
    assert held.tokens == 7
    assert await ledger.extend(held, 1) == 0


async def test_a_refusal_says_which_budget_what_remains_and_when_it_starts_anew(ledger: Ledger) -> None:
    with pytest.raises(ApiError) as refused:
        await reserve(
            ledger,
            budget(10**9, id_="wide"),
            budget(1_500_000, id_="narrow"),
            prompt=1,
            completion=1,
            price=Price(0, input=10**6, cached_input=10**6, output=10**6),
        )
    error = refused.value
    assert (error.status, error.type, error.code) == (429, "budget_exceeded", "budget_exceeded")
    assert error.message == (
        "The key's budget for this month is 1.5 cents; 1.5 remain, and this request needs at least 2 cents: "
        "it starts anew on 2026-12-01 (UTC)"
    )
    assert error.headers["x-aquilon-budget"] == "key:narrow"
    assert error.headers["x-aquilon-budget-remaining"] == "1.5"
    assert error.retry_after == period_end("month", NOW) - NOW  # type: ignore[operator]
    assert ledger.reserved == {}


async def test_a_budget_of_zero_admits_only_free_requests(ledger: Ledger) -> None:
    with pytest.raises(ApiError, match="prepaid credit is 0 cents"):
        await reserve(ledger, budget(0, period="once"), prompt=1)
    assert ledger.reserved == {}
    assert (await reserve(ledger, budget(0), prompt=9, completion=9000, price=FREE)).tokens == 9000


async def test_a_request_counts_in_the_period_in_which_it_began(ledger: Ledger) -> None:
    last_second = period_end("day", NOW)
    assert last_second is not None
    last_second -= 1
    daily = budget(60, period="day")
    held = await reserve(ledger, daily, prompt=10, completion=10, moment=last_second)
    later = await reserve(ledger, daily, prompt=1, completion=1, moment=last_second + 1)
    ledger.settle(held, 50)
    ledger.settle(later, 5)
    with pytest.raises(ApiError, match=r"0\.00001 remain"):
        await reserve(ledger, daily, prompt=6, moment=last_second)
    assert await reserve(ledger, daily, prompt=27, moment=last_second + 1)


async def test_a_changed_limit_counts_at_once(ledger: Ledger) -> None:
    held = await reserve(ledger, budget(10**6), prompt=10)
    with pytest.raises(ApiError, match="0 remain"):
        await reserve(ledger, budget(20), prompt=10)
    assert await reserve(ledger, budget(40), prompt=10)
    ledger.settle(held, 20)


async def test_no_more_requests_run_at_once_than_there_are_slots(ledger: Ledger) -> None:
    first, second = [await reserve(ledger, limits=[slots(2)]) for _ in range(2)]
    with pytest.raises(ApiError, match="The key's limit is 2 requests at once; 0 remain") as refused:
        await reserve(ledger, budget(10**6), prompt=10, limits=[slots(2)])
    assert (refused.value.status, refused.value.code) == (429, "parallel_requests_exceeded")
    assert refused.value.retry_after == 1
    assert ledger.reserved == {("limit_1", 0): 2}
    ledger.settle(first, 0)
    third = await reserve(ledger, limits=[slots(2)])
    for reservation in (second, third):
        ledger.settle(reservation, 0)
    assert ledger.reserved == {}
    with pytest.raises(ApiError):
        await reserve(ledger, limits=[slots(0)])


async def test_concurrent_requests_fill_a_budget_to_its_limit_and_not_beyond(ledger: Ledger) -> None:
    daily = budget(1000, period="day")
    refused = 0

    async def client() -> Reservation | None:
        nonlocal refused
        try:
            return await reserve(ledger, daily, prompt=7)
        except ApiError:
            refused += 1
            return None

    outcomes = await asyncio.gather(*(client() for _ in range(100)))
    held = [reservation for reservation in outcomes if reservation is not None]
    assert (len(held), refused) == (71, 29)
    for reservation in held:
        ledger.settle(reservation, 14)
    assert ledger.reserved == {}


async def test_an_extension_that_comes_after_the_end_holds_nothing(ledger: Ledger) -> None:
    held = await reserve(ledger, budget(10**6), prompt=1)
    ledger.settle(held, 2)
    assert await ledger.extend(held, 100) == 0
    assert ledger.reserved == {}


async def nothing_spent(organization_id: str, lines: Sequence[Line]) -> dict[Line, int]:
    return dict.fromkeys(lines, 0)


@given(
    st.lists(st.tuples(st.sampled_from(BUDGET_PERIODS), st.integers(0, 5000)), min_size=1, max_size=3),
    st.lists(
        st.tuples(
            st.sampled_from(["reserve", "extend", "settle", "clock"]),
            st.integers(0, 400),
            st.integers(0, 1200),
        ),
        max_size=60,
    ),
)
def test_spent_and_reserved_stay_within_every_limit_of_every_period(
    limits: list[tuple[BudgetPeriod, int]], steps: list[tuple[str, int, int]]
) -> None:
    """A clock may be set forth and back by days between any two steps."""

    async def run() -> None:
        budgets = [budget(limit, id_=f"b{number}", period=period) for number, (period, limit) in enumerate(limits)]
        stock = OwnStock(nothing_spent)
        ledger, running, moment = Ledger(stock), list[tuple[Reservation, int]](), NOW
        lines = set[tuple[Line, int]]()
        for action, first, second in steps:
            if action == "clock":
                moment += (first - 200) * 3600
            elif action == "reserve":
                lines |= {((limited.id, period_start(limited.period, moment)), limited.limit) for limited in budgets}
                try:
                    held = await reserve(ledger, *budgets, prompt=first, completion=second, moment=moment)
                except ApiError:
                    continue
                running.append((held, first))
            elif running and action == "extend":
                await ledger.extend(running[first % len(running)][0], second)
            elif running:
                held, prompt = running.pop(first % len(running))
                ledger.settle(held, prompt * PRICE.input + min(second, held.tokens) * PRICE.output)
            for line, limit in lines:
                assert 0 <= stock.spent(line) + ledger.reserved.get(line, 0) <= limit
        for held, _ in running:
            ledger.settle(held, 0)
        assert ledger.reserved == {}

    asyncio.run(run())
