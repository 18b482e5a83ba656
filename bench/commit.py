"""Commits of usage events, 200 a second: SQLite with shared commits, and PostgreSQL where it is installed."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.support.databases import postgresql_programs, postgresql_server

from aquilon.money.usage_event import Usage, UsageEvent
from aquilon.money.usage_writer import UsageWriter
from aquilon.settings import Settings
from aquilon.storage import Database

A_SECOND = 200


def event(number: int) -> UsageEvent:
    return UsageEvent(
        request_id=f"r{number}",
        organization_id="org",
        workspace_id="workspace",
        user_id="user",
        api_key_id=f"key_{number % 10}",
        model="m",
        ended_at=int(time.time()),
        usage=Usage(100, 50, 0),
        outcome="completed",
        latency_ms=500,
        first_token_ms=50,
        cost=1000,
        price_id=None,
        budget_lines=(("budget", 0),),
    )


async def measure(settings: Settings, seconds: int) -> dict[str, float]:
    """Milliseconds from an event to its durable commit."""
    database = await Database.open(settings)
    writer = UsageWriter(database)
    took: list[float] = []

    async def commit(number: int) -> None:
        sent_at = time.perf_counter()
        await writer.commit(event(number), lambda: event(number))
        took.append((time.perf_counter() - sent_at) * 1000)

    tasks = []
    started = time.perf_counter()
    for number in range(A_SECOND * seconds):
        await asyncio.sleep(max(0.0, started + number / A_SECOND - time.perf_counter()))
        tasks.append(asyncio.create_task(commit(number)))
    await asyncio.gather(*tasks)
    await writer.close()
    await database.close()
    cuts = statistics.quantiles(took, n=100)
    return {
        "events": len(took),
        "p50_ms": round(cuts[49], 2),
        "p90_ms": round(cuts[89], 2),
        "p99_ms": round(cuts[98], 2),
    }


def main(*, quick: bool = False) -> None:
    seconds = 3 if quick else 15
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aquilon-commit-", dir="/var/tmp")))
        print(json.dumps({"sqlite": asyncio.run(measure(Settings(home=home / "sqlite"), seconds))}), flush=True)
        if (programs := postgresql_programs()) is not None:
            server = stack.enter_context(postgresql_server(programs))
            settings = Settings(home=home / "postgresql", database_url=server.url)
            print(json.dumps({"postgresql": asyncio.run(measure(settings, seconds))}), flush=True)


if __name__ == "__main__":
    main()
