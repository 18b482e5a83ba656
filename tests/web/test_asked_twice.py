"""A request that arrives twice, as over a bad network, is answered once."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.support.homes import postgresql_database
from tests.support.people import cookie_header, signed_in_owner
from tests.support.run_kills import GATEWAY, MODEL, client
from tests.support.server import start_server
from tests.support.upstream_server import Connection, UpstreamServer, upstream_server
from tests.web.test_run_readers import servers

TIMES = 8

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["one server", "two servers"])
async def clients(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of each server. Each test has conversations of its own."""
    async with AsyncExitStack() as stack:
        url, number = None, 1
        if request.param == "two servers":
            folder, number = request.getfixturevalue("postgresql_server"), 2
            url = await stack.enter_async_context(postgresql_database(folder, migrated=True))
        running, key = await stack.enter_async_context(servers(tmp_path_factory.mktemp("asked"), number, url))
        yield [await stack.enter_async_context(client(server, key)) for server in running]


def question(conversation: str, **more: Any) -> dict[str, Any]:
    place = {"id": conversation, "parent_id": None, "request_id": secrets.token_hex(14)}
    return {
        "model": MODEL,
        "input": [{"role": "user", "content": "30 words"}],
        "conversation": place,
        "background": True,
        **more,
    }


async def new_conversation(http: httpx.AsyncClient) -> str:
    return str((await http.post("/v1/conversations", json={})).json()["id"])


async def items_of(http: httpx.AsyncClient, conversation: str) -> list[tuple[str, str]]:
    items = (await http.get(f"/v1/conversations/{conversation}/items?order=asc&tree=true")).json()
    assert [place["siblings"]["count"] for place in items["places"]] == [1] * len(items["data"])
    return [(item["type"], item["content"][0]["text"]) for item in items["data"]]


def data_of(stream: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line.startswith("data: {")]


async def test_a_question_that_arrives_many_times_at_once_is_answered_once(clients: list[httpx.AsyncClient]) -> None:
    conversation = await new_conversation(clients[0])
    body = question(conversation, stream=True)
    answers = await asyncio.gather(
        *(clients[number % len(clients)].post("/v1/responses", json=body) for number in range(TIMES))
    )
    streams = [data_of(answer.text) for answer in answers]
    assert len({events[-1]["response"]["id"] for events in streams}) == 1
    assert {events[-1]["type"] for events in streams} == {"response.completed"}
    assert all([event["sequence_number"] for event in events] == list(range(len(streams[0]))) for events in streams)
    kinds = [kind for kind, _ in await items_of(clients[-1], conversation)]
    assert kinds == ["message", "reasoning", "message"]


async def test_a_question_that_arrives_again_later_gets_its_answer_however_it_is_asked(
    clients: list[httpx.AsyncClient],
) -> None:
    conversation = await new_conversation(clients[0])
    body = question(conversation)
    begun = (await clients[0].post("/v1/responses", json=body)).json()
    assert begun["status"] == "queued"
    whole = (await clients[-1].post("/v1/responses", json={**body, "background": False})).json()
    assert (whole["id"], whole["status"]) == (begun["id"], "completed")
    again = (await clients[-1].post("/v1/responses", json=body)).json()
    assert again["output"] == whole["output"]
    events = data_of((await clients[0].post("/v1/responses", json={**body, "stream": True})).text)
    assert (events[0]["type"], events[-1]["response"]["id"]) == ("response.created", begun["id"])
    assert len(await items_of(clients[0], conversation)) == 3


async def test_the_same_text_under_another_id_is_another_question(clients: list[httpx.AsyncClient]) -> None:
    conversation = await new_conversation(clients[0])
    first = await clients[0].post("/v1/responses", json=question(conversation, background=False))
    other = await clients[0].post("/v1/responses", json=question(conversation, background=False))
    assert first.json()["id"] != other.json()["id"]


@pytest.mark.parametrize("more", [{}, {"prefix": "30 words"}], ids=["answered again", "continued"])
async def test_an_answer_to_what_stands_there_is_given_once_too(
    clients: list[httpx.AsyncClient], more: dict[str, Any]
) -> None:
    conversation = await new_conversation(clients[0])
    await clients[0].post("/v1/responses", json=question(conversation, background=False))
    items = (await clients[0].get(f"/v1/conversations/{conversation}/items?order=asc")).json()
    body = question(conversation, input=[], **more)
    body["conversation"]["parent_id"] = items["data"][0]["id"]
    answers = await asyncio.gather(
        *(clients[number % len(clients)].post("/v1/responses", json=body) for number in range(TIMES))
    )
    assert [answer.status_code for answer in answers] == [200] * TIMES
    assert len({answer.json()["id"] for answer in answers}) == 1
    whole = await clients[-1].post("/v1/responses", json={**body, "background": False})
    assert whole.json()["id"] == answers[0].json()["id"]
    tree = (await clients[0].get(f"/v1/conversations/{conversation}/items?order=asc&tree=true")).json()
    assert [place["siblings"]["count"] for place in tree["places"][:2]] == [1, 2]


