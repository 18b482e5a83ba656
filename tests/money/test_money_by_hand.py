"""A thousand requests around the ends of months: every total equals their sum, computed here a second time."""

from __future__ import annotations

import csv
import io
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pypdfium2
import pytest
from sqlalchemy import func, select

from aquilon.api.money.statements import statement_body
from aquilon.money.administration.statements import statement
from aquilon.money.prices import Price, PriceList
from aquilon.money.statement_pdf import statement_pdf
from aquilon.money.statements import Month
from aquilon.money.store import usage
from aquilon.money.tables import BudgetSpending, StoredUsageEvent
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.money.usage_report import UsageQuestion
from aquilon.people.first_run import operator, prepare_first_run
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.settings import Settings
from aquilon.storage import Database

DAY = 86_400


def at(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp())


MONTHS = ("2026-09", "2026-10", "2026-11")
STARTS, ENDS = at("2026-09-01"), at("2026-12-01")
BORDERS = [at(day) for day in ("2026-09-01", "2026-10-01", "2026-10-25", "2026-11-01", "2026-12-01")]
"""With the night in which Paris's clocks go back."""
PRICES = {  # cents for a million tokens: input, cached, output, percent off in batch jobs
    "small": {STARTS: (10, 5, 30, 20), at("2026-10-01"): (12, 6, 36, 50), at("2026-10-31T23:59:59"): (100, 1, 7, 0)},
    "large": {at("2026-10-25T01:30"): (1_000_000, 500_000, 1_000_000_000, 50)},  # free before
}


@dataclass(frozen=True)
class PricedEvent:
    event: UsageEvent
    cents: Fraction
    """The cost by the price list, computed with fractions."""


def by_hand(model: str, moment: int, counts: Usage, *, batch: bool) -> Fraction:
    held = [start for start in PRICES[model] if start <= moment]
    if not held:
        return Fraction(0)
    computed, cached, output, discount = PRICES[model][max(held)]
    full = (
        Fraction(counts.prompt_tokens - counts.cached_tokens) * computed / 1_000_000
        + Fraction(counts.cached_tokens) * cached / 1_000_000
        + Fraction(counts.completion_tokens) * output / 1_000_000
    )
    return full * (100 - discount) / 100 if batch else full


