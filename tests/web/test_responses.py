"""``/v1/responses`` with OpenAI's own client; tools and formats have more tests in their own modules."""

from __future__ import annotations

import json
from typing import Any, Literal

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
from pydantic import BaseModel

MODEL = "smollm2-135m"
QUESTION = "What is the capital of France?"


def request(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": QUESTION, "temperature": 0, "max_output_tokens": 20} | more


def test_a_question_is_answered(openai_client: OpenAI) -> None:
    answer = openai_client.responses.create(**request(metadata={"for": "test"}))
    assert "Paris" in answer.output_text
    assert (answer.status, answer.object, answer.model) == ("completed", "response", MODEL)
    assert answer.metadata == {"for": "test"}
    [message] = answer.output
    assert isinstance(message, ResponseOutputMessage)
    assert message.status == "completed"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.error is None


REQUIRED = (
    *("id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id"),
    *("instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p"),
    *("presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "user", "usage"),
    *("max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata"),
    *("safety_identifier", "prompt_cache_key"),
)
"""The required fields of ``ResponseResource`` in the schema of Open Responses (https://www.openresponses.org)."""


def test_an_answer_has_the_required_fields_with_the_values_that_were_used(http: httpx.Client) -> None:
    body: dict[str, Any] = {"model": MODEL, "input": QUESTION, "max_output_tokens": 2}
    answer = http.post("/v1/responses", json=body).json()
    assert set(REQUIRED) <= set(answer)
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty"):
        assert isinstance(answer[name], int | float)
    assert (answer["service_tier"], answer["max_tool_calls"], answer["prompt_cache_key"]) == ("default", None, None)
    parameters = {
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 0.25,
        "frequency_penalty": -0.5,
        "max_tool_calls": 3,
        "prompt_cache_key": "k",
        "user": "u",
        "safety_identifier": "s",
    }
    streamed = http.post("/v1/responses", json=body | parameters | {"stream": True}).text
    for line in streamed.splitlines():
        if line.startswith("data: {") and "response" in (event := json.loads(line.removeprefix("data: "))):
            assert {name: event["response"][name] for name in parameters} == parameters


def test_the_answer_repeats_the_format_with_all_of_its_fields(http: httpx.Client) -> None:
    format_ = {"type": "json_schema", "name": "a", "schema": {"type": "null"}}
    answer = http.post("/v1/responses", json={"model": MODEL, "input": "x", "text": {"format": format_}}).json()
    assert answer["text"]["format"] == format_ | {"description": None, "strict": True}


def test_penalties_work_as_in_chat(http: httpx.Client) -> None:
    sampling = {"temperature": 0, "presence_penalty": 1.5, "frequency_penalty": 1.5}
    answer = http.post("/v1/responses", json={"model": MODEL, "input": "Say a a a", "max_output_tokens": 20} | sampling)
    messages = [{"role": "user", "content": "Say a a a"}]
    chat = http.post("/v1/chat/completions", json={"model": MODEL, "messages": messages, "max_tokens": 20} | sampling)
    [item] = answer.json()["output"]
    assert item["content"][0]["text"] == chat.json()["choices"][0]["message"]["content"]


def test_a_conversation_of_items_is_answered_like_one_of_messages(openai_client: OpenAI) -> None:
    answer = "The capital of France is Paris."
    items: list[Any] = [
        {"role": "developer", "content": "You know geography."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "content": [{"type": "output_text", "text": answer, "annotations": []}],
        },
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"role": "user", "content": "And of Spain?"},
    ]
    messages: list[Any] = [
        {"role": "system", "content": "You know geography."},
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": "And of Spain?"},
    ]
    chat = openai_client.chat.completions.create(model=MODEL, messages=messages, temperature=0, max_tokens=20)
    assert openai_client.responses.create(**request(input=items)).output_text == chat.choices[0].message.content


def test_instructions_become_the_system_message(openai_client: OpenAI, http: httpx.Client) -> None:
    answer = openai_client.responses.create(**request(instructions="Answer in one word."))
    messages = [{"role": "system", "content": "Answer in one word."}, {"role": "user", "content": QUESTION}]
    chat = http.post("/v1/chat/completions", json={"model": MODEL, "messages": messages, "max_tokens": 1}).json()
    assert answer.usage is not None
    assert answer.usage.input_tokens == chat["usage"]["prompt_tokens"]
    assert answer.instructions == "Answer in one word."
    counted = openai_client.responses.input_tokens.count(
        model=MODEL, input=QUESTION, instructions="Answer in one word."
    )
    assert counted.input_tokens == answer.usage.input_tokens


def test_calls_and_their_outputs_are_read_as_one_turn_and_its_results(openai_client: OpenAI) -> None:
    items: list[Any] = [
        {"role": "user", "content": QUESTION},
        {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"what": "France"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "Paris"},
    ]
    assert openai_client.responses.create(**request(input=items)).status in ("completed", "incomplete")


def test_an_answer_at_the_token_limit_is_incomplete(openai_client: OpenAI) -> None:
    answer = openai_client.responses.create(**request(max_output_tokens=2))
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage is not None
    assert answer.usage.output_tokens == 2


def test_a_stream_has_an_event_for_every_step_and_adds_up_to_the_whole_answer(openai_client: OpenAI) -> None:
    whole = openai_client.responses.create(**request())
    with openai_client.responses.stream(**request()) as stream:
        events = list(stream)
        final = stream.get_final_response()
    types = [event.type for event in events]
    deltas = types.count("response.output_text.delta")
    assert types == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * deltas,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert deltas > 2
    assert [event.sequence_number for event in events if event.type != "error"] == list(range(len(events)))
    assert final.output_text == whole.output_text
    assert final.usage == whole.usage
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == final.output_text


def test_a_stream_at_the_token_limit_ends_with_incomplete(openai_client: OpenAI) -> None:
    events = list(openai_client.responses.create(**request(max_output_tokens=2), stream=True))
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.usage is not None


def test_log_probabilities_are_sent_on_request(openai_client: OpenAI) -> None:
    answer = openai_client.responses.create(
        **request(max_output_tokens=4), top_logprobs=2, include=["message.output_text.logprobs"]
    )
    [message] = answer.output
    assert isinstance(message, ResponseOutputMessage)
    [text] = message.content
    assert isinstance(text, ResponseOutputText)
    assert text.logprobs is not None
    assert "".join(token.token for token in text.logprobs) == text.text
    assert all(len(token.top_logprobs) == 2 for token in text.logprobs)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"conversation": "conv_1"}, "conversation_not_found"),
        ({"prompt": {"id": "p_1"}}, "prompt_not_found"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "item_not_found"),
        ({"model": "gpt-9"}, "model_not_found"),
    ],
)
def test_a_reference_to_a_stored_object_is_refused_with_404(
    openai_client: OpenAI, more: dict[str, Any], code: str
) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client.responses.create(**request(**more))
    assert caught.value.code == code


