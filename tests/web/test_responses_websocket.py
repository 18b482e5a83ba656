"""Responses over a WebSocket: OpenAI's own client, and messages that no client would send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.resources.responses.responses import ResponsesConnection
from tests.support.commands import aquilon
from tests.support.polling import wait_until
from tests.support.server import RunningServer
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

MODEL = "smollm2-135m"
WEATHER: Any = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


def request(**more: Any) -> Any:
    return {"model": MODEL, "temperature": 0, "max_output_tokens": 8, "store": False} | more


def open_socket(server: RunningServer, key: str | None = None) -> ClientConnection:
    headers = {"authorization": f"Bearer {key or server.api_key}"}
    return connect(server.url.replace("http", "ws") + "/v1/responses", additional_headers=headers)


@pytest.fixture
def socket(server: RunningServer) -> Iterator[ClientConnection]:
    with open_socket(server) as connection:
        yield connection


@pytest.fixture
def connection(openai_client: OpenAI) -> Iterator[ResponsesConnection]:
    with openai_client.responses.connect() as opened:
        yield opened


def turn(connection: ResponsesConnection, **fields: Any) -> Any:
    """The response of one turn, or its error event."""
    connection.response.create(**request(**fields))
    for event in connection:
        if event.type == "error":
            return event
        if event.type in ("response.completed", "response.incomplete", "response.failed"):
            return event.response
    raise AssertionError("The connection ended")


def events_of_turn(socket: ClientConnection, message: str | dict[str, Any]) -> list[dict[str, Any]]:
    socket.send(message if isinstance(message, str) else json.dumps(message))
    return read_turn(socket)


def read_turn(socket: ClientConnection) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in (
        "error",
        "response.completed",
        "response.incomplete",
        "response.failed",
    ):
        events.append(json.loads(socket.recv(timeout=60)))
    return events


def create(**fields: Any) -> dict[str, Any]:
    return {"type": "response.create", **request(**fields)}


def code_of(error: Any) -> tuple[int, str]:
    assert error.type == "error", error
    event = error.to_dict()
    return event["status"], event["error"]["code"]


def test_a_turn_has_the_events_of_a_stream(http: httpx.Client, socket: ClientConnection) -> None:
    body = request(input="The capital of France?")
    lines = http.post("/v1/responses", json=body | {"stream": True}).text.splitlines()
    streamed = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    sent = events_of_turn(socket, {"type": "response.create", **body})

    def without_ids(event: Any) -> Any:
        if isinstance(event, dict):
            changing = ("id", "item_id", "created_at", "completed_at", "cached_tokens")
            return {name: without_ids(value) for name, value in event.items() if name not in changing}
        return [without_ids(value) for value in event] if isinstance(event, list) else event

    assert without_ids(sent) == without_ids(streamed)
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))


def test_an_unstored_response_is_continued_on_its_connection_alone(
    openai_client: OpenAI, connection: ResponsesConnection
) -> None:
    first = turn(connection, input="My name is Ada.")
    second = turn(connection, input="What is my name?", previous_response_id=first.id)
    third = turn(connection, input="Say it again", previous_response_id=second.id)
    items: Any = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "What is my name?"},
        {"role": "assistant", "content": second.output_text},
        {"role": "user", "content": "Say it again"},
    ]
    whole = openai_client.responses.create(**request(input=items))
    assert (third.output_text, third.usage.input_tokens) == (whole.output_text, whole.usage.input_tokens)
    assert (third.previous_response_id, third.to_dict()["store"]) == (second.id, False)
    with openai_client.responses.connect() as other:
        missing = turn(other, input="And?", previous_response_id=third.id)
        assert code_of(missing) == (400, "previous_response_not_found")
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve(third.id)


def test_two_continue_one_unstored_response(connection: ResponsesConnection) -> None:
    first = turn(connection, input="Hello")
    counted = [
        turn(connection, input=text, previous_response_id=first.id).usage.input_tokens for text in ("One", "Two")
    ]
    assert counted[0] == counted[1]


def test_a_call_is_answered_on_the_connection(connection: ResponsesConnection) -> None:
    first = turn(connection, input="Rain?", tools=[WEATHER], tool_choice="required", max_output_tokens=60)
    [call] = [item for item in first.output if item.type == "function_call"]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "No rain"}
    assert turn(connection, input=[output], previous_response_id=first.id).output_text


def test_a_stored_response_is_continued_on_any_connection(
    openai_client: OpenAI, connection: ResponsesConnection
) -> None:
    first = turn(connection, input="My name is Ada.", store=True)
    with openai_client.responses.connect() as other:
        second = turn(other, input="What is my name?", previous_response_id=first.id, store=True)
    third = openai_client.responses.create(**request(input="Again?", previous_response_id=second.id))
    assert third.usage is not None
    assert third.usage.input_tokens > second.usage.input_tokens > first.usage.input_tokens
    assert openai_client.responses.retrieve(second.id).output_text == second.output_text
    assert turn(connection, input="Go on", previous_response_id=second.id).status in ("completed", "incomplete")


def test_a_response_that_is_stored_after_unstored_ones_has_their_items(
    openai_client: OpenAI, connection: ResponsesConnection
) -> None:
    first = turn(connection, input="My name is Ada.")
    stored = turn(connection, input="What is my name?", previous_response_id=first.id, store=True)
    listed = openai_client.responses.input_items.list(stored.id, order="asc").data
    assert [getattr(item, "role", None) for item in listed] == ["user", "assistant", "user"]
    following = openai_client.responses.create(**request(input="Again?", previous_response_id=stored.id))
    assert following.usage is not None
    assert following.usage.input_tokens > stored.usage.input_tokens


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        ({"input": [{"type": "function_call_output", "call_id": "unknown", "output": "1"}]}, 400),
        ({"input": "Go on", "temperature": "hot"}, 400),
        ({"input": "Go on", "model": "unknown"}, 404),
    ],
)
def test_a_continuation_that_fails_forgets_what_it_continued(
    connection: ResponsesConnection, failing: dict[str, Any], status: int
) -> None:
    first = turn(connection, input="Hello")
    assert code_of(turn(connection, previous_response_id=first.id, **failing))[0] == status
    again = turn(connection, input="Go on", previous_response_id=first.id)
    assert code_of(again) == (400, "previous_response_not_found")


def test_a_failed_continuation_leaves_a_stored_response_as_it_is(connection: ResponsesConnection) -> None:
    first = turn(connection, input="Hello", store=True)
    failed = turn(connection, input="Go on", previous_response_id=first.id, model="unknown")
    assert failed.type == "error"
    assert turn(connection, input="Go on", previous_response_id=first.id).object == "response"


def test_a_request_that_generates_nothing_is_continued(openai_client: OpenAI, connection: ResponsesConnection) -> None:
    empty = turn(connection, generate=False, input=[], instructions="Be brief", tools=[WEATHER])
    assert (empty.status, empty.output, empty.usage.total_tokens) == ("completed", [], 0)
    told = turn(connection, generate=False, input="My name is Ada.", previous_response_id=empty.id)
    answer = turn(connection, input="What is my name?", previous_response_id=told.id)
    items: Any = [{"role": "user", "content": text} for text in ("My name is Ada.", "What is my name?")]
    assert answer.output_text == openai_client.responses.create(**request(input=items)).output_text
    assert code_of(turn(connection, generate=False, model="unknown")) == (404, "model_not_found")


def test_fields_of_http_have_no_effect(socket: ClientConnection) -> None:
    fields = {"stream": False, "stream_options": {"include_obfuscation": True}, "background": True}
    events = events_of_turn(socket, create(input="Hello", **fields))
    assert events[0]["type"] == "response.created"
    assert events[-1]["response"]["background"] is False


def test_messages_that_come_together_are_answered_one_after_another(socket: ClientConnection) -> None:
    for text in ("One", "Two", "Three"):
        socket.send(json.dumps(create(input=text, metadata={"text": text})))
    for text in ("One", "Two", "Three"):
        events = read_turn(socket)
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        ids = {event["response"]["id"] for event in events if "response" in event}
        assert len(ids) == 1
        assert events[-1]["response"]["metadata"] == {"text": text}


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("", 400, "invalid_json"),
        ('{"type": "response.create", "model', 400, "invalid_json"),
        ("[" * 5000, 400, "invalid_json"),
        ('["response.create"]', 400, "model_type"),
        ("{}", 400, "missing"),
        ('{"type": "session.update"}', 400, "literal_error"),
        (json.dumps({"type": "response.create", "input": 7}), 400, "string_type"),
        (json.dumps({"type": "response.create", "model": "unknown", "input": "x"}), 404, "model_not_found"),
        (json.dumps({"type": "response.create", "previous_response_id": "resp_x"}), 400, "previous_response_not_found"),
        (json.dumps({"type": "response.create", "previous_response_id": {"id": 1}}), 400, "string_type"),
    ],
)
def test_a_message_that_can_not_be_answered_is_an_error_and_the_connection_stays(
    socket: ClientConnection, message: str, status: int, code: str
) -> None:
    [error] = events_of_turn(socket, message)
    assert (error["type"], error["status"], error["error"]["code"]) == ("error", status, code)
    assert error["error"]["message"]
    assert events_of_turn(socket, create(input="Hello"))[-1]["response"]["output"]


def test_a_limit_says_when_to_try_again(server: RunningServer) -> None:
    key = aquilon(server.home, "keys", "create", "--name", "one a minute")
    aquilon(server.home, "limits", "set", "--key", key[:10], "--requests", "1")
    with open_socket(server, key) as socket:
        assert events_of_turn(socket, create(input="Hello"))[-1]["type"] != "error"
        [error] = events_of_turn(socket, create(input="Hello"))
        assert (error["status"], error["error"]["type"]) == (429, "rate_limit_error")
        assert error["error"]["limit"]["kind"] == "requests_per_minute"
        assert int(error["headers"]["retry-after"]) > 0


def test_a_key_that_is_revoked_is_told_so_before_the_connection_ends(server: RunningServer) -> None:
    key = aquilon(server.home, "keys", "create", "--name", "brief")
    with open_socket(server, key) as socket:
        assert events_of_turn(socket, create(input="Hello"))[-1]["type"] != "error"
        aquilon(server.home, "keys", "revoke", key[:10])

        def refused() -> bool:
            [*_, last] = events_of_turn(socket, create(input="Hello"))
            return (last.get("status"), last.get("error", {}).get("code")) == (401, "invalid_api_key")

        wait_until(refused)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_a_stored_response_goes_on_when_its_client_leaves(server: RunningServer, http: httpx.Client) -> None:
    with open_socket(server) as socket:
        socket.send(json.dumps(create(input="Tell a long story", max_output_tokens=60, store=True)))
        response_id = json.loads(socket.recv(timeout=60))["response"]["id"]

    def status() -> str:
        return str(http.get(f"/v1/responses/{response_id}").json()["status"])

    wait_until(lambda: status() != "in_progress")
    assert status() in ("completed", "incomplete")
