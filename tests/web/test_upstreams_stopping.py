"""SIGTERM while upstreams answer: the server waits for them, then sends an error, and bills what arrived."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.people import signed_in_owner
from tests.support.server import start_server
from tests.support.upstream_server import Connection
from tests.support.upstream_stand_ins import stand_in

PACE = 0.05
"""Seconds between two words."""


@pytest.mark.slow
def test_upstream_answers_get_a_grace_period_then_end_with_an_error_and_are_billed(tmp_path: Path) -> None:
    all_requested, stopping = threading.Barrier(5), threading.Event()

    async def upstream(connection: Connection) -> None:
        model = connection.request.json["model"]
        threading.Thread(target=all_requested.wait, daemon=True).start()
        if model in ("silent", "vectors"):
            await connection.gone()
        await connection.begin()
        while model == "endless" or not stopping.is_set():
            await connection.say("word ")
            await asyncio.sleep(PACE)
        await connection.finish()
        await connection.end()

    server = start_server(tmp_path, environment={"AQUILON_MODELS": "none"})
    with stand_in(upstream) as url, closing(signed_in_owner(server)) as owner, ThreadPoolExecutor() as threads:
        can: list[dict[str, Any]] = [{"name": name} for name in ("endless", "ending", "silent")]
        can.append({"name": "vectors", "capabilities": ["embeddings"]})
        owner.post("/v1/server/upstreams", json={"name": "there", "base_url": url, "models": can}).raise_for_status()
        key = {"authorization": f"Bearer {server.api_key}"}

        def ask(model: str) -> httpx.Response:
            if model == "vectors":
                body = {"model": model, "input": "x"}
                return httpx.post(f"{server.url}/v1/embeddings", json=body, headers=key, timeout=30)
            body = {"model": model, "messages": [{"role": "user", "content": "Go on"}], "stream": model != "silent"}
            return httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=key, timeout=30)

        answers = {name: threads.submit(ask, name) for name in ("endless", "ending", "silent", "vectors")}
        all_requested.wait(20)
        os.kill(server.pid, signal.SIGTERM)
        assert server.process.stdout is not None
        report = json.loads(server.process.stdout.readline())
        stopping.set()
        endless, ending, silent, vectors = (answer.result(20) for answer in answers.values())
        assert server.process.wait(10) == 0

    assert report == {"report": "Stopping", "unfinished": 3}
    assert ending.text.endswith("data: [DONE]\n\n")
    assert "event: error" not in ending.text
    assert (silent.status_code, vectors.status_code) == (503, 503)
    *words, error = frames(endless)
    assert (error["type"], error["code"], error["message"]) == (
        "overloaded",
        "server_stopping",
        "The server is stopping",
    )
    assert len(words) > 3 / PACE / 2
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in words)
    with sqlite3.connect(tmp_path / "aquilon.db") as database:
        rows = database.execute("SELECT model, outcome, completion_tokens FROM usage_events").fetchall()
    assert sorted(rows) == [
        ("ending", "completed", ending.text.count("word ")),
        ("endless", "failed", text.count("word")),
        ("silent", "failed", 0),
        ("vectors", "failed", 0),
    ]
    assert "An upstream failed" not in server.log  # the stop isn't the upstream's failure


def frames(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.text.splitlines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))
