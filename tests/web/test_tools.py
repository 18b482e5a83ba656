"""Tools in chat: the smallest model calls them rightly when it must, and both clients read the calls."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema
import openai
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState

MODEL = "smollm2-135m"
WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "unit"],
}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}},
]
SCHEMAS = {"get_weather": WEATHER, "get_time": {"type": "object", "maxProperties": 0}}
QUESTION: list[Any] = [{"role": "user", "content": "What is the weather in Paris, and what time is it?"}]
NAMED: Any = {"type": "function", "function": {"name": "get_weather"}}


def ask(client: OpenAI, **fields: Any) -> Any:
    asked: dict[str, Any] = {"model": MODEL, "messages": QUESTION, "tools": TOOLS, "seed": 1, "max_tokens": 500}
    return client.chat.completions.create(**(asked | fields))


class TestEnforced:
    @pytest.mark.parametrize("seed", range(2))
    def test_a_required_call_is_valid_even_from_the_smallest_model(self, openai_client: OpenAI, seed: int) -> None:
        [choice] = ask(openai_client, tool_choice="required", seed=seed, temperature=1.5).choices
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        assert choice.message.tool_calls
        for call in choice.message.tool_calls:
            jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])
        ids = [call.id for call in choice.message.tool_calls]
        assert len(set(ids)) == len(ids)

    def test_a_named_function_is_called_once(self, openai_client: OpenAI) -> None:
        [choice] = ask(openai_client, tool_choice=NAMED, temperature=0).choices
        [call] = choice.message.tool_calls
        assert call.function.name == "get_weather"
        assert json.loads(call.function.arguments) == {"city": "Paris", "unit": "celsius"}

    def test_without_parallel_calls_there_is_one(self, openai_client: OpenAI) -> None:
        for seed in range(3):
            [choice] = ask(openai_client, tool_choice="required", parallel_tool_calls=False, seed=seed).choices
            assert len(choice.message.tool_calls) == 1

    def test_a_model_that_was_not_trained_for_tools_is_made_to_call_once(self, openai_client: OpenAI) -> None:
        [choice] = ask(openai_client, tool_choice="required", temperature=0).choices
        assert len(choice.message.tool_calls) == 1  # it would go on repeating the same call

    def test_each_of_n_answers_calls_by_itself(self, openai_client: OpenAI) -> None:
        choices = ask(openai_client, tool_choice="required", parallel_tool_calls=False, n=3, temperature=1.0).choices
        assert [choice.finish_reason for choice in choices] == ["tool_calls"] * 3
        for choice in choices:
            for call in choice.message.tool_calls:
                jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])

    def test_what_the_assistant_has_said_goes_on_with_the_call(self, openai_client: OpenAI) -> None:
        call_begun = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Nice'
        for begun, said in (("I will look. ", "I will look. "), (call_begun, None)):
            messages = [*QUESTION, {"role": "assistant", "content": begun, "prefix": True}]
            [choice] = ask(openai_client, messages=messages, tool_choice=NAMED, temperature=0).choices
            [call] = choice.message.tool_calls
            jsonschema.validate(json.loads(call.function.arguments), WEATHER)
            assert choice.message.content == said
            assert json.loads(call.function.arguments)["city"].startswith("" if said else "Nice")

    def test_a_call_cut_short_ends_with_length(self, openai_client: OpenAI) -> None:
        [choice] = ask(openai_client, tool_choice=NAMED, max_tokens=18).choices
        assert choice.finish_reason == "length"

    def test_with_none_nothing_is_called(self, openai_client: OpenAI) -> None:
        [choice] = ask(openai_client, tool_choice="none", max_tokens=12).choices
        assert choice.message.tool_calls is None
        assert choice.message.content

    def test_left_to_itself_it_may_also_just_answer(self, openai_client: OpenAI) -> None:
        [choice] = ask(openai_client, temperature=0, max_tokens=30).choices
        assert choice.finish_reason in ("stop", "length")
        assert choice.message.content

    def test_a_format_and_a_tool_go_together(self, openai_client: OpenAI) -> None:
        schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
        format_: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        [choice] = ask(openai_client, response_format=format_, temperature=0, max_tokens=150).choices
        assert choice.message.tool_calls or isinstance(json.loads(choice.message.content), dict)


class TestStreams:
    @pytest.mark.parametrize("choice", ["required", NAMED])
    def test_a_stream_adds_up_to_the_whole_call(self, openai_client: OpenAI, choice: Any) -> None:
        whole = ask(openai_client, tool_choice=choice)
        state = ChatCompletionStreamState()
        chunks = list(ask(openai_client, tool_choice=choice, stream=True))
        for chunk in chunks:
            state.handle_chunk(chunk)
        streamed = state.get_final_completion()
        assert streamed.choices[0].finish_reason == whole.choices[0].finish_reason == "tool_calls"
        [said], [expected] = ([answer.choices[0].message.tool_calls] for answer in (streamed, whole))
        assert [(call.function.name, call.function.arguments) for call in said or ()] == [
            (call.function.name, call.function.arguments) for call in expected
        ]
        # Arguments come as they are written, not all at once.
        assert sum(bool(chunk.choices[0].delta.tool_calls) for chunk in chunks if chunk.choices) > 5
        assert all(chunk.choices[0].delta.content is None for chunk in chunks)

    def test_a_stream_of_several_answers_keeps_their_calls_apart(self, openai_client: OpenAI) -> None:
        whole = ask(openai_client, tool_choice=NAMED, n=3, temperature=1.0)
        texts = ["", "", ""]
        for chunk in ask(openai_client, tool_choice=NAMED, n=3, temperature=1.0, stream=True):
            for choice in chunk.choices:
                for call in choice.delta.tool_calls or ():
                    texts[choice.index] += call.function.arguments
        assert texts == [choice.message.tool_calls[0].function.arguments for choice in whole.choices]


class TestConversation:
    def test_results_go_back_and_the_model_goes_on(self, openai_client: OpenAI) -> None:
        first = ask(openai_client, tool_choice=NAMED).choices[0].message
        result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "18 degrees"}
        again = [*QUESTION, first.model_dump(exclude_none=True), result]
        answer = ask(openai_client, messages=again, max_tokens=20)
        assert answer.choices[0].message.content
        assert answer.usage.prompt_tokens > 150

    def test_the_older_functions_are_answered_in_their_shape(self, openai_client: OpenAI) -> None:
        fields: dict[str, Any] = {
            "model": MODEL,
            "messages": QUESTION,
            "functions": [tool["function"] for tool in TOOLS],
            "function_call": {"name": "get_weather"},
            "temperature": 0,
        }
        [choice] = openai_client.chat.completions.create(**fields).choices
        assert choice.finish_reason == "function_call"
        assert choice.message.function_call is not None
        assert choice.message.function_call.name == "get_weather"
        assert choice.message.tool_calls is None
        again = [
            *QUESTION,
            choice.message.model_dump(exclude_none=True),
            {"role": "function", "name": "get_weather", "content": "18 degrees"},
        ]
        assert ask(openai_client, messages=again, max_tokens=5).choices[0].finish_reason


class TestMistral:
    def test_any_calls_one_and_the_result_goes_back(self, mistral_client: Mistral) -> None:
        answer = mistral_client.chat.complete(
            model=MODEL, messages=QUESTION, tools=TOOLS, tool_choice="any", random_seed=1, max_tokens=400
        )
        message = answer.choices[0].message
        assert answer.choices[0].finish_reason == "tool_calls"
        assert message is not None
        assert message.tool_calls
        call = message.tool_calls[0]
        jsonschema.validate(json.loads(str(call.function.arguments)), SCHEMAS[call.function.name])
        result: Any = {"role": "tool", "name": call.function.name, "content": "18", "tool_call_id": call.id}
        again = mistral_client.chat.complete(model=MODEL, messages=[*QUESTION, message, result], max_tokens=5)
        assert again.choices[0].message is not None

    def test_chunks_parse_too(self, mistral_client: Mistral) -> None:
        arguments = ""
        with mistral_client.chat.stream(
            model=MODEL, messages=QUESTION, tools=TOOLS, tool_choice=NAMED, temperature=0, max_tokens=100
        ) as stream:
            for event in stream:
                for call in event.data.choices[0].delta.tool_calls or ():
                    arguments += str(call.function.arguments)
        assert json.loads(arguments) == {"city": "Paris", "unit": "celsius"}


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"tool_choice": {"type": "function", "function": {"name": "nope"}}}, "none of the tools"),
            ({"tools": [], "tool_choice": "required"}, "there are no tools"),
            ({"tools": [TOOLS[0], TOOLS[0]]}, "Two tools are named 'get_weather'"),
            ({"tools": [{"type": "web_search"}]}, "Tools of type 'web_search'"),
        ],
    )
    def test_they_say_what_is_wrong(self, openai_client: OpenAI, fields: dict[str, Any], says: str) -> None:
        with pytest.raises(openai.BadRequestError, match=says):
            ask(openai_client, **fields)

    def test_parameters_that_no_grammar_holds_are_named_where_they_must_be_held(self, http: httpx.Client) -> None:
        bad = {"type": "function", "function": {"name": "odd", "parameters": {"not": {"type": "object"}}}}
        fields = {"model": MODEL, "messages": QUESTION, "tools": [*TOOLS, bad], "max_tokens": 3}
        refused = http.post("/v1/chat/completions", json=fields | {"tool_choice": "required"})
        assert refused.status_code == 400
        assert "'odd'" in refused.json()["message"]
        assert refused.json()["param"] == "tools"
        assert http.post("/v1/chat/completions", json=fields).status_code == 200
