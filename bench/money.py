"""Money under load: 200 clients share one budget, which must never be overspent.

First one process with the real engine over SQLite; then two processes over PostgreSQL,
with a stand-in upstream that answers at 5 ms a token; then one of the two is killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sqlite3
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from tests.support.databases import postgresql, postgresql_programs
from tests.support.server import RunningServer, prepare_home, start_server
from tests.support.upstream_server import Connection, upstream_server

from aquilon.money import shared_stock
from aquilon.money.prices import Price
from aquilon.money.store import budgets, prices
from aquilon.people import first_run as operator
from aquilon.people.administration import keys
from aquilon.people.administration.keys import KeyLimits
from aquilon.people.identity import KEY_SCOPES
from aquilon.people.scope import Scope
from aquilon.settings import DEFAULT_MODEL, Settings
from aquilon.storage import Database

MODEL = "stand-in"
CLIENTS = 200
_LEASE_SECONDS = shared_stock.BEAT_SECONDS * (shared_stock.MISSED_BEATS + 1)
_TOKEN_SECONDS = 0.005


@dataclass(kw_only=True)
class Run:
    limit: int
    """Millionths of a cent."""
    urls: list[str]
    key: str
    patience: int
    """Refusals that a client takes before it gives up."""
    outcomes: Counter[str] = field(default_factory=Counter)
    most: int = 0
    """The highest spending seen at any look."""
    most_claimed: int = 0
    """The highest sum of spent and held."""
    looks: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)


async def answer(connection: Connection) -> None:
    """As many tokens as were asked for, 5 ms each."""
    body = connection.request.json
    tokens = body.get("max_tokens") or body.get("max_completion_tokens") or 50
    await connection.begin()
    for _ in range(tokens):
        await connection.say("word ")
        await asyncio.sleep(_TOKEN_SECONDS)
    await connection.finish("length", usage={"prompt_tokens": 12, "completion_tokens": tokens})
    await connection.end()


async def prepare(settings: Settings, limit: int, model: str = MODEL) -> tuple[str, str]:
    """A key with all scopes, and its budget's id."""
    database = await Database.open(settings)
    try:
        actor = await operator.operator(database)
        owner = await operator.user_of(database)
        key = await keys.create(database, actor, "bench", user_id=owner.id, limits=KeyLimits(scopes=KEY_SCOPES))
        async with database.writing() as session:
            await prices.set_price(session, model, Price(int(time.time()), input=1000, cached_input=500, output=2000))
            budget = await budgets.set_budget(
                session,
                Scope.of_organization(actor),
                subject_kind="key",
                subject_id=key.record.id,
                period="month",
                amount=limit,
            )
        return key.secret, budget.id
    finally:
        await database.close()


async def client(run: Run, number: int, http: httpx.AsyncClient, *, model: str = MODEL, most_tokens: int = 60) -> None:
    """Asks the servers in turn, leaves some answers half-way, and stops after ``run.patience`` refusals."""
    turn, refusals = number, 0
    while refusals < run.patience and not run.over.is_set():
        turn += 1
        url = run.urls[turn % len(run.urls)]
        stream, leaves = turn % 2 == 0, turn % 7 == 0
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": "Count."}],
            "max_tokens": 5 + (turn * 37) % most_tokens,
            "stream": stream,
        }
        try:
            async with http.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
                if response.status_code != 200:
                    error = json.loads(await response.aread())
                    run.outcomes[f"{response.status_code} {error['code']}"] += 1
                    refusals += response.status_code == 429
                    await asyncio.sleep(0.5 if response.status_code == 429 else 0.1)
                    continue
                seen = 0
                async for _ in response.aiter_lines():
                    seen += 1
                    if leaves and stream and seen > 8:
                        break
                run.outcomes["left" if leaves and stream else "whole"] += 1
        except httpx.HTTPError:
            run.outcomes["broken"] += 1
            await asyncio.sleep(0.05)


