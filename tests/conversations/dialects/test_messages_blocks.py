"""Anthropic's requests become the conversation that every backend reads."""

from __future__ import annotations

from typing import Any

import pytest

from aquilon.conversations.dialects.messages_blocks import UNSIGNED
from aquilon.conversations.dialects.messages_fields import MessagesRequest
from aquilon.errors import ApiError
from aquilon.request import ChatPrompt, GenerationRequest, JsonSchema
from aquilon.text.messages import FunctionCall, ImagePart, Message, SignedThoughts, TextPart, ToolCall

PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
PIXEL_PART = ImagePart("data:image/png;base64,aGk=")
LOOK = {"name": "look", "description": "Looks", "input_schema": {"type": "object", "properties": {}}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "Paris"}}
CALLED = ToolCall("toolu_1", FunctionCall("look", '{"at":"Paris"}'))


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def generation(*turns: Any, **more: Any) -> GenerationRequest:
    body = {"model": "m", "max_tokens": 10, "messages": list(turns)} | more
    return MessagesRequest.model_validate(body).generation()


def prompt(*turns: Any, **more: Any) -> ChatPrompt:
    prompt = generation(*turns, **more).prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


def refusal(*turns: Any, **more: Any) -> str:
    with pytest.raises(ApiError) as caught:
        generation(*turns, **more)
    assert caught.value.status == 400
    return caught.value.message


def test_a_system_prompt_comes_first_as_text_or_blocks() -> None:
    for system in ("Be\nbrief", [said("Be") | {"cache_control": {"type": "ephemeral"}}, said("brief")]):
        assert prompt(user(said("Hi")), system=system).messages == (
            Message("system", "Be\nbrief"),
            Message("user", "Hi"),
        )


def test_a_system_message_between_turns_stays_where_it_is() -> None:
    messages = prompt(user(said("a")), {"role": "system", "content": "b"}, user(said("c"))).messages
    assert messages == (Message("user", "a"), Message("system", "b"), Message("user", "c"))


def test_turns_of_one_role_that_follow_each_other_are_one() -> None:
    turns = [
        user(said("a")),
        {"role": "user", "content": "b"},
        assistant(said("c")),
        assistant(said("d")),
        user(said("e")),
    ]
    assert prompt(*turns).messages == (Message("user", "a\nb"), Message("assistant", "c\nd"), Message("user", "e"))


def test_an_image_stands_among_the_texts() -> None:
    parts = (TextPart("See"), PIXEL_PART, TextPart("this"))
    assert prompt(user(said("See"), PIXEL, said("this"))).messages == (Message("user", "See\nthis", parts=parts),)
    image = {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}
    [message] = prompt(user(image)).messages
    assert message.parts == (ImagePart("https://a.example/b.png"),)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "body"}},
        {"type": "document", "title": "T", "source": {"type": "content", "content": "body"}},
        {"type": "document", "title": "T", "source": {"type": "content", "content": [said("body")]}},
        {"type": "search_result", "title": "T", "source": "", "content": [said("body")]},
    ],
)
def test_a_document_of_text_is_read(block: dict[str, Any]) -> None:
    assert prompt(user(block, said("?"))).messages == (Message("user", "T\nbody\n?"),)


def test_calls_and_their_results_become_messages_of_the_assistant_and_of_tools() -> None:
    second = CALL | {"id": "toolu_2"}
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": [said("See"), PIXEL], "is_error": True},
    ]
    messages = prompt(
        user(said("Hi")), assistant(said("Let me look"), CALL, second), user(*results, said("So?"))
    ).messages
    failure = (TextPart("Error: See"), PIXEL_PART)
    assert messages == (
        Message("user", "Hi"),
        Message("assistant", "Let me look", tool_calls=(CALLED, ToolCall("toolu_2", CALLED.function))),
        Message("tool", "Sunny", name="look", tool_call_id="toolu_1"),
        Message("tool", "Error: See", name="look", tool_call_id="toolu_2", parts=failure, failed=True),
        Message("user", "So?"),
    )


def test_thoughts_are_kept_with_the_signature_of_whoever_signed_them() -> None:
    unsigned = {"type": "thinking", "thinking": "a", "signature": UNSIGNED}
    signed = {"type": "thinking", "thinking": "b", "signature": "EqQB"}
    hidden = {"type": "redacted_thinking", "data": "Emw="}
    message = prompt(user(said("Hi")), assistant(unsigned, signed, hidden, said("Yes")), user(said("So?"))).messages[1]
    assert (message.reasoning, message.content) == ("a\nb", "Yes")
    assert message.signed_thoughts == (SignedThoughts("b", "EqQB"), SignedThoughts("", "Emw=", redacted=True))


