"""Fallbacks between local and upstream models: which model answers, and which is billed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.people import signed_in_owner
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.stored_models import store_model
from tests.support.tiny_checkpoint import tiny_checkpoint
from tests.support.upstream_server import Connection, ReceivedRequest
from tests.support.upstream_stand_ins import stand_in

QUESTION = [{"role": "user", "content": "Hello"}]
PRICES = {"gone": (1, 2), "tiny": (3, 5), "far": (7, 11), "local": (13, 17)}
"""Prices of input and output, all different, so that a bill shows which price it used."""
UNREACHABLE = ("upstream_unreachable", "upstream_unavailable")
"""The second one after the circuit has opened."""
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.fixture(scope="module")
def received() -> list[ReceivedRequest]:
    """The requests that the working upstream received."""
    return []


@pytest.fixture(scope="module")
def upstream(received: list[ReceivedRequest]) -> Iterator[str]:
    async def script(connection: Connection) -> None:
        received.append(connection.request)
        if connection.request.json.get("temperature") == 2:
            await connection.answer(400, {"error": {"message": "temperature is 2"}})
            return
        await connection.begin()
        for index in range(connection.request.json.get("n", 1)):
            if connection.request.path.endswith("/chat/completions"):
                await connection.say("From ", "afar", index=index)
            else:
                await connection.chunk({"choices": [{"index": index, "text": "From afar"}]})
            await connection.finish(index=index)
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        await connection.chunk({"choices": [], "usage": usage})
        await connection.end()

    with stand_in(script) as url:
        yield url


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("house")
    for seed, name in enumerate(("tiny", "local")):
        store_model(home / "models", name, tiny_checkpoint(seed))
    running = start_server(
        home, environment={"AQUILON_MODELS": "tiny", "AQUILON_MAX_WAITING": "8", "AQUILON_DEFAULT_MAX_TOKENS": "9"}
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def operator(house: RunningServer, upstream: str) -> Iterator[httpx.Client]:
    with closing(signed_in_owner(house)) as client:
        can = ["chat", "completions"]
        quick = {"connect": 1, "first_token": 2}
        for name, url, model in (("away", NOWHERE, "gone"), ("there", upstream, "far"), ("dead", NOWHERE, "lost")):
            models = [{"name": model, "capabilities": can, "max_context": 4096}]
            body = {"name": name, "base_url": url, "models": models, "timeouts": quick}
            assert client.post("/v1/server/upstreams", json=body).status_code == 200
        for model, (input_, output) in PRICES.items():
            body = {"input": input_, "output": output}
            assert client.post(f"/v1/server/prices/{model}", json=body).status_code == 200
        chains = {"gone": ["nobody", "tiny"], "lost": ["dead-too"], "local": ["lost", "far"], "tiny": ["gone"]}
        for model, others in chains.items():
            assert client.put(f"/v1/server/fallbacks/{model}", json={"models": others}).status_code == 200
        yield client


@pytest.fixture(scope="module")
def http(house: RunningServer, operator: httpx.Client) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {house.api_key}"}
    with httpx.Client(base_url=house.url, headers=headers, timeout=30) as client:
        yield client


def billed(house: RunningServer, id_: str) -> dict[str, Any]:
    with sqlite3.connect(house.home / "aquilon.db") as database:
        database.row_factory = sqlite3.Row
        [row] = database.execute("SELECT * FROM usage_events WHERE request_id = ?", (id_,)).fetchall()
    return dict(row)


def chat(http: httpx.Client, model: str, **more: Any) -> httpx.Response:
    return http.post("/v1/chat/completions", json={"model": model, "messages": QUESTION, "max_tokens": 4, **more})


@contextmanager
def caller(house: RunningServer, operator: httpx.Client, **more: Any) -> Iterator[tuple[httpx.Client, str]]:
    """A client with a new key, and the key's id."""
    key = operator.post("/v1/organization/api_keys", json={"name": "own", "scopes": ["inference"], **more}).json()
    headers = {"authorization": f"Bearer {key['value']}"}
    with httpx.Client(base_url=house.url, headers=headers, timeout=30) as client:
        yield client, key["id"]


def test_an_answer_without_a_limit_ends_at_the_operators(http: httpx.Client, received: list[ReceivedRequest]) -> None:
    prompts = {"/v1/chat/completions": {"messages": QUESTION}, "/v1/completions": {"prompt": "a"}}
    for path, prompt in prompts.items():
        answer = http.post(path, json={"model": "tiny", "ignore_eos": True, **prompt}).json()
        assert (answer["usage"]["completion_tokens"], answer["choices"][0]["finish_reason"]) == (9, "length")
        assert http.post(path, json={"model": "far", **prompt}).status_code == 200
        assert received[-1].json["max_tokens"] == 9


def kill_engine(house: RunningServer) -> None:
    [engine] = [int(pid) for pid in Path(f"/proc/{house.pid}/task/{house.pid}/children").read_text().split()]
    os.kill(engine, signal.SIGKILL)


