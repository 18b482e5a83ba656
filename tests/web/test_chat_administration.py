"""What an administrator sets for the chat: who sees which model and part, how conversations begin, announcements."""

from __future__ import annotations

import time

import httpx
import pytest
from tests.support.people import browser, joined
from tests.support.server import RunningServer

from aquilon.people.identity import FEATURES

RULES = "/v1/organization/access-rules"
MODEL = "smollm2-135m"


@pytest.fixture(scope="module")
def owner(own_organization: RunningServer) -> httpx.Client:
    owner = browser(own_organization)
    token = own_organization.login_link.partition("#login=")[2]
    owner.post("/auth/login", json={"token": token}).raise_for_status()
    return owner


@pytest.fixture(scope="module")
def member(own_organization: RunningServer, owner: httpx.Client) -> httpx.Client:
    return joined(own_organization, owner, "member")


@pytest.fixture(autouse=True)
def no_rules(owner: httpx.Client) -> None:
    for rule in owner.get(RULES).json()["data"]:
        owner.put(RULES, json={"kind": rule["kind"], "name": rule["name"]}).raise_for_status()


def models(person: httpx.Client) -> list[str]:
    return [model["id"] for model in person.get("/v1/models").json()["data"]]


def ask(person: httpx.Client, path: str = "/v1/chat/completions", **more: object) -> httpx.Response:
    messages = [{"role": "user", "content": "Hi"}]
    return person.post(path, json={"model": MODEL, "messages": messages, "max_tokens": 1, **more})


def test_a_model_that_a_rule_keeps_from_a_role_is_as_unknown_as_any(
    own_organization: RunningServer, owner: httpx.Client, member: httpx.Client
) -> None:
    assert MODEL in models(member)
    rule = {"kind": "model", "name": MODEL, "roles": ["owner", "developer"]}
    owner.put(RULES, json=rule).raise_for_status()
    assert MODEL not in models(member)
    assert MODEL in models(owner)
    for answer in (
        member.get(f"/v1/models/{MODEL}"),
        ask(member),
        ask(member, "/v1/messages"),
        ask(member, "/api/chat"),
        member.post("/v1/completions", json={"model": MODEL, "prompt": "Hi", "max_tokens": 1}),
        member.post("/v1/responses", json={"model": MODEL, "input": "Hi", "max_output_tokens": 1}),
        member.post("/api/show", json={"model": MODEL}),
    ):
        assert answer.status_code == 404, (answer.request.url, answer.text)
    assert MODEL not in member.get("/api/tags").text
    unknown = ask(member, model="nobody").text
    assert MODEL not in unknown
    assert ask(member).text == unknown.replace("nobody", MODEL)
    assert ask(owner).status_code == 200
    owner.put(RULES, json={"kind": "model", "name": MODEL}).raise_for_status()
    assert ask(member).status_code == 200
    assert owner.get(RULES).json()["data"] == []


def test_a_model_may_be_kept_to_a_workspace(owner: httpx.Client, member: httpx.Client) -> None:
    workspace = owner.post("/v1/organization/workspaces", json={"name": "lab"}).json()["id"]
    owner.put(RULES, json={"kind": "model", "name": MODEL, "workspace_ids": ["lab"]}).raise_for_status()
    assert owner.get(RULES).json()["data"][0]["workspace_ids"] == [workspace]
    assert MODEL not in models(member)
    user_id = member.get("/auth/session").json()["user"]["id"]
    owner.post("/v1/organization/workspaces/lab/users", json={"user_id": user_id}).raise_for_status()
    former = member.get("/auth/session").json()["workspace"]["id"]
    member.post("/auth/workspace", json={"workspace_id": "lab"}).raise_for_status()
    assert MODEL in models(member)
    member.post("/auth/workspace", json={"workspace_id": former}).raise_for_status()


