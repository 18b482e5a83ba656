"""Moderation by a server of the operator's: asked for, and before prompts are answered."""

from __future__ import annotations

import json
import subprocess
import sys
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
from tests.support.server import RunningServer, start_server
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore


class Judge(BaseHTTPRequestHandler):
    """Finds violence where it reads "hit", the way Mistral's models say it; is out of order where it reads "break"."""

    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        type(self).asked.append({"path": self.path, "key": self.headers["authorization"], **body})
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
    Judge.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Judge) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.fixture(scope="module")
def moderated(judge: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("moderated")
    folder = write_checkpoint(tmp_path_factory.mktemp("tiny"), tiny_checkpoint())
    pull(str(folder), ModelStore(home / "models"), name="tiny")
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


def test_texts_are_judged_as_both_clients_ask(client: OpenAI, moderated: RunningServer) -> None:
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


def test_the_operator_s_key_goes_to_their_server_and_the_caller_s_does_not(client: OpenAI) -> None:
    client.moderations.create(input="hello")
    assert Judge.asked[-1] == {"path": "/v1/moderations", "key": "Bearer judge-key", "input": ["hello"]}


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


def test_what_the_assistant_said_is_not_judged_again(client: OpenAI) -> None:
    messages: list[Any] = [
        {"role": "user", "content": "Tell me"},
        {"role": "assistant", "content": "They hit"},
        {"role": "user", "content": "More"},
    ]
    client.chat.completions.create(model="tiny", messages=messages, max_tokens=1)
    assert Judge.asked[-1]["input"] == ["Tell me", "More"]


def test_token_ids_can_t_be_judged_and_are_refused(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="token ids"):
        client.completions.create(model="tiny", prompt=[1, 2, 3], max_tokens=1)


def test_a_broken_judge_is_told(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.moderations.create(input="break it")
    assert caught.value.status_code == 502


def test_where_nobody_judges_it_is_said(openai_client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="AQUILON_MODERATION_URL") as caught:
        openai_client.moderations.create(input="hello")
    assert caught.value.code == "moderation_not_configured"


def test_an_upstream_s_model_judges_too(judge: str, tmp_path: Path) -> None:
    gateway = start_server(tmp_path, environment={"AQUILON_MODELS": "none", "AQUILON_MODERATION_MODEL": "guard"})
    try:
        aquilon(tmp_path, "upstreams", "add", "judge", judge, "--model", "guard=judge-1", "--can", "moderation")
        headers = {"authorization": f"Bearer {gateway.api_key}"}
        asked = {"input": "I hit you"}

        def flagged() -> bool:
            answer = httpx.post(f"{gateway.url}/v1/moderations", json=asked, headers=headers)
            return answer.status_code == 200 and answer.json()["results"][0]["flagged"]

        wait_until(flagged)
        assert Judge.asked[-1]["model"] == "judge-1"
    finally:
        gateway.stop()


@pytest.mark.parametrize("settings", [{"AQUILON_MODERATION_PROMPTS": "true"}, {"AQUILON_MODERATION_URL": "nowhere"}])
def test_settings_that_name_nobody_end_the_start_in_words(settings: dict[str, str], tmp_path: Path) -> None:
    environment = {"AQUILON_MODELS": "none", "AQUILON_HOME": str(tmp_path), "AQUILON_PORT": "0", **settings}
    done = subprocess.run(
        [sys.executable, "-m", "aquilon.cli.main", "up"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "AQUILON_MODERATION" in done.stderr or "base URL" in done.stderr
    assert "Traceback" not in done.stderr
