"""An assistant's earlier thoughts, in every field in which clients send them back, become part of its message."""

from __future__ import annotations

from typing import Any

import pytest

from aquilon.conversations.dialects.chat_fields import ChatCompletionRequest
from aquilon.conversations.dialects.prompts_of_items import prompt_messages
from aquilon.conversations.dialects.responses_items import InputItem, items
from aquilon.request import ChatPrompt

HELLO = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "a", "reasoning_content": "Hm."},
        {"content": "a", "reasoning": "Hm."},
        {"content": "a", "reasoning": "Hm.", "reasoning_content": "Hm."},
        {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "a"}]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                {"type": "text", "text": "a"},
            ]
        },
    ],
)
def test_thoughts_of_a_chat_message_are_read_once(fields: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [HELLO, {"role": "assistant", **fields}, HELLO]}
    prompt = ChatCompletionRequest.model_validate(body).generation().prompt
    assert isinstance(prompt, ChatPrompt)
    assert (prompt.messages[1].content, prompt.messages[1].reasoning) == ("a", "Hm.")


def test_a_user_has_no_thoughts() -> None:
    body = {"model": "m", "messages": [HELLO | {"reasoning_content": "Hm."}]}
    prompt = ChatCompletionRequest.model_validate(body).generation().prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.messages[0].reasoning == ""


def conversation(*sent: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    """Role, content, thoughts and number of calls of each message."""
    turns = prompt_messages(None, (), items([InputItem.model_validate(item) for item in sent]))
    return [(turn.role, turn.content, turn.reasoning, len(turn.tool_calls)) for turn in turns]


def thought(text: str) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


def call(call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"}


def output(call_id: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "5"}


def test_reasoning_items_belong_to_the_assistants_message_that_follows() -> None:
    said = {"role": "assistant", "content": "a"}
    assert conversation(HELLO, thought("Hm."), said, HELLO) == [
        ("user", "Hello", "", 0),
        ("assistant", "a", "Hm.", 0),
        ("user", "Hello", "", 0),
    ]
    assert conversation(
        HELLO, thought("A"), call("1"), call("2"), output("1"), output("2"), thought("B"), said, HELLO
    ) == [
        ("user", "Hello", "", 0),
        ("assistant", "", "A", 2),
        ("tool", "5", "", 0),
        ("tool", "5", "", 0),
        ("assistant", "a", "B", 0),
        ("user", "Hello", "", 0),
    ]
    assert conversation(HELLO, thought("A"), said, thought("B"), call("1"), output("1"))[1] == (
        "assistant",
        "a",
        "A\nB",
        1,
    )


def test_thoughts_that_no_message_of_the_assistant_follows_are_left_out() -> None:
    assert conversation(thought("Hm."), HELLO) == [("user", "Hello", "", 0)]


def test_a_summary_stands_for_thoughts_that_the_client_does_not_have() -> None:
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "In short."}], "encrypted_content": "x"}
    assert conversation(item, {"role": "assistant", "content": "a"}, HELLO)[0] == ("assistant", "a", "In short.", 0)
