"""All of a person's data in one archive, and an account that is deleted everywhere."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.database_file import database_bytes
from tests.support.people import PASSWORD, browser, joined, signed_in_owner
from tests.support.polling import wait_until
from tests.support.server import RunningServer

from aquilon.api.all_routes import ROUTES
from aquilon.chat.personal_data import AssistantData, MemoryData
from aquilon.chat.talk_data import TalkData
from aquilon.conversations.personal_data import ConversationData
from aquilon.jobs.personal_data import JobData
from aquilon.libraries.personal_data import LibraryData
from aquilon.money.personal_data import UsageData
from aquilon.people.account_data import AccountData
from aquilon.storage.base import Base

assert ROUTES  # and with them every table

PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (1).to_bytes(4) * 2 + b"\x08\x06\x00\x00\x00" + bytes(4)

NAMES_A_PERSON = {"user_id", "created_by", "asked_by", "owner", "actor_id", "email"}
"""Columns by which a row belongs to a person."""

PARTS = (TalkData, ConversationData, MemoryData, AssistantData, LibraryData, JobData, UsageData, AccountData)

NOT_A_PERSON_S = {
    "audit_log": "append-only; `AccountData` takes the name out of it",
}


@pytest.fixture(scope="module")
def server(tiny_server: RunningServer) -> RunningServer:
    return tiny_server


@pytest.fixture(scope="module")
def owner(server: RunningServer) -> httpx.Client:
    return signed_in_owner(server)


def leave_traces(person: httpx.Client, word: str) -> None:
    """Conversations, a file, a key, an answer with an ``Idempotency-Key``, and what else the page and libraries keep.

    All have the word.
    """
    body = {"title": f"About {word}", "items": [{"role": "user", "content": f"Where is {word}?"}]}
    conversation = person.post("/v1/conversations", json=body).json()
    for branch in ("one", "two"):
        item = {"role": "user", "content": f"{word} {branch}"}
        fork = {"parent_id": None if branch == "two" else conversation.get("head"), "items": [item]}
        person.post(f"/v1/conversations/{conversation['id']}/items", json=fork).raise_for_status()
    answer = {"model": "tiny", "input": f"{word}!", "max_output_tokens": 2}
    answered = person.post("/v1/responses", json=answer, headers={"idempotency-key": word}).raise_for_status().json()
    rating = {"rating": "down", "comment": f"Not my {word}."}
    person.put(f"/v1/responses/{answered['id']}/feedback", json=rating).raise_for_status()
    shared = {"visibility": "workspace", "title": f"Shared {word}"}
    person.post("/v1/conversations", json=shared).raise_for_status()
    assistant = {"name": word, "model": "tiny", "instructions": f"Speak of {word}"}
    agent = person.post("/v1/agents", json=assistant).raise_for_status().json()
    picture = {"content": PICTURE, "headers": {"content-type": "image/png"}}
    person.put(f"/v1/agents/{agent['id']}/picture", **picture).raise_for_status()
    content = f"{word} in a file\n".encode()
    upload = {"file": (f"../{word}: notes.txt", content, "text/plain")}
    file = person.post("/v1/files", data={"purpose": "user_data"}, files=upload).raise_for_status().json()
    example = {"messages": [{"role": "user", "content": word}, {"role": "assistant", "content": word}]}
    lines = {"file": (f"{word}.jsonl", json.dumps(example).encode(), "application/jsonl")}
    learnt = person.post("/v1/files", data={"purpose": "fine-tune"}, files=lines).raise_for_status().json()
    job = {"model": "tiny", "training_files": [learnt["id"]], "suffix": word, "auto_start": False}
    person.post("/v1/fine_tuning/jobs", json=job).raise_for_status()
    project = {"name": f"Project {word}", "instructions": f"Think of {word}."}
    person.post("/v1/projects", json=project).raise_for_status()
    share = {"conversation_id": conversation["id"]}
    person.post("/v1/shares", json=share).raise_for_status()
    library = person.post("/v1/vector_stores", json={"name": f"Library {word}"}).raise_for_status().json()
    path = f"/v1/vector_stores/{library['id']}"
    person.post(f"{path}/files", json={"file_id": file["id"], "attributes": {"word": word}}).raise_for_status()
    wait_until(lambda: person.get(path).json()["status"] == "completed", seconds=60)
    assert word in person.post(f"{path}/search", json={"query": word}).json()["data"][0]["content"][0]["text"]


def archive_of(person: httpx.Client) -> zipfile.ZipFile:
    answer = person.get("/v1/me/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    assert packed.testzip() is None
    return packed


def test_every_table_that_names_a_person_is_covered_or_has_a_reason() -> None:
    covered = frozenset[str]().union(*(part.tables for part in PARTS))
    for name, table in Base.metadata.tables.items():
        if NAMES_A_PERSON & set(table.columns.keys()):
            assert (name in covered) != (name in NOT_A_PERSON_S), f"{name}: whose archive has it, and who deletes it?"
    assert covered <= set(Base.metadata.tables)


def test_the_archive_has_all_of_the_person_s_data_and_nobody_else_s(server: RunningServer, owner: httpx.Client) -> None:
    rosa, emil = (joined(server, owner, name, role="developer") for name in ("rosa", "emil"))
    leave_traces(rosa, "Quittengelee")
    leave_traces(emil, "Zwetschgenmus")
    key = rosa.post("/v1/organization/api_keys", json={"name": "laptop"}).json()
    packed = archive_of(rosa)
    names = packed.namelist()
    everything = b"".join(packed.read(name) for name in names)
    assert b"Zwetschgenmus" not in everything
    assert key["value"].encode() not in everything
    profile = json.loads(packed.read("profile.json"))
    assert (profile["name"], profile["email"], profile["role"]) == ("rosa", "rosa@example.org", "developer")
    assert [each["name"] for each in profile["api_keys"]] == ["laptop"]
    assert len(profile["sessions"]) == 1
    conversations = [json.loads(packed.read(name)) for name in names if name.endswith(".json") and "conv" in name]
    titles = sorted(str(conversation["title"]) for conversation in conversations)
    assert titles == ["About Quittengelee", "None", "Shared Quittengelee"]  # the response's has no title
    [about] = [each for each in conversations if each["title"] == "About Quittengelee"]
    texts = [item["content"]["content"][0]["text"] for item in about["items"]]
    assert sorted(texts) == ["Quittengelee one", "Quittengelee two", "Where is Quittengelee?"]  # all branches
    [markdown] = [packed.read(name).decode() for name in names if name.endswith(".md") and "About" in name]
    assert markdown.startswith("# About Quittengelee\n")
    assert "## User\n\nQuittengelee two\n" in markdown
    [library] = [json.loads(packed.read(name)) for name in names if name.startswith("libraries/")]
    assert (library["name"], library["visibility"]) == ("Library Quittengelee", "user")
    assert [(one["status"], one["attributes"]) for one in library["documents"]] == [
        ("completed", {"word": "Quittengelee"})
    ]
    assert [json.loads(line)["library_id"] for line in packed.read("documents.jsonl").splitlines()] == [library["id"]]
    assert json.loads(packed.read("projects.json"))[0]["instructions"] == "Think of Quittengelee."
    [share] = [json.loads(line) for line in packed.read("shares.jsonl").splitlines()]
    assert "Quittengelee" in json.dumps(share["snapshot"])
    assert "token_hash" not in share
    assert json.loads(packed.read("feedback.jsonl"))["comment"] == "Not my Quittengelee."
    [file] = [name for name in names if name.startswith("files/") and name.endswith(".txt")]
    assert packed.read(file) == b"Quittengelee in a file\n"
    [job] = json.loads(packed.read("fine-tuning-jobs.json"))
    assert (job["base"], job["suffix"]) == ("tiny", "Quittengelee")
    assert ".." not in file
    assert not Path(file).is_absolute()
    [assistant] = [
        json.loads(packed.read(name)) for name in names if name.startswith("assistants/") and name.endswith(".json")
    ]
    assert [packed.read(name) for name in names if name.startswith("assistants/") and name.endswith(".png")] == [
        PICTURE
    ]
    assert assistant["versions"][0]["content"]["instructions"] == "Speak of Quittengelee"
    rows = list(csv.DictReader(io.StringIO(packed.read("usage.csv").decode())))
    assert {row["model"] for row in rows} == {"tiny", "multilingual-e5-small"}
    assert "api_key.created" in packed.read("activity.csv").decode()
    readme = packed.read("README.md").decode()
    tops = {name if "/" not in name else f"{name.split('/')[0]}/" for name in names if name != "README.md"}
    assert [top for top in tops if f"`{top}`" not in readme] == []
    french = rosa.get("/v1/me/export", params={"language": "fr"}).content
    packed = zipfile.ZipFile(io.BytesIO(french))
    assert "Tout ce que" in packed.read("README.md").decode()
    [markdown] = [packed.read(name).decode() for name in names if name.endswith(".md") and "About" in name]
    assert "## Utilisateur\n\nQuittengelee two\n" in markdown
    assert rosa.get("/v1/me/export", params={"language": "tlh"}).status_code in (400, 422)


def test_an_archive_is_for_the_person_who_is_signed_in(server: RunningServer, owner: httpx.Client) -> None:
    coder = joined(server, owner, "coder", role="developer")
    secret = coder.post("/v1/organization/api_keys", json={"name": "mine"}).json()["value"]
    for path in ("/v1/me/export", "/v1/me/deletion"):
        refused = httpx.get(f"{server.url}{path}", headers={"authorization": f"Bearer {secret}"})
        assert (refused.status_code, refused.json()["code"]) == (403, "session_required")
        assert httpx.get(f"{server.url}{path}").status_code == 401
        evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        assert coder.post("/v1/me/deletion", json={"confirm": "coder"}, headers=evil).status_code == 403


@pytest.mark.slow
def test_a_deleted_account_is_gone_from_the_database_s_bytes(server: RunningServer, owner: httpx.Client) -> None:
    word, name = "Mirabellenkompott", "Leopoldine"
    person = joined(server, owner, name, role="developer")
    stays = joined(server, owner, "stays", role="developer")
    leave_traces(stays, "Hagebuttentee")
    leave_traces(person, word)
    key = person.post("/v1/organization/api_keys", json={"name": f"{name}'s laptop"}).json()
    shared = stays.post("/v1/conversations", json={"title": "Tea", "visibility": "workspace"}).json()["id"]
    asked = {"model": "tiny", "input": f"{word} in it?", "conversation": shared, "max_output_tokens": 2}
    person.post("/v1/responses", json=asked).raise_for_status()
    user_id = person.get("/auth/session").json()["user"]["id"]
    preview = person.get("/v1/me/deletion").json()
    assert (preview["name"], preview["possible"]) == (name, True)
    assert any("Usage" in text for text in preview["kept"])
    assert any("Copies that others made" in text for text in preview["kept"])
    for wrong in ({"confirm": "somebody", "password": PASSWORD}, {"confirm": name}):
        assert person.post("/v1/me/deletion", json=wrong).status_code == 400
    assert person.post("/v1/me/deletion", json={"confirm": name, "password": "not the one"}).status_code == 401
    answer = person.post("/v1/me/deletion", json={"confirm": name, "password": PASSWORD}).json()
    assert answer["kept"] == preview["kept"]
    numbers = {
        "conversations": 3,
        "questions_elsewhere": 1,
        "files": 2,
        "fine_tuning_jobs": 1,
        "libraries": 1,
        "projects": 1,
        "shares": 1,
    }
    assert answer["deleted"] == answer["deleted"] | numbers
    assert person.get("/auth/session").status_code == 401
    assert httpx.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {key['value']}"}).status_code == 401
    with browser(server) as again:
        assert again.post("/auth/login", json={"name": name, "password": PASSWORD}).status_code == 401

    def gone() -> bool:
        data = database_bytes(server.home)
        data += b"".join(path.read_bytes() for path in server.home.rglob("file_*") if path.is_file())
        traces = (word, word.lower(), name, name.lower(), f"{name.lower()}@example.org")
        return not any(trace.encode() in data for trace in traces)

    wait_until(gone, seconds=60)
    usage = owner.get("/v1/organization/usage", params={"by": "member"}).json()
    assert user_id in json.dumps(usage)  # billing stays, under an id
    logged = owner.get("/v1/organization/audit_logs").json()["data"]
    assert ("user.deleted", user_id, "deleted person") in {
        (entry["type"], entry["target"]["id"], entry["target"]["name"]) for entry in logged
    }
    assert "About Hagebuttentee" in stays.get("/v1/conversations").text
    joined(server, owner, name)  # the name and address are free


def test_the_last_owner_can_t_leave_and_is_told_what_to_do(server: RunningServer) -> None:
    link = aquilon(server.home, "orgs", "create", "alone", "--owner", "sole")
    with browser(server) as sole:
        sole.post("/auth/login", json={"token": link.partition("#login=")[2]}).raise_for_status()
        preview = sole.get("/v1/me/deletion").json()
        assert (preview["possible"], "another" in preview["problem"] or "somebody else" in preview["problem"]) == (
            False,
            True,
        )
        refused = sole.post("/v1/me/deletion", json={"confirm": "sole"})
        assert (refused.status_code, refused.json()["code"]) == (400, "last_owner")
        new = sole.post("/v1/organization/users", json={"name": "heir", "role": "owner"}).json()
        assert new["role"] == "owner"
        assert (
            sole.post("/v1/me/deletion", json={"confirm": "sole"}).status_code == 200
        )  # signed in just now, by a link


def test_an_administrator_deletes_the_account_of_a_person_who_left(server: RunningServer, owner: httpx.Client) -> None:
    boss = joined(server, owner, "boss", role="administrator")
    left = joined(server, owner, "left", role="developer")
    leave_traces(left, "Sauerampfer")
    ids = {user["name"]: user["id"] for user in owner.get("/v1/organization/users").json()["data"]}
    path = f"/v1/organization/users/{ids['left']}/erase"
    assert left.post(f"/v1/organization/users/{ids['boss']}/erase", json={"confirm": "boss"}).status_code == 403
    assert boss.post(f"/v1/organization/users/{ids['admin']}/erase", json={"confirm": "admin"}).status_code == 403
    assert boss.post(f"/v1/organization/users/{ids['boss']}/erase", json={"confirm": "boss"}).status_code == 400
    assert boss.post(path, json={"confirm": "Left"}).status_code == 400
    owner.post(f"/v1/organization/users/{ids['left']}", json={"disabled": True}).raise_for_status()
    deleted = boss.post(path, json={"confirm": "left"}).json()["deleted"]
    assert deleted["conversations"] == 3
    assert "api_keys" not in deleted  # there was none
    assert all(number > 0 for number in deleted.values())
    assert boss.post(path, json={"confirm": "left"}).status_code == 404
    assert ids["left"] not in owner.get("/v1/organization/users").text
