"""Responses that the server keeps: continued, followed again, cancelled and deleted, with OpenAI's own client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from tests.support.polling import wait_until

MODEL = "smollm2-135m"


def request(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "temperature": 0, "max_output_tokens": 8} | more


def long_request(http: httpx.Client, **more: Any) -> dict[str, Any]:
    """A response in the background that is written for seconds."""
    body = request(input="Tell a very long story", max_output_tokens=1500, background=True) | more
    answer = http.post("/v1/responses", json=body)
    answer.raise_for_status()
    response: dict[str, Any] = answer.json()
    return response


def test_a_stored_response_is_read_as_it_was_answered(openai_client: OpenAI) -> None:
    answer = openai_client.responses.create(**request(input="The capital of France?", metadata={"for": "test"}))
    assert answer.model_dump()["store"] is True
    again = openai_client.responses.retrieve(answer.id)
    assert again.model_dump(exclude={"completed_at"}) == answer.model_dump(exclude={"completed_at"})


def test_a_page_of_the_input_may_have_no_item(openai_client: OpenAI) -> None:
    answer = openai_client.responses.create(**request(input="Hello"))
    page = openai_client.responses.input_items.list(answer.id, limit=0)
    assert (page.data, page.has_more) == ([], True)


def test_a_response_continues_the_one_that_it_names(openai_client: OpenAI) -> None:
    first = openai_client.responses.create(**request(input="My name is Ada."))
    items: Any = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "What is my name?"},
    ]
    whole = openai_client.responses.create(**request(input=items, store=False))
    continued = openai_client.responses.create(**request(input="What is my name?", previous_response_id=first.id))
    assert continued.output_text == whole.output_text
    assert (continued.previous_response_id, continued.usage) == (first.id, whole.usage)


def test_two_that_continue_one_response_do_not_see_each_other(openai_client: OpenAI) -> None:
    first = openai_client.responses.create(**request(input="Hello"))

    def continue_with(text: str) -> str:
        return openai_client.responses.create(**request(input=text, previous_response_id=first.id)).id

    with ThreadPoolExecutor() as threads:
        ids = list(threads.map(continue_with, ["Say one", "Say two", "Say three"]))
    for id_, text in zip(ids, ("one", "two", "three"), strict=True):
        [item] = openai_client.responses.input_items.list(id_).data
        assert text in str(item)
        counted = openai_client.responses.create(**request(input="And?", previous_response_id=id_)).usage
        assert counted is not None


def test_instructions_are_not_carried_over(openai_client: OpenAI) -> None:
    plain = openai_client.responses.create(**request(input="Hi"))
    taught = openai_client.responses.create(**request(input="Hi", instructions="Speak like a pirate of the sea"))
    follow = [
        openai_client.responses.create(**request(input="Go on", previous_response_id=id_)).usage
        for id_ in (plain.id, taught.id)
    ]
    texts = [plain.output_text, taught.output_text]
    assert follow[0] is not None
    assert follow[1] is not None
    assert texts[0] != texts[1] or follow[0].input_tokens == follow[1].input_tokens


def test_an_item_may_be_referred_to_by_its_id(openai_client: OpenAI) -> None:
    first = openai_client.responses.create(**request(input="Hello"))
    item_id = first.output[0].id
    input_: Any = [
        {"type": "item_reference", "id": item_id},
        {"role": "user", "content": "Say it again"},
    ]
    assert openai_client.responses.create(**request(input=input_)).status in ("completed", "incomplete")


def test_what_is_not_to_be_stored_is_unknown_afterwards(openai_client: OpenAI) -> None:
    answer = openai_client.responses.create(**request(input="Hello", store=False))
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve(answer.id)
    with pytest.raises(openai.BadRequestError, match="There is no response"):
        openai_client.responses.create(**request(input="Go on", previous_response_id=answer.id))


def test_an_answer_in_the_background_is_read_when_it_is_there(openai_client: OpenAI) -> None:
    begun = openai_client.responses.create(**request(input="Hello", background=True))
    assert begun.status == "queued"
    wait_until(lambda: openai_client.responses.retrieve(begun.id).status in ("completed", "incomplete"))
    assert openai_client.responses.retrieve(begun.id).output_text


def events_of(http: httpx.Client, response_id: str, after: int | None = None) -> Iterator[tuple[str, str]]:
    """The number and the name of each event."""
    params: dict[str, Any] = {"stream": "true"} | ({} if after is None else {"starting_after": after})
    with http.stream("GET", f"/v1/responses/{response_id}", params=params) as stream:
        assert stream.status_code == 200
        for line in stream.iter_lines():
            if line.startswith("data: {"):
                event = httpx.Response(200, text=line.removeprefix("data: ")).json()
                yield event["sequence_number"], event["type"]


def test_a_stream_says_that_it_is_over(http: httpx.Client) -> None:
    created = http.post("/v1/responses", json=request(input="Hello", stream=True)).text
    response_id = httpx.Response(200, text=created.partition("data: ")[2].partition("\n")[0]).json()["response"]["id"]
    followed = http.get(f"/v1/responses/{response_id}", params={"stream": "true"}).text
    assert created.endswith("data: [DONE]\n\n")
    assert followed == created


def test_readers_that_come_leave_and_come_back_see_each_event_once(http: httpx.Client) -> None:
    response = long_request(http, max_output_tokens=120)

    def leave_and_come_back(number: int) -> list[Any]:
        events: list[Any] = []
        for event in events_of(http, response["id"]):
            events.append(event)
            if len(events) == 5 + number:
                break
        return events + list(events_of(http, response["id"], after=events[-1][0]))

    with ThreadPoolExecutor(8) as threads:
        readings = list(threads.map(leave_and_come_back, range(8)))
    numbers = [number for number, _ in readings[0]]
    assert numbers == list(range(len(numbers)))
    assert all(reading == readings[0] for reading in readings)
    assert readings[0] == list(events_of(http, response["id"]))
    assert readings[0][-1][1] in ("response.completed", "response.incomplete")


def test_an_event_past_the_end_is_refused(http: httpx.Client, openai_client: OpenAI) -> None:
    answer = openai_client.responses.create(**request(input="Hello"))
    path, params = f"/v1/responses/{answer.id}", {"stream": "true", "starting_after": 10_000}
    refused = http.get(path, params=params)
    assert (refused.status_code, refused.json()["param"]) == (400, "starting_after")


def test_an_answer_goes_on_when_its_reader_leaves(http: httpx.Client) -> None:
    body = request(input="Tell a long story", max_output_tokens=60, stream=True)
    with http.stream("POST", "/v1/responses", json=body) as stream:
        line = next(line for line in stream.iter_lines() if line.startswith("data: "))
        response_id = httpx.Response(200, text=line.removeprefix("data: ")).json()["response"]["id"]

    def status() -> str:
        return str(http.get(f"/v1/responses/{response_id}").json()["status"])

    wait_until(lambda: status() != "in_progress")
    assert status() in ("completed", "incomplete")


def test_a_response_is_cancelled_by_its_owner(http: httpx.Client) -> None:
    response = long_request(http)
    cancelled = http.post(f"/v1/responses/{response['id']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    *_, last = events_of(http, response["id"])
    assert last[1] == "response.cancelled"
    assert http.post(f"/v1/responses/{response['id']}/cancel").json()["status"] == "cancelled"


def test_a_deleted_response_is_unknown(openai_client: OpenAI, http: httpx.Client) -> None:
    first = openai_client.responses.create(**request(input="Hello"))
    second = openai_client.responses.create(**request(input="Again", previous_response_id=first.id))
    deleted = http.delete(f"/v1/responses/{first.id}").json()
    assert deleted == {"id": first.id, "object": "response", "deleted": True}
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.retrieve(first.id)
    assert openai_client.responses.retrieve(second.id).output_text == second.output_text
    openai_client.responses.create(**request(input="Go on", previous_response_id=second.id))


def test_a_response_may_be_deleted_while_its_continuation_is_written(http: httpx.Client) -> None:
    first = http.post("/v1/responses", json=request(input="Hello")).json()
    second = long_request(http, previous_response_id=first["id"], max_output_tokens=60)
    assert http.delete(f"/v1/responses/{first['id']}").status_code == 200
    *_, last = events_of(http, second["id"])
    assert last[1] in ("response.completed", "response.incomplete")
    assert http.get(f"/v1/responses/{second['id']}").json()["output"]


def test_a_response_that_is_being_written_is_ended_and_deleted(http: httpx.Client) -> None:
    response = long_request(http)
    assert http.delete(f"/v1/responses/{response['id']}").status_code == 200
    assert http.get(f"/v1/responses/{response['id']}").status_code == 404


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"previous_response_id": "resp_1", "conversation": "conv_1"}, 400, "previous_response_id"),
        ({"conversation": "conv_unknown"}, 404, "conversation"),
        ({"background": True, "store": False}, 400, "background"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "1"}]}, 400, "input.0"),
        ({"input": [{"type": "item_reference", "id": "msg_unknown"}]}, 404, "input.0"),
        ({"input": [{"role": "user", "content": "x"}] * 1200}, 400, "items"),
    ],
)
def test_a_request_that_contradicts_what_is_stored_is_refused(
    http: httpx.Client, more: dict[str, Any], status: int, param: str
) -> None:
    refused = http.post("/v1/responses", json=request(input="Hello") | more)
    assert (refused.status_code, refused.json()["param"]) == (status, param), refused.text


def test_the_name_of_a_path_s_parameter_is_an_id_like_any_other(http: httpx.Client) -> None:
    assert http.post("/v1/responses/%7Bresponse_id%7D/cancel").status_code == 404


def test_calls_of_an_earlier_response_are_answered_with_their_outputs(openai_client: OpenAI) -> None:
    tools: Any = [{"type": "function", "name": "time", "parameters": {"type": "object", "properties": {}}}]
    first = openai_client.responses.create(
        **request(input="What time is it?", tools=tools, tool_choice="required", max_output_tokens=60)
    )
    [call] = [item for item in first.output if item.type == "function_call"]
    output: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "It is noon"}]
    second = openai_client.responses.create(**request(input=output, previous_response_id=first.id))
    assert second.output_text


def test_truncation_leaves_out_the_oldest_turns(http: httpx.Client) -> None:
    input_ = [
        {"role": "user", "content": "alpha " * 9000},
        {"role": "assistant", "content": "Yes"},
        {"role": "user", "content": "Say yes"},
    ]
    refused = http.post("/v1/responses", json=request(input=input_))
    assert refused.json()["code"] == "context_length_exceeded"
    answer = http.post("/v1/responses", json=request(input=input_, truncation="auto"))
    assert (answer.status_code, answer.json()["truncation"]) == (200, "auto")


def test_several_readers_of_one_response_wait_for_no_slow_one(http: httpx.Client) -> None:
    """One reader takes the first event and stops reading."""
    response = long_request(http, max_output_tokens=120)
    stopped = threading.Event()
    with http.stream("GET", f"/v1/responses/{response['id']}", params={"stream": "true"}) as slow:
        next(slow.iter_lines())
        *_, last = events_of(http, response["id"])
        stopped.set()
    assert last[1] in ("response.completed", "response.incomplete")