def streamed(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


class TestLocalForUpstream:
    def test_the_answer_names_the_fallback_and_is_billed_as_the_requested_model(
        self, house: RunningServer, http: httpx.Client
    ) -> None:
        alone = chat(http, "tiny", temperature=0).json()
        answer = chat(http, "gone", temperature=0).json()
        assert answer["model"] == "tiny"
        assert answer["choices"] == alone["choices"]
        assert answer["usage"] == alone["usage"] | {"prompt_tokens_details": answer["usage"]["prompt_tokens_details"]}
        row = billed(house, answer["id"])
        tokens = answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]
        assert (row["model"], row["prompt_tokens"], row["completion_tokens"]) == ("gone", *tokens)
        assert row["cost"] == tokens[0] * PRICES["gone"][0] + tokens[1] * PRICES["gone"][1]
        assert row["outcome"] == "completed"

    def test_a_stream_names_the_fallback_and_is_billed_as_the_requested_model(
        self, house: RunningServer, http: httpx.Client
    ) -> None:
        chunks = streamed(chat(http, "gone", stream=True, temperature=0))
        assert {chunk["model"] for chunk in chunks} == {"tiny"}
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        assert text == chat(http, "tiny", temperature=0).json()["choices"][0]["message"]["content"]
        row = billed(house, chunks[0]["id"])
        assert (row["model"], row["completion_tokens"]) == ("gone", chunks[-1]["usage"]["completion_tokens"])

    def test_every_kind_of_answer_names_the_fallback(self, http: httpx.Client) -> None:
        body = {"model": "gone", "prompt": ["Once", "Twice"], "max_tokens": 2}
        assert http.post("/v1/completions", json=body).json()["model"] == "tiny"
        assert {chunk["model"] for chunk in streamed(http.post("/v1/completions", json=body | {"stream": True}))} == {
            "tiny"
        }
        body = {"model": "gone", "input": "Hello", "max_output_tokens": 16}
        assert http.post("/v1/responses", json=body).json()["model"] == "tiny"
        first, *_, last = streamed(http.post("/v1/responses", json=body | {"stream": True}))
        assert first["type"] == "response.created"
        assert first["response"]["model"] == last["response"]["model"] == "tiny"

    def test_the_requested_model_s_error_is_returned_when_the_fallback_can_t_take_the_request(
        self, http: httpx.Client
    ) -> None:
        refused = chat(http, "gone", messages=[{"role": "user", "content": "word " * 300}])  # too long for `tiny` alone
        assert refused.json()["code"] in UNREACHABLE

    def test_token_ids_are_never_sent_to_a_fallback(self, http: httpx.Client) -> None:
        refused = http.post("/v1/completions", json={"model": "gone", "prompt": [1, 2, 3], "max_tokens": 1})
        assert refused.json()["code"] in UNREACHABLE

    def test_a_budget_is_never_overspent(self, house: RunningServer, operator: httpx.Client) -> None:
        limit = 400
        with caller(house, operator) as (poor, key_id):
            body = {"key_id": key_id, "period": "once", "limit_microcents": limit}
            assert operator.post("/v1/organization/budgets", json=body).status_code == 200
            wait_until(lambda: chat(poor, "far").status_code == 429)  # the bound of its prompt already costs more
            answer = chat(poor, "gone", max_tokens=400, ignore_eos=True).json()
        assert answer["choices"][0]["finish_reason"] == "length"
        assert limit / 2 < billed(house, answer["id"])["cost"] <= limit


