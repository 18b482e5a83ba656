"""Mistral's own Python client against the real server. The client refuses answers of a wrong shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from mistralai.client import Mistral
from mistralai.client.errors import HTTPValidationError, SDKError
from tests.support.server import RunningServer

MODEL = "smollm2-135m"
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]


def test_a_question_is_answered(mistral_client: Mistral) -> None:
    answer = mistral_client.chat.complete(model=MODEL, messages=QUESTION, temperature=0, max_tokens=20)
    assert "Paris" in str(answer.choices[0].message.content)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens
    assert answer.usage.completion_tokens


def test_the_last_chunk_of_a_stream_has_the_reason_and_the_usage(mistral_client: Mistral) -> None:
    with mistral_client.chat.stream(model=MODEL, messages=QUESTION, temperature=0, max_tokens=20) as stream:
        chunks = [event.data for event in stream]
    assert "Paris" in "".join(str(chunk.choices[0].delta.content or "") for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_random_seed_is_the_seed(mistral_client: Mistral) -> None:
    def ask() -> Any:
        answer = mistral_client.chat.complete(
            model=MODEL, messages=QUESTION, temperature=1.5, max_tokens=12, random_seed=3
        )
        return answer.choices[0].message.content

    assert ask() == ask()


def test_an_answer_continues_a_prefix(mistral_client: Mistral) -> None:
    prefixed = [*QUESTION, {"role": "assistant", "content": "The capital of France is", "prefix": True}]
    answer = mistral_client.chat.complete(model=MODEL, messages=prefixed, temperature=0, max_tokens=3)
    assert str(answer.choices[0].message.content).startswith("The capital of France is Paris")
    chunks = mistral_client.chat.stream(model=MODEL, messages=prefixed, temperature=0, max_tokens=3)
    streamed = "".join(str(chunk.data.choices[0].delta.content or "") for chunk in chunks)
    assert streamed == answer.choices[0].message.content
    assert answer.usage.completion_tokens == 3


def test_models_are_cards_with_capabilities(mistral_client: Mistral) -> None:
    listed = mistral_client.models.list()
    assert listed.data is not None
    card: Any = listed.data[0]
    assert card.id == MODEL
    assert card.capabilities.completion_chat is True
    assert card.capabilities.function_calling is True
    assert card.max_context_length == 8192
    retrieved: Any = mistral_client.models.retrieve(model_id=MODEL)
    assert retrieved.id == MODEL


def test_a_wrong_field_is_a_validation_error_with_its_location(mistral_client: Mistral) -> None:
    with pytest.raises(HTTPValidationError) as caught:
        mistral_client.chat.complete(model=MODEL, messages=QUESTION, temperature=7)
    assert caught.value.data.detail is not None
    assert caught.value.data.detail[0].loc == ["body", "temperature"]


def test_errors_are_flat(mistral_client: Mistral, server: RunningServer) -> None:
    with pytest.raises(SDKError) as caught:
        mistral_client.chat.complete(model="mistral-huge", messages=QUESTION)
    assert caught.value.status_code == 404
    body = json.loads(caught.value.body)
    assert body["object"] == "error"
    assert body["type"] == "not_found_error"
    assert body["param"] == "model"
    assert "mistral-huge" in body["message"]
    with Mistral(server_url=server.url, api_key="wrong") as stranger, pytest.raises(SDKError) as caught:
        stranger.models.list()
    assert caught.value.status_code == 401


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.files.retrieve(file_id="file-never"),
        lambda client: client.files.download(file_id="file-never"),
        lambda client: client.files.delete(file_id="file-never"),
        lambda client: client.batch.jobs.get(job_id="batch_never"),
        lambda client: client.batch.jobs.cancel(job_id="batch_never"),
        lambda client: client.models.retrieve(model_id="never"),
        lambda client: client.models.delete(model_id="never"),
        lambda client: client.classifiers.moderate(model="never", inputs="x"),
    ],
    ids=["retrieve", "download", "delete", "job", "cancel", "model", "delete model", "moderate"],
)
def test_an_unknown_object_is_a_flat_404(mistral_client: Mistral, ask: Callable[[Mistral], Any]) -> None:
    with pytest.raises(SDKError) as caught:
        ask(mistral_client)
    assert caught.value.status_code == 404
    assert json.loads(caught.value.body)["object"] == "error"


def test_a_model_that_cannot_fill_gaps_is_refused_with_the_reason(mistral_client: Mistral) -> None:
    with pytest.raises(SDKError) as caught:
        mistral_client.fim.complete(model=MODEL, prompt="def f(", suffix="return x")
    assert caught.value.status_code == 400
    assert "can't fill a gap" in json.loads(caught.value.body)["message"]


def test_a_response_is_streamed_as_typed_events_to_their_end(mistral_client: Mistral) -> None:
    fields: Any = {"model": MODEL, "input": "Name a fruit.", "max_output_tokens": 4}
    with mistral_client.responses.create(**fields, stream=True) as stream:
        events = [frame.event for frame in stream]
    assert (events[0], events[-1]) == ("response.created", "response.incomplete")


def test_a_response_is_answered_and_counted(mistral_client: Mistral) -> None:
    fields: Any = {"model": MODEL, "input": "Name a fruit."}
    answer = mistral_client.responses.create(**fields, max_output_tokens=4)
    assert answer.usage is not None
    assert mistral_client.responses.count_input_tokens(**fields).input_tokens == answer.usage.input_tokens