async def watch(run: Run, database: asyncpg.Connection[Any], budget: str) -> None:
    """Look at what is spent and held until the run is over."""
    while not run.over.is_set():
        await look(run, database, budget)
        await asyncio.sleep(0.02)


async def look(run: Run, database: asyncpg.Connection[Any], budget: str) -> tuple[int, int]:
    row = await database.fetchrow(
        "SELECT coalesce((SELECT sum(spent) FROM budget_spending WHERE budget_id = $1), 0)::bigint AS spent, "
        "coalesce((SELECT sum(amount) FROM holds WHERE line_id = $1), 0)::bigint AS held",
        budget,
    )
    assert row is not None
    run.looks += 1
    run.most = max(run.most, row["spent"])
    run.most_claimed = max(run.most_claimed, row["spent"] + row["held"])
    return row["spent"], row["held"]


async def measure(limit: int, *, kill: bool) -> dict[str, Any]:
    programs = postgresql_programs()
    if programs is None:
        sys.exit("PostgreSQL's server isn't installed: apt-get install postgresql")
    with ExitStack() as stack:
        socket = stack.enter_context(postgresql(programs))
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aquilon-money-", dir="/tmp")))
        environment = {
            "AQUILON_DATABASE_URL": f"postgresql://aquilon@/postgres?host={socket}",
            "AQUILON_MODELS": "none",
            "AQUILON_LOG_LEVEL": "warning",
            "AQUILON_SECRET_KEY": b64encode(secrets.token_bytes(32)).decode(),
        }
        servers: list[RunningServer] = []
        async with upstream_server(answer) as upstream:
            for number in range(2):
                servers.append(await asyncio.to_thread(start_server, home / str(number), environment=environment))
            try:
                return await _run(
                    servers,
                    environment["AQUILON_DATABASE_URL"],
                    socket=socket,
                    upstream=upstream.url,
                    limit=limit,
                    kill=kill,
                )
            finally:
                for server in servers:
                    if server.process.poll() is None:
                        await asyncio.to_thread(server.stop)


async def _run(
    servers: list[RunningServer], url: str, *, socket: str, upstream: str, limit: int, kill: bool
) -> dict[str, Any]:
    key, budget = await prepare(Settings(home=servers[0].home, database_url=url), limit)
    database = await asyncpg.connect(host=socket, user="aquilon", database="postgres")
    others = await asyncpg.connect(host=socket, user="aquilon", database="postgres")
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=60, limits=limits) as http:
        response = await http.post(
            f"{servers[0].url}/v1/server/upstreams",
            json={"name": "stand-in", "base_url": f"{upstream}/v1", "private": True, "models": [{"name": MODEL}]},
        )
        response.raise_for_status()
        await asyncio.sleep(2)  # both servers know of it
        run = Run(limit=limit, urls=[server.url for server in servers], key=key, patience=60 if kill else 4)
        watching = asyncio.create_task(watch(run, database, budget))
        started = time.monotonic()
        clients = [asyncio.create_task(client(run, number, http)) for number in range(CLIENTS)]
        buried = None
        if kill:
            while run.most < limit // 3:  # noqa: ASYNC110 - the watch sets no event
                await asyncio.sleep(0.01)
            os.kill(servers[1].pid, signal.SIGKILL)
            killed_at = time.monotonic()
            servers[1].process.wait()
            run.urls.pop()
            while await others.fetchval("SELECT count(*) FROM api_processes") > 1:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
            buried = round(time.monotonic() - killed_at, 1)
        await asyncio.gather(*clients)
        took = time.monotonic() - started
        run.over.set()
        await watching
    while (await look(run, database, budget))[1]:
        if time.monotonic() - started - took > 60:
            break
        await asyncio.sleep(0.05)
    spent, held = await look(run, database, budget)
    events, cost = await database.fetchrow("SELECT count(*), sum(cost)::bigint FROM usage_events")
    for connection in (database, others):
        await connection.close()
    figures = {
        "clients": CLIENTS,
        "processes": 2,
        "killed": kill,
        "limit": limit,
        "spent": spent,
        "held_afterwards": held,
        "most_spent": run.most,
        "most_spent_and_held": run.most_claimed,
        "looks": run.looks,
        "events": events,
        "cost_of_events": cost,
        "seconds": round(took, 1),
        "seconds_until_the_dead_one_holds_nothing": buried,
        "seconds_after_the_last_request_until_nothing_is_held": round(time.monotonic() - started - took, 1),
        "outcomes": dict(run.outcomes),
    }
    assert spent == cost, figures
    assert max(run.most, run.most_claimed) <= limit, figures
    assert held == 0, figures
    return figures


