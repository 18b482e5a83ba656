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


def test_pieces_have_the_bytes_that_make_the_text(http: httpx.Client) -> None:
    text = "Dès l’aube 🌬️\t\0 <|im_end|>\n"
    body = {"model": MODEL, "prompt": text, "parse_special": False, "add_special_tokens": False, "return_pieces": True}
    answer = http.post("/tokenize", json=body).json()
    pieces = answer["pieces"]
    assert [piece["id"] for piece in pieces] == answer["tokens"]
    assert bytes(byte for piece in pieces for byte in piece["bytes"]).decode() == text
    assert not any(piece["control"] for piece in pieces)
    [control] = http.post("/tokenize", json={"model": MODEL, "prompt": "<|im_end|>", "return_pieces": True}).json()[
        "pieces"
    ]
    assert (control["text"], control["bytes"], control["control"]) == ("<|im_end|>", [], True)


def test_too_many_pieces_are_refused_and_without_the_field_there_are_none(http: httpx.Client) -> None:
    long = {"model": MODEL, "prompt": "\n \t" * 60_000}
    refused = http.post("/tokenize", json=long | {"return_pieces": True})
    assert (refused.status_code, refused.json()["param"]) == (400, "return_pieces")
    assert http.post("/tokenize", json={"model": MODEL, "prompt": "a"}).json()["pieces"] is None


def test_a_completion_of_token_ids_goes_on_from_an_alternative_to_the_very_token(http: httpx.Client) -> None:
    """The ids of a chat's prompt and answer, with another token at one place, are the prompt of the branch."""
    asked = {"model": MODEL, "max_tokens": 6, "temperature": 0, "return_token_ids": True}
    chat = http.post("/v1/chat/completions", json=asked | {"messages": QUESTION, "logprobs": True, "top_logprobs": 5})
    prompt, choice = chat.json()["prompt_token_ids"], chat.json()["choices"][0]
    tokens = choice["logprobs"]["content"]
    kept = [token["token_id"] for token in tokens[:3]]
    same = http.post("/v1/completions", json=asked | {"prompt": prompt + kept, "logprobs": 5, "max_tokens": 3}).json()
    content = same["choices"][0]["logprobs"]["content"]
    assert [token["token_id"] for token in content] == [token["token_id"] for token in tokens[3:]]
    assert [token["logprob"] for token in content] == [token["logprob"] for token in tokens[3:]]
    assert content[0]["top_logprobs"] == tokens[3]["top_logprobs"]
    other = tokens[2]["top_logprobs"][1]
    branch = http.post(
        "/v1/completions", json=asked | {"prompt": [*prompt, *kept[:2], other["token_id"]], "logprobs": 5}
    ).json()
    assert branch["choices"][0]["prompt_token_ids"][-1] == other["token_id"]
    assert (
        "content"
        not in http.post(
            "/v1/completions", json={"model": MODEL, "prompt": "a", "max_tokens": 1, "logprobs": 1}
        ).json()["choices"][0]["logprobs"]
    )
