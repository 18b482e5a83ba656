"""The queue of fine-tuning jobs, on both databases, with a stand-in for the process that trains."""

from __future__ import annotations

import asyncio
import csv
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.polling import until
from tests.support.stand_in_trainer import PROGRAM, TOKENS_PER_STEP
from tests.support.stored_models import store_model

from aquilon.catalogue.annotations import Annotations
from aquilon.catalogue.catalogue import Catalogue
from aquilon.checkpoints.store import ModelStore
from aquilon.errors import ApiError
from aquilon.jobs.files import FileDescription, Files
from aquilon.jobs.fine_tuning import store
from aquilon.jobs.fine_tuning.hyperparameters import Hyperparameters
from aquilon.jobs.fine_tuning.jobs import FineTuningJobs, NewJob
from aquilon.jobs.fine_tuning.process import TrainingProcess
from aquilon.jobs.fine_tuning.runner import FineTuningRunner
from aquilon.jobs.fine_tuning.tables import FineTuningEvent, FineTuningJob
from aquilon.money.administration import budgets, prices
from aquilon.money.admission import Admission
from aquilon.money.prices import Price
from aquilon.money.training_payment import TrainingPayments
from aquilon.money.usage_writer import UsageWriter
from aquilon.people import first_run as accounts
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.store import api_keys
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.training.protocol import Sft, read_job

