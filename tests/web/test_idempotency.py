"""A request that is sent twice with one idempotency key is carried out once."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import Any

import httpx
import pytest
from tests.support.server import RunningServer

from aquilon.people.identity import KEY_SCOPES
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, api_keys
from aquilon.people.store.workspaces import first_workspace
from aquilon.settings import Settings
from aquilon.storage import Database

MODEL = "smollm2-135m"
QUESTION: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
CHAT = "/v1/chat/completions"


def events(server: RunningServer) -> int:
    with sqlite3.connect(server.home / "aquilon.db") as database:
        number: int = database.execute("SELECT count(*) FROM usage_events").fetchone()[0]
    return number


def ask(http: httpx.Client, key: str, **changes: Any) -> httpx.Response:
    return http.post(CHAT, json=QUESTION | changes, headers={"idempotency-key": key})


@pytest.mark.parametrize("stream", [False, True])
def test_the_second_answer_is_the_first_and_costs_nothing(
    http: httpx.Client, server: RunningServer, stream: bool
) -> None:
    first = ask(http, f"same-{stream}", stream=stream)
    paid = events(server)
    second = ask(http, f"same-{stream}", stream=stream)
    assert (second.status_code, second.content) == (200, first.content)
    assert second.headers["content-type"] == first.headers["content-type"]
    assert ("idempotency-replayed" in first.headers, second.headers["idempotency-replayed"]) == (False, "true")
    assert events(server) == paid


def test_another_request_under_the_same_key_is_refused(http: httpx.Client) -> None:
    ask(http, "taken")
    other = ask(http, "taken", max_tokens=5)
    assert (other.status_code, other.json()["code"]) == (400, "idempotency_key_reused")


def test_a_request_that_is_being_answered_is_not_carried_out_again(http: httpx.Client, server: RunningServer) -> None:
    with http.stream(
        "POST",
        CHAT,
        json=QUESTION | {"max_tokens": 500, "stream": True, "ignore_eos": True},
        headers={"idempotency-key": "running"},
    ) as running:
        lines = running.iter_lines()
        next(lines)
        again = ask(http, "running", max_tokens=500, stream=True, ignore_eos=True)
        assert (again.status_code, again.json()["code"]) == (409, "idempotency_in_flight")
        assert 0 < int(again.headers["retry-after"]) <= 30


def test_a_stream_that_its_client_left_frees_the_key(http: httpx.Client) -> None:
    body = QUESTION | {"max_tokens": 300, "stream": True, "ignore_eos": True}
    with http.stream("POST", CHAT, json=body, headers={"idempotency-key": "left"}) as running:
        next(running.iter_lines())
    for _ in range(200):
        with http.stream("POST", CHAT, json=body, headers={"idempotency-key": "left"}) as again:
            if again.status_code != 409:
                break
        threading.Event().wait(0.05)
    assert (again.status_code, "idempotency-replayed" in again.headers) == (200, False)


def test_a_refused_request_is_replayed_and_a_401_is_not(http: httpx.Client, server: RunningServer) -> None:
    wrong = [ask(http, "wrong", model="nobody") for _ in range(2)]
    assert [answer.status_code for answer in wrong] == [404, 404]
    assert wrong[1].headers["idempotency-replayed"] == "true"
    with httpx.Client(base_url=server.url) as stranger:
        assert ask(stranger, "wrong").status_code == 401


@pytest.fixture(scope="module")
def administrator(server: RunningServer) -> str:
    """A key that may create keys."""

    async def make() -> str:
        database = await Database.open(Settings(home=server.home))
        async with database.writing() as session:
            [organization, *_] = await accounts.list_organizations(session)
            scope = Scope(organization.id)
            user = await accounts.first_administrator(session, scope)
            assert user is not None
            workspace = await first_workspace(session, scope)
            key = await api_keys.create_api_key(session, user, workspace.id, name="all", scopes=KEY_SCOPES)
        await database.close()
        return key.secret

    return asyncio.run(make())


def test_two_owners_may_use_the_same_key(http: httpx.Client, administrator: str) -> None:
    ask(http, "mine")
    theirs = http.post(
        CHAT, json=QUESTION, headers={"idempotency-key": "mine", "authorization": f"Bearer {administrator}"}
    )
    assert (theirs.status_code, "idempotency-replayed" in theirs.headers) == (200, False)


def test_a_stored_answer_is_encrypted(http: httpx.Client, server: RunningServer, administrator: str) -> None:
    headers = {"idempotency-key": "secret", "authorization": f"Bearer {administrator}"}
    request: dict[str, Any] = {"json": {"name": "sealed"}, "headers": headers}
    first = http.post("/v1/organization/api_keys", **request).json()
    assert http.post("/v1/organization/api_keys", **request).json() == first
    with sqlite3.connect(server.home / "aquilon.db") as database:
        [(kept,)] = database.execute("SELECT answer FROM idempotency_keys WHERE key = 'secret'").fetchall()
    assert first["value"].encode() not in kept


def test_an_upload_is_stored_once(http: httpx.Client) -> None:
    ids = [
        http.post("/v1/files", files={"file": ("a.txt", b"once")}, headers={"idempotency-key": "upload"}).json()["id"]
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    http.delete(f"/v1/files/{ids[0]}")


@pytest.mark.parametrize("key", ["", "x" * 256, "two\tparts"])
def test_an_invalid_key_is_refused(http: httpx.Client, key: str) -> None:
    answer = ask(http, key)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
