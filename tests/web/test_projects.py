"""Pinned and archived conversations, projects and their instructions, over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

MODEL = "smollm2-135m"


def created(http: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(http: httpx.Client, **query: Any) -> list[str]:
    answer = http.get("/v1/conversations", params=query)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


def test_pinned_archived_and_project_choose_what_a_list_has(http: httpx.Client) -> None:
    project = created(http, "/v1/projects", name="Tea")["id"]
    plain, pinned, archived, inside = (
        created(http, "/v1/conversations", **fields)["id"]
        for fields in ({}, {"pinned": True}, {"archived": True}, {"project_id": project})
    )
    ours = {plain, pinned, archived, inside}
    assert ours <= set(ids(http, limit=100))
    assert ours & set(ids(http, limit=100, pinned=True)) == {pinned}
    assert ours & set(ids(http, limit=100, archived=True)) == {archived}
    assert ids(http, project_id=project) == [inside]
    listed = ids(http, limit=100, project_id="none", archived=False, pinned=False)
    assert ours & set(listed) == {plain}
    body = http.get(f"/v1/conversations/{pinned}").json()
    assert (body["pinned"], body["archived"], body["project_id"]) == (True, False, None)


def test_pinning_renaming_and_moving_leave_a_conversation_in_its_place(http: httpx.Client) -> None:
    project = created(http, "/v1/projects", name="Tea")["id"]
    conversation = created(http, "/v1/conversations")
    for change in ({"pinned": True}, {"title": "Rooibos"}, {"project_id": project}, {"archived": True}):
        changed = created(http, f"/v1/conversations/{conversation['id']}", **change)
        assert changed["updated_at"] == conversation["updated_at"]
    outside = created(http, f"/v1/conversations/{conversation['id']}", project_id=None, pinned=False)
    assert (outside["project_id"], outside["pinned"], outside["archived"]) == (None, False, True)
    assert outside["title"] == "Rooibos"


def test_a_search_chooses_by_archive_and_project(http: httpx.Client) -> None:
    project = created(http, "/v1/projects", name="Mushrooms")["id"]
    items = [{"role": "user", "content": "chanterelles after the rain"}]
    plain = created(http, "/v1/conversations", items=items)["id"]
    archived = created(http, "/v1/conversations", items=items, archived=True, project_id=project)["id"]

    def hits(**query: Any) -> set[str]:
        answer = http.get("/v1/conversations/search", params={"query": "chanterelle"} | query)
        return {hit["conversation_id"] for hit in answer.json()["data"]}

    assert hits() == {plain, archived}
    assert hits(archived=False) == hits(project_id="none") == {plain}
    assert hits(archived=True) == hits(project_id=project) == {archived}


@pytest.mark.parametrize("contract", ["openai", "mistral"])
def test_a_project_s_instructions_stand_before_the_request_s_own(http: httpx.Client, contract: str) -> None:
    """The model reads as many tokens, and says the same, as where all is in the request."""
    project = created(http, "/v1/projects", name="Pirates", instructions="Talk like a pirate.")["id"]
    inside = created(http, "/v1/conversations", project_id=project)["id"]
    outside = created(http, "/v1/conversations")["id"]

    def answer(conversation: str, instructions: str) -> tuple[str, int]:
        if contract == "mistral":
            args = {"temperature": 0, "max_tokens": 8}
            path = f"/v1/conversations/{conversation}"
            body = created(http, path, inputs="Hello", completion_args=args, instructions=instructions)
            return body["outputs"][0]["content"], body["usage"]["prompt_tokens"]
        said = {"input": "Hello", "model": MODEL, "temperature": 0, "max_output_tokens": 8}
        body = created(http, "/v1/responses", conversation=conversation, instructions=instructions, **said)
        assert body["instructions"] == instructions
        return body["output"][0]["content"][0]["text"], body["usage"]["input_tokens"]

    assert answer(inside, "Be kind.") == answer(outside, "Talk like a pirate.\n\nBe kind.")


def test_a_deleted_project_leaves_its_conversations_or_takes_them_along(http: httpx.Client) -> None:
    project = created(http, "/v1/projects", name="Tea")["id"]
    conversation = created(http, "/v1/conversations", project_id=project)["id"]
    assert http.delete(f"/v1/projects/{project}").json() == {
        "id": project,
        "object": "project.deleted",
        "deleted": True,
    }
    assert http.get(f"/v1/projects/{project}").json()["code"] == "project_not_found"
    assert http.get(f"/v1/conversations/{conversation}").json()["project_id"] is None

    project = created(http, "/v1/projects", name="Tea")["id"]
    created(http, f"/v1/conversations/{conversation}", project_id=project)
    answer = {"model": MODEL, "input": "Count", "conversation": conversation, "background": True}
    created(http, "/v1/responses", **answer)
    assert http.delete(f"/v1/projects/{project}", params={"with_conversations": True}).status_code == 200
    assert http.get(f"/v1/conversations/{conversation}").status_code == 404


def test_projects_are_listed_in_pages_and_changed(http: httpx.Client) -> None:
    made = [created(http, "/v1/projects", name=f"{number}")["id"] for number in range(3)]
    first = http.get("/v1/projects", params={"limit": 2}).json()
    assert ([row["id"] for row in first["data"]], first["has_more"]) == ([made[2], made[1]], True)
    second = http.get("/v1/projects", params={"limit": 1, "after": first["last_id"]}).json()
    assert [row["id"] for row in second["data"]] == [made[0]]
    changed = created(http, f"/v1/projects/{made[0]}", name=" Tea ", instructions="Be brief.")
    assert (changed["name"], changed["instructions"]) == ("Tea", "Be brief.")
    assert created(http, f"/v1/projects/{made[0]}", instructions="")["name"] == "Tea"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 257}, "name"),
        ({"name": "x", "instructions": "x" * 20_001}, "instructions"),
        ({"name": "x", "visibility": "user"}, "visibility"),
    ],
    ids=["empty", "long name", "long instructions", "a key's own"],
)
def test_a_project_that_can_t_be_says_why(http: httpx.Client, body: dict[str, Any], param: str) -> None:
    answer = http.post("/v1/projects", json=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["param"] == param
