"""Kills a server repeatedly under load, and counts the complete answers that its clients received."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.support.server import RunningServer, start_server

from aquilon.settings import DEFAULT_MODEL


@dataclass
class Tally:
    whole: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Prompt and completion tokens by the ids of the answers that arrived whole."""
    broken: int = 0


def kill_under_load(home: Path, *, kills: int, clients: int = 8, seed: int = 0) -> Tally:
    """Start, load and SIGKILL the server with its engine ``kills`` times, then once more with an orderly stop."""
    tally, chance = Tally(), random.Random(seed)
    key = ""
    for round_ in range(kills + 1):
        server = start_server(home)
        key = key or server.api_key
        stop = threading.Event()
        threads = [
            threading.Thread(
                target=_ask,
                args=(server.url, key),
                kwargs={"stop": stop, "tally": tally, "seed": seed * 1000 + round_ * 100 + number},
            )
            for number in range(clients)
        ]
        for thread in threads:
            thread.start()
        whole_before = len(tally.whole)
        deadline = time.monotonic() + 60
        while len(tally.whole) < whole_before + 2 * clients and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.3)
        if round_ < kills:
            kill(server)
        stop.set()
        for thread in threads:
            thread.join()
        if round_ == kills:
            server.stop()
    return tally


def recorded(home: Path) -> tuple[Counter[str], dict[str, tuple[int, int]]]:
    """How often each request id is recorded, and each request's prompt and completion tokens."""
    with sqlite3.connect(home / "aquilon.db") as database:
        rows = database.execute("SELECT request_id, prompt_tokens, completion_tokens FROM usage_events").fetchall()
    return Counter(row[0] for row in rows), {row[0]: (row[1], row[2]) for row in rows}


def kill(server: RunningServer) -> None:
    """Kill the server and its engine at the same moment."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    for pid in [server.pid, *map(int, children)]:
        os.kill(pid, signal.SIGKILL)
    server.process.wait()


def _ask(url: str, key: str, *, stop: threading.Event, tally: Tally, seed: int) -> None:
    chance = random.Random(seed)
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60) as client:
        while not stop.is_set():
            question = {
                "model": DEFAULT_MODEL,
                "messages": [{"role": "user", "content": f"Count from {chance.randrange(99)}"}],
                "max_tokens": chance.randrange(1, 12),
                "stream": chance.random() < 0.5,
            }
            try:
                _ask_once(client, question, tally)
            except httpx.HTTPError:
                tally.broken += 1
                if not stop.is_set():
                    time.sleep(0.01)


def _ask_once(client: httpx.Client, question: dict[str, Any], tally: Tally) -> None:
    with client.stream("POST", "/v1/chat/completions", json=question) as answer:
        answer.raise_for_status()
        if not question["stream"]:
            answer.read()
            _note(answer.json(), tally)
            return
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                chunk = json.loads(line.removeprefix("data: "))
                if chunk["choices"] and chunk["choices"][0]["finish_reason"] is not None:
                    _note(chunk, tally)


def _note(body: dict[str, Any], tally: Tally) -> None:
    usage = body["usage"]
    tally.whole[body["id"]] = (usage["prompt_tokens"], usage["completion_tokens"])
