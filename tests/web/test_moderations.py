"""Moderation by the operator's server: on request, and of prompts before they are answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import openai
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from tests.support.commands import aquilon
from tests.support.polling import wait_until
from tests.support.prepared import run_prepared
from tests.support.server import RunningServer, start_server
from tests.support.stored_models import store_model


class Judge(BaseHTTPRequestHandler):
    """Answers in Mistral's shape: "hit" is violence, and "break" makes it answer with HTML."""

    requests: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).requests.append({"path": self.path, "key": self.headers["authorization"], **body})
        texts = body["input"]
        results = [{"categories": {"violence": "hit" in text}, "category_scores": {"violence": 0.5}} for text in texts]
        broken = any("break" in text for text in texts)
        answer = b"<html>" if broken else json.dumps({"id": "x", "model": "judge-1", "results": results}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def judge() -> Iterator[str]:
    Judge.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Judge) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.fixture(scope="module")
def moderated(judge: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("moderated")
    store_model(home / "models", "tiny")
    running = start_server(
        home,
        environment={
            "AQUILON_MODELS": "tiny",
            "AQUILON_MODERATION_URL": judge,
            "AQUILON_MODERATION_KEY": "judge-key",
            "AQUILON_MODERATION_PROMPTS": "true",
        },
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(moderated: RunningServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{moderated.url}/v1", api_key=moderated.api_key, max_retries=0) as client:
        yield client


def test_both_clients_get_their_texts_judged(client: OpenAI, moderated: RunningServer) -> None:
    both = client.moderations.create(input=["I hit you", "I like you"])
    assert [result.flagged for result in both.results] == [True, False]
    assert both.model == "judge-1"
    assert client.moderations.create(input=[{"type": "text", "text": "I hit you"}]).results[0].flagged
    with Mistral(server_url=moderated.url, api_key=moderated.api_key) as mistral:
        [result] = mistral.classifiers.moderate(model="any", inputs="I hit you").results
        assert result.categories == {"violence": True}
        assert result.category_scores == {"violence": 0.5}
        messages: list[Any] = [{"role": "user", "content": "I hit you"}, {"role": "assistant", "content": "Stop"}]
        [conversation] = mistral.classifiers.moderate_chat(model="any", inputs=messages).results
        assert conversation.categories == {"violence": True}


def test_the_moderation_server_gets_the_operators_key_and_not_the_callers(client: OpenAI) -> None:
    client.moderations.create(input="hello")
    assert Judge.requests[-1] == {"path": "/v1/moderations", "key": "Bearer judge-key", "input": ["hello"]}


@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses"])
def test_a_flagged_prompt_is_refused_before_it_is_answered(moderated: RunningServer, path: str) -> None:
    def ask(text: str) -> httpx.Response:
        bodies: dict[str, dict[str, Any]] = {
            "chat/completions": {"messages": [{"role": "user", "content": text}], "max_tokens": 2},
            "completions": {"prompt": text, "max_tokens": 2},
            "responses": {"input": text, "max_output_tokens": 2},
        }
        headers = {"authorization": f"Bearer {moderated.api_key}"}
        return httpx.post(f"{moderated.url}/v1/{path}", json=bodies[path] | {"model": "tiny"}, headers=headers)

    assert ask("I like you").status_code == 200
    refused = ask("I hit you")
    assert (refused.status_code, refused.json()["code"]) == (400, "content_filter")
    assert "violence" in refused.json()["message"]
    unknown = ask("break it")
    assert (unknown.status_code, unknown.json()["code"]) == (503, "moderation_unavailable")


def test_messages_of_the_assistant_are_not_judged(client: OpenAI) -> None:
    messages: list[Any] = [
        {"role": "user", "content": "Tell me"},
        {"role": "assistant", "content": "They hit"},
        {"role": "user", "content": "More"},
    ]
    client.chat.completions.create(model="tiny", messages=messages, max_tokens=1)
    assert Judge.requests[-1]["input"] == ["Tell me", "More"]


def test_texts_for_the_chat_template_are_judged(client: OpenAI) -> None:
    text = "A document that the template shows, of some length."
    variables = {"reasoning_effort": "low", "documents": [{"text": text}]}
    messages: list[Any] = [{"role": "user", "content": "Tell me"}]
    client.chat.completions.create(
        model="tiny", messages=messages, max_tokens=1, extra_body={"chat_template_kwargs": variables}
    )
    assert Judge.requests[-1]["input"] == ["Tell me", text]


def test_a_prompt_of_token_ids_is_refused_because_it_cannot_be_judged(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="token ids"):
        client.completions.create(model="tiny", prompt=[1, 2, 3], max_tokens=1)


def test_an_invalid_answer_of_the_moderation_server_is_reported_with_502(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.moderations.create(input="break it")
    assert caught.value.status_code == 502


def test_without_a_moderation_server_the_error_names_the_setting(openai_client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="AQUILON_MODERATION_URL") as caught:
        openai_client.moderations.create(input="hello")
    assert caught.value.code == "moderation_not_configured"


def test_an_upstreams_model_can_judge(judge: str, tmp_path: Path) -> None:
    gateway = start_server(tmp_path, environment={"AQUILON_MODELS": "none", "AQUILON_MODERATION_MODEL": "guard"})
    try:
        aquilon(tmp_path, "upstreams", "add", "judge", judge, "--model", "guard=judge-1", "--can", "moderation")
        headers = {"authorization": f"Bearer {gateway.api_key}"}
        body = {"input": "I hit you"}

        def flagged() -> bool:
            answer = httpx.post(f"{gateway.url}/v1/moderations", json=body, headers=headers)
            return answer.status_code == 200 and answer.json()["results"][0]["flagged"]

        wait_until(flagged)
        assert Judge.requests[-1]["model"] == "judge-1"
    finally:
        gateway.stop()


@pytest.mark.parametrize("settings", [{"AQUILON_MODERATION_PROMPTS": "true"}, {"AQUILON_MODERATION_URL": "nowhere"}])
def test_a_wrong_moderation_setting_ends_the_start_with_the_reason(settings: dict[str, str], tmp_path: Path) -> None:
    environment = {"AQUILON_MODELS": "none", "AQUILON_HOME": str(tmp_path), "AQUILON_PORT": "0", **settings}
    done = run_prepared("aquilon", "up", variables=environment)
    assert done.returncode == 1
    assert "AQUILON_MODERATION" in done.stderr or "base URL" in done.stderr
    assert "Traceback" not in done.stderr
