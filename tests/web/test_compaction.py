"""``/v1/responses/compact`` with OpenAI's own client."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from openai import OpenAI
from openai.types.responses import ResponseCompactionItem

MODEL = "smollm2-135m"
CONVERSATION: list[Any] = [
    {"role": "developer", "content": "You know geography."},
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": "Paris."},
    {"role": "user", "content": [{"type": "input_text", "text": "How many people live there?"}]},
    {"role": "assistant", "content": "About two million."},
]


def test_a_conversation_becomes_its_user_s_messages_and_a_summary_that_goes_on(openai_client: OpenAI) -> None:
    compacted = openai_client.responses.compact(model=MODEL, input=CONVERSATION, instructions="Be brief.")
    assert compacted.object == "response.compaction"
    *said, summary = compacted.output
    assert [item.to_dict(warnings=False)["content"][0]["text"] for item in said] == [
        *("What is the capital of France?", "How many people live there?")
    ]
    assert isinstance(summary, ResponseCompactionItem)
    assert summary.encrypted_content == summary.to_dict()["summary"][0]["text"] != ""
    assert compacted.usage.total_tokens == compacted.usage.input_tokens + compacted.usage.output_tokens
    assert compacted.usage.output_tokens > 1

    sent_back: Any = [
        *(item.to_dict(warnings=False) for item in compacted.output),
        {"role": "user", "content": "And of Spain?"},
    ]
    alone: Any = [{"type": "compaction", "encrypted_content": summary.encrypted_content}, sent_back[-1]]
    one, other = (
        openai_client.responses.create(model=MODEL, input=input_, max_output_tokens=4, temperature=0)
        for input_ in (sent_back, alone)
    )
    assert one.output_text == other.output_text
    assert one.usage is not None
    assert other.usage is not None
    assert one.usage.input_tokens == other.usage.input_tokens


def test_a_stored_conversation_is_compacted(openai_client: OpenAI) -> None:
    first = openai_client.responses.create(model=MODEL, input="My name is Ada.", max_output_tokens=4)
    compacted = openai_client.responses.compact(model=MODEL, previous_response_id=first.id)
    said, summary = compacted.output
    assert "My name is Ada." in str(said.to_dict(warnings=False))
    assert summary.type == "compaction"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": []}, 400, "input"),
        ({}, 400, "input"),
        ({"input": "Hello", "model": "no-such-model"}, 404, "model"),
        ({"previous_response_id": "resp_unknown"}, 400, "previous_response_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, 400, "input.0"),
    ],
)
def test_what_can_not_be_compacted_is_refused(http: httpx.Client, body: Any, status: int, param: str) -> None:
    refused = http.post("/v1/responses/compact", json={"model": MODEL} | body)
    assert (refused.status_code, refused.json()["param"]) == (status, param)


def test_the_model_of_a_compaction_is_named_or_null(http: httpx.Client) -> None:
    refused = http.post("/v1/responses/compact", json={"input": "Hello"})
    assert (refused.status_code, refused.json()["param"]) == (400, "model")
    assert http.post("/v1/responses/compact", json={"input": "Hello", "model": None}).status_code == 200
