"""A disk that is full: people are told so, nothing half-made stays, and all goes on once there is room."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from tests.support.outages import MODEL, paced, prepare
from tests.support.polling import until
from tests.support.server import RunningServer, start_server
from tests.support.small_disk import SmallDisk, small_disk
from tests.support.upstream_stand_ins import stand_in

from aquilon.settings import Settings

FULL = (503, "overloaded", "disk_full")


@dataclass(frozen=True)
class Place:
    disk: SmallDisk
    http: httpx.AsyncClient


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("disk") / "home", megabytes=24) as disk:
        yield disk


@pytest.fixture(scope="module")
def server(disk: SmallDisk) -> Iterator[tuple[RunningServer, str]]:
    running = start_server(disk.folder, environment={"AQUILON_MODELS": "none"})
    with stand_in(paced) as upstream:
        key, _ = asyncio.run(prepare(running, Settings(home=disk.folder), upstream))
        yield running, key
        running.stop()


@pytest_asyncio.fixture
async def place(disk: SmallDisk, server: tuple[RunningServer, str]) -> AsyncIterator[Place]:
    running, key = server
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30) as http:
        yield Place(disk, http)


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["type"], body["code"]


async def test_an_answer_that_can_t_be_saved_fails_for_the_full_disk_and_is_there_once_there_is_room(
    place: Place, server: tuple[RunningServer, str]
) -> None:
    conversation = (await place.http.post("/v1/conversations", json={})).json()["id"]
    body = {"model": MODEL, "input": "Count.", "max_output_tokens": 60, "conversation": conversation, "stream": True}
    words, end = "", {}
    async with place.http.stream("POST", "/v1/responses", json=body) as answer:
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line.removeprefix("data: "))
            words += event.get("delta", "")
            if event["type"] == "response.output_text.delta" and len(words) == len("word ") * 20:
                place.disk.fill()
            end = event
    assert (end["type"], end["response"]["error"]["code"]) == ("response.failed", "disk_full")
    assert words == "word " * 60
    place.disk.make_room()

    await until(lambda: "Usage is recorded again" in server[0].log)
    items = (await place.http.get(f"/v1/conversations/{conversation}/items")).json()["data"]
    assert items[0]["content"][0]["text"] == words
    again = await place.http.post("/v1/responses", json={**body, "stream": False, "max_output_tokens": 2})
    assert again.json()["status"] == "incomplete", again.text


async def test_what_can_t_be_saved_is_refused_with_the_reason_and_leaves_no_file(place: Place) -> None:
    kept = (await place.http.post("/v1/conversations", json={"title": "Kept"})).json()["id"]
    place.disk.fill()
    upload = {"files": {"file": ("a.txt", b"words " * 10_000)}, "data": {"purpose": "user_data"}}
    refused = [
        await place.http.post("/v1/conversations", json={"items": [{"role": "user", "content": "x" * 500_000}]}),
        await place.http.post("/v1/files", **upload),
    ]
    place.disk.make_room()
    assert [refusal(answer) for answer in refused] == [FULL, FULL]
    assert not [path for path in (place.disk.folder / "files").rglob("*") if path.is_file()]
    assert (await place.http.get(f"/v1/conversations/{kept}")).json()["title"] == "Kept"
    assert (await place.http.post("/v1/files", **upload)).status_code == 200
