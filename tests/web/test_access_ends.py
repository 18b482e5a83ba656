"""Nobody goes on reading an answer once they lost the right to it: they were removed, suspended or signed out."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.support.people import joined, signed_in_owner
from tests.support.run_kills import GATEWAY, MODEL
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection
from tests.support.upstream_stand_ins import stand_in
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

WORDS = 1_000
"""Ten seconds of them."""
NOT_PERMITTED = "doesn't permit generate"
NOT_SIGNED_IN = "sign in on the page"
INVALID_KEY = "This API key is not valid here"


@dataclass(frozen=True)
class Place:
    server: RunningServer
    owner: httpx.Client
    workspace_id: str

    def member(self) -> Member:
        """A new person in the workspace, with an API key."""
        person = joined(self.server, self.owner, f"m{secrets.token_hex(4)}")
        user_id = person.get("/auth/session").json()["user"]["id"]
        self.owner.post(f"{self.members}", json={"user_id": user_id, "role": "developer"}).raise_for_status()
        return Member(self, person, user_id, person.post("/v1/organization/api_keys", json={"name": "k"}).json())

    @property
    def members(self) -> str:
        return f"/v1/organization/workspaces/{self.workspace_id}/users"


@dataclass(frozen=True)
class Member:
    place: Place
    person: httpx.Client
    user_id: str
    key: dict[str, Any]

    def by_key(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.key['value']}"}
        return httpx.Client(base_url=self.place.server.url, headers=headers, timeout=60)

    def is_removed(self) -> None:
        self.place.owner.delete(f"{self.place.members}/{self.user_id}").raise_for_status()

    def is_suspended(self) -> None:
        self.place.owner.delete(f"/v1/organization/users/{self.user_id}").raise_for_status()

    def loses_the_session(self) -> None:
        self.place.owner.post(f"/v1/organization/users/{self.user_id}/reset").raise_for_status()

    def loses_the_key(self) -> None:
        self.place.owner.delete(f"/v1/organization/api_keys/{self.key['id']}").raise_for_status()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    async def talk(connection: Connection) -> None:
        await connection.begin()
        for _ in range(WORDS):
            await connection.say("word ")
            await asyncio.sleep(0.01)
        await connection.finish()
        await connection.end()

    with stand_in(talk) as url:
        server = start_server(tmp_path_factory.mktemp("home"), environment=GATEWAY)
        try:
            with closing(signed_in_owner(server)) as owner:
                body = {"name": "there", "base_url": f"{url}/v1", "models": [{"name": MODEL}]}
                owner.post("/v1/server/upstreams", json=body).raise_for_status()
                yield Place(server, owner, owner.get("/auth/session").json()["workspace"]["id"])
        finally:
            server.stop()


@pytest.fixture
def shared_answer(place: Place) -> Iterator[str]:
    """The id of an answer that is being written in a conversation of the workspace."""
    conversation = place.owner.post("/v1/conversations", json={"visibility": "workspace"}).json()["id"]
    body = {"model": MODEL, "input": "Talk", "conversation": conversation, "background": True}
    response_id = place.owner.post("/v1/responses", json=body).json()["id"]
    yield response_id
    place.owner.post(f"/v1/responses/{response_id}/cancel").raise_for_status()


def read_until_end(client: httpx.Client, request: httpx.Request, lose: Callable[[], None]) -> list[str]:
    """The data of each event of a stream, whose reader loses something once it has come to the tenth."""
    data = list[str]()
    response = client.send(request, stream=True)
    assert response.status_code == 200, response.read()
    for line in response.iter_lines():
        if line.startswith(("data: ", "{")):
            data.append(line.removeprefix("data: "))
            if len(data) == 10:
                lose()
    return data


def refusal_of(data: list[str]) -> str:
    """The message of the error that an answer ends with, long before all its words have come."""
    assert len(data) < WORDS / 2
    last = json.loads(data[-1])
    error = last.get("error") or last
    return str(error if isinstance(error, str) else error["message"])


@pytest.mark.parametrize(
    ("lose", "message"),
    [
        (Member.is_removed, NOT_PERMITTED),
        (Member.is_suspended, NOT_SIGNED_IN),
        (Member.loses_the_session, NOT_SIGNED_IN),
    ],
)
def test_a_reader_of_a_shared_answer_reads_no_further(
    place: Place, shared_answer: str, lose: Callable[[Member], None], message: str
) -> None:
    member = place.member()
    request = member.person.build_request("GET", f"/v1/responses/{shared_answer}", params={"stream": "true"})
    data = read_until_end(member.person, request, lambda: lose(member))
    assert message in refusal_of(data)
    assert place.owner.get(f"/v1/responses/{shared_answer}").json()["status"] == "in_progress"


MESSAGES = [{"role": "user", "content": "Talk"}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": "Talk"}),
        ("/v1/responses", {"input": "Talk", "store": False}),
        ("/v1/chat/completions", {"messages": MESSAGES}),
        ("/v1/chat/completions", {"messages": MESSAGES, "store": True}),
        ("/v1/messages", {"messages": MESSAGES, "max_tokens": 2_000}),
        ("/v1/conversations", {"inputs": "Talk"}),
        ("/api/chat", {"messages": MESSAGES}),
        ("/v1/comparisons", {"prompt": "Talk", "sides": [{"model": MODEL}] * 2}),
    ],
    ids=lambda part: part if isinstance(part, str) else "-".join(part),
)
def test_a_key_that_is_revoked_ends_the_answers_it_asked_for(place: Place, path: str, body: dict[str, Any]) -> None:
    member = place.member()
    assert INVALID_KEY in asked_by_key(member, path, body, lose=member.loses_the_key)


@pytest.mark.parametrize("store", [False, True])
def test_who_is_removed_from_a_workspace_reads_no_further_by_its_key(place: Place, store: bool) -> None:
    member = place.member()
    body = {"messages": MESSAGES, "store": store}
    assert NOT_PERMITTED in asked_by_key(member, "/v1/chat/completions", body, lose=member.is_removed)


def asked_by_key(member: Member, path: str, body: dict[str, Any], *, lose: Callable[[], None]) -> str:
    """What an answer that the member asks for by the key ends with."""
    model = {} if path == "/v1/comparisons" else {"model": MODEL}
    with member.by_key() as client:
        request = client.build_request("POST", path, json={**body, **model, "stream": True})
        return refusal_of(read_until_end(client, request, lose))


def test_a_revoked_key_s_websocket_says_so_in_mid_answer_and_closes(place: Place) -> None:
    member = place.member()
    url = place.server.url.replace("http", "ws") + "/v1/responses"
    message = {"type": "response.create", "model": MODEL, "input": "Talk", "store": False}
    with connect(url, additional_headers={"authorization": f"Bearer {member.key['value']}"}) as socket:
        socket.send(json.dumps(message))
        data = list[str]()
        with suppress(ConnectionClosedError):
            for event in socket:
                data.append(str(event))
                if len(data) == 10:
                    member.loses_the_key()
    assert INVALID_KEY in refusal_of(data)


def test_who_follows_a_conversation_hears_no_more_of_it(place: Place) -> None:
    member, path = place.member(), "/v1/conversations"
    conversation = place.owner.post(path, json={"visibility": "workspace", "title": "Before"}).json()["id"]
    data = list[str]()
    with member.person.stream("GET", f"{path}/{conversation}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                data.append(line)
                member.is_suspended()
                place.owner.post(f"{path}/{conversation}", json={"title": "After"}).raise_for_status()
    assert "Before" in data[0]
    assert "After" not in "".join(data)
    assert NOT_SIGNED_IN in refusal_of([data[-1].removeprefix("data: ")])