def test_a_last_turn_of_the_assistant_is_continued() -> None:
    continued = prompt(user(said("Hi")), assistant(said("Once upon")))
    assert continued.continue_final
    assert not continued.repeats_final
    assert not prompt(user(said("Hi"))).continue_final


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ("auto", None, True)),
        ({"type": "auto", "disable_parallel_tool_use": True}, ("auto", None, False)),
        ({"type": "any"}, ("required", None, True)),
        ({"type": "none"}, ("none", None, True)),
        ({"type": "tool", "name": "look"}, ("named", "look", False)),
    ],
)
def test_a_choice_of_tools(choice: Any, expected: Any) -> None:
    use = prompt(user(said("Hi")), tools=[LOOK], tool_choice=choice).tool_use
    assert use is not None
    assert (use.choice, use.named, use.parallel) == expected
    assert [(tool.name, tool.description, tool.parameters) for tool in use.tools] == [
        ("look", "Looks", LOOK["input_schema"])
    ]


def test_anthropic_s_own_tools_are_left_out_unless_one_must_be_called() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    toolset = {"type": "mcp_toolset", "mcp_server_name": "x"}
    use = prompt(user(said("Hi")), tools=[search, LOOK | {"type": "custom"}, toolset]).tool_use
    assert use is not None
    assert [tool.name for tool in use.tools] == ["look"]
    assert prompt(user(said("Hi")), tools=[search]).tool_use is None
    for choice in ({"type": "any"}, {"type": "tool", "name": "web_search"}):
        assert "web_search_20250305" in refusal(user(said("Hi")), tools=[search], tool_choice=choice)


@pytest.mark.parametrize(
    ("fields", "variables", "effort"),
    [
        ({}, {}, None),
        ({"thinking": {"type": "disabled"}}, {"enable_thinking": False, "reasoning_effort": "none"}, "none"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"enable_thinking": True}, None),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, {"reasoning_effort": "low"}, "low"),
        ({"thinking": {"type": "of_the_future"}}, {}, None),
        ({"output_config": {"effort": "max"}}, {"reasoning_effort": "xhigh"}, "xhigh"),
    ],
)
def test_thinking_reaches_templates_and_upstreams(fields: Any, variables: Any, effort: str | None) -> None:
    request = generation(user(said("Hi")), **fields)
    assert isinstance(request.prompt, ChatPrompt)
    assert request.prompt.template_variables == variables
    assert request.upstream_fields.get("reasoning_effort") == effort


def test_a_schema_is_the_answer_s_format() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    format_ = {"type": "json_schema", "schema": schema}
    for fields in ({"output_config": {"format": format_}}, {"output_format": format_}):
        assert generation(user(said("Hi")), **fields).format == JsonSchema(schema)


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ([user({"type": "document", "source": {"type": "base64", "data": "JVBE"}})], "must come as text"),
        ([user({"type": "image", "source": {"type": "file", "file_id": "f"}})], "An image's source must be"),
        ([user({"type": "image", "source": {"type": "url", "url": "http://a"}})], "https address"),
        ([user({"type": "container_upload", "file_id": "f"})], "'container_upload' is not supported"),
        ([user({"type": "tool_use", "id": "a", "name": "b"})], "belongs into the assistant's message"),
        ([user(said("a")), assistant({"type": "tool_result", "tool_use_id": "a"})], "belongs into a user's message"),
        ([user({"type": "tool_result", "content": "a"})], "needs a 'tool_use_id'"),
        ([user({"type": "tool_result", "tool_use_id": "a", "content": 3})], "a text or a list of content blocks"),
        ([user({"type": "text"})], "has no 'text'"),
        ([user(said("a")), assistant(CALL)], "calls 'look': send the result"),
        ([user(said("a")), assistant({"type": "thinking", "thinking": "b"})], "has no text"),
        ([user(said("a")), assistant(PIXEL)], "has an image"),
        ([{"role": "user", "content": ""}], "at least one message with content"),
    ],
)
def test_what_can_t_be_answered_is_refused_in_words(turns: list[Any], words: str) -> None:
    assert words in refusal(*turns)


def test_blocks_about_hosted_tools_are_ignored() -> None:
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    results = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    assert prompt(user(said("a")), assistant(search, results, said("b")), user(said("c"))).messages[1].content == "b"
