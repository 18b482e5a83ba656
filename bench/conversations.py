"""Stored answers against stateless ones, and what long conversations cost beside short ones.

Both kinds of answers come from one Aquilon before the gateway's paced stand-in; each client asks
for one and the other in turns. Rows are those that come back from the database, bytes those of bodies over HTTP.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.support.counted_rows import counted
from tests.support.stored_runs import Process, first_process, message

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.conversations.rows import NewConversation
from aquilon.people.secrets import new_id
from aquilon.settings import Settings
from aquilon.storage import Database
from bench.gateway import MODEL, _aquilon, _stand_in
from bench.processes import processor_seconds
from bench.report import keep, table

CLIENTS = 8
WORDS = 16
TURNS = (50, 500)
LENGTHS = (20, 500)
_ROUNDS = 40
_PAGE = 20


def main(*, quick: bool = False) -> None:
    seconds = 15 if quick else 60
    figures: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(prefix="aquilon-bench-") as folder,
        _stand_in(WORDS) as upstream,
        _aquilon(Path(folder), upstream) as (port, key, pid),
    ):
        figures["latency"] = _latency(port, key, pid, seconds=seconds)
        _show_latency(figures["latency"])
        figures["bytes"] = _bytes(port, key)
        figures["times"] = _times(port, key, pid)
    figures["rows"] = asyncio.run(_rows())
    _show_costs(figures["rows"], figures["bytes"])
    _show_times(figures["times"])
    print(f"\nkept in {keep('conversations', figures)}")


def _latency(port: int, key: str, pid: int, *, seconds: float) -> dict[str, dict[str, Any]]:
    kinds = ("stateless", "stored")
    _load(port, key, kinds, seconds=1)
    times = _load(port, key, kinds, seconds=seconds)
    figures: dict[str, dict[str, Any]] = {
        kind: {name: _spread(values) for name, values in times[kind].items()} for kind in kinds
    }
    for kind in kinds:
        before = processor_seconds(pid)
        answers = len(_load(port, key, (kind,), seconds=seconds / 4)[kind]["end_ms"]) * (1 + 4 / seconds)
        figures[kind]["processor_ms"] = round(1000 * (processor_seconds(pid) - before) / answers, 2)
    return figures


def _spread(values: list[float]) -> dict[str, float]:
    cuts = quantiles(values, n=100)
    return {"p50": round(cuts[49], 2), "p90": round(cuts[89], 2), "p99": round(cuts[98], 2), "n": len(values)}


def _load(port: int, key: str, kinds: Sequence[str], *, seconds: float) -> dict[str, Any]:
    """For each kind, the times of its answers."""
    command = [sys.executable, "-m", "bench.conversations_load", str(port), MODEL, key, ",".join(kinds)]
    result: dict[str, Any] = json.loads(
        subprocess.run([*command, str(CLIENTS), str(seconds)], check=True, capture_output=True, text=True).stdout
    )
    if result["problems"]:
        raise RuntimeError(str(result["problems"]))
    times: dict[str, Any] = result["times"]
    return times


def _bytes(port: int, key: str) -> dict[str, dict[str, int]]:
    """Sent and received with the last message of so many turns, and to show its answer again."""
    costs, previous = {}, None
    for turn in range(1, max(TURNS) + 1):
        body = {"model": MODEL, "input": f"This is the question number {turn:05}", "previous_response_id": previous}
        sent, answer = _call(port, key, "/v1/responses", body)
        previous = json.loads(answer)["id"]
        if turn in TURNS:
            shown = sum(len(_call(port, key, f"/v1/responses/{previous}{part}")[1]) for part in ("", "/input_items"))
            costs[str(turn)] = {"next message": sent + len(answer), "shown": shown}
    return costs


def _times(port: int, key: str, pid: int) -> dict[str, dict[str, float]]:
    """Milliseconds to open a short and a long conversation and to ask in it, in turns; the paced answer is the same."""
    ids = {str(turns): _conversation(port, key, turns) for turns in LENGTHS}
    kinds: dict[str, Callable[[str], object]] = {
        "open": lambda id_: _call(port, key, f"/v1/conversations/{id_}/items?tree=true&limit={2 * _PAGE}"),
        "ask": lambda id_: _call(port, key, "/v1/responses", {"model": MODEL, "input": "Go", "conversation": id_}),
    }
    times: dict[str, dict[str, float]] = {turns: {} for turns in ids}
    for kind, ask in kinds.items():
        elapsed: dict[str, list[float]] = {turns: [] for turns in ids}
        for _ in range(_ROUNDS):
            for turns, id_ in ids.items():
                begun = time.perf_counter()
                ask(id_)
                elapsed[turns].append(1000 * (time.perf_counter() - begun))
        for turns, id_ in ids.items():
            before = processor_seconds(pid)
            for _ in range(_ROUNDS):
                ask(id_)
            times[turns][f"{kind}, processor"] = 1000 * (processor_seconds(pid) - before) / _ROUNDS
            times[turns][kind] = median(elapsed[turns])
    return times


def _conversation(port: int, key: str, turns: int) -> str:
    roles = ("user", "assistant")
    items = [{"type": "message", "role": roles[n % 2], "content": f"Message {n}"} for n in range(2 * turns)]
    id_: str = json.loads(_call(port, key, "/v1/conversations", {"items": items})[1])["id"]
    return id_


def _call(port: int, key: str, path: str, body: Any = None) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return len(data or b""), answer.read()


async def _rows() -> dict[str, dict[str, dict[str, int]]]:
    with tempfile.TemporaryDirectory(prefix="aquilon-bench-") as folder:
        settings = Settings(home=Path(folder))
        database = await Database.open(settings)
        try:
            async with first_process(settings, database) as (process, _):
                return {str(turns): await _rows_at(process, database, turns) for turns in TURNS}
        finally:
            await database.close()


async def _rows_at(process: Process, database: Database, turns: int) -> dict[str, dict[str, int]]:
    conversations, key, id_ = process.services.conversations, process.key, new_id("conv")
    items = [message(f"{number}", role) for number in range(turns - 1) for role in ("user", "assistant")]
    new = NewConversation(id=id_, visibility="workspace", implicit=False)
    await conversations.create(key, new, items)
    run = await process.run("1 words", await conversations.contexts.within(key, id_))
    costs = {}
    with counted(database) as costs["a page"]:
        await conversations.page(key, id_, limit=_PAGE)
    with counted(database) as costs["the next message"]:
        run = await process.run("1 words", await process.after(run))
    with counted(database) as costs["the next message after a restart"]:
        await Conversations(database, Histories()).contexts.after_run(key, run.id)
    return {name: {"statements": cost.statements, "rows": cost.rows} for name, cost in costs.items()}


def _show_latency(figures: dict[str, Any]) -> None:
    stateless, stored = figures["stateless"], figures["stored"]
    rows = []
    for name, words in (("first_ms", "to the first word, ms"), ("end_ms", f"to the end of {WORDS} words, ms")):
        for cut in ("p50", "p90", "p99"):
            added = stored[name][cut] - stateless[name][cut]
            rows.append([f"{words}, {cut}", f"{stateless[name][cut]:.2f}", f"{stored[name][cut]:.2f}", f"{added:+.2f}"])
    rows.append(
        ["processor time, ms an answer", f"{stateless['processor_ms']:.2f}", f"{stored['processor_ms']:.2f}", ""]
    )
    print(table((f"{CLIENTS} clients", "stateless", "stored", "added"), rows))
    print(f"{stateless['end_ms']['n']} and {stored['end_ms']['n']} answers\n")


def _show_costs(rows: dict[str, Any], bytes_: dict[str, Any]) -> None:
    at = [str(turns) for turns in TURNS]
    lines = [
        [
            f"{name}: statements · rows",
            *(f"{rows[turn][name]['statements']} · {rows[turn][name]['rows']}" for turn in at),
        ]
        for name in rows[at[0]]
    ]
    lines += [[f"{name}: bytes", *(str(bytes_[turn][name]) for turn in at)] for name in bytes_[at[0]]]
    print(table(("at turn", *at), lines))


def _show_times(times: dict[str, dict[str, float]]) -> None:
    rows = [[f"{kind}, ms", *(f"{times[turns][kind]:.1f}" for turns in times)] for kind in next(iter(times.values()))]
    print(table(("a conversation of so many turns", *times), rows))