async def test_an_id_is_long_enough_to_be_random(clients: list[httpx.AsyncClient]) -> None:
    body = question(await new_conversation(clients[0]))
    body["conversation"]["request_id"] = "1"
    refused = await clients[0].post("/v1/responses", json=body)
    assert (refused.status_code, refused.json()["param"]) == (400, "conversation.request_id")


async def test_the_same_id_in_another_conversation_is_another_request(clients: list[httpx.AsyncClient]) -> None:
    http = clients[0]
    body = question(await new_conversation(http), background=False)
    first = await http.post("/v1/responses", json=body)
    elsewhere = {**body, "conversation": {**body["conversation"], "id": await new_conversation(http)}}
    other = await http.post("/v1/responses", json=elsewhere)
    assert (other.status_code, other.json()["id"] == first.json()["id"]) == (200, False)


class Billed:
    """A person, and an upstream that answers what it is asked for, slowly."""

    def __init__(self, person: httpx.AsyncClient, upstream: UpstreamServer) -> None:
        self.person = person
        self.upstream = upstream

    async def asked(self) -> tuple[str, str]:
        """The ids of a conversation and of its one question, which is answered."""
        conversation = await new_conversation(self.person)
        await self.person.post("/v1/responses", json=question(conversation, background=False))
        items = (await self.person.get(f"/v1/conversations/{conversation}/items?order=asc")).json()["data"]
        self.upstream.requests.clear()
        return conversation, str(items[0]["id"])


@pytest_asyncio.fixture(loop_scope="module")
async def billed(tmp_path: Path) -> AsyncIterator[Billed]:
    async def answer(connection: Connection) -> None:
        proposes = "response_format" in connection.request.json
        await connection.begin()
        await asyncio.sleep(0.2)
        await connection.say(json.dumps({"facts": ["They live in Lyon."]}) if proposes else "Herons of Lyon")
        await connection.finish()
        await connection.end()

    async with upstream_server(answer) as upstream:
        server = await asyncio.to_thread(start_server, tmp_path, environment=GATEWAY)
        try:
            owner = await asyncio.to_thread(signed_in_owner, server)
            body = {"name": "there", "base_url": f"{upstream.url}/v1", "models": [{"name": MODEL}]}
            (await asyncio.to_thread(lambda: owner.post("/v1/server/upstreams", json=body))).raise_for_status()
            headers = {**owner.headers, **cookie_header(owner)}
            owner.close()
            async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as person:
                yield Billed(person, upstream)
        finally:
            await asyncio.to_thread(server.stop)


async def test_a_title_that_is_asked_for_several_times_is_written_once(billed: Billed) -> None:
    conversation, _ = await billed.asked()
    path = f"/v1/conversations/{conversation}/title"
    titles = await asyncio.gather(*(billed.person.post(path, json={"model": MODEL}) for _ in range(TIMES)))
    titles.append(await billed.person.post(path, json={"model": MODEL}))
    assert {title.json()["title"] for title in titles} == {"Herons of Lyon"}
    assert len(billed.upstream.requests) == 1


async def test_a_memory_that_is_asked_for_again_is_what_was_proposed_and_still_waits(billed: Billed) -> None:
    settings = {"enabled": True, "proposes": True}
    (await billed.person.put("/v1/memories/settings", json=settings)).raise_for_status()
    conversation, item = await billed.asked()
    source = {"conversation_id": conversation, "item_id": item}
    path = "/v1/memories/proposals"
    answers = await asyncio.gather(*(billed.person.post(path, json=source) for _ in range(TIMES)))
    answers.append(await billed.person.post(path, json=source))
    assert len({answer.text for answer in answers}) == 1
    [proposal] = answers[0].json()["data"]
    assert proposal["text"] == "They live in Lyon."
    (await billed.person.delete(f"{path}/{proposal['id']}")).raise_for_status()
    assert (await billed.person.post(path, json=source)).json()["data"] == []
    assert len(billed.upstream.requests) == 1
