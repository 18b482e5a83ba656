"""Several people ask in one conversation: who sees whose name, and what of it is in whose archive and deletion."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.people import PASSWORD, browser, joined, signed_in_owner
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(tiny_server: RunningServer) -> RunningServer:
    return tiny_server


@pytest.fixture(scope="module")
def owner(server: RunningServer) -> httpx.Client:
    return signed_in_owner(server)


def shared(person: httpx.Client, **more: Any) -> str:
    body = {"visibility": "workspace", **more}
    id_: str = person.post("/v1/conversations", json=body).raise_for_status().json()["id"]
    return id_


def ask(person: httpx.Client, conversation: str, question: str | None, **place: Any) -> str:
    """Returns the answer's id. ``question``: None answers what is above once more."""
    body = {
        "model": "tiny",
        "input": [] if question is None else [{"role": "user", "content": question}],
        "conversation": {"id": conversation, **place},
        "max_output_tokens": 2,
    }
    id_: str = person.post("/v1/responses", json=body).raise_for_status().json()["id"]
    return id_


def path(person: httpx.Client, conversation: str, **of: Any) -> list[tuple[str, Any]]:
    """The questions of the path to the head, each with who asked it."""
    query = {"tree": "true", "limit": 100, "order": "asc", **of}
    page = person.get(f"/v1/conversations/{conversation}/items", params=query).raise_for_status().json()
    return [
        (item["content"][0]["text"], place["asked_by"] and place["asked_by"]["name"])
        for item, place in zip(page["data"], page["places"], strict=True)
        if item["role"] == "user" or place["asked_by"] is not None
    ]


def id_of(person: httpx.Client, conversation: str, text: str) -> str:
    items = person.get(f"/v1/conversations/{conversation}/items", params={"limit": 100}).json()["data"]
    return next(str(item["id"]) for item in items if item["content"][0]["text"] == text)


def leave(person: httpx.Client, name: str) -> dict[str, int]:
    left = person.post("/v1/me/deletion", json={"confirm": name, "password": PASSWORD}).raise_for_status()
    deleted: dict[str, int] = left.json()["deleted"]
    return deleted


def test_a_question_bears_the_name_of_who_asked_it_for_everybody_else(
    server: RunningServer, owner: httpx.Client
) -> None:
    rosa, emil, lena = (joined(server, owner, name) for name in ("rosa", "emil", "lena"))
    talk = shared(rosa)
    ask(rosa, talk, "Rosa's first")
    assert path(emil, talk) == [("Rosa's first", None)]  # nobody else has asked in it
    ask(emil, talk, "Emil's")
    assert path(rosa, talk) == [("Rosa's first", None), ("Emil's", "emil")]
    assert path(emil, talk) == [("Rosa's first", "rosa"), ("Emil's", None)]
    assert path(lena, talk) == [("Rosa's first", "rosa"), ("Emil's", "emil")]
    assert path(lena, talk, limit=2) == [("Rosa's first", "rosa")]  # a page on which only one of them asks
    ask(lena, talk, None, parent_id=id_of(rosa, talk, "Emil's"))
    assert path(rosa, talk)[-1] == ("Emil's", "emil")  # who asks for another answer hasn't asked the question
    emil.post("/v1/me", json={"name": "emilio"})
    keyed = joined(server, owner, "keyed", role="developer")
    secret = keyed.post("/v1/organization/api_keys", json={"name": "mine"}).json()["value"]
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {secret}"}, timeout=60) as key:
        ask(key, talk, "By a key")
    assert path(rosa, talk)[-1] == ("By a key", "keyed")


def test_names_leave_neither_the_organization_nor_by_a_link(server: RunningServer, owner: httpx.Client) -> None:
    anna, bert = (joined(server, owner, name) for name in ("anna-lea", "bert-ole"))
    talk = shared(anna)
    ask(anna, talk, "One")
    ask(bert, talk, "Two")
    link = aquilon(server.home, "orgs", "create", "elsewhere", "--owner", "stranger")
    with browser(server) as stranger:
        stranger.post("/auth/login", json={"token": link.partition("#login=")[2]}).raise_for_status()
        refused = stranger.get(f"/v1/conversations/{talk}/items", params={"tree": "true"})
        assert refused.status_code == 404
        assert "bert-ole" not in refused.text
    share = anna.post("/v1/shares", json={"conversation_id": talk}).raise_for_status().json()
    shown = httpx.post(f"{server.url}/v1/shares/snapshot", json={"token": share["token"]}).raise_for_status().text
    assert "Two" in shown
    assert "bert-ole" not in shown
    assert "anna-lea" not in shown


