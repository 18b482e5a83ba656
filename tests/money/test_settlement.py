"""From a request's reservation of budgets to its usage event, with a stand-in for the engine."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.support.homes import place_database
from tests.support.polling import until
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.catalogue.card import LocalModel
from aquilon.catalogue.catalogue import Catalogue
from aquilon.catalogue.text_models import LoadedText, TextModels
from aquilon.engine.client import Engine, EngineError
from aquilon.engine.protocol import SamplingParameters, SequenceOutput, SequenceRequest
from aquilon.errors import ApiError
from aquilon.generation.local import LocalModels, LocalSequence
from aquilon.generation.metrics import Metrics
from aquilon.generation.pipeline import Pipeline
from aquilon.money import usage_writer
from aquilon.money.admission import Admission
from aquilon.money.ledger import Line, OwnStock
from aquilon.money.prices import Price
from aquilon.money.settlement import Settlement
from aquilon.money.store import budgets, limits, prices
from aquilon.money.usage_event import Usage
from aquilon.money.usage_writer import UsageWriter
from aquilon.people import first_run as operator
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.store import api_keys
from aquilon.request import Delta, Event, Finished, GenerationRequest, TokenPrompt
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.text.model import TextModel

MODEL = "m"
INPUT, CACHED, OUTPUT = 2, 1, 3
PROMPT = 20


def spent(settlement: Settlement, line: Line) -> int:
    stock = settlement.ledger.stock
    assert isinstance(stock, OwnStock)
    return stock.spent(line)


@dataclass
class StandInEngine:
    """Every token is the letter a; 4 tokens of a prompt are cached."""

    fails_after: int | None = None
    cancelled: set[str] = field(default_factory=set)
    statistics: None = None

    def register(self, name: str, path: Path) -> None:
        pass

    def cancel(self, request_id: str, index: int | None = None) -> None:
        self.cancelled.add(request_id)

    async def generate(self, request: SequenceRequest) -> AsyncGenerator[SequenceOutput]:
        most = request.sampling.max_tokens or 10**6
        done = 0
        while done < most and request.id not in self.cancelled:
            await asyncio.sleep(0)
            if self.fails_after is not None and done >= self.fails_after:
                raise EngineError("internal", "The engine process ended")
            step = min(most - done, 1 + done % 3)
            done += step
            for index in range(request.n):
                yield SequenceOutput(
                    id=request.id,
                    index=index,
                    token_ids=[ord("a")] * step,
                    finish_reason="length" if done == most else None,
                    cached_tokens=4,
                )


@dataclass
class Billing:
    database: Database
    engine: StandInEngine
    settlement: Settlement
    pipeline: Pipeline
    local: LocalModels
    principal: Principal
    loaded: LoadedText
    writer: UsageWriter

    def prepared(self, tokens: int | None = None, *, n: int = 1, stop: tuple[str, ...] = ()) -> LocalSequence:
        card = LocalModel(
            name=MODEL,
            path=Path(),
            source="",
            created=0,
            parameters=0,
            max_context=4096,
            size_bytes=0,
            chat=True,
            license="",
            languages=(),
            description="",
            aliases=(),
        )
        sampling = SamplingParameters(max_tokens=tokens)
        sequence = SequenceRequest(
            id=f"seq_{random.random()}", model=MODEL, prompt_ids=[1] * PROMPT, sampling=sampling, n=n
        )
        request = GenerationRequest(model=MODEL, prompt=TokenPrompt((1,) * PROMPT), sampling=sampling, n=n, stop=stop)
        most = 4096 - PROMPT if tokens is None else tokens
        return LocalSequence(
            backend=self.local,
            card=card,
            loaded=self.loaded,
            sequence=sequence,
            request=request,
            most_tokens=most,
        )

    def answer(self, request_id: str, *prepared: LocalSequence) -> AsyncGenerator[Event]:
        return self.pipeline.answer(prepared, self.principal, request_id=request_id)

    async def whole(self, request_id: str, *prepared: LocalSequence) -> list[Event]:
        return [event async for event in self.answer(request_id, *prepared)]

    async def stream(self, request_id: str, delivered: list[str], *prepared: LocalSequence) -> None:
        """Adds the tokens that a stream brings to ``delivered``."""
        async for event in self.pipeline.answer(prepared, self.principal, request_id=request_id, streamed=True):
            if isinstance(event, Delta):
                delivered.append(event.text)

    async def set_price(self) -> None:
        async with self.database.writing() as session:
            now = int(self.settlement._clock())
            await prices.set_price(session, MODEL, Price(now, input=INPUT, cached_input=CACHED, output=OUTPUT))

    async def set_budget(self, amount: int) -> str:
        scope, key = Scope.of_organization(self.principal), self.principal.api_key_id
        assert key is not None
        async with self.database.writing() as session:
            return (
                await budgets.set_budget(
                    session, scope, subject_kind="key", subject_id=key, period="once", amount=amount
                )
            ).id

    async def spent(self, budget_id: str) -> int:
        async with self.database.reading() as session:
            scope = Scope.of_organization(self.principal)
            return (await budgets.spending(session, scope, [(budget_id, 0)]))[budget_id, 0]

    def events(self) -> dict[str, Any]:
        """Of admitted requests."""
        with sqlite3.connect(self.database.name) as raw:
            raw.row_factory = sqlite3.Row
            return {
                row["request_id"]: dict(row)
                for row in raw.execute("SELECT * FROM usage_events WHERE outcome <> 'refused'")
            }


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> TextModel:
    return TextModel.from_folder(write_checkpoint(tmp_path_factory.mktemp("tiny"), tiny_checkpoint()))


@pytest.fixture
async def billing(tmp_path: Path, text: TextModel) -> AsyncIterator[Billing]:
    place_database(tmp_path)
    database = await Database.open(Settings(home=tmp_path))
    first = await operator.prepare_first_run(database)
    assert first is not None
    async with database.writing() as session:
        holder = await api_keys.holder_of(session, first.api_key)
    assert holder is not None
    engine = StandInEngine()
    admission = Admission(database)
    writer = UsageWriter(database, admission.shared)
    settlement = Settlement(admission, writer)
    metrics = Metrics(cast(Engine, engine))
    catalogue = cast(Catalogue, None)
    local = LocalModels(
        cast(Engine, engine), catalogue, texts=cast(TextModels, None), metrics=metrics, max_waiting=1024
    )
    pipeline = Pipeline(catalogue, settlement, local)
    yield Billing(database, engine, settlement, pipeline, local, holder.principal, LoadedText(text, 4096, 1.0), writer)
    await writer.close()
    await database.close()


async def test_an_answer_gives_its_usage_only_after_the_event_is_committed(billing: Billing) -> None:
    await billing.set_price()
    async with aclosing(billing.answer("r1", billing.prepared(7))) as events:
        async for event in events:
            if isinstance(event, Usage):
                assert event == Usage(PROMPT, 7, 4)
                break
            assert billing.events() == {}
    row = billing.events()["r1"]
    assert (row["prompt_tokens"], row["cached_tokens"], row["completion_tokens"]) == (PROMPT, 4, 7)
    assert row["cost"] == 16 * INPUT + 4 * CACHED + 7 * OUTPUT
    assert (row["outcome"], row["api_key_id"]) == ("completed", billing.principal.api_key_id)
    assert row["price_id"].startswith("price_")
    assert 0 <= row["first_token_ms"] <= row["latency_ms"]


async def test_a_line_of_a_batch_job_has_the_batch_price_and_no_limit_but_budgets(billing: Billing) -> None:
    async with billing.database.writing() as session:
        await prices.set_price(
            session, MODEL, Price(int(time.time()), input=4, cached_input=2, output=6, batch_discount=50)
        )
        scope = Scope.of_organization(billing.principal)
        await limits.set_limit(
            session,
            scope,
            subject_kind="key",
            subject_id=billing.principal.api_key_id or "",
            model="",
            requests_per_minute=0,
            tokens_per_minute=0,
            parallel_requests=0,
        )
    budget = await billing.set_budget(200)
    line = replace(billing.principal, batch_line="line_1")
    charge = await billing.settlement.open(line, "r1", MODEL, prompt_tokens=PROMPT, completion_tokens=5)
    charge.computed(PROMPT, 0)
    assert await charge.grant(5) == 5
    charge.generated(5)
    await charge.complete()
    [event] = billing.writer.held.take("line_1")
    assert (event.cost, event.batch, event.budget_lines) == (PROMPT * 2 + 5 * 3, True, ((budget, 0),))
    with pytest.raises(ApiError, match="prepaid credit"):
        await billing.settlement.open(line, "r2", MODEL, prompt_tokens=200, completion_tokens=5)
    with pytest.raises(ApiError, match="0 requests at once"):
        await billing.whole("r3", billing.prepared(1))


async def test_more_tokens_than_were_admitted_are_not_paid(billing: Billing) -> None:
    await billing.set_price()
    budget = await billing.set_budget(10**6)
    charge = await billing.settlement.open(billing.principal, "r1", MODEL, prompt_tokens=10, completion_tokens=20)
    charge.computed(5000, 7000)
    assert await charge.grant(15) == 15
    charge.generated(5000)
    await charge.complete()
    assert charge.usage == Usage(10, 15, 10)
    assert await billing.spent(budget) == 10 * CACHED + 15 * OUTPUT


async def test_several_prompts_and_continuations_are_one_event(billing: Billing) -> None:
    events = await billing.whole("r1", billing.prepared(5, n=2), billing.prepared(3, n=2))
    assert sorted(event.index for event in events if isinstance(event, Finished)) == [0, 1, 2, 3]
    assert events[-1] == Usage(2 * PROMPT, 16, 8)
    assert [row["completion_tokens"] for row in billing.events().values()] == [16]
    assert billing.events()["r1"]["price_id"] is None


async def test_a_client_that_leaves_pays_for_what_was_generated_until_then(billing: Billing) -> None:
    budget = await billing.set_budget(10**6)
    await billing.set_price()
    shown = 0
    async with aclosing(billing.answer("r1", billing.prepared())) as events:
        async for event in events:
            shown += len(event.text) if isinstance(event, Delta) else 0
            if shown >= 50:
                break
    await until(lambda: bool(billing.events()))
    row = billing.events()["r1"]
    assert (row["outcome"], row["completion_tokens"]) == ("cancelled", shown)
    assert await billing.spent(budget) == row["cost"] == 16 * INPUT + 4 * CACHED + shown * OUTPUT
    assert billing.settlement.ledger.reserved == {}


async def test_an_engine_that_fails_leaves_what_it_generated_on_record(billing: Billing) -> None:
    billing.engine.fails_after = 20
    with pytest.raises(ApiError, match="engine process ended") as failure:
        await billing.whole("r1", billing.prepared(), billing.prepared())
    await until(lambda: bool(billing.events()))
    row = billing.events()["r1"]
    assert (row["outcome"], row["error_code"]) == ("failed", failure.value.code)
    assert row["completion_tokens"] >= 20
    assert row["prompt_tokens"] == 2 * PROMPT


async def test_tokens_after_a_stop_string_are_not_paid(billing: Billing) -> None:
    [*_, usage] = await billing.whole("r1", billing.prepared(stop=("aaaa",)))
    assert usage == Usage(PROMPT, 4, 4)


async def test_an_answer_ends_with_length_when_its_budget_is_spent(billing: Billing) -> None:
    await billing.set_price()
    budget = await billing.set_budget(PROMPT * INPUT + 1500 * OUTPUT + 2)
    events = await billing.whole("r1", billing.prepared())
    assert events[-2:] == [Finished(0, "length"), Usage(PROMPT, 1500, 4)]
    assert sum(len(event.text) for event in events if isinstance(event, Delta)) == 1500
    assert billing.engine.cancelled
    assert await billing.spent(budget) == 16 * INPUT + 4 * CACHED + 1500 * OUTPUT
    with pytest.raises(ApiError) as refused:
        await billing.whole("r2", billing.prepared(1), billing.prepared(1))
    assert (refused.value.status, refused.value.type) == (429, "budget_exceeded")
    assert list(billing.events()) == ["r1"]


async def test_concurrent_clients_never_overspend_and_hold_nothing_in_the_end(billing: Billing) -> None:
    """200 clients: some leave, some have an engine that fails, most find the budget spent."""
    await billing.set_price()
    limit = 60_000
    budget = await billing.set_budget(limit)
    ledger, line = billing.settlement.ledger, (budget, 0)
    outcomes = {"whole": 0, "left": 0, "refused": 0}

    async def client(number: int) -> None:
        """Tries again while other requests hold a reservation."""
        chance = random.Random(number)
        prepared = billing.prepared(chance.choice([None, 5, 200, 1500]), n=chance.choice([1, 1, 2]))
        patience = 30 if number % 3 == 0 else 10**9
        while True:
            try:
                async with aclosing(billing.answer(f"r{number}", prepared)) as events:
                    seen = 0
                    async for _ in events:
                        assert spent(billing.settlement, line) + ledger.reserved.get(line, 0) <= limit
                        seen += 1
                        if seen > patience:
                            outcomes["left"] += 1
                            return
                outcomes["whole"] += 1
                return
            except ApiError as error:
                if error.code != "budget_exceeded":
                    raise
                if not ledger.reserved:
                    outcomes["refused"] += 1
                    return
                await asyncio.sleep(0)

    await asyncio.gather(*(client(number) for number in range(200)))
    assert all(outcomes.values())
    assert ledger.reserved == {}
    await billing.settlement._writer.close()
    rows = billing.events()
    assert len(rows) == 200 - outcomes["refused"]
    assert await billing.spent(budget) == sum(row["cost"] for row in rows.values()) == spent(billing.settlement, line)
    assert limit * 0.9 < spent(billing.settlement, line) <= limit


async def test_a_new_process_goes_on_where_the_last_one_stopped(billing: Billing) -> None:
    await billing.set_price()
    budget = await billing.set_budget(PROMPT * INPUT + 100 * OUTPUT)
    await billing.whole("r1", billing.prepared(60))
    again = Settlement(Admission(billing.database), UsageWriter(billing.database))
    charge = await again.open(billing.principal, "r2", MODEL, prompt_tokens=PROMPT, completion_tokens=1000)
    assert charge.reservation.tokens == (100 * OUTPUT + 4 - PROMPT * INPUT - 60 * OUTPUT) // OUTPUT
    assert spent(again, (budget, 0)) == billing.events()["r1"]["cost"]


async def test_a_changed_budget_counts_at_once(billing: Billing) -> None:
    await billing.set_price()
    await billing.set_budget(0)
    with pytest.raises(ApiError, match="prepaid credit is 0 cents"):
        await billing.whole("r1", billing.prepared(1))
    await billing.set_budget(10**6)
    assert await billing.whole("r2", billing.prepared(1))
    other = replace(billing.principal, api_key_id="key_other")
    assert [event async for event in billing.pipeline.answer([billing.prepared(1)], other, request_id="r3")]


class FailingDatabase:
    """A database in which no usage can be recorded until ``repair``."""

    def __init__(self, billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
        self.billing = billing
        self.patches = monkeypatch
        monkeypatch.setattr(usage_writer, "PATIENCE_SECONDS", 0.1)
        with sqlite3.connect(billing.database.name) as raw:
            raw.execute("CREATE TRIGGER full BEFORE INSERT ON usage_events BEGIN SELECT RAISE(ABORT, 'full'); END")

    async def repair(self) -> dict[str, Any]:
        """Returns the event that is recorded afterwards."""
        with sqlite3.connect(self.billing.database.name) as raw:
            raw.execute("DROP TRIGGER full")
        self.patches.undo()
        await until(lambda: bool(self.billing.events()) and self.billing.writer._problem is None)
        [row] = self.billing.events().values()
        return dict(row)


async def test_an_answer_whose_usage_cannot_be_recorded_is_refused_and_costs_nothing(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await billing.set_price()
    budget = await billing.set_budget(10**6)
    failing = FailingDatabase(billing, monkeypatch)
    with pytest.raises(ApiError, match="The server's database can't be used now") as refused:
        await billing.whole("r1", billing.prepared(5))
    assert refused.value.status == 503
    with pytest.raises(ApiError, match="The server's database can't be used now"):
        await billing.whole("never started", billing.prepared(5))
    row = await failing.repair()
    assert (row["request_id"], row["outcome"], row["cost"]) == ("r1", "failed", 0)
    assert await billing.spent(budget) == spent(billing.settlement, (budget, 0)) == 0
    await billing.whole("r2", billing.prepared(5))
    assert {name: row["outcome"] for name, row in billing.events().items()} == {"r1": "failed", "r2": "completed"}
    assert await billing.spent(budget) == billing.events()["r2"]["cost"] == spent(billing.settlement, (budget, 0))


async def test_a_stream_whose_usage_cannot_be_recorded_fails_and_costs_what_was_delivered(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await billing.set_price()
    budget = await billing.set_budget(10**6)
    failing = FailingDatabase(billing, monkeypatch)
    delivered: list[str] = []
    with pytest.raises(ApiError, match="The server's database can't be used now"):
        await billing.stream("r1", delivered, billing.prepared(5))
    row = await failing.repair()
    cost = 16 * INPUT + 4 * CACHED + 5 * OUTPUT
    assert (row["outcome"], row["cost"], "".join(delivered)) == ("failed", cost, "aaaaa")
    assert await billing.spent(budget) == spent(billing.settlement, (budget, 0)) == cost


async def test_a_client_that_leaves_while_its_usage_cannot_be_recorded_pays_nothing(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await billing.set_price()
    budget = await billing.set_budget(10**6)
    failing = FailingDatabase(billing, monkeypatch)
    monkeypatch.setattr(usage_writer, "PATIENCE_SECONDS", 60)
    asking = asyncio.create_task(billing.whole("r1", billing.prepared(5)))
    await until(lambda: billing.writer._problem is not None)
    asking.cancel()
    await asyncio.wait({asking})
    row = await failing.repair()
    assert (row["outcome"], row["cost"], await billing.spent(budget)) == ("failed", 0, 0)


async def test_an_event_that_was_written_but_not_committed_when_its_answer_gave_up_counts_as_failed(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is slow, not away: the answer gives up while the transaction runs, before its COMMIT."""
    await billing.set_price()
    budget = await billing.set_budget(10**6)
    monkeypatch.setattr(usage_writer, "PATIENCE_SECONDS", 0.1)
    lock = sqlite3.connect(billing.database.name, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    with pytest.raises(ApiError, match="The server's database can't be used now"):
        await billing.whole("r1", billing.prepared(5))
    lock.execute("ROLLBACK")
    lock.close()
    await until(lambda: bool(billing.events()))
    row = billing.events()["r1"]
    assert (row["outcome"], row["cost"]) == ("failed", 0)
    assert await billing.spent(budget) == spent(billing.settlement, (budget, 0)) == 0


async def test_a_failed_engine_costs_nothing_but_what_a_stream_delivered(billing: Billing) -> None:
    await billing.set_price()
    billing.engine.fails_after = 20
    delivered: list[str] = []
    with pytest.raises(ApiError, match="engine process ended"):
        await billing.whole("whole", billing.prepared())
    with pytest.raises(ApiError, match="engine process ended"):
        await billing.stream("stream", delivered, billing.prepared())
    billing.engine.fails_after = 0
    with pytest.raises(ApiError, match="engine process ended"):
        await billing.stream("nothing", [], billing.prepared())
    await until(lambda: len(billing.events()) == 3)
    costs = {name: (row["outcome"], row["cost"]) for name, row in billing.events().items()}
    stream = 16 * INPUT + 4 * CACHED + len("".join(delivered)) * OUTPUT
    assert costs == {"whole": ("failed", 0), "stream": ("failed", stream), "nothing": ("failed", 0)}