class TestUpstreamForLocal:
    def test_a_fallback_answers_when_too_many_requests_wait(
        self, house: RunningServer, http: httpx.Client, received: list[ReceivedRequest]
    ) -> None:
        full = {"n": 9}  # more than the 8 that may wait
        answer = chat(http, "local", **full).json()
        assert answer["model"] == "far"
        assert [choice["message"]["content"] for choice in answer["choices"]] == ["From afar"] * 9
        row = billed(house, answer["id"])
        assert (row["model"], row["prompt_tokens"], row["completion_tokens"]) == ("local", 3, 18)
        assert row["cost"] == 3 * PRICES["local"][0] + 18 * PRICES["local"][1]
        assert {chunk["model"] for chunk in streamed(chat(http, "local", stream=True, **full))} == {"far"}
        assert received[-1].json["model"] == "far"

    def test_a_fallback_answers_while_the_engine_restarts(self, house: RunningServer, http: httpx.Client) -> None:
        assert chat(http, "local").json()["model"] == "local"
        question = {"model": "local", "input": "Hello"}
        count = http.post("/v1/responses/input_tokens", json=question).json()
        kill_engine(house)
        counted = http.post("/v1/responses/input_tokens", json=question)
        assert counted.status_code == 503 or counted.json() == count  # exact or an error, never a fallback's count
        away = chat(http, "local").json()
        assert (away["model"], away["choices"][0]["message"]["content"]) == ("far", "From afar")
        assert billed(house, away["id"])["model"] == "local"
        wait_until(lambda: chat(http, "local").json()["model"] == "local")  # the local model answers again

    def test_no_fallback_answers_after_the_first_token(
        self, house: RunningServer, http: httpx.Client, received: list[ReceivedRequest]
    ) -> None:
        before = len(received)
        body = {"model": "local", "messages": QUESTION, "stream": True, "ignore_eos": True, "n": 8, "max_tokens": 400}
        with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            assert json.loads(next(lines).removeprefix("data: "))["model"] == "local"
            kill_engine(house)
            assert "event: error" in list(lines)
        assert len(received) == before
        wait_until(lambda: chat(http, "local").json()["model"] == "local")

    def test_no_fallback_answers_for_a_client_s_mistake(
        self, http: httpx.Client, received: list[ReceivedRequest]
    ) -> None:
        before = len(received)
        for wrong in ({"max_tokens": 10**6}, {"min_tokens": 9}, {"logit_bias": {"99999": 1}}):
            assert chat(http, "local", **wrong).status_code == 400
        assert len(received) == before

    def test_a_fallback_s_refusal_is_not_returned_for_the_requested_model(
        self, http: httpx.Client, received: list[ReceivedRequest]
    ) -> None:
        refused = chat(http, "local", n=9, temperature=2)
        assert (refused.status_code, refused.json()["type"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "5"
        assert received[-1].json["temperature"] == 2

    def test_a_key_never_gets_a_fallback_that_it_may_not_use(
        self, house: RunningServer, operator: httpx.Client, received: list[ReceivedRequest]
    ) -> None:
        before = len(received)
        with caller(house, operator, allowed_models=["local"]) as (bound, _):
            assert chat(bound, "local", n=9).status_code == 503
        assert len(received) == before

    def test_a_request_with_echo_has_no_fallback(self, http: httpx.Client) -> None:
        body = {"model": "local", "prompt": "Once", "max_tokens": 1, "echo": True}
        assert http.post("/v1/completions", json=body).json()["choices"][0]["text"].startswith("Once")
        assert http.post("/v1/completions", json=body | {"n": 9}).status_code == 503


@pytest.mark.parametrize("chain", [["tiny"], ["far", "far"], ["a\0b"], [""], [f"m{number}" for number in range(9)]])
def test_invalid_fallback_chains_are_refused(operator: httpx.Client, chain: list[str]) -> None:
    refused = operator.put("/v1/server/fallbacks/tiny", json={"models": chain})
    assert refused.status_code in (400, 422)


def test_two_models_that_fall_back_to_each_other_ask_each_other_once(
    http: httpx.Client, operator: httpx.Client
) -> None:
    """``gone`` falls back to ``tiny`` and ``tiny`` to ``gone``: a fallback's own chain is never followed."""
    refused = chat(http, "tiny", n=9)
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")


def test_two_servers_that_fall_back_to_each_other_ask_each_other_once(
    house: RunningServer, operator: httpx.Client, http: httpx.Client
) -> None:
    """One server plays both: its upstream is itself."""
    models = [{"name": "mirror", "remote": "local"}]
    body = {"name": "itself", "base_url": f"{house.url}/v1", "api_key": house.api_key, "models": models}
    operator.post("/v1/server/upstreams", json=body).raise_for_status()
    operator.put("/v1/server/fallbacks/local", json={"models": ["mirror"]}).raise_for_status()
    before = house.log.count("path=/v1/chat/completions")
    refused = chat(http, "local", n=9)
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    wait_until(lambda: house.log.count("path=/v1/chat/completions") == before + 2)


@pytest.mark.parametrize("stream", [False, True])
def test_a_loop_of_upstreams_ends_after_a_few_hops(
    house: RunningServer, operator: httpx.Client, http: httpx.Client, stream: bool
) -> None:
    """The model's upstream is this server, and no circuit opens because of the loop."""
    name = f"circle-{stream}".lower()
    models = [{"name": name, "capabilities": ["chat", "embeddings"], "max_context": 4096}]
    body = {"name": name, "base_url": f"{house.url}/v1", "api_key": house.api_key, "models": models}
    operator.post("/v1/server/upstreams", json=body).raise_for_status()
    for path, question in (
        ("chat/completions", {"messages": [{"role": "user", "content": "hi"}], "stream": stream}),
        ("embeddings", {"input": "hi"}),
        ("chat/completions", {"messages": [{"role": "user", "content": "hi"}], "stream": stream}),
    ):
        before = house.log.count(f"path=/v1/{path}")
        refused = http.post(f"/v1/{path}", json={"model": name, **question})
        assert (refused.status_code, refused.json()["code"]) == (508, "loop_detected")
        wait_until(lambda path=path, before=before: house.log.count(f"path=/v1/{path}") == before + 5)
