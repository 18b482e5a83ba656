"""Links to copies of conversations: what a stranger sees, and when nothing is there any more."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.database_file import database_bytes
from tests.support.people import joined, signed_in_owner
from tests.support.polling import wait_until
from tests.support.server import RunningServer

PATH = "/v1/shares"


def message(role: str, text: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": text}


@pytest.fixture(scope="module")
def ada(own_organization: RunningServer) -> Iterator[httpx.Client]:
    person = signed_in_owner(own_organization)
    yield person
    person.close()


@pytest.fixture(scope="module")
def ben(own_organization: RunningServer, ada: httpx.Client) -> Iterator[httpx.Client]:
    """Another member of the same organization."""
    person = joined(own_organization, ada, "ben")
    yield person
    person.close()


@pytest.fixture
def stranger(own_organization: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own_organization.url, timeout=60) as client:
        yield client


def conversation(person: httpx.Client, *texts: str, title: str | None = "Tea") -> str:
    items = [message(("user", "assistant")[number % 2], text) for number, text in enumerate(texts)]
    answer = person.post("/v1/conversations", json={"title": title, "items": items})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def share(person: httpx.Client, conversation_id: str, **more: Any) -> dict[str, Any]:
    answer = person.post(PATH, json={"conversation_id": conversation_id, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def opened(client: httpx.Client, token: str) -> httpx.Response:
    return client.post(f"{PATH}/snapshot", json={"token": token})


def test_a_stranger_reads_the_copy_and_no_later_message_branch_or_id(ada: httpx.Client, stranger: httpx.Client) -> None:
    id_ = conversation(ada, "Green or black?", "Green.")
    items = ada.get(f"/v1/conversations/{id_}/items?order=asc").json()["data"]
    shared = share(ada, id_)
    ada.post(f"/v1/conversations/{id_}/items", json={"items": [message("user", "A later secret")]})
    ada.post(
        f"/v1/conversations/{id_}/items",
        json={"items": [message("user", "Another branch")], "parent_id": items[0]["id"]},
    )
    ada.post(f"/v1/conversations/{id_}", json={"title": "A later title"})
    answer = opened(stranger, shared["token"])
    body = answer.json()
    assert [(one["role"], one["text"]) for one in body["messages"]] == [
        ("user", "Green or black?"),
        ("assistant", "Green."),
    ]
    assert (body["title"], body["shared_by"]) == ("Tea", None)
    assert "later" not in answer.text
    assert not [one for one in (id_, shared["id"], *(item["id"] for item in items)) if one in answer.text]
    assert "noindex" in answer.headers["x-robots-tag"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_a_share_shows_the_path_to_its_leaf_and_a_name_only_if_asked_to(
    ada: httpx.Client, stranger: httpx.Client
) -> None:
    id_ = conversation(ada, "One", "Two", "Three")
    items = ada.get(f"/v1/conversations/{id_}/items?order=asc").json()["data"]
    shared = share(ada, id_, leaf=items[1]["id"], show_name=True, expires_in=None)
    body = opened(stranger, shared["token"]).json()
    assert [one["text"] for one in body["messages"]] == ["One", "Two"]
    assert body["shared_by"] == ada.get("/auth/session").json()["user"]["name"]
    assert body["expires_at"] is None


def test_instructions_thoughts_and_calls_are_not_shared(ada: httpx.Client, stranger: httpx.Client) -> None:
    items = [
        message("system", "secret instructions"),
        message("user", "What time is it?"),
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "secret thoughts"}]},
        {"type": "function_call", "call_id": "call_1", "name": "secret_call", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "secret noon"},
        message("assistant", "Noon"),
    ]
    id_ = ada.post("/v1/conversations", json={"items": items}).json()["id"]
    answer = opened(stranger, share(ada, id_)["token"])
    assert [one["text"] for one in answer.json()["messages"]] == ["What time is it?", "Noon"]
    assert "secret" not in answer.text


def test_every_link_that_shows_nothing_gives_the_same_answer(
    ada: httpx.Client, stranger: httpx.Client, own_organization: RunningServer
) -> None:
    revoked, deleted = share(ada, conversation(ada, "x")), share(ada, id_ := conversation(ada, "y"))
    assert ada.delete(f"{PATH}/{revoked['id']}").status_code == 204
    assert ada.delete(f"{PATH}/{revoked['id']}").status_code == 404
    assert ada.delete(f"/v1/conversations/{id_}").status_code == 200
    answers = [opened(stranger, token) for token in (revoked["token"], deleted["token"], "unknown", "x" * 200)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert deleted["id"] not in ada.get(PATH).text


def test_the_bytes_of_a_revoked_share_leave_the_database(ada: httpx.Client, own_organization: RunningServer) -> None:
    id_ = conversation(ada, "Zanzibarisch", "Ja.")
    shared = share(ada, id_)

    def copies() -> int:
        return database_bytes(own_organization.home).count(b'{"role":"user","text":"Zanzibarisch"')

    assert copies() > 0
    ada.delete(f"{PATH}/{shared['id']}")
    wait_until(lambda: copies() == 0)


def test_the_token_is_shown_once_and_stored_as_its_hash(ada: httpx.Client, own_organization: RunningServer) -> None:
    shared = share(ada, conversation(ada, "Hush"))
    assert shared["path"] == f"/share#{shared['token']}"
    assert len(shared["token"]) >= 43
    [listed] = [one for one in ada.get(PATH).json()["data"] if one["id"] == shared["id"]]
    assert not {"token", "path"} & set(listed)
    assert 29 * 86_400 < listed["expires_at"] - time.time() <= 30 * 86_400
    assert shared["token"].encode() not in database_bytes(own_organization.home)


def test_an_expired_share_opens_no_longer_and_is_not_listed(
    ada: httpx.Client, stranger: httpx.Client, own_organization: RunningServer
) -> None:
    shared = share(ada, conversation(ada, "Soon over"), expires_in=1)
    assert opened(stranger, shared["token"]).status_code == 200
    with sqlite3.connect(own_organization.home / "aquilon.db") as database:
        database.execute("UPDATE shares SET expires_at = ? WHERE id = ?", (int(time.time()) - 1, shared["id"]))
    database.close()
    assert opened(stranger, shared["token"]).status_code == 404
    assert shared["id"] not in [one["id"] for one in ada.get(PATH).json()["data"]]


def test_another_person_neither_shares_nor_sees_nor_revokes(
    ada: httpx.Client, ben: httpx.Client, stranger: httpx.Client, own_organization: RunningServer
) -> None:
    private = conversation(ada, "Private")
    shared = share(ada, private)
    key = httpx.Client(
        base_url=own_organization.url, headers={"authorization": f"Bearer {own_organization.api_key}"}, timeout=60
    )
    for other in (ben, key):
        assert other.post(PATH, json={"conversation_id": private}).status_code == 404
        assert other.delete(f"{PATH}/{shared['id']}").status_code == 404
        assert other.get(f"{PATH}?after={shared['id']}").status_code == 404
        assert shared["id"] not in other.get(f"{PATH}?conversation_id={private}").text
    for method, path in (
        ("POST", PATH),
        ("GET", PATH),
        ("DELETE", f"{PATH}/{shared['id']}"),
        ("POST", f"{PATH}/continue"),
    ):
        assert stranger.request(method, path, json={"conversation_id": private, "token": "x"}).status_code == 401
    assert opened(stranger, shared["token"]).status_code == 200


def test_a_person_sees_and_revokes_what_a_colleague_shares_of_their_conversation(
    ada: httpx.Client, ben: httpx.Client, stranger: httpx.Client
) -> None:
    id_ = conversation(ada, "Ours")
    ada.post(f"/v1/conversations/{id_}", json={"visibility": "workspace"})
    shared = share(ben, id_)
    ada.post(f"/v1/conversations/{id_}", json={"visibility": "user"})
    assert [one["id"] for one in ada.get(f"{PATH}?conversation_id={id_}").json()["data"]] == [shared["id"]]
    assert ada.delete(f"{PATH}/{shared['id']}").status_code == 204
    assert opened(stranger, shared["token"]).status_code == 404


def test_lists_are_paged_and_can_be_of_one_conversation(ada: httpx.Client) -> None:
    id_ = conversation(ada, "Many")
    made = [share(ada, id_)["id"] for _ in range(3)]
    first = ada.get(f"{PATH}?conversation_id={id_}&limit=2").json()
    rest = ada.get(f"{PATH}?conversation_id={id_}&limit=2&after={first['last_id']}").json()
    assert first["has_more"]
    assert not rest["has_more"]
    assert sorted(one["id"] for one in [*first["data"], *rest["data"]]) == sorted(made)


def test_a_signed_in_reader_goes_on_in_a_conversation_of_their_own(ada: httpx.Client, ben: httpx.Client) -> None:
    shared = share(ada, conversation(ada, "Green or black?", "Green."))
    answer = ben.post(f"{PATH}/continue", json={"token": shared["token"]})
    body = answer.json()
    assert (answer.status_code, body["title"], body["visibility"]) == (200, "Tea", "user")
    items = ben.get(f"/v1/conversations/{body['id']}/items?order=asc").json()["data"]
    assert [item["content"][0]["text"] for item in items] == ["Green or black?", "Green."]
    assert ada.get(f"/v1/conversations/{body['id']}").status_code == 404


def test_a_disabled_person_s_links_show_nothing(
    ada: httpx.Client, own_organization: RunningServer, stranger: httpx.Client
) -> None:
    carl = joined(own_organization, ada, "carl")
    shared = share(carl, conversation(carl, "Carl's"))
    user_id = carl.get("/auth/session").json()["user"]["id"]
    assert opened(stranger, shared["token"]).status_code == 200
    ada.post(f"/v1/organization/users/{user_id}", json={"disabled": True}).raise_for_status()
    assert opened(stranger, shared["token"]).status_code == 404


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": "x" * 201}, {"token": ["x"]}, {"token": "x" * 5000}])
def test_a_malformed_link_is_refused(stranger: httpx.Client, body: dict[str, Any]) -> None:
    assert stranger.post(f"{PATH}/snapshot", json=body).status_code in (413, 422)


def test_an_empty_conversation_has_nothing_to_share(ada: httpx.Client) -> None:
    answer = ada.post(PATH, json={"conversation_id": conversation(ada)})
    assert (answer.status_code, answer.json()["code"]) == (400, "nothing_to_share")