def test_a_part_of_the_chat_is_turned_off_by_role(owner: httpx.Client, member: httpx.Client) -> None:
    assert member.get("/v1/me").json()["features"] == list(FEATURES)
    owner.put(RULES, json={"kind": "feature", "name": "sharing", "roles": ["owner"]}).raise_for_status()
    owner.put(RULES, json={"kind": "feature", "name": "memory", "roles": []}).raise_for_status()
    assert member.get("/v1/me").json()["features"] == ["documents", "explore", "import"]
    assert owner.get("/v1/me").json()["features"] == ["documents", "sharing", "explore", "import"]
    wrong = owner.put(RULES, json={"kind": "feature", "name": "telepathy", "roles": []})
    assert (wrong.status_code, wrong.json()["param"]) == (400, "name")


PARTS: dict[str, list[tuple[str, str, dict[str, object] | None]]] = {
    "sharing": [
        ("POST", "/v1/shares", {"conversation_id": "conv_0"}),
        ("POST", "/v1/conversations", {"visibility": "workspace"}),
    ],
    "documents": [
        ("GET", "/v1/vector_stores", None),
        ("POST", "/v1/vector_stores", {"name": "Shelf"}),
        ("GET", "/v1/vector_stores/vs_0/files", None),
        ("POST", "/v1/vector_stores/vs_0/search", {"query": "Loire"}),
        ("GET", "/v1/libraries", None),
        ("POST", "/v1/libraries", {"name": "Shelf"}),
        ("GET", "/v1/libraries/library_0/documents", None),
        (
            "POST",
            "/v1/responses",
            {"model": MODEL, "input": "Hi", "tools": [{"type": "file_search", "vector_store_ids": ["vs_0"]}]},
        ),
    ],
    "explore": [
        ("GET", "/v1/comparisons", None),
        ("GET", "/v1/comparisons/leaderboard", None),
        ("POST", "/v1/comparisons", {"prompt": "Hi", "sides": [{"model": MODEL}] * 2, "max_tokens": 1}),
    ],
    "import": [("POST", "/v1/conversations/import", {})],
}
"""Requests to the parts of the chat that have routes."""


@pytest.mark.parametrize("part", PARTS)
def test_the_routes_of_a_part_that_is_off_refuse(owner: httpx.Client, member: httpx.Client, part: str) -> None:
    def codes(person: httpx.Client) -> set[tuple[int, str]]:
        answers = [person.request(method, path, json=body) for method, path, body in PARTS[part]]
        return {(answer.status_code, answer.json().get("code")) for answer in answers}

    owner.put(RULES, json={"kind": "feature", "name": part, "roles": ["owner"]}).raise_for_status()
    assert codes(member) == {(403, "feature_off")}
    assert (403, "feature_off") not in codes(owner)
    owner.put(RULES, json={"kind": "feature", "name": part}).raise_for_status()
    assert (403, "feature_off") not in codes(member)


def test_a_person_who_may_not_share_keeps_conversations_from_the_workspace(
    owner: httpx.Client, member: httpx.Client
) -> None:
    begun, shared = ("/v1/conversations/" + member.post("/v1/conversations", json={}).json()["id"] for _ in range(2))
    member.post(shared, json={"visibility": "workspace"}).raise_for_status()
    owner.put(RULES, json={"kind": "feature", "name": "sharing", "roles": ["owner"]}).raise_for_status()
    refused = member.post(begun, json={"visibility": "workspace"})
    assert (refused.status_code, refused.json()["code"]) == (403, "feature_off")
    member.post(shared, json={"title": "Still shared"}).raise_for_status()
    member.post(shared, json={"visibility": "user"}).raise_for_status()
    owner.put(RULES, json={"kind": "feature", "name": "sharing"}).raise_for_status()
    member.post(begun, json={"visibility": "workspace"}).raise_for_status()


