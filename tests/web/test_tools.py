"""Tools in chat: required calls are valid even from the smallest model, and both clients read them."""

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
    defaults: dict[str, Any] = {"model": MODEL, "messages": QUESTION, "tools": TOOLS, "seed": 1, "max_tokens": 500}
    return client.chat.completions.create(**(defaults | fields))


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

    def test_without_parallel_calls_there_is_exactly_one_call(self, openai_client: OpenAI) -> None:
        for seed in range(3):
            [choice] = ask(openai_client, tool_choice="required", parallel_tool_calls=False, seed=seed).choices
            assert len(choice.message.tool_calls) == 1

    def test_a_model_that_was_not_trained_for_tools_calls_once(self, openai_client: OpenAI) -> None:
        [choice] = ask(openai_client, tool_choice="required", temperature=0).choices
        assert len(choice.message.tool_calls) == 1  # it would otherwise repeat the same call

    def test_each_of_n_answers_has_separate_calls(self, openai_client: OpenAI) -> None:
        choices = ask(openai_client, tool_choice="required", parallel_tool_calls=False, n=3, temperature=1.0).choices
        assert [choice.finish_reason for choice in choices] == ["tool_calls"] * 3
        for choice in choices:
            for call in choice.message.tool_calls:
                jsonschema.validate(json.loads(call.function.arguments), SCHEMAS[call.function.name])

    def test_a_prefix_is_continued_with_the_call(self, openai_client: OpenAI) -> None:
        half_a_call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Nice'
        for prefix, content in (("I will look. ", "I will look. "), (half_a_call, None)):
            messages = [*QUESTION, {"role": "assistant", "content": prefix, "prefix": True}]
            [choice] = ask(openai_client, messages=messages, tool_choice=NAMED, temperature=0).choices
            [call] = choice.message.tool_calls
            jsonschema.validate(json.loads(call.function.arguments), WEATHER)
            assert choice.message.content == content
            assert json.loads(call.function.arguments)["city"].startswith("" if content else "Nice")

    def test_a_call_at_the_token_limit_ends_with_length(self, openai_client: OpenAI) -> None:
        [choice] = ask(openai_client, tool_choice=NAMED, max_tokens=18).choices
        assert choice.finish_reason == "length"

    def test_with_tool_choice_none_nothing_is_called(self, openai_client: OpenAI) -> None:
        [choice] = ask(openai_client, tool_choice="none", max_tokens=12).choices
        assert choice.message.tool_calls is None
        assert choice.message.content

    def test_with_tool_choice_auto_the_model_may_answer_without_a_call(self, openai_client: OpenAI) -> None:
        [choice] = ask(openai_client, temperature=0, max_tokens=30).choices
        assert choice.finish_reason in ("stop", "length")
        assert choice.message.content

    def test_a_format_and_tools_can_be_combined(self, openai_client: OpenAI) -> None:
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
        [calls], [expected] = ([answer.choices[0].message.tool_calls] for answer in (streamed, whole))
        assert [(call.function.name, call.function.arguments) for call in calls or ()] == [
            (call.function.name, call.function.arguments) for call in expected
        ]
        # Arguments are streamed while they are written.
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
    def test_the_model_answers_after_the_result_of_a_call(self, openai_client: OpenAI) -> None:
        first = ask(openai_client, tool_choice=NAMED).choices[0].message
        result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "18 degrees"}
        again = [*QUESTION, first.model_dump(exclude_none=True), result]
        answer = ask(openai_client, messages=again, max_tokens=20)
        assert answer.choices[0].message.content
        assert answer.usage.prompt_tokens > 150

    def test_the_older_functions_field_is_answered_in_its_shape(self, openai_client: OpenAI) -> None:
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
    def test_tool_choice_any_calls_a_tool_and_its_result_is_read(self, mistral_client: Mistral) -> None:
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

    def test_the_client_parses_chunks_of_calls(self, mistral_client: Mistral) -> None:
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
            (
                {"tool_choice": {"type": "function", "function": {"name": "nope"}}},
                "isn't among the tools get_weather, get_time",
            ),
            ({"tools": [], "tool_choice": "required"}, "there are no tools"),
            ({"tools": [TOOLS[0], TOOLS[0]]}, "Two tools are named 'get_weather'"),
            ({"tools": [{"type": "web_search"}]}, "Tools of type 'web_search'"),
        ],
    )
    def test_a_wrong_tool_or_choice_is_refused_with_the_reason(
        self, openai_client: OpenAI, fields: dict[str, Any], says: str
    ) -> None:
        with pytest.raises(openai.BadRequestError, match=says):
            ask(openai_client, **fields)

    def test_parameters_that_no_grammar_can_express_are_refused_if_a_call_is_required(self, http: httpx.Client) -> None:
        bad = {"type": "function", "function": {"name": "odd", "parameters": {"not": {"type": "object"}}}}
        fields = {"model": MODEL, "messages": QUESTION, "tools": [*TOOLS, bad], "max_tokens": 3}
        refused = http.post("/v1/chat/completions", json=fields | {"tool_choice": "required"})
        assert refused.status_code == 400
        assert "'odd'" in refused.json()["message"]
        assert refused.json()["param"] == "tools"
        assert http.post("/v1/chat/completions", json=fields).status_code == 200