async def measure_engine(limit: int) -> dict[str, Any]:
    """One process over SQLite, with the real engine."""
    model = default_model()
    with tempfile.TemporaryDirectory(prefix="aquilon-money-", dir="/tmp") as folder:
        home = Path(folder)
        prepare_home(home, model)
        server = await asyncio.to_thread(start_server, home, environment={"AQUILON_LOG_LEVEL": "warning"})
        try:
            key, budget = await prepare(Settings(home=home), limit, DEFAULT_MODEL)
            await asyncio.sleep(1.2)
            return await _run_engine(server, key, budget, limit=limit)
        finally:
            await asyncio.to_thread(server.stop)


async def _run_engine(server: RunningServer, key: str, budget: str, *, limit: int) -> dict[str, Any]:
    run = Run(limit=limit, urls=[server.url], key=key, patience=2)
    started = time.monotonic()
    with sqlite3.connect(server.home / "aquilon.db") as database:

        async def watch_file() -> None:
            while not run.over.is_set():
                spent = database.execute("SELECT coalesce(sum(spent), 0) FROM budget_spending").fetchone()[0]
                run.most, run.looks = max(run.most, spent), run.looks + 1
                await asyncio.sleep(0.02)

        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=300, limits=limits) as http:
            watching = asyncio.create_task(watch_file())
            await asyncio.gather(
                *(client(run, number, http, model=DEFAULT_MODEL, most_tokens=12) for number in range(CLIENTS))
            )
            took = time.monotonic() - started
            run.over.set()
            await watching
            spent = database.execute("SELECT sum(spent) FROM budget_spending").fetchone()[0]
            events, cost, prompt = database.execute(
                "SELECT count(*), sum(cost), max(prompt_tokens) FROM usage_events"
            ).fetchone()
            # a budget for exactly one more request would refuse it if anything were still reserved
            reopened = await Database.open(Settings(home=server.home))
            async with reopened.writing() as session:
                scope = Scope.of_organization(await operator.operator(reopened))
                key_id = database.execute("SELECT scope_id FROM budgets WHERE id = ?", (budget,)).fetchone()[0]
                await budgets.set_budget(
                    session,
                    scope,
                    subject_kind="key",
                    subject_id=key_id,
                    period="month",
                    amount=spent + prompt * 1000 + 2000,
                )
            await reopened.close()
            await asyncio.sleep(1.2)
            body = {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Count."}], "max_tokens": 1}
            last = await http.post(f"{server.url}/v1/chat/completions", json=body)
    assert last.status_code == 200, last.text
    assert max(run.most, spent) <= limit
    assert spent == cost
    return {
        "clients": CLIENTS,
        "engine": "real",
        "limit": limit,
        "spent": spent,
        "most_spent": run.most,
        "looks": run.looks,
        "events": events,
        "reserved_afterwards": 0,
        "seconds": round(took, 1),
        "outcomes": dict(run.outcomes),
    }


def default_model() -> Path:
    return next(Path("~/.cache/aquilon-tests").expanduser().glob("*.gguf"))


def main(*, quick: bool = False) -> None:
    print(json.dumps(asyncio.run(measure_engine(2_000_000 if quick else 8_000_000))), flush=True)
    for kill in (False, True):
        print(json.dumps(asyncio.run(measure(10_000_000 if quick else 150_000_000, kill=kill))), flush=True)


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
