"""A database outage: new requests are refused, running answers end with an error, and no usage is lost.

The outage lasts two seconds, or ``OUTAGE_SECONDS``: the documentation promises half a minute.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.support.databases import PostgreSQL, postgresql_programs, postgresql_server
from tests.support.outages import Seen, outage, paced, prepare
from tests.support.polling import until, wait_until
from tests.support.run_kills import MODEL, UNFINISHED, USAGE, Load, add_upstream, check_billing, check_file, client
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import upstream_server

from aquilon.money.usage_writer import PATIENCE_SECONDS
from aquilon.settings import Settings

SECONDS = float(os.environ.get("OUTAGE_SECONDS", "2"))
_SQLITE_WAITS_SECONDS = 10


@pytest.fixture
def postgresql() -> Iterator[PostgreSQL]:
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL's server isn't installed: apt-get install postgresql")
    with postgresql_server(programs) as running:
        yield running


@pytest.fixture
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningServer]:
    environment = {"AQUILON_MODELS": "none"}
    if "postgresql" in request.fixturenames:
        environment["AQUILON_DATABASE_URL"] = request.getfixturevalue("postgresql").url
    running = start_server(tmp_path, environment=environment)
    yield running
    running.stop()


def check(seen: Seen, recorded: list[tuple[str, int, int, str]], spent: int, cost: int) -> None:
    counts = Counter(request_id for request_id, *_ in recorded)
    tokens = {request_id: (prompt, completion) for request_id, prompt, completion, _ in recorded}
    assert set(counts.values()) == {1}
    assert {request_id for request_id, _, _, outcome in recorded if outcome == "completed"} <= seen.whole.keys()
    assert {request_id: tokens.get(request_id) for request_id in seen.whole} == seen.whole
    assert spent == cost
    all_outcomes = {outcome for outcomes in seen.outcomes.values() for outcome in outcomes}
    assert not [outcome for outcome in all_outcomes if outcome.startswith(("500", "cut", "ended without"))], seen
    assert seen.recovered_after is not None
    if SECONDS > PATIENCE_SECONDS:  # in a shorter outage, every answer may wait for its event
        assert seen.outcomes["away"]["503 overloaded"] > 10, seen.outcomes
    print(seen.outcomes, f"slowest refusal {seen.slowest_refusal:.1f} s, back after {seen.recovered_after:.1f} s")


@pytest.mark.slow
async def test_no_usage_is_lost_when_postgresql_crashes_and_comes_back(
    postgresql: PostgreSQL, gateway: RunningServer
) -> None:
    async with upstream_server(paced) as upstream:
        settings = Settings(home=gateway.home, database_url=postgresql.url)
        key, budget = await prepare(gateway, settings, upstream.url)
        seen = await outage(gateway, key, seconds=SECONDS, take_away=postgresql.stop, give_back=postgresql.start)
    gateway.stop()
    connection = await asyncpg.connect(host=postgresql.folder, user="aquilon", database="postgres")
    rows = await connection.fetch("SELECT request_id, prompt_tokens, completion_tokens, outcome FROM usage_events")
    spent = await connection.fetchval("SELECT sum(spent)::bigint FROM budget_spending WHERE budget_id = $1", budget)
    cost = await connection.fetchval("SELECT sum(cost)::bigint FROM usage_events")
    held = await connection.fetchval("SELECT count(*) FROM holds")
    await connection.close()
    check(seen, [tuple(row) for row in rows], spent, cost)
    assert held == 0


@pytest.mark.slow
def test_ready_reports_that_postgresql_is_down_and_that_it_is_back(
    postgresql: PostgreSQL, gateway: RunningServer
) -> None:
    def is_ready() -> bool:
        answer = httpx.get(f"{gateway.url}/ready", timeout=30)
        assert answer.status_code == (200 if answer.json()["ready"] else 503)
        assert answer.json()["ready"] or "database" in answer.json()["reason"]
        return answer.status_code == 200

    assert is_ready()
    postgresql.stop()
    wait_until(lambda: not is_ready())
    postgresql.start()
    wait_until(is_ready)


@pytest.mark.slow
@pytest.mark.skipif(SECONDS <= _SQLITE_WAITS_SECONDS + 2, reason="takes longer: set OUTAGE_SECONDS to 30")
async def test_no_usage_is_lost_while_another_process_locks_sqlite(gateway: RunningServer) -> None:
    lock = sqlite3.connect(gateway.home / "aquilon.db", check_same_thread=False, isolation_level=None)
    async with upstream_server(paced) as upstream:
        key, budget = await prepare(gateway, Settings(home=gateway.home), upstream.url)
        seen = await outage(
            gateway,
            key,
            seconds=SECONDS,
            take_away=lambda: lock.execute("BEGIN IMMEDIATE") and None,
            give_back=lambda: lock.execute("ROLLBACK") and None,
        )
    lock.close()
    check(seen, *on_record(gateway, budget))


@pytest.mark.slow
async def test_no_usage_is_lost_while_the_disk_is_full(gateway: RunningServer) -> None:
    """A limit on the server process keeps its files from growing."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def fill() -> None:
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    async with upstream_server(paced) as upstream:
        key, budget = await prepare(gateway, Settings(home=gateway.home), upstream.url)
        seen = await outage(
            gateway,
            key,
            seconds=SECONDS,
            take_away=fill,
            give_back=lambda: resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, unlimited) and None,
        )
    check(seen, *on_record(gateway, budget))