def test_an_unknown_previous_response_is_a_bad_request_as_with_openai(openai_client: OpenAI) -> None:
    """Clients that find this status and code send the whole conversation."""
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.responses.create(**request(previous_response_id="resp_1"))
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


MANY = [{"type": "custom", "name": f"t{number}"} for number in range(100)]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "file_search"}]}, "tools.0.vector_store_ids"),
        ({"tools": [{"type": "code_interpreter"}]}, "tools.0.type"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]}, "tools.0.tools.0.name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]}]}, "tools.0.tools.0.type"),
        ({"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"tools": [{"type": "namespace", "name": n, "tools": MANY} for n in ("a", "b")]}, "tools"),
        (
            {"input": [{"type": "additional_tools", "tools": [{"type": "custom"}]}, {"role": "user", "content": "x"}]},
            "input.0.tools.0.name",
        ),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"input": []}, "input"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input.0.content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input.0.content"),
        ({"input": [{"role": "user"}]}, "input.0.content"),
        ({"input": [{"content": "x"}]}, "input.0.role"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input.0"),
        ({"input": [{"type": "function_call_output", "call_id": "f"}]}, "input.0"),
        ({"input": [{"type": "computer_call"}]}, "input.0.type"),
        ({"input": "word " * 20_000}, "input"),
        ({"max_output_tokens": 9_000}, "max_output_tokens"),
        ({"moderation": {"model": "omni-moderation-latest"}}, "moderation"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused_with_its_parameter(
    http: httpx.Client, more: dict[str, Any], param: str
) -> None:
    refused = http.post("/v1/responses", json=request(**more))
    assert (refused.status_code, refused.json()["param"]) == (400, param), refused.text


def test_input_that_ends_with_the_assistants_message_is_answered_with_its_next_turn(http: httpx.Client) -> None:
    items = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    answer = http.post("/v1/responses", json=request(input=items, max_output_tokens=5))
    assert answer.status_code == 200, answer.text
    counted = http.post("/tokenize", json={"model": MODEL, "messages": items}).json()
    assert answer.json()["usage"]["input_tokens"] == counted["count"]


def test_input_that_exceeds_the_context_is_refused_before_the_stream_starts(http: httpx.Client) -> None:
    refused = http.post("/v1/responses", json=request(input="word " * 9000, stream=True))
    assert (refused.status_code, refused.json()["code"]) == (400, "context_length_exceeded")


def test_stored_responses_are_not_found(openai_client: OpenAI) -> None:
    for ask in (
        lambda: openai_client.responses.retrieve("resp_1"),
        lambda: openai_client.responses.delete("resp_1"),
        lambda: openai_client.responses.cancel("resp_1"),
        lambda: openai_client.responses.input_items.list("resp_1").data,
    ):
        with pytest.raises(openai.NotFoundError):
            ask()


def test_without_a_model_the_default_answers(http: httpx.Client) -> None:
    assert http.post("/v1/responses", json={"input": QUESTION, "max_output_tokens": 1}).json()["model"] == MODEL


WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city now",
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def test_a_call_is_a_separate_item_and_streams_its_arguments(openai_client: OpenAI) -> None:
    fields = request(tools=[WEATHER], tool_choice="required", parallel_tool_calls=False, max_output_tokens=60)
    answer = openai_client.responses.create(**fields)
    [call] = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "get_weather"
    assert json.loads(call.arguments)["city"] in ("Paris", "Rome")
    with openai_client.responses.stream(**fields) as stream:
        events = list(stream)
        [streamed] = [item for item in stream.get_final_response().output if item.type == "function_call"]
    assert streamed.arguments == call.arguments
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert "".join(deltas) == call.arguments
    following: list[Any] = [
        {"role": "user", "content": QUESTION},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"},
    ]
    assert openai_client.responses.create(**request(input=following, tools=[WEATHER])).output


def test_a_custom_tool_is_called_with_text(openai_client: OpenAI) -> None:
    patch: Any = {"type": "custom", "name": "apply_patch", "description": "Changes a file"}
    fields = request(tools=[patch], tool_choice={"type": "custom", "name": "apply_patch"}, max_output_tokens=30)
    answer = openai_client.responses.create(**fields)
    [call] = [item for item in answer.output if item.type == "custom_tool_call"]
    assert call.name == "apply_patch"
    assert call.input
    assert "input" not in call.input, "the arguments of the function that the model sees"
    events = list(openai_client.responses.create(**fields, stream=True))
    deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
    [done] = [event.input for event in events if event.type == "response.custom_tool_call_input.done"]
    assert len(deltas) > 1
    assert "".join(deltas) == done == call.input
    following: list[Any] = [
        {"role": "user", "content": QUESTION},
        call.model_dump(exclude_none=True),
        {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "Changed"},
    ]
    assert openai_client.responses.create(**request(input=following, tools=[patch])).output


def test_a_tool_of_a_namespace_is_called_by_both_of_its_names(openai_client: OpenAI) -> None:
    maps = {"type": "namespace", "name": "maps", "description": "Places", "tools": [WEATHER | {"strict": False}]}
    choice = {"type": "function", "name": "get_weather", "namespace": "maps"}
    fields = request(tools=[WEATHER, maps], tool_choice=choice, max_output_tokens=60)
    answer = openai_client.responses.create(**fields)
    [call] = [item for item in answer.output if item.type == "function_call"]
    assert (call.namespace, call.name) == ("maps", "get_weather")
    assert answer.tools[1].model_dump(exclude_unset=True) == maps
    following: list[Any] = [
        {"role": "user", "content": QUESTION},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny"},
    ]
    assert openai_client.responses.create(**request(input=following, tools=[maps])).output


def test_tools_that_only_openai_has_are_left_out(openai_client: OpenAI) -> None:
    hosted: list[Any] = [{"type": "web_search"}, {"type": "image_generation"}, WEATHER]
    answer = openai_client.responses.create(**request(tools=hosted))
    assert [tool.type for tool in answer.tools] == ["function"]


def test_tools_of_an_item_are_offered_beside_the_others(openai_client: OpenAI) -> None:
    clock: Any = {"type": "custom", "name": "clock", "description": "The time"}
    items: list[Any] = [
        {"type": "additional_tools", "role": "developer", "tools": [clock, WEATHER]},
        {"role": "user", "content": QUESTION},
    ]
    choice: Any = {"type": "custom", "name": "clock"}
    fields = request(input=items, tools=[WEATHER], tool_choice=choice, max_output_tokens=20)
    answer = openai_client.responses.create(**fields)
    assert [item.type for item in answer.output] == ["custom_tool_call"]


def test_an_answer_matches_its_schema(openai_client: OpenAI) -> None:
    class City(BaseModel):
        city: Literal["Paris", "Rome"]
        large: bool

    parsed = openai_client.responses.parse(**request(max_output_tokens=60), text_format=City).output_parsed
    assert isinstance(parsed, City)
    refused = openai_client.responses.with_raw_response
    with pytest.raises(openai.BadRequestError, match="schema"):
        refused.create(
            **request(text={"format": {"type": "json_schema", "name": "x", "schema": {"type": "nothing such"}}})
        )
