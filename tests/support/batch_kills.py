"""A server that is killed while it works off a batch job, and what is on record of the job in the end."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.support.kills import kill
from tests.support.server import RunningServer, start_server

from aquilon.money.prices import Price
from aquilon.money.store import prices
from aquilon.settings import DEFAULT_MODEL, Settings
from aquilon.storage import Database


@dataclass
class Aftermath:
    job: dict[str, Any]
    """As ``/v1/batches`` shows it."""
    results: Counter[str]
    """How often each custom id is in the output and error files together."""
    answered: dict[str, tuple[int, int]]
    """Prompt and completion tokens, by line, that the answers in the output file tell."""
    billed: dict[str, tuple[int, int]]
    """The same that usage events say."""
    costs: list[int]
    total: tuple[int, int]
    """Requests and cost in the day's total."""
    kills: int
    seconds: float


def kill_during_batch(
    home: Path, *, lines: int, kills: int, seed: int = 0, environment: Mapping[str, str] | None = None
) -> Aftermath:
    """Make a job of so many short answers; SIGKILL server and engine ``kills`` times while it runs; see it end."""
    chance, begun = random.Random(seed), time.monotonic()
    server = start_server(home, environment=environment)
    key = server.api_key
    asyncio.run(_set_price(home))
    job = _create(server, key, lines)
    done = 0
    for number in range(kills):
        target = max(done + 1, (number + 1) * lines // (kills + 1))
        while done < target:
            time.sleep(0.05)
            counts = _get(server.url, key, job["id"])["request_counts"]
            done = counts["completed"] + counts["failed"]
        time.sleep(chance.random() * 0.2)
        kill(server)
        server = start_server(home, environment=environment)
    while (job := _get(server.url, key, job["id"]))["status"] in ("validating", "in_progress", "finalizing"):
        time.sleep(0.1)
    aftermath = _aftermath(server, key, job, kills, time.monotonic() - begun)
    server.stop()
    return aftermath


async def _set_price(home: Path) -> None:
    database = await Database.open(Settings(home=home))
    async with database.writing() as session:
        await prices.set_price(
            session, DEFAULT_MODEL, Price(int(time.time()), input=100, cached_input=50, output=400, batch_discount=50)
        )
    await database.close()


def _create(server: RunningServer, key: str, lines: int) -> dict[str, Any]:
    def line(number: int) -> str:
        body = {
            "model": DEFAULT_MODEL,
            "messages": [{"role": "user", "content": f"Count from {number}"}],
            "max_tokens": 1 + number % 2,
        }
        return json.dumps(
            {"custom_id": f"line-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        )

    text = "\n".join(
        line(number) if number % 100 != 99 else f'{{"custom_id": "line-{number}"}}' for number in range(lines)
    )
    headers = {"authorization": f"Bearer {key}"}
    files = {"file": ("lines.jsonl", text.encode()), "purpose": (None, "batch")}
    uploaded = httpx.post(f"{server.url}/v1/files", headers=headers, files=files).raise_for_status().json()
    wanted = {"input_file_id": uploaded["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch: dict[str, Any] = (
        httpx.post(f"{server.url}/v1/batches", headers=headers, json=wanted).raise_for_status().json()
    )
    return batch


def _get(url: str, key: str, batch_id: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {key}"}
    batch: dict[str, Any] = httpx.get(f"{url}/v1/batches/{batch_id}", headers=headers, timeout=30).json()
    return batch


def _aftermath(server: RunningServer, key: str, job: dict[str, Any], kills: int, seconds: float) -> Aftermath:
    results: Counter[str] = Counter()
    answered: dict[str, tuple[int, int]] = {}
    headers = {"authorization": f"Bearer {key}"}
    for file_id in (job["output_file_id"], job["error_file_id"]):
        if file_id is None:
            continue
        content = httpx.get(f"{server.url}/v1/files/{file_id}/content", headers=headers).raise_for_status().text
        for line in map(json.loads, content.splitlines()):
            results[line["custom_id"]] += 1
            if line["response"] is not None and line["response"]["status_code"] == 200:
                usage = line["response"]["body"]["usage"]
                answered[line["id"]] = (usage["prompt_tokens"], usage["completion_tokens"])
    with sqlite3.connect(server.home / "aquilon.db") as database:
        events = database.execute(
            "SELECT request_id, prompt_tokens, completion_tokens, cost FROM usage_events"
        ).fetchall()
        total = database.execute("SELECT sum(requests), sum(cost) FROM usage_totals WHERE span = 'day'").fetchone()
    billed = {request_id: (prompt, completion) for request_id, prompt, completion, _ in events}
    return Aftermath(job, results, answered, billed, [cost for *_, cost in events], total, kills, seconds)
