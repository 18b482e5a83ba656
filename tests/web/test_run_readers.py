"""Readers of one response, over HTTP: they come at any event, leave and come back, at one server or at two."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.support.homes import postgresql_database
from tests.support.kills import kill
from tests.support.run_kills import GATEWAY, MODEL, Load, add_upstream, client
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import UpstreamServer, upstream_server

READERS = 50


@asynccontextmanager
async def servers(home: Path, number: int, database_url: str | None) -> AsyncIterator[tuple[list[RunningServer], str]]:
    """So many servers on one database, with an upstream, and a key."""
    environment = GATEWAY | ({} if database_url is None else {"AQUILON_DATABASE_URL": database_url})
    load = Load()
    async with upstream_server(load.upstream) as upstream:
        running: list[RunningServer] = []
        try:
            for position in range(number):
                running.append(await asyncio.to_thread(start_server, home / str(position), environment=environment))
            await add_upstream(running[0], upstream.url)
            for server in running[1:]:
                await follow(server, running[0].api_key, upstream)
            yield running, running[0].api_key
        finally:
            for server in running:
                await asyncio.to_thread(server.stop)


async def follow(server: RunningServer, key: str, upstream: UpstreamServer) -> None:
    """Wait until the server offers the upstream's model too."""
    async with client(server, key) as http, asyncio.timeout(10):
        while (await http.get(f"/v1/models/{MODEL}")).status_code != 200:  # noqa: ASYNC110, it is another process
            await asyncio.sleep(0.05)


async def begin(http: httpx.AsyncClient, words: int) -> str:
    answer = await http.post("/v1/responses", json={"model": MODEL, "input": f"{words} words", "background": True})
    answer.raise_for_status()
    return str(answer.json()["id"])


async def read(
    http: httpx.AsyncClient, run_id: str, *, after: int = -1, most: int | None = None
) -> list[tuple[int, str]]:
    """The numbers and data of the events above ``after``, at most so many."""
    events: list[tuple[int, str]] = []
    params: dict[str, str | int] = {"stream": "true", "starting_after": after}
    async with http.stream("GET", f"/v1/responses/{run_id}", params=params) as stream:
        stream.raise_for_status()
        async for line in stream.aiter_lines():
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                events.append((event.pop("sequence_number"), json.dumps(event)))
                if len(events) == most:
                    break
    return events


async def attend(http: httpx.AsyncClient, run_id: str, chance: random.Random) -> list[tuple[int, str]]:
    """Come at a random moment; every other reader leaves after a few events, and comes back later."""
    await asyncio.sleep(chance.random() * 0.8)
    if chance.random() < 0.5:
        return await read(http, run_id)
    events = await read(http, run_id, most=chance.randrange(1, 60))
    await asyncio.sleep(chance.random() * 0.5)
    return events + await read(http, run_id, after=events[-1][0])


@pytest.mark.parametrize("number", [1, 2], ids=["one server", "two servers"])
@pytest.mark.slow
async def test_fifty_readers_see_each_event_once_and_in_order(
    tmp_path: Path, number: int, request: pytest.FixtureRequest
) -> None:
    async def check(database_url: str | None) -> None:
        async with servers(tmp_path, number, database_url) as (running, key):
            https = [client(server, key) for server in running]
            run_id = await begin(https[0], 100)
            readers = [attend(https[reader % number], run_id, random.Random(reader)) for reader in range(READERS)]
            readings = await asyncio.gather(*readers)
            whole = await read(https[-1], run_id)
            assert [number for number, _ in whole] == list(range(len(whole)))
            assert json.loads(whole[-1][1])["type"] == "response.completed"
            timeless = [untimed(reading) for reading in (whole, *readings)]
            assert all(reading == timeless[0] for reading in timeless)
            for http in https:
                await http.aclose()

    if number == 1:
        await check(None)
    else:
        async with postgresql_database(request.getfixturevalue("postgresql_server"), migrated=True) as url:
            await check(url)


def untimed(events: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Without the moment of the end, which each server takes itself."""
    number, last = events[-1]
    event = json.loads(last)
    event["response"]["completed_at"] = None
    return [*events[:-1], (number, json.dumps(event))]


@pytest.mark.slow
async def test_the_runs_of_a_killed_server_are_ended_by_the_other_one(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As soon as it is taken for dead: within 20 seconds."""
    folder = request.getfixturevalue("postgresql_server")
    async with (
        postgresql_database(folder, migrated=True) as url,
        servers(tmp_path, 2, url) as ([killed, other], key),
        client(killed, key) as http,
        client(other, key) as there,
    ):
        run_id = await begin(http, 5_000)
        seen = await read(http, run_id, most=20)
        await asyncio.to_thread(kill, killed)
        async with asyncio.timeout(25):
            [*_, (_, last)] = await read(there, run_id)
        assert json.loads(last)["type"] == "response.failed"
        run = (await there.get(f"/v1/responses/{run_id}")).json()
        assert (run["status"], run["error"]["code"]) == ("failed", "server_restarted")
        assert run["output"]
        ahead = await read(there, run_id, after=seen[-1][0] + 10_000)  # what it saw last was not stored
        assert [event for _, event in ahead] == [last]
