"""Exports and imports over HTTP: file names, sizes, and two programs' own files."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from tests.support.people import cookie_header, joined, signed_in_owner
from tests.support.server import RunningServer

OTHERS = Path(__file__).parent.parent / "conversations" / "exports_of_others"
JSON = {"content-type": "application/json"}
IMPORT = "/v1/conversations/import"


@pytest.fixture(scope="module")
def ada(own_organization: RunningServer) -> Iterator[httpx.Client]:
    person = signed_in_owner(own_organization)
    yield person
    person.close()


def imported(person: httpx.Client, file: str) -> dict[str, object]:
    answer = person.post(IMPORT, content=(OTHERS / file).read_bytes(), headers=JSON)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_chatgpt_s_file_is_imported_and_its_damaged_conversation_reported(ada: httpx.Client) -> None:
    report = imported(ada, "chatgpt.json")
    [one] = report["imported"]  # type: ignore[misc]
    assert [(skipped["position"], skipped["title"], skipped["code"]) for skipped in report["skipped"]] == [  # type: ignore[attr-defined]
        (1, "A circle", "circle")
    ]
    items = ada.get(f"/v1/conversations/{one['id']}/items?order=asc").json()["data"]
    assert [item["type"] for item in items] == ["message", "reasoning", "message"]
    stored = ada.get(f"/v1/conversations/{one['id']}").json()
    assert (stored["title"], stored["created_at"], stored["visibility"]) == (
        "Tea <b>green</b> or black",
        1699564800,
        "user",
    )
    assert len(ada.get(f"/v1/conversations/{one['id']}/branches").json()["data"]) == 2
    assert ada.get("/v1/conversations/search?query=blue cup").json()["data"][0]["conversation_id"] == one["id"]


def test_open_webui_s_file_is_imported_and_exported_as_markdown(ada: httpx.Client) -> None:
    [one] = imported(ada, "open_webui.json")["imported"]  # type: ignore[misc]
    assert one["detached"] == 1
    answer = ada.get(f"/v1/conversations/{one['id']}/export?format=markdown")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "## Assistant (qwen3:4b)\n\nAquilo." in answer.text


def test_an_export_is_a_file_named_for_the_title_whatever_it_has(ada: httpx.Client) -> None:
    title = 'Thé "vert";\r\nx: y/../\u202e%41'
    id_ = ada.post("/v1/conversations", json={"title": title, "items": [{"role": "user", "content": "x"}]}).json()["id"]
    answer = ada.get(f"/v1/conversations/{id_}/export")
    disposition = answer.headers["content-disposition"]
    plain, _, exact = disposition.partition("; filename*=UTF-8''")
    assert plain == 'attachment; filename="Th_ vert ; x y .. _41.json"'
    assert unquote(exact) == "Thé vert ; x y .. %41.json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["conversations"][0]["title"] == title


def test_an_own_export_is_imported_by_somebody_else_as_theirs(
    ada: httpx.Client, own_organization: RunningServer
) -> None:
    id_ = ada.post("/v1/conversations", json={"items": [{"role": "user", "content": "mine"}]}).json()["id"]
    export = ada.get(f"/v1/conversations/{id_}/export").content
    ben = joined(own_organization, ada, "ben")
    assert ben.get(f"/v1/conversations/{id_}/export").status_code == 404
    [one] = ben.post(IMPORT, content=export, headers=JSON).json()["imported"]
    assert one["id"] != id_
    assert ben.get(f"/v1/conversations/{one['id']}").status_code == 200
    assert ada.get(f"/v1/conversations/{one['id']}").status_code == 404
    ben.close()


def test_a_file_larger_than_other_bodies_may_be_is_imported(ada: httpx.Client) -> None:
    messages = {
        str(number): {
            "role": "user",
            "content": "z" * 2**20,
            "parentId": str(number - 1) if number else None,
        }
        for number in range(12)
    }
    data = json.dumps([{"title": "Large", "chat": {"history": {"messages": messages}}}]).encode()
    report = ada.post(IMPORT, content=data, headers=JSON).json()
    assert [(one["title"], one["messages"]) for one in report["imported"]] == [("Large", 12)]


def test_a_file_above_the_limit_is_refused_before_it_is_read(
    ada: httpx.Client, own_organization: RunningServer
) -> None:
    connection = http.client.HTTPConnection(own_organization.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", IMPORT)
    headers = JSON | cookie_header(ada) | {"origin": own_organization.url, "content-length": str(101 * 2**20)}
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data"])
def test_what_a_form_can_send_imports_nothing(ada: httpx.Client, kind: str) -> None:
    assert ada.post(IMPORT, content=b"[]", headers={"content-type": kind}).status_code == 400


def test_nobody_imports_without_signing_in(own_organization: RunningServer) -> None:
    assert httpx.post(own_organization.url + IMPORT, content=b"[]", headers=JSON).status_code == 401
