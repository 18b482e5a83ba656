"""An answer that any contract began in a stored conversation is followed, read and stopped as a response."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

MODEL = "smollm2-135m"
STORY = "Tell a long story"


def events_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    return (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {"))


def followed(http: httpx.Client, response_id: str) -> list[dict[str, Any]]:
    with http.stream("GET", f"/v1/responses/{response_id}", params={"stream": "true"}) as stream:
        assert stream.status_code == 200, stream.read()
        return list(events_of(stream.iter_lines()))


def running(http: httpx.Client, conversation_id: str) -> list[str]:
    """The ids of the answers that are being written in a conversation, as its events name them."""
    with http.stream("GET", f"/v1/conversations/{conversation_id}/events") as stream:
        state: list[str] = next(events_of(stream.iter_lines()))["running"]
        return state


def text_of(output: list[dict[str, Any]]) -> str:
    return "".join(part["text"] for item in output for part in item["content"])


@contextmanager
def streaming(http: httpx.Client, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The first event of an answer that goes on."""
    with http.stream("POST", path, json=body | {"stream": True}) as stream:
        assert stream.status_code == 200, stream.read()
        yield next(events_of(stream.iter_lines()))


@contextmanager
def story_of_mistral(
    http: httpx.Client, max_tokens: int, path: str = "/v1/conversations", **more: Any
) -> Iterator[tuple[str, str]]:
    """A story that is being told: the ids of its conversation and its answer."""
    body = {"inputs": STORY, "completion_args": {"temperature": 0, "max_tokens": max_tokens}}
    with streaming(http, path, body | more) as started:
        [response_id] = running(http, started["conversation_id"])
        yield started["conversation_id"], response_id


@pytest.mark.parametrize("call", ["start", "append", "restart"])
def test_an_answer_in_mistral_s_contract_is_followed_to_its_end(http: httpx.Client, call: str) -> None:
    path, more = "/v1/conversations", {"model": MODEL}
    if call != "start":
        greeting = {"model": MODEL, "inputs": "Hello", "completion_args": {"max_tokens": 2}}
        greeted = http.post(path, json=greeting).json()
        path, more = f"{path}/{greeted['conversation_id']}", {}
        if call == "restart":
            path, more = f"{path}/restart", {"from_entry_id": greeted["outputs"][-1]["id"]}
    with story_of_mistral(http, 60, path, **more) as (conversation_id, response_id):
        events = followed(http, response_id)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]["response"]
    assert (events[-1]["type"], last["incomplete_details"]) == (
        "response.incomplete",
        {"reason": "max_output_tokens"},
    )
    entries = http.get(f"/v1/conversations/{conversation_id}/history").json()["entries"]
    streamed = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert streamed == text_of(last["output"]) == entries[-1]["content"]
    assert last["output"][0]["id"] == entries[-1]["id"]
    assert last["conversation"] == {"id": conversation_id}
    assert running(http, conversation_id) == []
    assert last == http.get(f"/v1/responses/{response_id}").json()
    [asked] = http.get(f"/v1/responses/{response_id}/input_items", params={"limit": 1}).json()["data"]
    assert asked["content"][0]["text"] == STORY


def test_an_answer_in_mistral_s_contract_is_stopped_by_its_reader(http: httpx.Client) -> None:
    with story_of_mistral(http, 2000, model=MODEL) as (conversation_id, response_id):
        assert http.get(f"/v1/responses/{response_id}").json()["status"] == "in_progress"
        stopped = http.post(f"/v1/responses/{response_id}/cancel").json()
    assert stopped["status"] == "cancelled"
    assert followed(http, response_id)[-1]["type"] == "response.cancelled"
    entries = http.get(f"/v1/conversations/{conversation_id}/history").json()["entries"]
    assert text_of(stopped["output"]) == "".join(entry["content"] for entry in entries[1:])
    goes_on = {"inputs": "Go on", "completion_args": {"max_tokens": 2}}
    assert http.post(f"/v1/conversations/{conversation_id}", json=goes_on).status_code == 200


@pytest.mark.parametrize("n", [1, 2])
def test_a_stored_chat_completion_is_followed_by_its_first_choice(http: httpx.Client, n: int) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": STORY}], "temperature": 1, "seed": 7, "n": n}
    with streaming(http, "/v1/chat/completions", body | {"max_tokens": 60, "store": True}) as chunk:
        events = followed(http, chunk["id"])
    completion = http.get(f"/v1/chat/completions/{chunk['id']}").json()
    assert len(completion["choices"]) == n
    streamed = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert streamed == completion["choices"][0]["message"]["content"]
    stored = http.get(f"/v1/responses/{chunk['id']}").json()
    assert text_of(stored["output"]) == text_of(events[-1]["response"]["output"]) == streamed
    assert stored["usage"]["output_tokens"] == completion["usage"]["completion_tokens"]
    assert http.delete(f"/v1/responses/{chunk['id']}").json()["deleted"]
    assert http.get(f"/v1/chat/completions/{chunk['id']}").status_code == 404
