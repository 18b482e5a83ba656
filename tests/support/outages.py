"""Takes a server's database away under load, and records the outcomes of its clients' requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.support.polling import until
from tests.support.server import RunningServer
from tests.support.upstream_server import Connection

from aquilon.money.prices import Price
from aquilon.money.store import budgets, prices
from aquilon.people import first_run
from aquilon.people.administration import keys
from aquilon.people.administration.keys import KeyLimits
from aquilon.people.identity import KEY_SCOPES
from aquilon.people.scope import Scope
from aquilon.settings import Settings
from aquilon.storage import Database

MODEL = "stand-in"
_TOKEN_SECONDS = 0.01
_ENOUGH = 10
"""Whole answers to wait for before and after the outage, so that there is a load."""


async def paced(connection: Connection) -> None:
    """Answer with as many tokens as the request allows, ten milliseconds apart."""
    tokens = connection.request.json.get("max_tokens") or connection.request.json.get("max_completion_tokens") or 50
    await connection.begin()
    for _ in range(tokens):
        await connection.say("word ")
        await asyncio.sleep(_TOKEN_SECONDS)
    await connection.finish("length", usage={"prompt_tokens": 12, "completion_tokens": tokens})
    await connection.end()


async def prepare(server: RunningServer, settings: Settings, upstream: str) -> tuple[str, str]:
    """Create a key with every scope and a large budget, and a model at the upstream; return secret and budget id."""
    database = await Database.open(settings)
    try:
        actor = await first_run.operator(database)
        owner = await first_run.user_of(database)
        key = await keys.create(database, actor, "everything", user_id=owner.id, limits=KeyLimits(scopes=KEY_SCOPES))
        async with database.writing() as session:
            await prices.set_price(session, MODEL, Price(int(time.time()), input=1000, cached_input=500, output=2000))
            scope = Scope.of_organization(actor)
            budget = await budgets.set_budget(
                session, scope, subject_kind="key", subject_id=key.record.id, period="once", amount=10**12
            )
    finally:
        await database.close()
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {key.secret}"}, timeout=30) as http:
        upstream_body = {"name": MODEL, "base_url": f"{upstream}/v1", "private": True, "models": [{"name": MODEL}]}
        (await http.post(f"{server.url}/v1/server/upstreams", json=upstream_body)).raise_for_status()
    return key.secret, budget.id


@dataclass
class Seen:
    """The clients' outcomes in three phases: ``before`` the outage, while the database is ``away``, and ``after``."""

    whole: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Prompt and completion tokens by the ids of answers that arrived whole."""
    outcomes: dict[str, Counter[str]] = field(
        default_factory=lambda: {phase: Counter() for phase in ("before", "away", "after")}
    )
    slowest_refusal: float = 0.0
    recovered_after: float | None = None
    """Seconds from the database's return to the first whole answer."""


async def outage(
    server: RunningServer,
    key: str,
    *,
    seconds: float,
    take_away: Callable[[], None],
    give_back: Callable[[], None],
    clients: int = 20,
) -> Seen:
    seen, phase, over = Seen(), "before", asyncio.Event()
    returned = 0.0

    async def ask(http: httpx.AsyncClient, number: int) -> None:
        turn = number
        while not over.is_set():
            turn += 1
            stream, phase_at_start, started_at = turn % 2 == 0, phase, time.monotonic()
            body = {"model": MODEL, "messages": [{"role": "user", "content": "Count."}], "max_tokens": 5 + turn % 40}
            try:
                outcome = await _ask(http, {**body, "stream": stream}, seen)
            except httpx.HTTPError as error:
                outcome = f"cut: {type(error).__name__}"
            seen.outcomes[phase_at_start][outcome] += 1
            if outcome.startswith("503"):
                seen.slowest_refusal = max(seen.slowest_refusal, time.monotonic() - started_at)
                await asyncio.sleep(0.1)
            if outcome == "whole" and phase_at_start == "after" and seen.recovered_after is None:
                seen.recovered_after = time.monotonic() - returned

    limits = httpx.Limits(max_connections=None)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60, limits=limits) as http:
        clients_running = [asyncio.create_task(ask(http, number)) for number in range(clients)]
        await until(lambda: seen.outcomes["before"]["whole"] > _ENOUGH, 60)
        await asyncio.to_thread(take_away)
        phase = "away"
        await asyncio.sleep(seconds)
        await asyncio.to_thread(give_back)
        phase, returned = "after", time.monotonic()
        await until(lambda: seen.outcomes["after"]["whole"] > _ENOUGH, 60)
        over.set()
        await asyncio.gather(*clients_running)
    return seen


async def _ask(http: httpx.AsyncClient, body: dict[str, Any], seen: Seen) -> str:
    async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        if answer.status_code != 200:
            return f"{answer.status_code} {json.loads(await answer.aread())['code']}"
        if not body["stream"]:
            _note(json.loads(await answer.aread()), seen)
            return "whole"
        error = last = ""
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                chunk = json.loads(line.removeprefix("data: "))
                if "error" in chunk:
                    error = f"error event: {chunk['error']['code']}"
                elif chunk["choices"] and chunk["choices"][0]["finish_reason"] is not None:
                    _note(chunk, seen)
            last = line or last
        if error:
            return error
        return "whole" if last == "data: [DONE]" else "ended without [DONE]"


def _note(body: dict[str, Any], seen: Seen) -> None:
    seen.whole[body["id"]] = (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"])
