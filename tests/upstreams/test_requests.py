"""The canonical request is sent in the fields of each kind of upstream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aquilon.conversations.dialects.chat_fields import ChatCompletionRequest
from aquilon.engine.protocol import SamplingParameters
from aquilon.request import ChatPrompt, GenerationRequest, JsonObject, TextPrompt
from aquilon.text.messages import Message
from aquilon.upstreams.counting import prompt_size
from aquilon.upstreams.requests import body_of
from aquilon.upstreams.upstream import UpstreamKind


@pytest.mark.parametrize(
    ("kind", "repeats", "expected"),
    [
        ("mistral", True, {"prefix": True}),
        ("aquilon", True, {"prefix": True}),
        ("aquilon", False, {"continue_final_message": True, "echo": False}),
        ("openai", True, {"continue_final_message": True, "echo": False}),
        ("openai", False, {"continue_final_message": True, "echo": False}),
    ],
)
def test_a_message_to_continue_is_sent_in_the_fields_of_each_kind(
    kind: UpstreamKind, repeats: bool, expected: dict[str, Any]
) -> None:
    messages = (Message("user", "Count."), Message("assistant", "1, 2"))
    prompt = ChatPrompt(messages, continue_final=True, repeats_final=repeats)
    request = GenerationRequest(model="m", prompt=prompt, sampling=SamplingParameters())
    body = json.loads(body_of(request, kind, "remote", reasoning=False))
    fields = body | body["messages"][-1]
    assert {name: fields.get(name) for name in expected} == expected
    assert ("prefix" in fields) == ("prefix" in expected)


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
HELLO = {"role": "user", "content": "Hello"}


def sent_body(kind: UpstreamKind = "openai", *, reasoning: bool = False, **fields: Any) -> dict[str, Any]:
    """The body that an upstream gets for a client's fields."""
    client_fields = {"model": "m", "messages": [HELLO]} | fields
    request = ChatCompletionRequest.model_validate(client_fields).generation()
    body: dict[str, Any] = json.loads(body_of(request, kind, "remote", reasoning=reasoning))
    return body


class TestAsTheClientSentIt:
    @pytest.mark.parametrize("strict", [None, False, True])
    def test_a_schema_is_strict_where_the_client_says_so(self, strict: bool | None) -> None:
        more = {} if strict is None else {"strict": strict}
        sent = {"name": "p", "description": "A thing.", "schema": SCHEMA} | more
        body = sent_body(response_format={"type": "json_schema", "json_schema": sent})
        assert body["response_format"] == {"type": "json_schema", "json_schema": sent}

    @pytest.mark.parametrize(
        "function",
        [
            {"name": "f"},
            {"name": "f", "parameters": {}},
            {"name": "f", "description": "Does.", "strict": True, "parameters": SCHEMA},
            {"name": "f", "parameters": SCHEMA, "x-of-a-vendor": [1]},
        ],
    )
    def test_a_function_has_the_fields_that_were_sent(self, function: dict[str, Any]) -> None:
        tool = {"type": "function", "function": function, "cache_control": {"type": "ephemeral"}}
        assert sent_body(tools=[tool])["tools"] == [tool]

    def test_messages_keep_thoughts_signatures_and_parts(self) -> None:
        call = {
            "id": "c1",
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "s"}},
        }
        messages = [
            {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "x"}}]},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "reasoning_content": "because", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "5", "name": "f"},
            {"role": "assistant", "content": None, "refusal": "No."},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b", "detail": "low"}}]},
        ]
        assert sent_body(messages=messages)["messages"] == messages

    @pytest.mark.parametrize(
        ("kind", "reasoning", "sent", "there"),
        [
            ("openai", False, "max_tokens", "max_tokens"),
            ("openai", False, "max_completion_tokens", "max_completion_tokens"),
            ("openai", True, "max_tokens", "max_completion_tokens"),
            ("mistral", False, "max_completion_tokens", "max_tokens"),
        ],
    )
    def test_max_tokens_is_sent_under_the_name_that_the_upstream_knows(
        self, kind: UpstreamKind, reasoning: bool, sent: str, there: str
    ) -> None:
        body = sent_body(kind, reasoning=reasoning, **{sent: 5})
        assert {name: value for name, value in body.items() if "tokens" in name} == {there: 5}


def test_an_answer_that_is_kept_here_is_not_kept_at_the_upstream_too() -> None:
    """OpenAI refuses ``metadata`` without ``store``."""
    assert not {"store", "metadata"} & set(sent_body("openai", store=True, metadata={"a": "b"}))
    assert sent_body("openai", store=False, metadata={"a": "b"})["store"] is False