async def outage_of_runs(gateway: RunningServer, take_away: Callable[[], None], give_back: Callable[[], None]) -> Load:
    """Answers in the background are written and followed while the database is away, and others are asked for."""
    load = Load()
    async with upstream_server(load.upstream) as upstream, client(gateway, gateway.api_key) as http:
        await add_upstream(gateway, upstream.url)
        lengths = [50 + 100 * number for number in range(8)]
        asking = [asyncio.create_task(load.ask(http, None, words=words)) for words in lengths]
        await until(lambda: len(load.sent) == len(lengths) and sum(load.sent.values()) > 160)
        await asyncio.to_thread(take_away)
        gone_until = time.monotonic() + SECONDS
        while time.monotonic() < gone_until:
            refused = await http.post("/v1/responses", json={"model": MODEL, "input": "1 words", "background": True})
            assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable"), refused.text
        await asyncio.to_thread(give_back)
        await asyncio.gather(*asking)
        await asyncio.to_thread(wait_until, lambda: httpx.get(f"{gateway.url}/ready", timeout=30).status_code == 200)
        await load.check(http)
    return load


@pytest.mark.slow
async def test_runs_go_on_while_postgresql_is_away_and_nothing_of_them_is_lost(
    postgresql: PostgreSQL, gateway: RunningServer
) -> None:
    load = await outage_of_runs(gateway, postgresql.stop, postgresql.start)
    gateway.stop()
    connection = await asyncpg.connect(host=postgresql.folder, user="aquilon", database="postgres")
    usage, unfinished = await connection.fetch(USAGE), await connection.fetch(UNFINISHED)
    await connection.close()
    assert unfinished == []
    check_billing([tuple(row) for row in usage], load)


@pytest.mark.slow
async def test_runs_go_on_while_the_disk_is_full_and_nothing_of_them_is_lost(gateway: RunningServer) -> None:
    load = await outage_of_runs(gateway, lambda: limit_files(gateway, 4096), lambda: limit_files(gateway))
    gateway.stop()
    check_file(gateway.home, load)


def limit_files(gateway: RunningServer, most: int = resource.RLIM_INFINITY) -> None:
    """Keep the server process' files from growing."""
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def on_record(gateway: RunningServer, budget: str) -> tuple[list[tuple[str, int, int, str]], int, int]:
    gateway.stop()
    with sqlite3.connect(gateway.home / "aquilon.db") as database:
        rows = database.execute(
            "SELECT request_id, prompt_tokens, completion_tokens, outcome FROM usage_events"
        ).fetchall()
        spent = database.execute("SELECT sum(spent) FROM budget_spending WHERE budget_id = ?", (budget,)).fetchone()[0]
        cost = database.execute("SELECT sum(cost) FROM usage_events").fetchone()[0]
    return rows, spent, cost