EXAMPLE = {"messages": [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Yes, please."}]}
PAIR = {
    "input": {"messages": EXAMPLE["messages"][:1]},
    "preferred_output": [{"role": "assistant", "content": "Yes, please."}],
    "non_preferred_output": [{"role": "assistant", "content": "No."}],
}


@dataclass
class Queue:
    database: Database
    settings: Settings
    files: Files
    jobs: FineTuningJobs
    catalogue: Catalogue
    admission: Admission
    caller: Principal
    new_work: asyncio.Event = field(default_factory=asyncio.Event)

    def runner(self, *options: str, settings: Settings | None = None) -> FineTuningRunner:
        return FineTuningRunner(
            self.database,
            settings or self.settings,
            disk=self.files.disk,
            catalogue=self.catalogue,
            payments=TrainingPayments(self.admission, UsageWriter(self.database, self.admission.shared)),
            new_work=self.new_work,
            program=(*PROGRAM, *options),
        )

    @asynccontextmanager
    async def running(self, *options: str, settings: Settings | None = None) -> AsyncIterator[None]:
        stop = asyncio.Event()
        runner = asyncio.create_task(self.runner(*options, settings=settings).run(stop))
        try:
            yield
        finally:
            stop.set()
            await runner

    async def upload(self, *lines: Any) -> str:
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        file_id, part, _ = await self.files.begin(self.caller, None)
        part.add(text.encode())
        description = FileDescription(name="train.jsonl", purpose="fine-tune")
        await self.files.keep(self.caller, file_id, part, description=description)
        return file_id

    async def create(self, *, gate: int | None = None, **values: Any) -> FineTuningJob:
        files = values.pop("training_file_ids", None) or [await self.upload(*[EXAMPLE] * 10)]
        new = {"contract": "openai", "model": "tiny", "method": "supervised", **values}
        job = await self.jobs.create(self.caller, NewJob(training_file_ids=files, **new))
        if gate is not None:
            self.run_of(job).mkdir(parents=True)
            self.let_through(job, gate)
        return job

    def run_of(self, job: FineTuningJob) -> Path:
        return self.settings.fine_tuning_folder / "runs" / job.id

    def let_through(self, job: FineTuningJob, steps: int) -> None:
        (self.run_of(job) / "gate").write_text(str(steps))

    async def waited_for(self, job: FineTuningJob, *statuses: str, step: int = 0) -> FineTuningJob:
        async with asyncio.timeout(40):
            while (now := await self.jobs.get(self.caller, job.id)).status not in statuses or now.step < step:
                assert now.status not in store.ENDED, (now.status, now.problem)
                await asyncio.sleep(0.05)
        return now

    async def events(self, job: FineTuningJob, *kinds: store.EventKind) -> list[FineTuningEvent]:
        return await self.jobs.events(self.caller, job.id, kinds=kinds, after=0, limit=1000)

    async def usage(self) -> list[tuple[Any, ...]]:
        async with self.database.reading() as session:
            connection = await session.connection()
            rows = await connection.exec_driver_sql(
                "SELECT request_id, model, prompt_tokens, outcome, cost FROM usage_events"
            )
            return [tuple(row) for row in rows]

    async def spent(self) -> int:
        [standing] = await budgets.list_budgets(self.database, self.caller)
        return standing.spent


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a tiny model that was pulled."""
    folder = tmp_path_factory.mktemp("models")
    store_model(folder, "tiny")
    return folder


@pytest.fixture
async def queue(database: Database, settings: Settings, models_folder: Path) -> AsyncIterator[Queue]:
    first = await accounts.prepare_first_run(database, "Example House")
    assert first is not None
    async with database.reading() as session:
        holder = await api_keys.holder_of(session, first.api_key)
    assert holder is not None
    shutil.copytree(models_folder, settings.models_folder, dirs_exist_ok=True)
    models = ModelStore(settings.models_folder)
    annotations = Annotations(database, settings_aliases={})
    catalogue = Catalogue(models, annotations, fine_tuned_folder=settings.fine_tuned_folder)
    admission = Admission(database)
    await admission.start()
    files = Files(database, settings)
    jobs = FineTuningJobs(database, settings, files=files, catalogue=catalogue, terms=admission.terms)
    queue = Queue(database, settings, files, jobs, catalogue, admission, holder.principal)
    jobs._new_work = queue.new_work
    yield queue
    await admission.close()


async def price(queue: Queue, cents: int, limit: int) -> None:
    """A million trained tokens cost so many cents; the organization may spend so many millionths of a cent."""
    operator = await accounts.operator(queue.database)
    now = int(time.time())
    of_tiny = Price(now, input=0, cached_input=0, output=0, training=cents)
    await prices.set_price(queue.database, operator, "tiny", price=of_tiny)
    await budgets.set_budget(queue.database, operator, period="month", amount=limit)


async def test_a_job_ends_with_a_model_that_its_organization_alone_sees_and_pays_once(queue: Queue) -> None:
    await price(queue, 50, 10**9)
    numbers = Hyperparameters(epochs=2, batch_size=4, learning_rate_multiplier=0.5)
    created = await queue.create(gate=2, suffix="tea", seed=7, numbers=numbers)
    async with queue.running():
        job = await queue.waited_for(created, "running", step=2)
        assert await queue.spent() == 0
        told = read_job(queue.run_of(created))
        assert isinstance(told, Sft)
        assert told.lora is not None
        assert (told.training.seed, told.training.epochs) == (7, 2)
        assert told.training.batch_tokens == 4 * -(-(job.tokens or 0) // 10)
        queue.let_through(created, 4)
        job = await queue.waited_for(created, "succeeded")
        await until(lambda: not queue.run_of(job).exists())
    name = f"ft:tiny:example-house:tea:{job.id[-8:]}"
    assert (job.fine_tuned_model, job.trained_tokens, job.step, job.problem) == (name, 400, 4, None)
    paid = min(400, job.estimated_tokens or 0)
    assert await queue.usage() == [(job.id, name, paid, "completed", 50 * paid)]
    assert await queue.spent() == job.cost == 50 * paid
    assert not any(queue.admission.ledger.reserved.values())
    await queue.catalogue.refresh(now=True)
    card = queue.catalogue.card(name, queue.caller)
    assert (card.organization_id, card.source, card.chat) == (job.organization_id, "tiny", True)
    assert queue.catalogue.default_name() == "tiny"
    with pytest.raises(ApiError, match="does not exist; this server has 'tiny'"):
        queue.catalogue.card(name, replace(queue.caller, organization_id="org_other"))
    losses = queue.files.content(await queue.files.get(queue.caller, job.result_file_id or ""))
    rows = list(csv.DictReader(losses.open()))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert [(row["train_loss"], row["valid_loss"]) for row in rows[:2]] == [("2.0", ""), ("1.0", "1.5")]
    saved = await queue.events(job, "checkpoint")
    assert [(event.step, event.data["train_loss"]) for event in saved] == [(2, 1.0), (4, 0.5)]
    assert {event.data["code"] for event in saved} == {"checkpoint"}, "by which the console says it in other languages"


async def test_a_killed_process_goes_on_from_its_checkpoint_and_repeats_no_point_of_the_curve(queue: Queue) -> None:
    created = await queue.create()
    async with queue.running("--steps", "6", "--dies-at", "3"):
        job = await queue.waited_for(created, "succeeded")
    assert job.starts == 0
    steps = [event.step for event in await queue.events(job, "metrics") if "train_loss" in event.data]
    assert steps == [1, 2, 3, 4, 5, 6]
    messages = [event.message for event in await queue.events(job, "message")]
    assert any("The training process ended (signal 9)" in message for message in messages)
    assert any("goes on after step 2" in message for message in messages)


@pytest.mark.slow
async def test_a_server_that_stops_lets_the_next_one_go_on(queue: Queue) -> None:
    created = await queue.create(gate=1)
    async with queue.running():
        await queue.waited_for(created, "running", step=1)
    stopped = await queue.jobs.get(queue.caller, created.id)
    assert (stopped.status, stopped.lease_owner, stopped.starts) == ("running", None, 0)
    queue.let_through(created, 9)
    async with queue.running():
        job = await queue.waited_for(created, "succeeded")
    assert [event.step for event in await queue.events(job, "metrics") if "train_loss" in event.data] == [1, 2, 3, 4]


@pytest.mark.slow
async def test_a_process_that_a_killed_server_left_ends_before_another_one_trains(queue: Queue) -> None:
    created = await queue.create(gate=1)
    async with queue.running():
        await queue.waited_for(created, "running", step=1)
    run = queue.run_of(created)
    orphan = await TrainingProcess.start(run, PROGRAM)
    await until(lambda: (run / "events.jsonl").read_text().count('"event":"started"') == 2)
    queue.let_through(created, 9)
    async with queue.running():
        await queue.waited_for(created, "succeeded")
    assert await orphan.wait() == 0


@pytest.mark.slow
async def test_a_job_is_paused_and_resumed(queue: Queue) -> None:
    created = await queue.create(gate=1)
    async with queue.running():
        await queue.waited_for(created, "running", step=1)
        assert (await queue.jobs.pause(queue.caller, created.id)).status == "pausing"
        paused = await queue.waited_for(created, "paused")
        assert paused.step == 1
        assert not any(queue.admission.ledger.reserved.values())
        queue.let_through(created, 9)
        assert (await queue.jobs.resume(queue.caller, created.id)).status in ("queued", "running")
        await queue.waited_for(created, "succeeded")
    with pytest.raises(ApiError, match="can't be resumed: it is succeeded"):
        await queue.jobs.resume(queue.caller, created.id)


@pytest.mark.parametrize("paused_before", [False, True])
@pytest.mark.slow
async def test_a_cancelled_job_pays_for_what_it_trained_on_and_leaves_no_model(
    queue: Queue, paused_before: bool
) -> None:
    await price(queue, 10, 10**9)
    created = await queue.create(gate=2)
    async with queue.running():
        await queue.waited_for(created, "running", step=2)
        if paused_before:
            await queue.jobs.pause(queue.caller, created.id)
            await queue.waited_for(created, "paused")
        assert (await queue.jobs.cancel(queue.caller, created.id)).status == "cancelling"
        job = await queue.waited_for(created, "cancelled")
        await until(lambda: not queue.run_of(job).exists())
    assert (job.fine_tuned_model, job.cost) == (None, 10 * 2 * TOKENS_PER_STEP)
    [(_, model, tokens, outcome, cost)] = await queue.usage()
    assert (tokens, outcome, cost) == (200, "cancelled", 2000)
    assert model.startswith("ft:tiny:")
    assert not queue.settings.fine_tuned_folder.exists()


async def test_a_job_that_has_not_begun_is_cancelled_at_once_and_deleted(queue: Queue) -> None:
    created = await queue.create()
    with pytest.raises(ApiError, match="cancel it first"):
        await queue.jobs.delete(queue.caller, created.id)
    assert (await queue.jobs.cancel(queue.caller, created.id)).status == "cancelled"
    await queue.jobs.delete(queue.caller, created.id)
    with pytest.raises(ApiError, match="There is no fine-tuning job"):
        await queue.jobs.get(queue.caller, created.id)


async def test_a_job_that_the_budget_does_not_pay_fails_before_it_trains(queue: Queue) -> None:
    await price(queue, 10_000, 1000)
    created = await queue.create()
    async with queue.running():
        job = await queue.waited_for(created, "failed")
    assert (job.problem_code, job.started_at, job.cost) == ("budget_exceeded", None, 0)
    assert "budget for this month" in (job.problem or "")


async def test_files_that_can_t_be_learnt_from_are_refused_by_line(queue: Queue) -> None:
    file = await queue.upload(EXAMPLE, {"messages": [{"role": "boss", "content": "x"}]}, "{", EXAMPLE)
    pairs = await queue.upload(PAIR, EXAMPLE)
    first = await queue.create(training_file_ids=[file])
    second = await queue.create(training_file_ids=[pairs], method="dpo")
    async with queue.running():
        job, other = await queue.waited_for(first, "failed"), await queue.waited_for(second, "failed")
    assert (job.problem_code, job.problem_field) == ("invalid_training_file", "training_file")
    problem = job.problem or ""
    assert file in problem
    assert "line 2:" in problem
    assert "line 3:" in problem
    assert "line 2:" in (other.problem or "")


@pytest.mark.slow
async def test_what_the_process_reports_as_an_error_is_the_job_s_and_useless_processes_are_given_up(
    queue: Queue,
) -> None:
    async with queue.running("--fails", "not_finite"):
        job = await queue.waited_for(await queue.create(), "failed")
    assert (job.problem_code, job.problem) == ("not_finite", "It ended with not_finite")
    created = await queue.create()
    async with queue.database.writing() as session:
        scope = Scope.of_organization(queue.caller)
        await store.change(session, scope, created.id, when=store.OPEN, starts=4)
    async with queue.running("--useless"):
        job = await queue.waited_for(created, "failed")
    assert job.problem_code == "process_failed"
    messages = [event.message for event in await queue.events(job, "message")]
    assert any("the disk is made of cheese" in message for message in messages)


@pytest.mark.slow
async def test_a_process_that_needs_too_much_memory_is_ended(queue: Queue) -> None:
    created = await queue.create(gate=1)
    small = queue.settings.model_copy(update={"training_memory": 1000})
    async with queue.running(settings=small):
        job = await queue.waited_for(created, "failed")
    assert job.problem_code == "out_of_memory"
    assert "this server allows 1,000" in (job.problem or "")


async def test_a_file_names_the_models_that_learnt_from_it_and_stays_while_a_job_reads_it(queue: Queue) -> None:
    file = await queue.upload(*[EXAMPLE] * 10)
    created = await queue.create(training_file_ids=[file])
    with pytest.raises(ApiError, match=f"The fine-tuning job '{created.id}' still reads this file"):
        await queue.files.delete(queue.caller, file)
    async with queue.running():
        job = await queue.waited_for(created, "succeeded")
    assert await queue.files.learnt_from(queue.caller, file) == [job.fine_tuned_model]
    assert await queue.files.delete(queue.caller, file) == [job.fine_tuned_model]


async def test_a_job_waits_for_its_start_if_it_was_told_to(queue: Queue) -> None:
    created = await queue.create(auto_start=False)
    async with queue.running():
        validated = await queue.waited_for(created, "validated")
        assert (validated.examples, validated.estimated_cost) == (10, 0)
        await queue.jobs.start(queue.caller, created.id)
        await queue.waited_for(created, "succeeded")


async def test_an_estimate_creates_nothing(queue: Queue) -> None:
    await price(queue, 100, 10**9)
    file = await queue.upload(*[EXAMPLE] * 10)
    new = NewJob(contract="mistral", model="tiny", method="supervised", training_file_ids=[file])
    estimate = await queue.jobs.estimate(queue.caller, new)
    assert estimate.amount.examples == 10
    assert estimate.cost == 100 * estimate.amount.trained_tokens > 0
    assert await queue.jobs.page(queue.caller, limit=5) == []
    assert list((queue.settings.fine_tuning_folder / "estimates").iterdir()) == []


async def test_what_can_t_be_fine_tuned_is_refused_with_the_reason(queue: Queue) -> None:
    file = await queue.upload(EXAMPLE)
    for values, message in (
        ({"model": "nobody"}, "does not exist"),
        ({"suffix": "a:b"}, "letters, digits"),
        ({"training_file_ids": ["file_nothing"]}, "There is no file"),
        ({"training_file_ids": [file], "validation_file_ids": [file]}, "validation needs other examples"),
    ):
        with pytest.raises(ApiError, match=message):
            await queue.create(**{"training_file_ids": [file], **values})
    off = FineTuningJobs(
        queue.database,
        queue.settings.model_copy(update={"training_processes": 0}),
        files=queue.files,
        catalogue=queue.catalogue,
        terms=queue.admission.terms,
    )
    new = NewJob(contract="openai", model="tiny", method="supervised", training_file_ids=[file])
    with pytest.raises(ApiError, match="fine-tunes no models"):
        await off.create(queue.caller, new)