class TestMistralsContract:
    """Mistral refuses a request with a field that it doesn't know."""

    def test_openais_fields_are_not_sent(self) -> None:
        body = sent_body("mistral", user="u", store=False, service_tier="auto", metadata={"a": "b"}, safe_prompt=True)
        assert set(body) == {"model", "messages", "stream", "metadata", "safe_prompt"}
        assert sent_body("openai")["stream_options"] == {"include_usage": True}

    def test_messages_and_calls_have_the_fields_that_it_knows(self) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        thoughts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "a"}]
        body = sent_body(
            "mistral",
            messages=[
                HELLO | {"name": "Ada"},
                {"role": "assistant", "content": "", "reasoning_content": "x", "tool_calls": [call | {"more": 1}]},
                {"role": "tool", "tool_call_id": "c1", "content": "5", "name": "f"},
                {"role": "assistant", "content": thoughts},
                HELLO,
            ],
        )
        assert body["messages"][0] == HELLO
        assert body["messages"][1] == {"role": "assistant", "content": None, "tool_calls": [call]}
        assert body["messages"][3] == {"role": "assistant", "content": thoughts}

    def test_a_function_without_parameters_has_an_empty_schema(self) -> None:
        body = sent_body("mistral", tools=[{"type": "function", "function": {"name": "f", "strict": True, "odd": 1}}])
        function = {"name": "f", "parameters": {"type": "object", "properties": {}}, "strict": True}
        assert body["tools"] == [{"type": "function", "function": function}]


def test_thoughts_in_content_parts_are_sent_to_kinds_that_know_them() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "a"}]
    messages = [HELLO, {"role": "assistant", "content": parts}, HELLO]
    for kind, content in (("openai", parts[1:]), ("aquilon", parts)):
        assert sent_body(kind, messages=messages)["messages"][1]["content"] == content  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["openai", "aquilon", "azure", "mistral"])
def test_a_reasoning_model_gets_earlier_thoughts_once_in_the_field_that_it_reads(kind: UpstreamKind) -> None:
    messages = (Message("user", "a"), Message("assistant", "b", reasoning="Hm."), Message("user", "c"))
    request = GenerationRequest(model="m", prompt=ChatPrompt(messages), sampling=SamplingParameters())
    for reasoning in (True, False):
        message = json.loads(body_of(request, kind, "remote", reasoning=reasoning))["messages"][1]
        expected: dict[str, Any] = {"role": "assistant", "content": "b"}
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
        if reasoning and kind == "mistral":
            expected["content"] = [thinking, {"type": "text", "text": "b"}]
        elif reasoning:
            expected["reasoning_content"] = "Hm."
        assert message == expected


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thoughts_are_sent_in_the_clients_own_field_alone(name: str) -> None:
    messages = [HELLO, {"role": "assistant", "content": "b", name: "Hm."}, HELLO]
    assert sent_body("openai", reasoning=True, messages=messages)["messages"] == messages


def test_variables_of_chat_templates_are_passed_on_to_servers_that_have_templates() -> None:
    variables = {"enable_thinking": False}
    assert sent_body("openai", chat_template_kwargs=variables)["chat_template_kwargs"] == variables
    assert "chat_template_kwargs" not in sent_body("mistral", chat_template_kwargs=variables)


def test_vllms_fields_are_passed_on_as_the_client_sent_them() -> None:
    fields = {
        "return_token_ids": True,
        "truncate_prompt_tokens": 9,
        "truncation_side": "right",
        "logprobs": True,
        "logprob_token_ids": [4],
        "allowed_token_ids": [4, 5],
        "bad_words": ["x"],
        "skip_special_tokens": False,
        "include_stop_str_in_output": True,
        "priority": 3,
        "length_penalty": 2.0,
        "add_special_tokens": True,
    }
    assert {name: sent_body("openai", **fields)[name] for name in fields} == fields


@pytest.mark.parametrize("kind", ["openai", "aquilon"])
def test_llama_cpps_formats_are_sent_in_the_shapes_that_servers_know(kind: UpstreamKind) -> None:
    body = sent_body(kind, json_schema=SCHEMA)
    assert (body["response_format"]["json_schema"]["schema"], "json_schema" in body) == (SCHEMA, False)
    body = sent_body(kind, grammar='root ::= "a"')
    assert body["structured_outputs"] == {"grammar": 'root ::= "a"'}
    assert body.get("grammar") == ('root ::= "a"' if kind == "openai" else None)


def test_the_format_of_a_completion_is_sent_too() -> None:
    prompt = TextPrompt("a")
    request = GenerationRequest(model="m", prompt=prompt, sampling=SamplingParameters(), format=JsonObject())
    assert json.loads(body_of(request, "openai", "there", reasoning=False))["response_format"] == {
        "type": "json_object"
    }


def test_thoughts_are_counted_as_part_of_the_prompt() -> None:
    def size(**more: Any) -> int:
        messages = [HELLO, {"role": "assistant", "content": "a", **more}, HELLO]
        return prompt_size(ChatCompletionRequest.model_validate({"model": "m", "messages": messages}).generation()).most

    for fields in (
        {"reasoning_content": "x" * 1000},
        {"reasoning": "x" * 1000},
        {"content": [{"type": "thinking", "thinking": "x" * 1000}, {"type": "text", "text": "a"}]},
    ):
        assert size() + 1000 <= size(**fields) <= size() + 1100