def requests(chance: random.Random, organization: str) -> list[PricedEvent]:
    """A thousand random events, many of them close to the ends of months and price periods."""
    lists = {
        model: PriceList(
            model,
            (
                Price(start, input=input_, cached_input=cached, output=output, batch_discount=discount)
                for start, (input_, cached, output, discount) in prices.items()
            ),
        )
        for model, prices in PRICES.items()
    }
    events = []
    for number in range(1000):
        near = chance.choice(BORDERS) + chance.choice((-1, 0, 1, -3601, -3600, 3599, 3600, 7199))
        ended = near if chance.random() < 0.5 else chance.randrange(STARTS - DAY, ENDS + DAY)
        prompt = chance.randrange(100_000)
        counts = Usage(prompt, chance.randrange(20_000), chance.randrange(prompt + 1))
        model, batch = chance.choice(("small", "large")), chance.random() < 0.3
        price = lists[model].at(ended) or Price(0, input=0, cached_input=0, output=0)
        event = UsageEvent(
            request_id=f"{organization}-{number}",
            organization_id=organization,
            workspace_id=chance.choice(("workspace_1", "workspace_2")),
            user_id=chance.choice(("user_1", "user_2")),
            api_key_id=chance.choice((None, "key_1", "key_2")),
            model=model,
            ended_at=ended,
            usage=counts,
            outcome="completed",
            latency_ms=1,
            first_token_ms=None,
            cost=(price.in_batch() if batch else price).cost(counts),
            price_id=None,
            batch=batch,
            budget_lines=(("budget_1", ended // DAY * DAY), ("budget_2", 0)),
        )
        events.append(PricedEvent(event, by_hand(model, ended, counts, batch=batch)))
    return events


def text_of(pdf: bytes) -> str:
    return "\n".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(pdf))


@pytest.fixture(params=["UTC", "Pacific/Kiritimati"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Periods are UTC's, whatever the machine's time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_zone")
async def test_every_total_export_and_statement_is_the_sum_of_its_requests(
    database: Database, settings: Settings
) -> None:
    await prepare_first_run(database)
    mine: Principal = await operator(database)
    chance = random.Random(20261122)
    priced_events = requests(chance, mine.organization_id)
    strangers = [
        replace(priced.event, request_id=f"other-{n}", organization_id="org_x", budget_lines=())
        for n, priced in enumerate(priced_events)
    ]
    everything = [
        *(priced.event for priced in priced_events),
        *strangers,
        *(priced.event for priced in priced_events[:300]),
    ]  # some written again
    chance.shuffle(everything)
    for start in range(0, len(everything), 70):
        async with database.writing() as session:
            await usage.record(session, everything[start : start + 70])

    async def holds() -> None:
        scope = Scope.of_organization(mine)
        async with database.reading() as session:
            for span, seconds in usage.SECONDS.items():
                question = UsageQuestion.read(
                    span=span, since="2026-08-31", until="2026-12-03", by="model,key,member,workspace"
                )
                rows = await question.answer(session, scope)
                expected: dict[tuple[str, ...], list[Fraction]] = defaultdict(lambda: [Fraction(0)] * 6)
                for priced in priced_events:
                    event = priced.event
                    begins = datetime.fromtimestamp(event.ended_at // seconds * seconds, UTC)
                    whose = (event.workspace_id, event.user_id, event.api_key_id or "", event.model)
                    counts = event.usage.prompt_tokens, event.usage.cached_tokens, event.usage.completion_tokens
                    adding = (1, int(event.batch), *counts, priced.cents)
                    known = expected[(begins.strftime("%Y-%m-%dT%H:%M:%SZ"), *whose)]
                    known[:] = [a + b for a, b in zip(known, adding, strict=True)]
                exported = {
                    (row["starts_at"], row["workspace"], row["member"], row["key_id"], row["model"]): [
                        *(Fraction(row[name]) for name in question.fields[-6:-1]),
                        Fraction(int(row["cost_microcents"]), 1_000_000),
                    ]
                    for row in csv.DictReader(io.StringIO(question.as_csv(rows)))
                }
                assert exported == expected
            spent = {
                (row.budget_id, row.starts_at): Fraction(row.spent, 1_000_000)
                for row in await session.scalars(scope.select(BudgetSpending))
            }
        paid: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
        for priced in priced_events:
            for line in priced.event.budget_lines:
                paid[line] += priced.cents
        assert spent == paid
        taxed = settings.model_copy(update={"vat_percent": Decimal("19.6")})
        for name in MONTHS:
            month_statement = await statement(database, taxed, mine, month=Month.read(name))
            year, month = map(int, name.split("-"))
            sums: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
            for priced in priced_events:
                ended = datetime.fromtimestamp(priced.event.ended_at, UTC)
                if (ended.year, ended.month) == (year, month):
                    sums[priced.event.workspace_id, priced.event.model] += priced.cents
            body = statement_body(month_statement)
            assert {(line.workspace, line.model): Fraction(line.cost_microcents, 10**6) for line in body.lines} == sums
            net = rounded(sum(sums.values(), Fraction(0)))
            vat = rounded(Fraction(net) * Fraction("19.6") / 100)
            assert (body.net_cents, body.vat_cents, body.total_cents) == (net, vat, net + vat)
            page = text_of(statement_pdf(month_statement))
            for amount in (net, vat, net + vat):
                assert f"{amount // 100:,}.{amount % 100:02}" in page
            for cents in sums.values():
                assert exact(cents) in page

    await holds()
    while True:
        async with database.writing() as session:
            if not await usage.prune(session, before=ENDS + 9 * DAY):
                break
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(StoredUsageEvent)) == 0
    await holds()


def rounded(cents: Fraction) -> int:
    return int((Decimal(cents.numerator) / Decimal(cents.denominator)).quantize(Decimal(1), ROUND_HALF_UP))


def exact(cents: Fraction) -> str:
    """As currency, with at least two decimals and as many as there are."""
    whole, rest = divmod(cents / 100, 1)
    digits = f"{int(rest * 10**8):08}".rstrip("0").ljust(2, "0")
    return f"{int(whole):,}.{digits}"
