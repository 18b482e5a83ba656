"""How long the server keeps what it stores, how it is found, and that what is deleted is gone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.database_file import database_bytes
from tests.support.polling import wait_until
from tests.support.server import RunningServer

MODEL = "smollm2-135m"


@pytest.fixture(scope="module")
def ours(own_organization: RunningServer) -> httpx.Client:
    """An owner's key with the right to administer."""
    scopes = ("--scope", "inference", "--scope", "administration")
    key = aquilon(
        own_organization.home, "keys", "create", "--name", "all", *scopes, "--org", own_organization.organization
    )
    return httpx.Client(base_url=own_organization.url, headers={"authorization": f"Bearer {key}"}, timeout=60)


def respond(http: httpx.Client, text: str, **more: Any) -> dict[str, Any]:
    body = {"model": MODEL, "input": text, "max_output_tokens": 8, "temperature": 0} | more
    answer = http.post("/v1/responses", json=body)
    answer.raise_for_status()
    response: dict[str, Any] = answer.json()
    return response


def search(http: httpx.Client, query: str, **more: Any) -> list[dict[str, Any]]:
    answer = http.get("/v1/conversations/search", params={"query": query, **more})
    answer.raise_for_status()
    hits: list[dict[str, Any]] = answer.json()["data"]
    return hits


def test_a_deleted_response_is_gone_from_the_database_s_files(
    ours: httpx.Client, own_organization: RunningServer
) -> None:
    def is_there(word: str) -> bool:
        return word.encode() in database_bytes(own_organization.home).lower()

    words = [f"{kind}kyanite" for kind in ("input", "label", "rule", "next")]
    first = respond(ours, f"{words[0]} and so on", metadata={"about": words[1]}, instructions=words[2])
    second = respond(ours, f"{words[3]} and so on", previous_response_id=first["id"])
    assert [word for word in words if not is_there(word)] == []
    ours.delete(f"/v1/responses/{first['id']}").raise_for_status()
    wait_until(lambda: not any(is_there(word) for word in words[:3]))
    assert is_there(words[3])
    ours.delete(f"/v1/responses/{second['id']}").raise_for_status()
    wait_until(lambda: not is_there(words[3]))


def test_messages_are_found_by_their_words(ours: httpx.Client, http: httpx.Client) -> None:
    response = respond(ours, "Où est la Malachite verte ?")
    [hit] = search(ours, "malach OU")
    assert hit["object"] == "conversation.search_hit"
    assert (hit["role"], hit["title"]) == ("user", None)
    marked = [hit["snippet"]["text"][begin:end] for begin, end in hit["snippet"]["marks"]]
    assert marked == ["Où", "Malachite"]
    assert search(http, "malachite") == []
    ours.delete(f"/v1/responses/{response['id']}").raise_for_status()
    assert search(ours, "malachite") == []


def test_a_search_that_can_t_be_made_is_refused(ours: httpx.Client) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "query"),
        ({"query": "()"}, "query"),
        ({"query": "x" * 501}, "query"),
        ({"query": "x", "offset": -1}, "offset"),
        ({"query": "x", "limit": 1000}, "limit"),
    ]
    for params, param in wrong:
        answer = ours.get("/v1/conversations/search", params=params)
        assert (answer.status_code, param in answer.text) == (400, True), answer.text


def test_an_owner_sets_how_long_conversations_are_kept(ours: httpx.Client, own_organization: RunningServer) -> None:
    path = "/v1/organization/conversation-retention"
    assert ours.get(path).json() == {"object": "organization.conversation_retention", "days": None}
    response = respond(ours, "Something to keep")
    assert ours.put(path, json={"days": 30}).json()["days"] == 30
    assert ours.get(f"/v1/responses/{response['id']}").status_code == 200
    assert ours.put(path, json={"days": 0}).json()["days"] == 0
    assert ours.get(f"/v1/responses/{response['id']}").status_code == 404
    unstored = respond(ours, "Something to forget")
    assert ours.get(f"/v1/responses/{unstored['id']}").status_code == 404
    for days in (-1, 36_501, "a week", 1.5):
        refused = ours.put(path, json={"days": days})
        assert refused.status_code in (400, 422)
        assert refused.json()["param"] == "days"
    organization = ("--org", own_organization.organization)
    home = own_organization.home
    assert aquilon(home, "conversations", "retention", *organization) == "No conversation is stored"
    kept = aquilon(home, "conversations", "retention", "--keep", *organization)
    assert kept == "Conversations are kept until somebody deletes them"
    assert ours.get(path).json()["days"] is None
    assert aquilon(home, "conversations", "retention", "--days", "1", "--json", *organization).split() == [
        "{", '"object":', '"organization.conversation_retention",', '"days":', "1", "}",
    ]  # fmt: skip
