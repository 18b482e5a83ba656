"""The queue of batch jobs, on both databases: who works on what, what a line leaves behind, when a job ends."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send
from tests.support.polling import until

from aquilon.jobs.batches import Batches, NewBatch
from aquilon.jobs.files import FileDescription, Files
from aquilon.jobs.metrics import JobMetrics
from aquilon.jobs.runner import JobRunner
from aquilon.jobs.store import batches
from aquilon.jobs.tables import Batch
from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.money.usage_writer import UsageWriter
from aquilon.people import first_run as accounts
from aquilon.people.identity import Principal
from aquilon.people.origin import IN_PROCESS
from aquilon.people.scope import Scope as Owner
from aquilon.people.store import accounts as stored_accounts
from aquilon.people.store import api_keys
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.web import retention

CHAT = "/v1/chat/completions"
OK = (200, {"text": "done"})
BUSY = (503, {"code": "overloaded"})


@dataclass
class Application:
    """A stand-in for the application: answers as ``answer`` says, and uses tokens for each line."""

    usage: UsageWriter
    answer: Callable[[dict[str, Any], int], tuple[int, dict[str, Any]]] = lambda body, times: OK
    asked: Counter[str] = field(default_factory=Counter)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Answers wait until it is set."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal = scope[IN_PROCESS]
        line = principal.batch_line
        assert line is not None
        self.asked[line] += 1
        body = json.loads((await receive())["body"])
        await self.gate.wait()
        status, answer = self.answer(body, self.asked[line])
        if status == 200:
            self.usage.submit(_event(principal, line))
        await send({"type": "http.response.start", "status": status, "headers": [(b"retry-after", b"0")]})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def _event(principal: Principal, line: str) -> UsageEvent:
    return UsageEvent(
        request_id=line,
        organization_id=principal.organization_id,
        workspace_id=principal.workspace_id,
        user_id=principal.user_id,
        api_key_id=principal.api_key_id,
        model="m",
        ended_at=int(time.time()),
        usage=Usage(2, 1),
        outcome="completed",
        latency_ms=1,
        first_token_ms=1,
        cost=3,
        price_id=None,
        batch=True,
    )


@dataclass
class JobQueue:
    database: Database
    settings: Settings
    files: Files
    jobs: Batches
    app: Application
    caller: Principal

    def runner(self) -> JobRunner:
        return JobRunner(
            self.database,
            self.settings,
            disk=self.files.disk,
            usage_writer=self.app.usage,
            metrics=JobMetrics(CollectorRegistry()),
            unfinished=lambda: 0,
            new_work=asyncio.Event(),
        )

    async def create(self, lines: int, *, seconds: int = 3600) -> Batch:
        text = "\n".join(json.dumps({"custom_id": f"{n}", "body": {"n": n}}) for n in range(lines))
        file_id, part, _ = await self.files.begin(self.caller, None)
        part.add(text.encode())
        await self.files.keep(self.caller, file_id, part, description=FileDescription(name="in.jsonl", purpose="batch"))
        return await self.jobs.create(
            self.caller, NewBatch(endpoint=CHAT, input_file_ids=[file_id], seconds=seconds, completion_window="24h")
        )

    async def run_to_end(self, job: Batch, *runners: JobRunner) -> Batch:
        """Run a job to its end."""
        stop = asyncio.Event()
        running = [asyncio.create_task(runner.run(self.app, stop)) for runner in runners or (self.runner(),)]
        ended = await self.wait_for_end(job)
        stop.set()
        await asyncio.gather(*running)
        return ended

    async def wait_for_end(self, job: Batch) -> Batch:
        async with asyncio.timeout(30):
            while (batch := await self.jobs.get(self.caller, job.id)).status not in batches.ENDED:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # only the database knows when a job ends
        return batch

    async def results(self, file_id: str | None) -> list[dict[str, Any]]:
        if file_id is None:
            return []
        path = self.files.content(await self.files.get(self.caller, file_id))
        return [json.loads(line) for line in path.read_text().splitlines()]

    async def events(self) -> Counter[str]:
        async with self.database.reading() as session:
            rows = await (await session.connection()).exec_driver_sql("SELECT request_id FROM usage_events")
            return Counter(row[0] for row in rows)


@pytest.fixture
async def queue(database: Database, settings: Settings) -> JobQueue:
    first = await accounts.prepare_first_run(database)
    assert first is not None
    async with database.reading() as session:
        holder = await api_keys.holder_of(session, first.api_key)
    assert holder is not None
    files = Files(database, settings)
    jobs = Batches(database, files)
    app = Application(UsageWriter(database))
    app.gate.set()
    return JobQueue(database, settings, files, jobs, app, holder.principal)


async def test_two_processes_share_the_jobs_and_no_line_is_recorded_twice(queue: JobQueue) -> None:
    jobs = [await queue.create(20) for _ in range(3)]
    runners = queue.runner(), queue.runner()
    ended = [await queue.run_to_end(job, *runners) for job in jobs]
    for job in ended:
        assert (job.status, job.total, job.succeeded, job.failed) == ("completed", 20, 20, 0)
        assert [line["custom_id"] for line in await queue.results(job.output_file_id)] == [str(n) for n in range(20)]
        assert (job.prompt_tokens, job.completion_tokens, job.error_file_id) == (40, 20, None)
    events = await queue.events()
    assert (len(events), set(events.values())) == (60, {1})


async def test_a_process_that_lost_the_lease_records_nothing(queue: JobQueue) -> None:
    created = await queue.create(1)
    now = int(time.time())
    async with queue.database.writing() as session:
        [first] = await batches.QUEUE.claim(session, "one", now=now, until=now + 30, others_too=False, most=9)
    async with queue.database.writing() as session:
        assert not await batches.QUEUE.claim(session, "two", now=now + 29, until=now + 59, others_too=False, most=9)
    async with queue.database.writing() as session:
        [second] = await batches.QUEUE.claim(session, "two", now=now + 30, until=now + 60, others_too=False, most=9)
    assert first.id == second.id == created.id
    recorded = []
    for owner in ("one", "two"):
        async with queue.database.writing() as session:
            recorded.append(
                await batches.record_line(session, first, owner, number=0, failed=False, result="{}", usage=Usage(1, 1))
            )
    assert recorded == [False, True]
    async with queue.database.writing() as session:
        assert await batches.QUEUE.renew(session, "one", now + 90) == {}
        assert await batches.QUEUE.renew(session, "two", now + 90) == {(created.id,): "validating"}


async def test_a_clock_that_is_set_back_does_not_keep_a_dead_process_s_jobs(queue: JobQueue) -> None:
    created = await queue.create(1)
    now, day = int(time.time()), 86_400
    async with queue.database.writing() as session:
        await batches.QUEUE.claim(session, "dead", now=now + day, until=now + day + 30, others_too=False, most=9)
        taken = await batches.QUEUE.claim(session, "two", now=now, until=now + 30, others_too=False, most=9)
        if queue.database.is_shared:  # another machine's clock may be ahead of ours
            assert not taken
            return
        assert [job.id for job in taken] == [created.id]
        assert not await batches.QUEUE.claim(session, "three", now=now - 25, until=now + 5, others_too=False, most=9)


async def test_organizations_take_turns(queue: JobQueue) -> None:
    many = [(await queue.create(1)).id for _ in range(4)]
    async with queue.database.writing() as session:
        neighbours = await stored_accounts.create_organization(session, "neighbours")
        owner = await stored_accounts.create_user(session, neighbours.id, "next door", role="owner")
    neighbour = await accounts.operator(queue.database, neighbours.id)
    assert owner.organization_id == neighbour.organization_id
    theirs = (await replace(queue, caller=neighbour).create(1)).id
    now = int(time.time())
    async with queue.database.writing() as session:
        claimed = await batches.QUEUE.claim(session, "one", now=now, until=now + 30, others_too=False, most=2)
    assert {job.id for job in claimed} == {many[0], theirs}
    running = [job.organization_id for job in claimed]
    async with queue.database.writing() as session:
        claimed = await batches.QUEUE.claim(
            session, "one", now=now, until=now + 30, others_too=False, most=2, running=running
        )
    assert {job.id for job in claimed} == {many[1], many[2]}


async def test_the_next_process_continues_the_jobs_of_one_that_was_stopped(queue: JobQueue) -> None:
    created = await queue.create(30)
    queue.app.gate.clear()
    stop = asyncio.Event()
    running = asyncio.create_task(queue.runner().run(queue.app, stop))
    await until(lambda: len(queue.app.asked) >= 2)
    stop.set()
    await running
    assert await queue.events() == {}
    queue.app.gate.set()
    job = await queue.run_to_end(created)
    assert (job.status, job.succeeded) == ("completed", 30)
    events = await queue.events()
    assert (len(events), set(events.values())) == (30, {1})


@pytest.mark.slow
async def test_a_busy_server_is_asked_again_and_a_failing_one_three_times(queue: JobQueue) -> None:
    def answer(body: dict[str, Any], times: int) -> tuple[int, dict[str, Any]]:
        if body["n"] == 0:
            return BUSY if times < 4 else OK
        if body["n"] == 1:
            return (429, {"code": "rate_limited"}) if times < 3 else OK
        return [(500, {"code": "broken"}), (429, {"code": "budget_exceeded"})][body["n"] - 2]

    queue.app.answer = answer
    job = await queue.run_to_end(await queue.create(4))
    assert (job.status, job.succeeded, job.failed) == ("completed", 2, 2)
    assert sorted(queue.app.asked.values()) == [1, 3, 3, 4]
    errors = await queue.results(job.error_file_id)
    assert [line["response"]["status_code"] for line in errors] == [500, 429]


async def test_lines_that_come_after_their_key_was_blocked_are_refused(queue: JobQueue) -> None:
    created = await queue.create(40)
    queue.app.gate.clear()
    stop = asyncio.Event()
    running = asyncio.create_task(queue.runner().run(queue.app, stop))
    await until(lambda: len(queue.app.asked) >= 1)
    async with queue.database.writing() as session:
        key = await api_keys.api_key_by_id(session, Owner(queue.caller.organization_id), queue.caller.api_key_id or "")
        assert key is not None
        key.blocked_at = int(time.time())
    queue.app.gate.set()

    job = await queue.wait_for_end(created)
    stop.set()
    await running
    assert job.status == "completed"
    assert job.succeeded + job.failed == 40
    errors = await queue.results(job.error_file_id)
    assert len(errors) >= 20
    assert {line["error"]["code"] for line in errors} == {"creator_refused"}
    assert len(await queue.events()) == job.succeeded


async def test_an_expired_job_lists_the_lines_that_were_not_asked(queue: JobQueue) -> None:
    created = await queue.create(5, seconds=2)
    queue.app.gate.clear()
    job = await queue.run_to_end(created)
    assert (job.status, job.output_file_id) == ("expired", None)
    errors = await queue.results(job.error_file_id)
    assert [(line["custom_id"], line["error"]["code"]) for line in errors] == [
        (str(number), "batch_expired") for number in range(5)
    ]


async def test_a_job_whose_input_file_is_gone_fails_and_names_the_file(queue: JobQueue) -> None:
    created = await queue.create(2)
    queue.files.disk.remove(queue.caller.organization_id, created.input_file_ids[0])
    job = await queue.run_to_end(created)
    assert (job.status, job.problem) == ("failed", f"The input file '{created.input_file_ids[0]}' is gone")


async def test_ended_jobs_are_pruned_and_files_without_a_row_are_deleted(queue: JobQueue, settings: Settings) -> None:
    job = await queue.run_to_end(await queue.create(3))
    assert job.output_file_id is not None
    folder = settings.uploads_folder / queue.caller.organization_id
    orphan = folder / "file_orphan"
    orphan.write_text("left by a kill")
    long_ago = time.time() - 2 * 86_400
    os.utime(orphan, (long_ago, long_ago))
    steps = retention.prunings(queue.database, queue.files, settings)
    stop = asyncio.Event()

    async def prune_all() -> dict[str, int]:
        return {name: await retention.prune(name, step, stop) for name, step in steps}

    assert (await prune_all())["files"] == 1
    assert not orphan.exists()
    assert {path.name for path in folder.iterdir()} == {*job.input_file_ids, job.output_file_id}
    async with queue.database.writing() as session:
        connection = await session.connection()
        for change in ("batches SET ended_at = 1", "files SET expires_at = 1"):
            await connection.exec_driver_sql(f"UPDATE {change}")
    gone = await prune_all()
    assert (gone["batch jobs"], gone["files"]) == (1, 2)
    assert not os.listdir(folder)
