"""What a person lets models know about them: when it is used, who sees it, and how it goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any

import httpx
import pytest
from tests.support.database_file import database_bytes
from tests.support.people import joined, signed_in_owner
from tests.support.polling import wait_until
from tests.support.server import RunningServer

MODEL = "smollm2-135m"
SETTINGS = "/v1/memories/settings"
NUMBERS = count(1)


@pytest.fixture(scope="module")
def owner(own_organization: RunningServer) -> Iterator[httpx.Client]:
    with closing(signed_in_owner(own_organization)) as person:
        yield person


@pytest.fixture
def ada(own_organization: RunningServer, owner: httpx.Client) -> Iterator[httpx.Client]:
    """A new person with an empty memory that is on."""
    with closing(joined(own_organization, owner, f"ada{next(NUMBERS)}", role="developer")) as person:
        person.put(SETTINGS, json={"enabled": True}).raise_for_status()
        yield person


@pytest.fixture(scope="module")
def ben(own_organization: RunningServer, owner: httpx.Client) -> Iterator[httpx.Client]:
    with closing(joined(own_organization, owner, "ben")) as person:
        person.put(SETTINGS, json={"enabled": True}).raise_for_status()
        yield person


def remember(person: httpx.Client, text: str, **more: Any) -> dict[str, Any]:
    answer = person.post("/v1/memories", json={"text": text, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def remembered(person: httpx.Client, **query: Any) -> list[str]:
    return [entry["text"] for entry in person.get("/v1/memories", params=query).json()["data"]]


def answered(person: httpx.Client, question: str = "Who am I?", **more: Any) -> dict[str, Any]:
    answer = person.post("/v1/responses", json={"model": MODEL, "input": question, "max_output_tokens": 2, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def used(person: httpx.Client, response: dict[str, Any]) -> list[str]:
    answer = person.get(f"/v1/responses/{response['id']}/memories")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["memory_ids"])


def tokens(person: httpx.Client, **more: Any) -> int:
    """How many the model would read."""
    answer = person.post("/v1/responses/input_tokens", json={"model": MODEL, "input": "Who am I?", **more})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["input_tokens"])


def test_it_is_off_until_its_person_turns_it_on(own_organization: RunningServer, owner: httpx.Client) -> None:
    with closing(joined(own_organization, owner, "carla")) as person:
        assert person.get(SETTINGS).json() == {
            "object": "memory.settings",
            "enabled": False,
            "proposes": False,
            "key_ids": [],
        }
        refused = person.post("/v1/memories", json={"text": "I live in Lyon"})
        assert (refused.status_code, refused.json()["code"]) == (409, "memory_off")
        assert person.put(SETTINGS, json={"enabled": True}).json()["enabled"] is True
        remember(person, "I live in Lyon")
        person.put(SETTINGS, json={"enabled": False}).raise_for_status()
        assert remembered(person) == ["I live in Lyon"]  # it is kept, and used no more
        assert used(person, answered(person)) == []


def test_an_answer_reads_the_entries_and_says_which(ada: httpx.Client) -> None:
    without = tokens(ada)
    entry = remember(ada, "I am a vegetarian and live in Ghent")
    assert tokens(ada) > without == tokens(ada, memory=False)
    conversation = ada.post("/v1/conversations", json={}).json()["id"]
    response = answered(ada, conversation=conversation)
    assert used(ada, response) == [entry["id"]]
    [now] = ada.get("/v1/memories").json()["data"]
    assert (now["uses"], now["last_used_at"] is not None) == (1, True)
    [listed] = ada.get(f"/v1/conversations/{conversation}/memories").json()["data"]
    assert (listed["response_id"], listed["memory_ids"]) == (response["id"], [entry["id"]])


def test_mistral_s_conversations_use_it_too(ada: httpx.Client) -> None:
    entry = remember(ada, "I teach chemistry")
    begun = ada.post(
        "/v1/conversations", json={"model": MODEL, "inputs": "Who am I?", "completion_args": {"max_tokens": 2}}
    ).json()
    [listed] = ada.get(f"/v1/conversations/{begun['conversation_id']}/memories").json()["data"]
    assert listed["memory_ids"] == [entry["id"]]


def test_a_temporary_conversation_neither_reads_it_nor_leaves_anything(ada: httpx.Client) -> None:
    remember(ada, "I play the oboe")
    assert tokens(ada, store=False) == tokens(ada, memory=False)
    answered(ada, store=False)
    [entry] = ada.get("/v1/memories").json()["data"]
    assert (entry["uses"], entry["last_used_at"]) == (0, None)
    answered(ada, store=False, memory=True)
    assert ada.get("/v1/memories").json()["data"][0]["uses"] == 0


def test_a_conversation_that_the_workspace_sees_doesn_t_read_it(ada: httpx.Client) -> None:
    remember(ada, "I am looking for another job")
    shared = ada.post("/v1/conversations", json={"visibility": "workspace"}).json()["id"]
    assert used(ada, answered(ada, conversation=shared)) == []


def test_an_entry_of_a_project_is_used_in_it_alone_and_goes_with_it(ada: httpx.Client) -> None:
    project = ada.post("/v1/projects", json={"name": "Garden"}).json()["id"]
    everywhere = remember(ada, "I have a greenhouse")
    there = remember(ada, "My soil is chalky", project_id=project)
    inside = ada.post("/v1/conversations", json={"project_id": project}).json()["id"]
    assert set(used(ada, answered(ada, conversation=inside))) == {everywhere["id"], there["id"]}
    assert used(ada, answered(ada)) == [everywhere["id"]]
    assert remembered(ada, project_id=project) == ["My soil is chalky"]
    ada.delete(f"/v1/projects/{project}").raise_for_status()
    assert remembered(ada) == ["I have a greenhouse"]


def test_an_entry_of_an_assistant_is_used_in_its_answers_alone_and_goes_with_it(
    own_organization: RunningServer, ada: httpx.Client, ben: httpx.Client
) -> None:
    def assistant(person: httpx.Client) -> str:
        brief = {"name": "Cook", "model": MODEL, "visibility": "user", "completion_args": {"max_tokens": 2}}
        created = person.post("/v1/agents", json=brief)
        assert created.status_code == 200, created.text
        return str(created.json()["id"])

    cook, other, of_ben = assistant(ada), assistant(ada), assistant(ben)
    everywhere = remember(ada, "I have two children")
    with_cook = remember(ada, "I can't stand coriander", assistant_id=cook)
    assert set(used(ada, answered(ada, model=f"assistant/{cook}"))) == {everywhere["id"], with_cook["id"]}
    assert used(ada, answered(ada, model=f"assistant/{other}")) == used(ada, answered(ada)) == [everywhere["id"]]
    begun = ada.post("/v1/conversations", json={"agent_id": cook, "inputs": "Dinner?"}).json()["conversation_id"]
    [listed] = ada.get(f"/v1/conversations/{begun}/memories").json()["data"]
    assert set(listed["memory_ids"]) == {everywhere["id"], with_cook["id"]}
    assert remembered(ada, assistant_id=cook) == ["I can't stand coriander"]
    refused = ada.post(f"/v1/memories/{everywhere['id']}", json={"assistant_id": of_ben})
    assert (refused.status_code, refused.json()["code"]) == (404, "assistant_not_found")
    moved = ada.post(f"/v1/memories/{with_cook['id']}", json={"assistant_id": None}).json()
    assert moved["assistant_id"] is None
    ada.post(f"/v1/memories/{with_cook['id']}", json={"assistant_id": cook}).raise_for_status()
    ada.delete(f"/v1/agents/{cook}").raise_for_status()
    assert remembered(ada) == ["I have two children"]
    wait_until(lambda: b"coriander" not in database_bytes(own_organization.home), 30)


def test_of_many_entries_those_that_the_question_is_about_are_used(ada: httpx.Client) -> None:
    for number in range(14):
        remember(ada, f"My colleague number {number} sits in room {number * 7}")
    wanted = remember(ada, "Ich bin allergisch gegen Erdnüsse")
    for number in range(14):
        remember(ada, f"The printer of floor {number} is number {number * 3}")
    ids = used(ada, answered(ada, "What may I not eat because of my allergy?"))
    assert wanted["id"] in ids
    assert len(ids) == 12


def test_it_is_searched_changed_and_never_remembers_twice(ada: httpx.Client) -> None:
    entry = remember(ada, "  J’habite à   Orléans\n", expires_at=int(time.time()) + 3600)
    assert entry["text"] == "J’habite à Orléans"
    remember(ada, "I cycle to work")
    assert remembered(ada, query="orleans") == ["J’habite à Orléans"]
    assert remembered(ada, limit=1) == ["I cycle to work"]
    again = ada.post("/v1/memories", json={"text": "j'habite à Orleans!"})
    assert (again.status_code, again.json()["code"]) == (409, "memory_exists")
    changed = ada.post(f"/v1/memories/{entry['id']}", json={"text": "J’habite à Tours", "expires_at": None}).json()
    assert (changed["text"], changed["expires_at"]) == ("J’habite à Tours", None)
    for wrong in ({"text": "!?"}, {"text": "x" * 501}, {"text": "Soon", "expires_at": 1}):
        assert ada.post("/v1/memories", json=wrong).status_code in (400, 422), wrong


def test_an_entry_names_the_message_that_it_comes_from_while_that_is_there(ada: httpx.Client) -> None:
    conversation = ada.post("/v1/conversations", json={"items": [{"role": "user", "content": "I sail."}]}).json()["id"]
    [item] = ada.get(f"/v1/conversations/{conversation}/items").json()["data"]
    source = {"conversation_id": conversation, "item_id": item["id"]}
    assert remember(ada, "I sail", source=source)["source"] == source
    missing = ada.post("/v1/memories", json={"text": "I row", "source": {**source, "item_id": "msg_0"}})
    assert missing.status_code == 404
    ada.delete(f"/v1/conversations/{conversation}").raise_for_status()
    [entry] = ada.get("/v1/memories").json()["data"]
    assert (entry["text"], entry["source"]) == ("I sail", None)


def test_nobody_else_sees_it(
    own_organization: RunningServer, owner: httpx.Client, ada: httpx.Client, ben: httpx.Client
) -> None:
    entry = remember(ada, "I collect zirconium")
    response = answered(ada)
    for other in (owner, ben):
        assert remembered(other, query="zirconium") == []
        for call in (
            other.post(f"/v1/memories/{entry['id']}", json={"text": "mine now"}),
            other.delete(f"/v1/memories/{entry['id']}"),
            other.get(f"/v1/responses/{response['id']}/memories"),
        ):
            assert call.status_code == 404, call.text
        other.delete("/v1/memories").raise_for_status()
        shared = other.post("/v1/memories", json={"text": "x", "source": {"conversation_id": "a", "item_id": "b"}})
        assert shared.status_code in (404, 409)
    assert remembered(ada) == ["I collect zirconium"]
    me = ada.get("/v1/me").json()["id"]
    switches = owner.get("/v1/organization/memories").json()["data"]
    assert {"object": "organization.memory", "user_id": me, "enabled": True} in switches
    assert ben.get("/v1/organization/memories").status_code == 403


def test_a_key_reads_it_only_where_its_person_and_the_request_say_so(
    own_organization: RunningServer, owner: httpx.Client, ada: httpx.Client
) -> None:
    entry = remember(ada, "I brew beer")
    key = ada.post("/v1/organization/api_keys", json={"name": "laptop"}).json()

    def with_key(secret: str) -> httpx.Client:
        headers = {"authorization": f"Bearer {secret}"}
        return httpx.Client(base_url=own_organization.url, headers=headers, timeout=60)

    with with_key(key["value"]) as program:
        for path in ("/v1/memories", SETTINGS, "/v1/memories/proposals"):
            assert program.get(path).json()["code"] == "session_required"
        assert tokens(program) == tokens(program, memory=False)
        body = {"model": MODEL, "input": "x", "memory": True}
        refused = program.post("/v1/responses", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "memory_key_not_allowed")
        foreign = owner.post("/v1/organization/api_keys", json={"name": "owner's"}).json()["id"]
        assert ada.put(SETTINGS, json={"key_ids": [foreign]}).status_code == 404
        ada.put(SETTINGS, json={"key_ids": [key["id"]]}).raise_for_status()
        assert tokens(program, memory=True) > tokens(program)
        assert used(program, answered(program, memory=True)) == [entry["id"]]
    allowed_at = int(time.time())
    wait_until(lambda: int(time.time()) > allowed_at)
    rotated = owner.post(f"/v1/organization/api_keys/{key['id']}/rotate", json={}).json()
    with with_key(rotated["value"]) as administrator:  # who knows the new secret is not the person
        assert administrator.post("/v1/responses", json=body).json()["code"] == "memory_key_not_allowed"


def test_what_is_deleted_leaves_the_database_s_bytes(own_organization: RunningServer, ada: httpx.Client) -> None:
    home = own_organization.home
    one = remember(ada, "I wear an anorthosite ring")
    remember(ada, "I own a wollastonite lamp")
    ada.post(f"/v1/memories/{remember(ada, 'I have a cordierite vase')['id']}", json={"text": "No vase"})
    assert b"anorthosite" in database_bytes(home)
    assert b"wollastonite" in database_bytes(home)
    answered(ada)
    ada.delete(f"/v1/memories/{one['id']}").raise_for_status()
    wait_until(lambda: b"anorthosite" not in database_bytes(home) and b"cordierite" not in database_bytes(home), 30)
    assert ada.delete("/v1/memories").json()["deleted"] == 2
    wait_until(lambda: b"wollastonite" not in database_bytes(home), 30)


def test_the_archive_of_one_s_data_has_it(ada: httpx.Client) -> None:
    remember(ada, "I speak Walloon")
    archive = ada.get("/v1/me/export")
    assert b"memory.json" in archive.content
