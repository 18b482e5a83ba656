"""vLLM's fields that evaluation and training tools send: token ids, scores of prompts, which tokens may be drawn."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

MODEL = "smollm2-135m"
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
PROMPTS: dict[str, dict[str, Any]] = {CHAT: {"messages": QUESTION}, TEXT: {"prompt": "The capital of France is"}}
BOTH = pytest.mark.parametrize("path", [CHAT, TEXT])


def ask(http: httpx.Client, path: str, **fields: Any) -> dict[str, Any]:
    answer = http.post(path, json={"model": MODEL, "temperature": 0, "max_tokens": 8, **PROMPTS[path], **fields})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def text_of(choice: dict[str, Any]) -> str:
    text: str = choice["message"]["content"] if "message" in choice else choice["text"]
    return text


def chunks(http: httpx.Client, path: str, **fields: Any) -> list[dict[str, Any]]:
    body = {"model": MODEL, "temperature": 0, "max_tokens": 8, "stream": True, **PROMPTS[path], **fields}
    lines = [line.removeprefix("data: ") for line in http.post(path, json=body).text.splitlines() if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def tokens(http: httpx.Client, **fields: Any) -> list[int]:
    ids: list[int] = http.post("/tokenize", json={"model": MODEL, **fields}).json()["tokens"]
    return ids


def prompt_ids(path: str, body: dict[str, Any]) -> list[int]:
    """Where vLLM has them: beside the choices of a chat, in the choices of a completion."""
    ids: list[int] = body["prompt_token_ids"] if path == CHAT else body["choices"][0]["prompt_token_ids"]
    return ids


@BOTH
def test_token_ids_are_those_of_the_prompt_and_of_the_whole_answer(http: httpx.Client, path: str) -> None:
    body = ask(http, path, return_token_ids=True, n=2, max_tokens=30, stop=[","])
    assert prompt_ids(path, body) == tokens(http, **PROMPTS[path])
    for choice in body["choices"]:
        written = http.post("/detokenize", json={"model": MODEL, "tokens": choice["token_ids"]}).json()["prompt"]
        assert written.removesuffix("<|im_end|>").startswith(text_of(choice))
    assert sum(len(choice["token_ids"]) for choice in body["choices"]) == body["usage"]["completion_tokens"]
    plain = ask(http, path)
    assert {"prompt_token_ids", "prompt_logprobs"}.isdisjoint(plain)
    assert {"token_ids", "prompt_token_ids", "prompt_logprobs"}.isdisjoint(plain["choices"][0])


@BOTH
def test_a_stream_has_the_prompts_ids_once_and_the_same_tokens_piece_by_piece(http: httpx.Client, path: str) -> None:
    whole = ask(http, path, return_token_ids=True)
    pieces = chunks(http, path, return_token_ids=True)
    assert prompt_ids(path, pieces[0]) == prompt_ids(path, whole)
    assert all("prompt_token_ids" not in piece | piece["choices"][0] for piece in pieces[1:])
    ids = [token_id for piece in pieces for token_id in piece["choices"][0].get("token_ids", [])]
    assert ids == whole["choices"][0]["token_ids"]


@BOTH
def test_prompt_logprobs_have_each_token_of_the_prompt_with_its_rank(http: httpx.Client, path: str) -> None:
    body = ask(http, path, prompt_logprobs=2, return_token_ids=True, max_tokens=1)
    entries = body["prompt_logprobs"] if path == CHAT else body["choices"][0]["prompt_logprobs"]
    ids = prompt_ids(path, body)
    assert len(entries) == len(ids)
    assert entries[0] is None
    for token_id, entry in zip(ids[1:], entries[1:], strict=True):
        own = entry[str(token_id)]
        assert 2 <= len(entry) <= 3
        assert {other["rank"] for other in entry.values()} == {1, 2, own["rank"]}
        assert all(other["logprob"] <= own["logprob"] for other in entry.values() if other["rank"] > own["rank"])
    last = http.post("/detokenize", json={"model": MODEL, "tokens": ids[-1:]}).json()["prompt"]
    assert entries[-1][str(ids[-1])]["decoded_token"] == last


def test_prompt_logprobs_are_those_that_echo_shows(http: httpx.Client) -> None:
    body = ask(http, TEXT, prompt_logprobs=3, logprobs=1, echo=True, max_tokens=1)
    [choice] = body["choices"]
    for entry, shown, top in zip(
        choice["prompt_logprobs"][1:],
        choice["logprobs"]["token_logprobs"][1:],
        choice["logprobs"]["top_logprobs"][1:],
        strict=False,
    ):
        assert shown in [other["logprob"] for other in entry.values()]
        assert len(top) <= 2


@BOTH
def test_named_tokens_are_reported_at_each_position(http: httpx.Client, path: str) -> None:
    ids = [*tokens(http, prompt=" yes"), *tokens(http, prompt=" no")]
    logprobs: Any = True if path == CHAT else 1
    scores = ask(http, path, logprobs=logprobs, logprob_token_ids=ids, max_tokens=2)["choices"][0]["logprobs"]
    if path == CHAT:
        assert [[other["token_id"] for other in token["top_logprobs"]] for token in scores["content"]] == [ids, ids]
    else:
        assert all(
            {" yes", " no", token} == set(top)
            for token, top in zip(scores["tokens"], scores["top_logprobs"], strict=True)
        )


@BOTH
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt_logprobs": 1, "stream": True}, "prompt_logprobs"),
        ({"logprob_token_ids": [1]}, "logprob_token_ids"),
        ({"logprob_token_ids": [999_999], "logprobs": 1}, "logprob_token_ids"),
        ({"allowed_token_ids": [999_999]}, "allowed_token_ids"),
    ],
)
def test_what_no_answer_can_have_is_refused(http: httpx.Client, path: str, fields: dict[str, Any], param: str) -> None:
    if path == CHAT and "logprobs" in fields:
        fields = fields | {"logprobs": True}
    refused = http.post(path, json={"model": MODEL, **PROMPTS[path], **fields})
    assert (refused.status_code, refused.json()["param"]) == (400, param), refused.text


def test_a_prompt_with_too_many_scores_is_refused_before_it_is_computed(http: httpx.Client) -> None:
    body = {"model": MODEL, "prompt": ["word " * 1000] * 20, "prompt_logprobs": 20, "max_tokens": 1}
    refused = http.post(TEXT, json=body)
    assert (refused.status_code, refused.json()["param"]) == (400, "prompt_logprobs"), refused.text


@pytest.mark.parametrize(("side", "kept"), [(None, slice(-5, None)), ("left", slice(-5, None)), ("right", slice(0, 5))])
@BOTH
def test_a_prompt_is_cut_at_the_side_that_the_client_names(
    http: httpx.Client, path: str, side: str | None, kept: slice
) -> None:
    body = ask(http, path, truncate_prompt_tokens=5, truncation_side=side, return_token_ids=True, max_tokens=1)
    assert prompt_ids(path, body) == tokens(http, **PROMPTS[path])[kept]
    assert body["usage"]["prompt_tokens"] == 5


def test_an_echo_repeats_what_the_cut_left_of_the_prompt(http: httpx.Client) -> None:
    [choice] = ask(http, TEXT, truncate_prompt_tokens=2, echo=True, logprobs=0, max_tokens=0)["choices"]
    assert (choice["text"], choice["logprobs"]["tokens"]) == (" France is", [" France", " is"])


def test_a_prompt_beyond_the_context_is_cut_to_what_fits_where_the_client_asks(http: httpx.Client) -> None:
    text = "word " * 9000
    refused = http.post(TEXT, json={"model": MODEL, "prompt": text, "max_tokens": 1})
    assert refused.json()["code"] == "context_length_exceeded"
    counted = http.post("/tokenize", json={"model": MODEL, "prompt": "a"}).json()
    cut = {"prompt": text, "truncate_prompt_tokens": -1, "max_tokens": counted["max_model_len"] - 16}
    answer = http.post(TEXT, json={"model": MODEL, **cut, "stop": ["w", "o", " "]})
    assert answer.json()["usage"]["prompt_tokens"] == 16


@BOTH
def test_only_allowed_tokens_are_drawn_and_bad_words_are_not(http: httpx.Client, path: str) -> None:
    ids = [*tokens(http, prompt=" Paris"), *tokens(http, prompt=" Rome")]
    [choice] = ask(http, path, allowed_token_ids=ids, return_token_ids=True)["choices"]
    assert set(choice["token_ids"]) <= set(ids)
    assert "Paris" in text_of(ask(http, path)["choices"][0])
    assert "Paris" not in text_of(ask(http, path, bad_words=["Paris"])["choices"][0])


@BOTH
def test_a_stop_string_is_part_of_the_answer_where_the_client_asks(http: httpx.Client, path: str) -> None:
    whole = text_of(ask(http, path)["choices"][0])
    stop = whole[8:11]
    before = whole[: whole.index(stop)]
    assert text_of(ask(http, path, stop=stop)["choices"][0]) == before
    [choice] = ask(http, path, stop=stop, include_stop_str_in_output=True)["choices"]
    assert (text_of(choice), choice["finish_reason"]) == (before + stop, "stop")


def test_control_tokens_are_shown_where_the_client_asks(http: httpx.Client) -> None:
    hidden = ask(http, CHAT, ignore_eos=True, max_tokens=20)["choices"][0]
    shown = ask(http, CHAT, ignore_eos=True, max_tokens=20, skip_special_tokens=False)["choices"][0]
    assert text_of(shown).replace("<|im_end|>", "").replace("<|im_start|>", "") == text_of(hidden) != text_of(shown)
    ended = ask(http, CHAT, max_tokens=30, skip_special_tokens=False, include_stop_str_in_output=True)["choices"][0]
    assert text_of(ended).endswith("<|im_end|>")


@pytest.mark.parametrize("continues", [True, False])
def test_an_echo_begins_the_answer_with_the_assistants_last_message(http: httpx.Client, continues: bool) -> None:
    messages = [*QUESTION, {"role": "assistant", "content": "The capital"}]
    fields = {"messages": messages, "continue_final_message": continues, "add_generation_prompt": not continues}
    plain = text_of(ask(http, CHAT, **fields)["choices"][0])
    assert text_of(ask(http, CHAT, **fields, echo=True)["choices"][0]) == "The capital" + plain
    assert text_of(ask(http, CHAT, echo=True)["choices"][0]) == text_of(ask(http, CHAT)["choices"][0])


@BOTH
@pytest.mark.parametrize(
    "fields",
    [
        {"json_schema": {"type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"]}},
        {"grammar": 'root ::= "{" ws "\\"a\\":" ws "1" ws "}"\nws ::= " "?'},
    ],
)
def test_llama_cpps_formats_are_held_to(http: httpx.Client, path: str, fields: dict[str, Any]) -> None:
    [choice] = ask(http, path, **fields, max_tokens=30)["choices"]
    assert json.loads(text_of(choice)) == {"a": 1}
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"grammar": 'root ::= ("a'}, 400),
        ({"grammar": 'root ::= "a"', "json_schema": {}}, 400),
        ({"json_schema": 3}, 400),
        ({"bad_words": [""]}, 400),
        ({"allowed_token_ids": []}, 400),
    ],
)
def test_fields_that_cannot_be_followed_are_refused(http: httpx.Client, fields: dict[str, Any], status: int) -> None:
    assert http.post(CHAT, json={"model": MODEL, **PROMPTS[CHAT], **fields}).status_code == status


def test_fields_without_effect_change_nothing(http: httpx.Client) -> None:
    assert ask(http, CHAT, priority=-5, length_penalty=2.0)["choices"] == ask(http, CHAT)["choices"]


def test_token_strings_are_the_vocabularys_own(http: httpx.Client) -> None:
    fields = {"model": MODEL, "prompt": "<|im_start|>The capital é", "return_token_strs": True}
    strings = http.post("/tokenize", json=fields).json()["token_strs"]
    assert strings[:3] == ["<|im_start|>", "The", "Ġcapital"]
    assert "".join(strings[3:]).startswith("ĠÃ")
