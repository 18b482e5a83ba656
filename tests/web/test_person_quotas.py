"""Quotas of persons: at their border, for everybody and by exception, shown to the person before they bite."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.support.people import browser, joined
from tests.support.server import RunningServer

QUOTAS = "/v1/organization/person-quotas"


@pytest.fixture(scope="module")
def owner(own_organization: RunningServer) -> httpx.Client:
    owner = browser(own_organization)
    token = own_organization.login_link.partition("#login=")[2]
    owner.post("/auth/login", json={"token": token}).raise_for_status()
    return owner


@pytest.fixture(autouse=True)
def no_quotas(owner: httpx.Client) -> None:
    for row in owner.get(QUOTAS).json()["data"]:
        owner.delete(f"{QUOTAS}/{row['id']}").raise_for_status()


def ask(person: httpx.Client, **more: Any) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": "Hi"}], "model": "smollm2-135m", "max_tokens": 1, **more}
    return person.post("/v1/chat/completions", json=body)


def set_quota(owner: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = owner.post(QUOTAS, json={"period": "day", **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def standing(person: httpx.Client, unit: str = "messages", period: str = "day") -> tuple[int, int]:
    [row] = [
        row for row in person.get("/v1/me/quotas").json()["data"] if (row["unit"], row["period"]) == (unit, period)
    ]
    assert row["remaining"] == max(0, row["limit"] - row["used"])
    assert time.time() < row["resets_at"] <= time.time() + 31 * 86_400
    return row["used"], row["limit"]


def test_the_last_message_of_a_day_is_answered_and_the_next_one_refused(
    own_organization: RunningServer, owner: httpx.Client
) -> None:
    rosa = joined(own_organization, owner, "rosa")
    assert rosa.get("/v1/me/quotas").json()["data"] == []
    set_quota(owner, messages=2)
    assert standing(rosa) == (0, 2)
    for used in (1, 2):
        assert ask(rosa).status_code == 200
        assert standing(rosa) == (used, 2)
    refused = ask(rosa)
    body = refused.json()
    assert (refused.status_code, body["code"]) == (429, "quota_exceeded")
    limit = body["limit"]
    assert (limit["kind"], limit["scope"], limit["limit"], limit["remaining"]) == ("quota_messages", "person", 2, 0)
    tomorrow = (int(time.time()) // 86_400 + 1) * 86_400
    assert abs(limit["reset_in"] + time.time() - tomorrow) < 60
    assert refused.headers["retry-after"] == str(limit["reset_in"])
    assert refused.headers["x-should-retry"] == "false"
    assert "2 messages" in body["message"]
    assert "(UTC)" in body["message"]
    emil = joined(own_organization, owner, "emil")  # the quota is each person's own
    assert ask(emil).status_code == 200


def test_a_title_is_no_message_and_takes_tokens(own_organization: RunningServer, owner: httpx.Client) -> None:
    writer = joined(own_organization, owner, "writer")
    set_quota(owner, messages=1, tokens=10_000)
    conversation = writer.post("/v1/conversations", json={}).json()["id"]
    path = f"/v1/conversations/{conversation}/title"
    nothing_to_name = writer.post(path, json={})
    assert (nothing_to_name.status_code, nothing_to_name.json()["code"]) == (400, "conversation_empty")
    asked = {"model": "smollm2-135m", "input": "Why is the sky blue?", "max_output_tokens": 4}
    writer.post("/v1/responses", json={**asked, "conversation": conversation}).raise_for_status()
    (_, before), spent = standing(writer), standing(writer, "tokens")[0]
    named = writer.post(path, json={})
    assert named.status_code == 200, named.text
    assert 0 < len(named.json()["title"]) <= 60
    assert standing(writer) == (1, before)
    assert standing(writer, "tokens")[0] > spent
    spent = standing(writer, "tokens")[0]
    writer.post(path.removesuffix("/title"), json={"title": "The sky"}).raise_for_status()
    assert writer.post(path, json={}).json()["title"] == "The sky"  # one that has a title keeps it
    assert standing(writer, "tokens")[0] == spent
    writer.post(path.removesuffix("/title"), json={"title": asked["input"]}).raise_for_status()
    writer.post(path, json={}).raise_for_status()  # its question's words are what no model made better
    assert standing(writer, "tokens")[0] > spent
    assert ask(writer).status_code == 429


def test_a_quota_that_is_set_later_counts_messages_alone(own_organization: RunningServer, owner: httpx.Client) -> None:
    reader = joined(own_organization, owner, "browser")
    conversation = reader.post("/v1/conversations", json={}).json()["id"]
    asked = {"model": "smollm2-135m", "input": "Why is the sky blue?", "max_output_tokens": 4}
    reader.post("/v1/responses", json={**asked, "conversation": conversation}).raise_for_status()
    reader.post(f"/v1/conversations/{conversation}/title", json={}).raise_for_status()
    reader.post("/v1/embeddings", json={"model": "multilingual-e5-small", "input": "blue"}).raise_for_status()
    set_quota(owner, messages=2)
    assert standing(reader) == (1, 2)
    assert ask(reader).status_code == 200
    assert ask(reader).status_code == 429


def test_requests_at_the_same_moment_never_pass_the_quota(own_organization: RunningServer, owner: httpx.Client) -> None:
    crowd = joined(own_organization, owner, "crowd")
    set_quota(owner, messages=3)
    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(threads.map(lambda _: ask(crowd).status_code, range(8)))
    assert statuses == [200] * 3 + [429] * 5
    assert standing(crowd) == (3, 3)


def test_a_token_quota_counts_what_is_read_and_written_and_shortens_the_last_answer(
    own_organization: RunningServer, owner: httpx.Client
) -> None:
    reader = joined(own_organization, owner, "reader")
    prompt = ask(reader).json()["usage"]["prompt_tokens"]
    set_quota(owner, tokens=3 * prompt + 6)  # one was used before the quota was set
    assert standing(reader, "tokens")[0] == prompt + 1
    usage = ask(reader, max_tokens=50, ignore_eos=True).json()["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] <= 2 * prompt + 5
    refused = ask(reader)
    if standing(reader, "tokens")[0] > 2 * prompt + 5:
        assert (refused.status_code, refused.json()["limit"]["kind"]) == (429, "quota_tokens")


def test_an_exception_takes_the_place_of_the_quota_for_one_person(
    own_organization: RunningServer, owner: httpx.Client
) -> None:
    free, bound = (joined(own_organization, owner, name) for name in ("free", "bound"))
    ids = {row["name"]: row["id"] for row in owner.get("/v1/organization/users").json()["data"]}
    set_quota(owner, messages=0)
    exception = set_quota(owner, user_id=ids["free"], messages=None)
    assert exception["person"] == "free"
    assert (ask(free).status_code, ask(bound).status_code) == (200, 429)
    assert free.get("/v1/me/quotas").json()["data"] == []
    set_quota(owner, user_id=ids["free"], messages=1)  # what was used before counts
    assert ask(free).status_code == 429
    [row] = [row for row in owner.get(QUOTAS).json()["data"] if row["user_id"] == ids["free"]]
    owner.delete(f"{QUOTAS}/{row['id']}").raise_for_status()
    assert standing(free) == (1, 0)


def test_a_workspace_s_quota_counts_what_is_used_there_beside_the_organization_s(
    own_organization: RunningServer, owner: httpx.Client
) -> None:
    owner.post("/v1/organization/workspaces", json={"name": "lab"}).raise_for_status()
    worker = joined(own_organization, owner, "worker")
    user_id = worker.get("/auth/session").json()["user"]["id"]
    owner.post("/v1/organization/workspaces/lab/users", json={"user_id": user_id}).raise_for_status()
    set_quota(owner, workspace_id="lab", messages=1)
    set_quota(owner, period="month", messages=3)
    assert ask(worker).status_code == 200
    worker.post("/auth/workspace", json={"workspace_id": "lab"}).raise_for_status()
    assert [ask(worker).status_code for _ in range(2)] == [200, 429]
    scopes = {(row["scope"], row["used"]) for row in worker.get("/v1/me/quotas").json()["data"]}
    assert scopes == {("workspace", 1), ("organization", 2)}


def test_a_key_of_the_person_counts_and_a_failed_request_does_not(
    own_organization: RunningServer, owner: httpx.Client
) -> None:
    coder = joined(own_organization, owner, "coder", role="developer")
    secret = coder.post("/v1/organization/api_keys", json={"name": "mine"}).json()["value"]
    set_quota(owner, messages=2)
    with httpx.Client(base_url=own_organization.url, headers={"authorization": f"Bearer {secret}"}) as key:
        assert ask(key, max_tokens=-1).status_code in (400, 422)
        assert ask(key, model="nobody's").status_code == 404
        assert standing(key) == (0, 2)
        assert (ask(key).status_code, ask(coder).status_code, ask(key).status_code) == (200, 200, 429)


def test_only_administrators_set_quotas_and_nobody_frees_themselves(
    own_organization: RunningServer, owner: httpx.Client
) -> None:
    boss = joined(own_organization, owner, "boss", role="administrator")
    plain = joined(own_organization, owner, "plain", role="developer")
    own_id = boss.get("/auth/session").json()["user"]["id"]
    assert boss.post(QUOTAS, json={"period": "day", "messages": 5}).status_code == 200
    refused = boss.post(QUOTAS, json={"period": "day", "user_id": own_id})
    assert (refused.status_code, refused.json()["code"]) == (403, "own_quota")
    [row] = owner.get(QUOTAS).json()["data"]
    for answer in (
        plain.get(QUOTAS),
        plain.post(QUOTAS, json={"period": "day", "messages": 5}),
        plain.delete(f"{QUOTAS}/{row['id']}"),
    ):
        assert answer.status_code == 403
    for wrong in ({"messages": -1}, {"tokens": 10**13}, {}, {"period": "week", "messages": 1}):
        assert owner.post(QUOTAS, json={"period": "day", **wrong}).status_code in (400, 422), wrong