def test_an_export_names_who_asked_where_several_people_did_and_can_be_imported(
    server: RunningServer, owner: httpx.Client
) -> None:
    olga, udo = (joined(server, owner, name) for name in ("olga", "udo"))
    talk = shared(olga)
    ask(olga, talk, "Olga's question")
    address = f"/v1/conversations/{talk}/export"
    alone = olga.get(address, params={"format": "json"}).raise_for_status()
    assert "asked_by" not in alone.text
    assert "(olga)" not in olga.get(address, params={"format": "markdown"}).text
    ask(udo, talk, "Udo's question")
    exported = olga.get(address, params={"format": "json"}).raise_for_status()
    [conversation] = exported.json()["conversations"]
    assert [answer["asked_by"] for answer in conversation["answers"]] == ["olga", "udo"]
    markdown = olga.get(address, params={"format": "markdown"}).raise_for_status().text
    assert "## User (olga)\n\nOlga's question\n" in markdown
    assert "## User (udo)\n\nUdo's question\n" in markdown
    [copy] = udo.post("/v1/conversations/import", json=exported.json()).raise_for_status().json()["imported"]
    assert path(udo, copy["id"]) == [("Olga's question", None), ("Udo's question", None)]


def test_the_archive_has_what_a_person_asked_in_the_conversations_of_others(
    server: RunningServer, owner: httpx.Client
) -> None:
    host, guest = (joined(server, owner, name) for name in ("host", "guest"))
    talk = shared(host, title="The host's talk")
    ask(host, talk, "Where is the Quendel?")
    ask(guest, talk, "Where is the Kerbel?")
    ask(guest, shared(guest, title="The guest's own"), "Where is the Estragon?")
    packed = zipfile.ZipFile(io.BytesIO(guest.get("/v1/me/export").raise_for_status().content))
    [question] = [json.loads(line) for line in packed.read("questions.jsonl").splitlines()]
    assert (question["conversation_title"], question["model"]) == ("The host's talk", "tiny")
    asked, answer = question["items"]
    assert (asked["content"]["content"][0]["text"], asked["output"]) == ("Where is the Kerbel?", False)
    assert (answer["content"]["role"], answer["output"]) == ("assistant", True)
    markdown = packed.read("questions.md").decode()
    assert markdown.startswith("# The host's talk\n")
    assert "## User\n\nWhere is the Kerbel?\n\n## Assistant\n" in markdown
    assert b"Quendel" not in b"".join(packed.read(name) for name in packed.namelist())
    assert "`questions.md`" in packed.read("README.md").decode()
    alone = zipfile.ZipFile(io.BytesIO(host.get("/v1/me/export").raise_for_status().content))
    assert "questions.jsonl" not in alone.namelist()


def test_a_deleted_account_s_questions_are_shown_by_no_link_that_others_made(
    server: RunningServer, owner: httpx.Client
) -> None:
    sharer, asker = (joined(server, owner, name) for name in ("sharer", "asker"))
    together, alone = shared(sharer), shared(sharer)
    for talk in (together, alone):
        ask(sharer, talk, "Where is the Quendel?")
    ask(asker, together, "Where is the Kerbel?")
    for talk in (together, alone):
        sharer.post("/v1/shares", json={"conversation_id": talk}).raise_for_status()
    leave(asker, "asker")
    links = sharer.get("/v1/shares").raise_for_status().json()["data"]
    assert [link["conversation_id"] for link in links] == [alone]


def test_a_deleted_account_s_questions_go_with_their_answers_and_what_was_below_stays(
    server: RunningServer, owner: httpx.Client
) -> None:
    stays, goes = (joined(server, owner, name) for name in ("stays", "goes"))
    talk = shared(stays)
    first = ask(goes, talk, "The first, of who goes")
    assert stays.get(f"/v1/conversations/{talk}").json()["title"] == "The first, of who goes"
    ask(stays, talk, "Between")
    again = ask(goes, talk, None, parent_id=id_of(stays, talk, "Between"))
    ask(goes, talk, "The second, of who goes")
    of_gone = id_of(stays, talk, "The second, of who goes")
    other = ask(stays, talk, None, parent_id=of_gone)
    ask(stays, talk, "Below")
    assert leave(goes, "goes")["questions_elsewhere"] == 2
    assert path(stays, talk) == [("Between", None), ("Below", None)]
    assert stays.get(f"/v1/conversations/{talk}").json()["title"] == "Between"
    assert stays.get(f"/v1/responses/{again}").status_code == 200  # an answer to a question of who stays
    for gone in (first, other):
        assert stays.get(f"/v1/responses/{gone}").status_code == 404
    assert stays.get("/v1/conversations/search", params={"query": "second"}).json().get("data", []) == []
    ask(stays, talk, "And on")
    assert path(stays, talk)[-2:] == [("Below", None), ("And on", None)]
