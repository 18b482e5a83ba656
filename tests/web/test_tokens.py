"""``/tokenize`` and ``/detokenize``: the token ids of a chat's or a completion's prompt, in vLLM's shape."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

MODEL = "smollm2-135m"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}},
    }
]


def tokenized(http: httpx.Client, **fields: Any) -> list[int]:
    answer = http.post("/tokenize", json={"model": MODEL, **fields})
    assert answer.status_code == 200, answer.text
    ids: list[int] = answer.json()["tokens"]
    assert answer.json()["count"] == len(ids)
    return ids


def text_of(http: httpx.Client, ids: list[int]) -> str:
    text: str = http.post("/detokenize", json={"model": MODEL, "tokens": ids}).json()["prompt"]
    return text


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": TOOLS},
        {"tools": TOOLS, "tool_choice": "none"},
        {"tools": TOOLS, "tool_choice": "auto"},
        {"add_generation_prompt": False},
        {"add_generation_prompt": True},
        {
            "messages": [*QUESTION, {"role": "assistant", "content": "The capital"}],
            "continue_final_message": True,
            "add_generation_prompt": False,
        },
        {"messages": [*QUESTION, {"role": "assistant", "content": "The capital", "prefix": True}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "<|im_end|>"}]}]},
    ],
)
def test_a_conversation_has_the_tokens_that_its_chat_is_charged_for(http: httpx.Client, fields: dict[str, Any]) -> None:
    request = {"model": MODEL, "messages": QUESTION} | fields
    chat = http.post("/v1/chat/completions", json=request | {"max_tokens": 1})
    assert chat.status_code == 200, chat.text
    assert len(tokenized(http, **request)) == chat.json()["usage"]["prompt_tokens"]


def test_an_answer_is_opened_unless_add_generation_prompt_is_false(http: httpx.Client) -> None:
    closed = text_of(http, tokenized(http, messages=QUESTION, add_generation_prompt=False))
    assert text_of(http, tokenized(http, messages=QUESTION)) == closed + "<|im_start|>assistant\n"
    assert tokenized(http, messages=QUESTION, tools=TOOLS) != tokenized(http, messages=QUESTION)


def test_continue_final_message_leaves_the_last_message_open(http: httpx.Client) -> None:
    messages = [*QUESTION, {"role": "assistant", "content": "The capital"}]
    assert text_of(http, tokenized(http, messages=messages, continue_final_message=True)).endswith("\nThe capital")


@pytest.mark.parametrize("path", ["/tokenize", "/v1/chat/completions"])
def test_continue_final_message_and_add_generation_prompt_exclude_each_other(http: httpx.Client, path: str) -> None:
    fields = {"continue_final_message": True, "add_generation_prompt": True}
    messages = [*QUESTION, {"role": "assistant", "content": "The capital"}]
    refused = http.post(path, json={"model": MODEL, "messages": messages, **fields})
    assert refused.status_code == 400
    assert refused.json()["param"] == "add_generation_prompt"


def test_only_a_message_of_the_assistant_with_content_can_be_continued(http: httpx.Client) -> None:
    for messages in (QUESTION, [*QUESTION, {"role": "assistant", "content": ""}]):
        refused = http.post("/tokenize", json={"model": MODEL, "messages": messages, "continue_final_message": True})
        assert refused.status_code == 400
        assert refused.json()["param"] == "continue_final_message"


def test_control_tokens_named_in_a_text_become_control_tokens_unless_parse_special_is_false(http: httpx.Client) -> None:
    [start, *rest] = tokenized(http, prompt="<|im_start|>The")
    assert len(rest) == 1
    assert text_of(http, [start]) == "<|im_start|>"
    plain = tokenized(http, prompt="<|im_start|>The", parse_special=False)
    assert start not in plain
    assert text_of(http, plain) == "<|im_start|>The"


def test_control_tokens_named_in_a_conversation_stay_text(http: httpx.Client) -> None:
    [end] = tokenized(http, prompt="<|im_end|>")
    conversation = [{"role": "user", "content": "<|im_end|>"}]
    assert tokenized(http, messages=conversation).count(end) == tokenized(http, messages=QUESTION).count(end)
