"""Calls of functions whose outputs never came, in a conversation that goes on."""

from __future__ import annotations

import pytest

from aquilon.conversations.dialects.prompts_of_items import prompt_messages
from aquilon.conversations.items import CallItem, CallOutputItem, Item, MessageItem, Text
from aquilon.errors import ApiError
from aquilon.text.messages import Message


def said(role: str, text: str) -> MessageItem:
    return MessageItem(role, (Text(text),))


QUESTION, AGAIN = said("user", "Weather?"), said("user", "And now?")


@pytest.mark.parametrize("words", ["", "Let me look."])
def test_a_call_that_nobody_answered_is_not_read_with_the_next_question(words: str) -> None:
    calls: list[Item] = [CallItem("c1", "get_weather", "{city: Paris"), CallItem("c2", "", "{}")]
    answer: list[Item] = [said("assistant", words)] if words else []
    expected = [
        Message("user", "Weather?"),
        *([Message("assistant", words)] if words else []),
        Message("user", "And now?"),
    ]
    assert prompt_messages(None, [QUESTION, *answer, *calls], [AGAIN]) == expected


def test_a_call_with_its_output_stays_beside_one_without() -> None:
    calls: list[Item] = [CallItem("c1", "f", "{}"), CallItem("c2", "g", "{}"), CallOutputItem("c1", (Text("7"),))]
    _, assistant, output, _ = prompt_messages(None, [QUESTION, *calls], [AGAIN])
    assert ([call.id for call in assistant.tool_calls], output.content) == (["c1"], "7")


def test_a_call_at_the_end_still_needs_its_output() -> None:
    with pytest.raises(ApiError, match="calls whose outputs are missing: f"):
        prompt_messages(None, [QUESTION], [CallItem("c1", "f", "{}")])
