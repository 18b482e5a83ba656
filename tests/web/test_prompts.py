"""Saved prompts over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Translate « été » 👋"}]
SETTINGS = {"model": "smollm2-135m", "temperature": 0.5, "max_tokens": 3, "stop": ["###"]}


def saved(http: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = http.post("/v1/prompts", json={"name": "Translate", "messages": MESSAGES, "settings": SETTINGS} | fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_saved_prompt_is_a_request_that_can_be_sent_again(http: httpx.Client) -> None:
    prompt = http.get(f"/v1/prompts/{saved(http)['id']}").json()
    assert (prompt["messages"], prompt["settings"], prompt["visibility"]) == (MESSAGES, SETTINGS, "workspace")
    answer = http.post("/v1/chat/completions", json={"messages": prompt["messages"], **prompt["settings"]})
    assert answer.json()["usage"]["completion_tokens"] <= 3


def test_prompts_are_listed_in_pages_changed_and_deleted(http: httpx.Client) -> None:
    first, second = saved(http)["id"], saved(http, name="Summarise")["id"]
    page = http.get("/v1/prompts", params={"limit": 1}).json()
    assert ([entry["id"] for entry in page["data"]], page["has_more"]) == ([second], True)
    assert "messages" not in page["data"][0]
    rest = http.get("/v1/prompts", params={"after": page["last_id"]}).json()
    assert rest["data"][0]["id"] == first
    changed = http.post(f"/v1/prompts/{first}", json={"name": " Tea ", "settings": {}}).json()
    assert (changed["name"], changed["settings"], changed["messages"]) == ("Tea", {}, MESSAGES)
    assert http.delete(f"/v1/prompts/{first}").json() == {"id": first, "object": "prompt.deleted", "deleted": True}
    gone = http.get(f"/v1/prompts/{first}")
    assert (gone.status_code, gone.json()["code"]) == (404, "prompt_not_found")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": " "}, "name is empty"),
        ({"messages": [{"role": "user", "content": "x" * 200_001}]}, "at most 200,000"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": ""}] * 201}, "200"),
        ({"settings": {"tools": ["x" * 50_000]}}, "at most 50,000"),
        ({"settings": {"messages": []}}, "beside the settings"),
        ({"visibility": "user"}, "A key can't save"),
    ],
)
def test_a_prompt_that_can_not_be_kept_is_refused(http: httpx.Client, fields: dict[str, Any], says: str) -> None:
    answer = http.post("/v1/prompts", json={"name": "x", "messages": MESSAGES} | fields)
    assert answer.status_code in (400, 422)
    assert says in answer.text
