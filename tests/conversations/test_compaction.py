"""A conversation is summarised by its model, in parts where the context doesn't hold it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.upstream_gateway import MODEL, Gateway, open_gateway
from tests.support.upstream_server import Connection, upstream_server

from aquilon.conversations.compaction import Compactor, transcript
from aquilon.conversations.items import CompactionItem, MessageItem, Text
from aquilon.conversations.messages import messages_of
from aquilon.errors import ApiError
from aquilon.money.usage_event import Usage
from aquilon.text.messages import FunctionCall, ImagePart, Message, TextPart, ToolCall

TURNS = [Message("user", f"Fact {number}: {'word ' * 100}") for number in range(60)]
"""About three times what the stand-in's context of 4,096 tokens holds."""


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path) as opened:
        yield opened


def compactor(gateway: Gateway) -> Compactor:
    [card] = [card for card in gateway.registry.cards() if card.name == MODEL]
    return Compactor(
        pipeline=gateway.pipeline,
        model=MODEL,
        card=card,
        principal=gateway.principal,
        request_id="resp_1",
        headers={},
    )


async def test_a_long_conversation_is_summarised_in_parts_and_each_part_is_billed(gateway: Gateway) -> None:
    asked: list[str] = []

    async def summarise(connection: Connection) -> None:
        asked.append(connection.request.json["messages"][-1]["content"])
        await connection.begin()
        await connection.say(f" Summary {len(asked)}. ")
        await connection.finish(usage={"prompt_tokens": 100, "completion_tokens": 5})
        await connection.end()

    async with upstream_server(summarise) as upstream:
        await gateway.add(upstream.url)
        compaction = await compactor(gateway).compact(TURNS)
    assert len(asked) == 4
    assert compaction.summary == "Summary 4."
    assert compaction.usage == Usage(400, 20)
    assert [f"Summary {number}." in text for number, text in enumerate(asked)] == [False, True, True, True]
    for number in range(len(TURNS)):
        assert sum(f"Fact {number}:" in text for text in asked) == 1
    assert set(gateway.events()) == {"resp_1", "resp_101", "resp_102", "resp_103"}


async def test_without_a_summary_nothing_is_compacted(gateway: Gateway) -> None:
    async def say_nothing(connection: Connection) -> None:
        await connection.begin()
        await connection.say(" ")
        await connection.finish(usage={"prompt_tokens": 100, "completion_tokens": 1})
        await connection.end()

    async with upstream_server(say_nothing) as upstream:
        await gateway.add(upstream.url)
        with pytest.raises(ApiError, match="no summary"):
            await compactor(gateway).compact(TURNS[:1])


def test_a_transcript_has_what_was_said_called_and_returned() -> None:
    call = ToolCall("call_1", FunctionCall("weather", '{"city": "Paris"}'))
    picture: Any = (TextPart("See"), ImagePart("https://example.com/a.png"))
    messages = [
        Message("user", "See", parts=picture),
        Message("assistant", "I look.", tool_calls=(call,)),
        Message("tool", "sunny", name="weather", tool_call_id="call_1"),
    ]
    assert transcript(messages).split("\n\n") == [
        "User: See\n(an image)",
        "Assistant: I look.",
        'Assistant calls weather: {"city": "Paris"}',
        "Result of weather: sunny",
    ]


def test_a_summary_stands_for_what_is_before_it_but_for_instructions() -> None:
    items = [
        MessageItem("system", (Text("Be brief."),)),
        MessageItem("user", (Text("Hello"),)),
        CompactionItem("They greeted."),
        MessageItem("user", (Text("And now?"),)),
    ]
    instructions, summary, question = messages_of(items)
    assert (instructions.role, instructions.content) == ("system", "Be brief.")
    assert summary.content.endswith("They greeted.")
    assert question.content == "And now?"
