"""A server that is killed or stopped while it writes answers in the background."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from tests.support.kills import kill
from tests.support.polling import until
from tests.support.run_kills import GATEWAY, MODEL, Load, add_upstream, check_file, client, kill_under_runs
from tests.support.server import start_server
from tests.support.upstream_server import upstream_server


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.slow
async def test_kills_lose_nothing_that_was_acknowledged_and_bill_each_run_once(tmp_path: Path, kills: int) -> None:
    load = await kill_under_runs(tmp_path, kills=kills)
    check_file(tmp_path, load)
    assert load.statuses["failed"] >= kills
    print(f"{kills} kills, {load.statuses}, all final within {load.slowest:.2f} s of each start")


@pytest.mark.slow
async def test_answers_in_the_background_get_a_grace_period_then_end_with_an_error_and_are_billed(
    tmp_path: Path,
) -> None:
    load = Load()
    async with upstream_server(load.upstream) as upstream:
        server = await asyncio.to_thread(start_server, tmp_path, environment=GATEWAY)
        await add_upstream(server, upstream.url)
        async with client(server, server.api_key) as http:
            asking = [asyncio.create_task(load.ask(http, None, words=words)) for words in (100, 5_000)]
            await until(lambda: sum(load.sent.values()) > 20)
            for task in asking:  # nobody follows them any more
                task.cancel()
        await asyncio.to_thread(server.stop)
        again = await asyncio.to_thread(start_server, tmp_path, environment=GATEWAY)
        async with client(again, server.api_key) as http:
            await load.check(http)
            [ending] = (
                run_id for run_id, acknowledged in load.runs.items() if acknowledged.question.startswith("100 words")
            )
            [endless] = load.runs.keys() - {ending}
            assert [load.runs[run_id].status for run_id in (ending, endless)] == ["completed", "failed"]
            run = (await http.get(f"/v1/responses/{endless}")).json()
            assert run["error"] == {"code": "server_stopping", "message": "The server is stopping"}
        await asyncio.to_thread(again.stop)
    check_file(tmp_path, load)
    with sqlite3.connect(tmp_path / "aquilon.db") as database:
        query = "SELECT outcome, completion_tokens FROM usage_events WHERE request_id = ?"
        [(outcome, tokens)] = database.execute(query, (endless,)).fetchall()
    assert outcome == "failed"
    assert tokens > 100


@pytest.mark.slow
async def test_a_comparison_that_a_kill_cuts_is_billed_for_what_was_sent(tmp_path: Path) -> None:
    load = Load()
    async with upstream_server(load.upstream) as upstream:
        server = await asyncio.to_thread(start_server, tmp_path, environment=GATEWAY)
        await add_upstream(server, upstream.url)
        body = {"sides": [{"model": MODEL}] * 2, "prompt": "5000 words", "stream": True}
        async with (
            client(server, server.api_key) as http,
            http.stream("POST", "/v1/comparisons", json=body) as stream,
        ):
            received = 0
            async for line in stream.aiter_lines():
                received += '"text":"word ' in line
                if received == 200:
                    await asyncio.to_thread(kill, server)
                    break
        again = await asyncio.to_thread(start_server, tmp_path, environment=GATEWAY)
        await until(lambda: len(usage(tmp_path)) == 2)
        await asyncio.to_thread(again.stop)
    for request_id, outcome, tokens in usage(tmp_path):
        assert (request_id.partition("_")[0], outcome) == ("cmpside", "failed")
        assert 50 < tokens <= load.sent["5000 words"] / 2
    with sqlite3.connect(tmp_path / "aquilon.db") as database:
        assert database.execute("SELECT * FROM open_charges").fetchall() == []


def usage(home: Path) -> list[tuple[str, str, int]]:
    with sqlite3.connect(home / "aquilon.db") as database:
        return database.execute("SELECT request_id, outcome, completion_tokens FROM usage_events").fetchall()
