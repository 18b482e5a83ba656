"""OpenAI's own Python client against the real server."""

from __future__ import annotations

import math
import re
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from tests.support.server import RunningServer

MODEL = "smollm2-135m"
EMOJI_PART = 23159
"""The token of the first two bytes of a four-byte character."""
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]


def test_a_question_is_answered(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=20)
    [choice] = answer.choices
    assert "Paris" in (choice.message.content or "")
    assert choice.message.role == "assistant"
    assert "refusal" in choice.message.model_fields_set  # OpenAI's schema requires it
    assert choice.finish_reason == "stop"
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("role", ["assistant", "system"])
def test_a_conversation_that_ends_with_another_role_is_answered_with_the_next_turn(
    openai_client: OpenAI, http: httpx.Client, role: str
) -> None:
    """LangChain sends such conversations."""
    messages = [*QUESTION, {"role": role, "content": "Let me think."}]
    answer = openai_client.chat.completions.create(model=MODEL, messages=messages, max_tokens=5)
    assert answer.usage is not None
    assert not (answer.choices[0].message.content or "").startswith("Let me think.")
    counted = http.post("/tokenize", json={"model": MODEL, "messages": messages, "add_generation_prompt": True})
    assert answer.usage.prompt_tokens == counted.json()["count"]


def test_a_stream_adds_up_to_the_whole_answer(openai_client: OpenAI) -> None:
    fields: dict[str, Any] = {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 20}
    whole = openai_client.chat.completions.create(**fields)
    chunks = list(openai_client.chat.completions.create(**fields, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_include_usage_puts_the_usage_into_a_separate_last_chunk(openai_client: OpenAI) -> None:
    stream = openai_client.chat.completions.create(
        model=MODEL, messages=QUESTION, max_tokens=4, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens <= 4
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_stream_with_include_usage_false_has_no_usage(http: httpx.Client, path: str) -> None:
    fields: dict[str, Any] = {"model": MODEL, "max_tokens": 3, "stream": True, "prompt": "One", "messages": QUESTION}
    with_usage, without = (
        http.post(path, json=fields | more).text for more in ({}, {"stream_options": {"include_usage": False}})
    )
    assert "usage" in with_usage
    assert "usage" not in without
    assert without.endswith("data: [DONE]\n\n")


def test_max_tokens_ends_an_answer_with_length(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, max_completion_tokens=2)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_ends_the_answer_and_is_never_part_of_it(openai_client: OpenAI, stream: bool) -> None:
    fields: dict[str, Any] = {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 20}
    fields["stop"] = ["ital of Fr", "never said"]
    if stream:
        chunks = list(openai_client.chat.completions.create(**fields, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        reason = chunks[-1].choices[0].finish_reason
    else:
        choice = openai_client.chat.completions.create(**fields).choices[0]
        text, reason = choice.message.content or "", choice.finish_reason
    assert text == "The cap"
    assert reason == "stop"


def test_the_same_seed_gives_the_same_answers_and_another_seed_gives_other_answers(openai_client: OpenAI) -> None:
    def ask(seed: int) -> list[str | None]:
        answer = openai_client.chat.completions.create(
            model=MODEL, messages=QUESTION, temperature=1.5, max_tokens=12, n=2, seed=seed
        )
        return [choice.message.content for choice in answer.choices]

    first = ask(7)
    assert first == ask(7)
    assert first != ask(8)
    assert first[0] != first[1]


def test_the_prompt_counts_once_for_several_choices(openai_client: OpenAI) -> None:
    def usage(n: int) -> Any:
        return openai_client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=3, n=n).usage

    assert usage(3).prompt_tokens == usage(1).prompt_tokens
    assert usage(3).completion_tokens == 9


def test_log_probabilities_come_for_each_token_of_a_chat(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=0, max_tokens=5, logprobs=True, top_logprobs=3
    )
    choice = answer.choices[0]
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    tokens = choice.logprobs.content
    assert "".join(token.token for token in tokens) == choice.message.content
    for token in tokens:
        assert token.top_logprobs[0].token == token.token
        assert token.top_logprobs[0].logprob == pytest.approx(token.logprob)
        assert len(token.top_logprobs) == 3
        assert sum(math.exp(other.logprob) for other in token.top_logprobs) <= 1 + 1e-6
        assert bytes(token.bytes or []).decode() == token.token


def test_developer_messages_are_system_messages(openai_client: OpenAI) -> None:
    def prompt_tokens(role: str) -> int:
        messages: list[Any] = [{"role": role, "content": "Answer in one word."}, *QUESTION]
        usage = openai_client.chat.completions.create(model=MODEL, messages=messages, max_tokens=1).usage
        assert usage is not None
        return usage.prompt_tokens

    assert prompt_tokens("developer") == prompt_tokens("system")


def test_content_may_come_in_text_parts(openai_client: OpenAI) -> None:
    parts: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "What is the capital of France?"}]}]
    answers = [
        openai_client.chat.completions.create(model=MODEL, messages=messages, temperature=0, max_tokens=8)
        for messages in (QUESTION, parts)
    ]
    assert answers[0].choices[0].message.content == answers[1].choices[0].message.content