def test_a_link_shows_something_while_its_person_may_share(owner: httpx.Client, member: httpx.Client) -> None:
    def shared(person: httpx.Client) -> httpx.Response:
        body = {"items": [{"type": "message", "role": "user", "content": "Green or black?"}]}
        conversation = person.post("/v1/conversations", json=body).json()["id"]
        return person.post("/v1/shares", json={"conversation_id": conversation})

    def opened(share: httpx.Response) -> int:
        return httpx.post(owner.base_url.join("/v1/shares/snapshot"), json={"token": share.json()["token"]}).status_code

    links = [shared(owner), shared(member)]
    assert [opened(link) for link in links] == [200, 200]
    owner.put(RULES, json={"kind": "feature", "name": "sharing", "roles": ["owner"]}).raise_for_status()
    assert [opened(link) for link in links] == [200, 404]
    assert member.delete(f"/v1/shares/{links[1].json()['id']}").status_code == 204
    workspace = owner.post("/v1/organization/workspaces", json={"name": "elsewhere"}).json()["id"]
    rule = {"kind": "feature", "name": "sharing", "workspace_ids": [workspace]}
    owner.put(RULES, json=rule).raise_for_status()
    assert opened(links[0]) == 404
    owner.put(RULES, json={"kind": "feature", "name": "sharing"}).raise_for_status()
    assert opened(links[0]) == 200


def test_conversations_begin_with_the_organization_s_model_and_instructions(
    owner: httpx.Client, member: httpx.Client
) -> None:
    chat = "/v1/organization/chat"
    assert owner.put(chat, json={"default_model": MODEL, "instructions": " Be brief. "}).status_code == 200
    me = member.get("/v1/me").json()
    assert (me["default_model"], me["instructions"], me["preference_pairs"]) == (MODEL, "Be brief.", False)
    assert owner.put(chat, json={"default_model": "nobody's"}).status_code == 404
    embeds = owner.put(chat, json={"default_model": "multilingual-e5-small"})
    assert (embeds.status_code, embeds.json()["code"]) == (400, "not_a_chat_model")
    assert owner.put(chat, json={"instructions": "x" * 8001}).status_code == 422
    owner.put(chat, json={}).raise_for_status()
    for answer in (member.get(chat), member.put(chat, json={}), member.get(RULES), member.put(RULES, json={})):
        assert answer.status_code in (403, 422)


def test_the_organization_s_model_is_listed_first(own_server: RunningServer) -> None:
    operator = browser(own_server)
    operator.post("/auth/login", json={"token": own_server.login_link.partition("#login=")[2]}).raise_for_status()
    there = {"name": "elsewhere", "base_url": "http://127.0.0.1:9/v1", "models": [{"name": "there"}]}
    operator.post("/v1/server/upstreams", json=there).raise_for_status()
    assert models(operator)[0] == MODEL
    operator.put("/v1/organization/chat", json={"default_model": "there"}).raise_for_status()
    assert models(operator)[0] == "there"


def test_announcements_are_shown_from_their_begin_to_their_end(owner: httpx.Client, member: httpx.Client) -> None:
    path, now = "/v1/organization/announcements", int(time.time())
    bodies = [
        {"text": "Now <b>plain</b>", "level": "warning", "dismissible": False},
        {"text": "Tomorrow", "starts_at": now + 86_400},
        {"text": "Until tomorrow", "starts_at": now - 60, "ends_at": now + 86_400},
    ]
    ids = {body["text"]: owner.post(path, json=body).json()["id"] for body in bodies}
    shown = {row["text"]: row for row in member.get("/v1/announcements").json()["data"]}
    assert set(shown) == {"Now <b>plain</b>", "Until tomorrow"}
    assert shown["Now <b>plain</b>"]["dismissible"] is False
    assert len(owner.get(path).json()["data"]) == 3
    for answer in (
        member.get(path),
        member.post(path, json={"text": "x"}),
        member.delete(f"{path}/{ids['Tomorrow']}"),
    ):
        assert answer.status_code == 403
    for wrong in ({"text": " "}, {"text": "x" * 501}, {"text": "x", "ends_at": now - 1}, {"text": "\x1b[1m"}):
        assert owner.post(path, json=wrong).status_code in (400, 422), wrong
    for id_ in ids.values():
        owner.delete(f"{path}/{id_}").raise_for_status()
    assert member.get("/v1/announcements").json()["data"] == []
