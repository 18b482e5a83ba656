"""Kills a server repeatedly while it writes answers in the background, and checks what its clients were told before."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.support.kills import kill
from tests.support.people import signed_in_owner
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection, upstream_server

MODEL = "stand-in"
FINAL = ("completed", "incomplete", "failed", "cancelled")
GATEWAY = {"AQUILON_MODELS": "none"}
_PACE = 0.01
"""Seconds between two words."""


@dataclass
class Acknowledged:
    """What clients were told of one run, after which it must be true for ever."""

    question: str
    status: str = "queued"
    items: dict[str, str] = field(default_factory=dict)
    """The text of each output item that was said to be done."""


@dataclass
class Load:
    """Clients that ask for answers in the background, one after the other, and follow them."""

    runs: dict[str, Acknowledged] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    """Words that the upstream sent, by the question."""
    statuses: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    """Seconds from a start until each run was seen in a final state."""
    asked: int = 0

    async def upstream(self, connection: Connection) -> None:
        """Thoughts, then words."""
        question = connection.request.json["messages"][-1]["content"]
        await connection.begin()
        for word in range(int(question.split()[0])):
            kind = {"reasoning_content": "hm "} if word < 3 else {"content": "word "}
            await connection.chunk({"choices": [{"index": 0, "delta": kind}]})
            self.sent[question] += 1
            await asyncio.sleep(_PACE)
        await connection.finish()
        await connection.end()

    async def ask(self, http: httpx.AsyncClient, previous: str | None, *, words: int) -> str:
        """Ask and follow the events to the end; returns the run's id."""
        self.asked += 1
        question = f"{words} words, number {self.asked}"
        body = {"model": MODEL, "input": question, "background": True, "previous_response_id": previous}
        answer = await http.post("/v1/responses", json=body)
        answer.raise_for_status()
        return await self._follow(http, answer.json()["id"], question)

    async def ask_in_mistral_s_contract(self, http: httpx.AsyncClient, *, words: int) -> str:
        """The same in a new conversation, whose stream is left once it has begun."""
        self.asked += 1
        question = f"{words} words, number {self.asked}"
        body = {"model": MODEL, "inputs": question, "stream": True}
        async with http.stream("POST", "/v1/conversations", json=body) as stream:
            stream.raise_for_status()
            started = await anext(line async for line in stream.aiter_lines() if line.startswith("data: "))
        conversation_id = json.loads(started.removeprefix("data: "))["conversation_id"]
        tree = await http.get(f"/v1/conversations/{conversation_id}/items", params={"tree": True})
        tree.raise_for_status()
        [answer] = tree.json()["responses"]
        return await self._follow(http, answer["id"], question)

    async def _follow(self, http: httpx.AsyncClient, run_id: str, question: str) -> str:
        acknowledged = self.runs[run_id] = Acknowledged(question)
        async with http.stream("GET", f"/v1/responses/{run_id}", params={"stream": "true"}) as events:
            events.raise_for_status()
            async for line in events.aiter_lines():
                if line.startswith("data: {"):
                    note(acknowledged, json.loads(line.removeprefix("data: ")))
        return run_id

    async def keep_asking(self, http: httpx.AsyncClient, chance: random.Random, *, mistral: bool) -> None:
        previous = None
        with suppress(httpx.HTTPError):  # the server was killed
            while True:
                if mistral:
                    await self.ask_in_mistral_s_contract(http, words=chance.randrange(5, 60))
                    continue
                previous = await self.ask(http, previous, words=chance.randrange(5, 60))

    async def check(self, http: httpx.AsyncClient) -> None:
        """Each run is in a final state within five seconds, and all that was acknowledged of it is true."""
        started = time.monotonic()
        unfinished = [run_id for run_id, acknowledged in self.runs.items() if acknowledged.status == "queued"]
        await asyncio.gather(*(self._final(http, run_id) for run_id in unfinished))
        self.slowest = max(self.slowest, time.monotonic() - started)
        for run_id, acknowledged in self.runs.items():
            run = await self._final(http, run_id)
            assert acknowledged.status in ("queued", run["status"]), (acknowledged, run)
            output = {item["id"]: text_of(item) for item in run["output"]}
            assert acknowledged.items.items() <= output.items(), (acknowledged, run)
            [item] = (await http.get(f"/v1/responses/{run_id}/input_items")).json()["data"]
            assert item["content"][0]["text"] == acknowledged.question
            acknowledged.status = run["status"]
        self.statuses = Counter(acknowledged.status for acknowledged in self.runs.values())

    async def _final(self, http: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while True:
                answer = await http.get(f"/v1/responses/{run_id}")
                answer.raise_for_status()
                run: dict[str, Any] = answer.json()
                if run["status"] in FINAL:
                    return run
                await asyncio.sleep(0.02)


def note(acknowledged: Acknowledged, event: dict[str, Any]) -> None:
    if event["type"] == "response.output_item.done":
        acknowledged.items[event["item"]["id"]] = text_of(event["item"])
    elif event["type"].removeprefix("response.") in FINAL:
        acknowledged.status = event["response"]["status"]


def text_of(item: dict[str, Any]) -> str:
    return "".join(part["text"] for part in item["content"])


async def add_upstream(server: RunningServer, url: str) -> None:
    owner = await asyncio.to_thread(signed_in_owner, server)
    models = [{"name": MODEL, "capabilities": ["chat", "reasoning"]}]
    body = {"name": "there", "base_url": f"{url}/v1", "models": models}
    (await asyncio.to_thread(lambda: owner.post("/v1/server/upstreams", json=body))).raise_for_status()
    owner.close()


def client(server: RunningServer, key: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=60, limits=limits)


async def kill_under_runs(home: Path, *, kills: int, clients: int = 8, seed: int = 0) -> Load:
    """Start, load and SIGKILL the server ``kills`` times, then ask the runs that failed again and stop it in order."""
    load, chance, key = Load(), random.Random(seed), ""
    async with upstream_server(load.upstream) as upstream:
        for _ in range(kills):
            server = await asyncio.to_thread(start_server, home, environment=GATEWAY)
            if not key:
                key = server.api_key
                await add_upstream(server, upstream.url)
            async with client(server, key) as http:
                await load.check(http)
                asking = [
                    asyncio.create_task(load.keep_asking(http, chance, mistral=number % 4 == 0))
                    for number in range(clients)
                ]
                enough = len(load.runs) + clients
                async with asyncio.timeout(30):
                    while len(load.runs) < enough:  # noqa: ASYNC110, the clients set no event
                        await asyncio.sleep(0.01)
                await asyncio.sleep(chance.random() * 0.5)
                await asyncio.to_thread(kill, server)
                await asyncio.gather(*asking)
        server = await asyncio.to_thread(start_server, home, environment=GATEWAY)
        async with client(server, key) as http:
            await load.check(http)
            failed = [run_id for run_id, acknowledged in load.runs.items() if acknowledged.status == "failed"]
            for run_id in failed[-3:]:
                again = await load.ask(http, run_id, words=4)
                assert load.runs[again].status == "completed"
            await load.check(http)
        await asyncio.to_thread(server.stop)
    return load


USAGE = "SELECT request_id, completion_tokens FROM usage_events"
UNFINISHED = "SELECT id FROM runs WHERE ended_at IS NULL OR process_id IS NOT NULL"


def check_file(home: Path, load: Load) -> None:
    """`check_billing` for a home with SQLite; and no run is unfinished."""
    with sqlite3.connect(home / "aquilon.db") as database:
        assert database.execute(UNFINISHED).fetchall() == []
        check_billing(database.execute(USAGE).fetchall(), load)


def check_billing(rows: Sequence[tuple[str, int]], load: Load) -> None:
    """Each run has one usage event, of at most as many tokens as the upstream sent for it."""
    assert set(Counter(row[0] for row in rows).values()) == {1}
    tokens = dict(rows)
    for run_id, acknowledged in load.runs.items():
        assert tokens[run_id] <= load.sent[acknowledged.question], (run_id, acknowledged)
        if acknowledged.status == "completed":
            assert tokens[run_id] == load.sent[acknowledged.question]