def test_with_max_tokens_zero_the_answer_is_empty(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=0)
    assert answer.choices[0].message.content == ""
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 0


def test_one_choice_may_stop_while_the_others_go_on(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model=MODEL, messages=QUESTION, temperature=1.5, seed=5, n=4, max_tokens=12, stop=[" "]
    )
    texts = [choice.message.content or "" for choice in answer.choices]
    assert len(texts) == 4
    assert not [text for text in texts if " " in text]
    assert answer.usage is not None
    assert answer.usage.completion_tokens < 4 * 12


def test_a_repeated_prefix_is_read_from_the_cache(openai_client: OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "A long beginning, said twice. " * 30}]
    usages = [
        openai_client.chat.completions.create(model=MODEL, messages=messages, max_tokens=1).usage for _ in range(2)
    ]
    cached = [usage.prompt_tokens_details.cached_tokens for usage in usages if usage and usage.prompt_tokens_details]
    assert cached[0] == 0
    assert cached[1] is not None
    assert cached[1] >= 128


def test_a_history_with_tool_calls_is_read(openai_client: OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    messages: list[Any] = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    answer = openai_client.chat.completions.create(model=MODEL, messages=messages, max_tokens=2)
    assert answer.choices[0].finish_reason == "length"


def test_a_refusal_is_read_as_the_assistants_text(openai_client: OpenAI) -> None:
    """OpenAI's clients send a refusal back with null as its content."""

    def prompt_tokens(message: dict[str, Any]) -> int:
        messages: list[Any] = [*QUESTION, message, *QUESTION]
        answer = openai_client.chat.completions.create(model=MODEL, messages=messages, max_tokens=0)
        assert answer.usage is not None
        return answer.usage.prompt_tokens

    refused = {"role": "assistant", "content": None, "refusal": "No, I won't.", "annotations": []}
    assert prompt_tokens(refused) == prompt_tokens({"role": "assistant", "content": "No, I won't."})


def test_top_p_zero_takes_the_likeliest_token(openai_client: OpenAI) -> None:
    fields: dict[str, Any] = {"model": MODEL, "messages": QUESTION, "max_tokens": 6}
    sampled = openai_client.chat.completions.create(**fields, temperature=2, top_p=0)
    greedy = openai_client.chat.completions.create(**fields, temperature=0)
    assert sampled.choices[0].message.content == greedy.choices[0].message.content


def test_unknown_fields_are_ignored_unless_the_client_asks_for_strict(openai_client: OpenAI) -> None:
    fields: dict[str, Any] = {"model": MODEL, "messages": QUESTION, "max_tokens": 1, "extra_body": {"invented": 1}}
    assert openai_client.chat.completions.create(**fields).choices
    with pytest.raises(openai.BadRequestError, match="invented"):
        openai_client.chat.completions.create(**fields, extra_headers={"x-aquilon-strict": "true"})


class TestCompletions:
    def test_text_is_continued(self, openai_client: OpenAI) -> None:
        answer = openai_client.completions.create(model=MODEL, prompt="One, two, three,", temperature=0, max_tokens=4)
        assert answer.object == "text_completion"
        assert "four" in answer.choices[0].text

    def test_token_ids_and_lists_are_prompts_like_text(self, openai_client: OpenAI, http: Any) -> None:
        text = "One, two, three,"
        ids = http.post("/tokenize", json={"model": MODEL, "prompt": text}).json()["tokens"]
        texts = []
        for prompt in (text, [text], ids, [ids, ids]):
            answer = openai_client.completions.create(model=MODEL, prompt=prompt, temperature=0, max_tokens=4)
            texts += [choice.text for choice in answer.choices]
        assert len(texts) == 5
        assert len(set(texts)) == 1

    def test_control_tokens_named_in_a_prompt_become_control_tokens(self, openai_client: OpenAI, http: Any) -> None:
        """A client that renders the model's template itself gets the same answer as a chat."""
        chat = openai_client.chat.completions.create(model=MODEL, messages=QUESTION, temperature=0, max_tokens=5)
        rendered = http.post("/detokenize", json={"model": MODEL, "tokens": self._chat_ids(http)}).json()["prompt"]
        fields: dict[str, Any] = {"model": MODEL, "prompt": rendered, "temperature": 0, "max_tokens": 5}
        answer = openai_client.completions.create(**fields)
        assert answer.choices[0].text == chat.choices[0].message.content
        assert answer.usage is not None
        assert chat.usage is not None
        assert answer.usage.prompt_tokens == chat.usage.prompt_tokens
        plain = openai_client.completions.create(**fields, extra_body={"parse_special": False})
        assert plain.usage is not None
        assert plain.usage.prompt_tokens > chat.usage.prompt_tokens

    def _chat_ids(self, http: Any) -> list[int]:
        ids: list[int] = http.post("/tokenize", json={"model": MODEL, "messages": QUESTION}).json()["tokens"]
        return ids

    def test_parts_of_a_character_are_written_as_bytes_with_the_characters_offset(self, openai_client: OpenAI) -> None:
        prompt = "<|im_start|>Smile 😀𝔘!"
        answer = openai_client.completions.create(
            model=MODEL, prompt=prompt, echo=True, logprobs=5, max_tokens=8, logit_bias={str(EMOJI_PART): 100}
        )
        [choice] = answer.choices
        assert choice.logprobs is not None
        tokens, offsets = choice.logprobs.tokens or [], choice.logprobs.text_offset or []
        assert len(tokens) == len(offsets)
        assert offsets == sorted(offsets)
        assert offsets[0] == 0
        assert offsets[1] == len("<|im_start|>")
        assert max(offsets) <= len(choice.text)
        parts = [token for token in tokens if token.startswith("bytes:")]
        assert len(parts) > 8
        assert all(re.fullmatch(r"bytes: ?(\\x[0-9a-f]{2})+", part) for part in parts)
        for token, offset in zip(tokens, offsets, strict=True):
            assert token.startswith("bytes:") or choice.text.startswith(token, offset)
        tops: list[dict[str, float]] = [top for top in choice.logprobs.top_logprobs or [] if top]
        assert all(len(top) >= 5 for top in tops)
        assert not any("\ufffd" in key for top in tops for key in top)

    def test_choices_are_numbered_by_prompt_then_by_n(self, openai_client: OpenAI) -> None:
        answer = openai_client.completions.create(
            model=MODEL, prompt=["A", "B"], echo=True, n=2, max_tokens=1, temperature=1
        )
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
        assert [choice.text[0] for choice in answer.choices] == ["A", "A", "B", "B"]

    def test_echo_scores_a_prompt_without_generating(self, openai_client: OpenAI) -> None:
        answer = openai_client.completions.create(
            model=MODEL, prompt="The capital of France is Paris", echo=True, logprobs=2, max_tokens=0
        )
        [choice] = answer.choices
        assert choice.text == "The capital of France is Paris"
        assert choice.logprobs is not None
        assert "".join(choice.logprobs.tokens or []) == choice.text
        scores: Any = choice.logprobs.token_logprobs
        assert scores[0] is None
        assert all(score < 0 for score in scores[1:])
        top: Any = choice.logprobs.top_logprobs
        assert top[0] is None
        assert all(len(position) in (2, 3) for position in top[1:])
        assert " Paris" in top[-1]
        assert choice.logprobs.text_offset is not None
        assert choice.logprobs.text_offset[-1] == len("The capital of France is")
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 0

    def test_a_text_has_the_same_scores_as_prompt_and_as_answer(self, openai_client: OpenAI) -> None:
        fields: dict[str, Any] = {"model": MODEL, "temperature": 0, "logprobs": 0}
        answer = openai_client.completions.create(**fields, prompt="One, two,", max_tokens=4).choices[0]
        echo = openai_client.completions.create(**fields, prompt="One, two," + answer.text, max_tokens=0, echo=True)
        assert answer.logprobs is not None
        assert echo.choices[0].logprobs is not None
        generated, prompt = answer.logprobs.token_logprobs or [], echo.choices[0].logprobs.token_logprobs or []
        assert prompt[-len(generated) :] == pytest.approx(generated, abs=1e-3)

    def test_a_stream_adds_up_to_the_whole(self, openai_client: OpenAI) -> None:
        fields: dict[str, Any] = {"model": MODEL, "prompt": ["One, two,", "A, B,"], "temperature": 0, "max_tokens": 6}
        whole = openai_client.completions.create(**fields)
        texts = ["", ""]
        for chunk in openai_client.completions.create(**fields, stream=True):
            for choice in chunk.choices:
                texts[choice.index] += choice.text
        assert texts == [choice.text for choice in whole.choices]


class TestModels:
    def test_the_default_model_is_listed_first(self, openai_client: OpenAI) -> None:
        first = next(iter(openai_client.models.list()))
        assert first.id == MODEL
        assert first.object == "model"

    def test_a_card_has_the_models_size_languages_license_and_capabilities(self, openai_client: OpenAI) -> None:
        card: Any = openai_client.models.retrieve(MODEL)
        assert card.parameters == 134_515_008
        assert card.languages == ["en"]
        assert card.license == "apache-2.0"
        assert card.max_context_length == 8192
        assert card.loaded is True
        assert card.size_bytes > 90_000_000
        assert card.capabilities["completion_chat"] is True


class TestErrors:
    def test_a_wrong_key_is_refused(self, server: RunningServer) -> None:
        for key in ("aq-" + "0" * 43, "sk-not-one-of-ours"):
            with (
                OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as client,
                pytest.raises(openai.AuthenticationError) as caught,
            ):
                client.models.list()
            assert caught.value.code == "invalid_api_key"
            assert caught.value.type == "authentication_error"

    def test_the_error_for_an_unknown_model_lists_the_known_models(self, openai_client: OpenAI) -> None:
        with pytest.raises(openai.NotFoundError, match=r"'gpt-9'.*'smollm2-135m'") as caught:
            openai_client.chat.completions.create(model="gpt-9", messages=QUESTION)
        assert caught.value.code == "model_not_found"
        assert caught.value.param == "model"
        with pytest.raises(openai.NotFoundError):
            openai_client.models.retrieve("gpt-9")

    def test_the_error_for_a_full_context_has_the_limit_and_the_requested_tokens(self, openai_client: OpenAI) -> None:
        with pytest.raises(openai.BadRequestError, match=r"8192 tokens.*10031 in the prompt|8192.*100\d\d") as caught:
            openai_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "one " * 10_000}])
        assert caught.value.code == "context_length_exceeded"
        assert isinstance(caught.value.body, dict)
        assert (caught.value.body["limit"]["kind"], caught.value.body["limit"]["limit"]) == ("context_tokens", 8192)
        with pytest.raises(openai.BadRequestError, match=r"8192 tokens.* 8200 to generate"):
            openai_client.chat.completions.create(model=MODEL, messages=QUESTION, max_tokens=8200)

    def test_unsupported_tools_and_images_are_refused_with_the_reason(self, openai_client: OpenAI) -> None:
        search: list[Any] = [{"type": "web_search", "web_search": {}}]
        with pytest.raises(openai.BadRequestError, match="Tools of type 'web_search' are not supported"):
            openai_client.chat.completions.create(model=MODEL, messages=QUESTION, tools=search)
        image: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        with pytest.raises(openai.BadRequestError, match="reads text alone, no images"):
            openai_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": [image]}])

    def test_every_answer_carries_its_request_id(self, openai_client: OpenAI) -> None:
        raw = openai_client.models.with_raw_response.list()
        assert raw.headers["x-request-id"].startswith("req_")
        with pytest.raises(openai.NotFoundError) as caught:
            openai_client.models.retrieve("nothing")
        assert caught.value.request_id


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}, "modalities"),
        ({"moderation": {"model": "m", "policy": {"output": {"mode": "block"}}}}, "moderation"),
    ],
)
def test_what_a_local_model_can_t_do_is_refused_rather_than_left_out(
    openai_client: OpenAI, more: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(**{"model": MODEL, "messages": QUESTION, "max_tokens": 1} | more)
    assert caught.value.param == param
