"""``aquilon chat``: one answer for a pipe, a conversation for a person, with any OpenAI-compatible server."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.conftest import Run
from tests.support.server import RunningServer
from tests.support.terminal import TerminalCommand


@contextmanager
def chat_server(events: list[str], requests: list[dict[str, Any]] | None = None) -> Iterator[str]:
    """A server of somebody else's: two models, and these events as the answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(b'{"object": "list", "data": [{"id": "first"}, {"id": "second"}]}', "application/json")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if requests is not None:
                requests.append(body | {"authorization": self.headers.get("authorization")})
            self.answer("".join(f"data: {event}\n\n" for event in events).encode(), "text/event-stream")

        def answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def delta(text: str) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]})


def test_a_pipe_gets_the_plain_answer_and_nothing_else(command: Run, server: RunningServer) -> None:
    shown = command("chat", "--home", str(server.home), "--max-tokens", "8", stdin="Say hello.")
    assert shown.code == 0
    assert shown.out.strip()
    assert "\x1b" not in shown.out
    assert shown.out.endswith("\n")
    assert "tokens/s" not in shown.out + shown.err


def test_a_question_with_its_figures_as_json(run: Run, server: RunningServer) -> None:
    arguments = ("chat", "Say hello.", "--json", "--max-tokens", "4", "--temperature", "0", "--home", str(server.home))
    first, second = (json.loads(run(*arguments).out) for _ in range(2))
    assert first["model"] == "smollm2-135m"
    assert (first["completion_tokens"], first["finish_reason"]) == (4, "length")
    assert first["answer"] == second["answer"]


def test_the_local_key_is_made_once_and_anew_when_it_was_revoked(run: Run, server: RunningServer) -> None:
    home = ("--home", str(server.home))
    ask = ("chat", "Hi", "--max-tokens", "1", *home)
    assert run(*ask).code == 0
    key = (server.home / "cli-key").read_text().strip()
    assert (server.home / "cli-key").stat().st_mode & 0o077 == 0
    assert run(*ask).code == 0
    assert (server.home / "cli-key").read_text().strip() == key
    prefix = next(
        row["id"] for row in json.loads(run("keys", "list", "--json", *home).out) if key.startswith(row["prefix"])
    )
    run("keys", "revoke", prefix, *home)
    assert run(*ask).code == 0
    assert (server.home / "cli-key").read_text().strip() != key


def test_an_unknown_model_and_a_wrong_key_give_the_server_s_message(run: Run, server: RunningServer) -> None:
    unknown = run("chat", "Hi", "--model", "nonsense", "--home", str(server.home))
    assert (unknown.code, "'nonsense' does not exist" in unknown.err) == (1, True)
    wrong = run("chat", "Hi", "--url", server.url, "--key", "aq-wrong")
    assert (wrong.code, "(401)" in wrong.err) == (1, True)


def test_without_a_server_the_message_says_how_to_start_one(run: Run, prepared: Path) -> None:
    shown = run("chat", "Hi")
    assert (shown.code, "aquilon up" in shown.err, "--url" in shown.err) == (1, True, True)


def test_an_empty_question_is_wrong_usage(run: Run) -> None:
    assert run("chat", stdin="\n").code == 2


def test_any_openai_compatible_server_will_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[dict[str, Any]] = []
    monkeypatch.setenv("OPENAI_API_KEY", "sk-theirs")
    with chat_server([delta("Bon"), delta("jour"), "[DONE]"], requests) as url:
        shown = run("chat", "Translate:", "--url", f"{url}/v1", "--system", "Be brief.", stdin="good morning\n")
    assert (shown.code, shown.out) == (0, "Bonjour\n")
    [request] = requests
    assert request["model"] == "first"
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Translate:\n\ngood morning"},
    ]
    assert request["authorization"] == "Bearer sk-theirs"


def test_an_error_in_mid_answer_fails_after_what_came(run: Run) -> None:
    with chat_server([delta("Bon"), '{"error": {"message": "The engine ended."}}']) as url:
        shown = run("chat", "Hi", "--url", url)
    assert (shown.code, shown.out) == (1, "Bon")
    assert "The engine ended." in shown.err


@pytest.mark.parametrize("url", ["localhost:1", "ftp://x", "http://"])
def test_an_invalid_address_is_reported(run: Run, url: str) -> None:
    shown = run("chat", "Hi", "--url", url)
    assert shown.code == 1
    assert "Traceback" not in shown.err


def test_an_unreachable_server_is_reported(run: Run) -> None:
    shown = run("chat", "Hi", "--url", "http://127.0.0.1:9")
    assert (shown.code, "http://127.0.0.1:9 can't be reached" in shown.err) == (1, True)


def test_ctrl_c_stops_the_answer_and_not_the_conversation(server: RunningServer, home: Path, tmp_path: Path) -> None:
    with TerminalCommand(["chat", "--home", str(server.home), "--max-tokens", "400"], os.environ) as terminal:
        terminal.wait_for(r"smollm2-135m[\s\S]*› ")
        terminal.type("Write a long story about the sea.\r")
        terminal.wait_for(r"sea\.\n[\s\S]*\w+ \w+ \w+ \w+")
        terminal.press_ctrl_c()
        terminal.wait_for(r"stopped · \d+ tokens · [\d.]+ tokens/s · first after [\d.]+ s")
        terminal.type("/system Answer in French.\r")
        terminal.wait_for("System prompt: Answer in French.")
        terminal.type('"""\rtwo\rlines"""\r')
        terminal.wait_for(r"\d+ tokens")
        terminal.type(f"/save {tmp_path / 'conversation.json'}\r")
        terminal.wait_for("Saved to")
        terminal.type("/nonsense\r")
        terminal.wait_for("no command /nonsense")
        terminal.type("/exit\r")
        assert terminal.wait_for_end() == 0
    saved = json.loads((tmp_path / "conversation.json").read_text())
    assert [message["role"] for message in saved["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert saved["messages"][3]["content"] == "two\nlines"
    assert "Write a long story" in (server.home / "chat-history").read_text()


def test_the_terminal_lists_and_takes_only_models_that_chat(server: RunningServer, home: Path) -> None:
    headers = {"authorization": f"Bearer {server.api_key}"}
    cards = httpx.get(f"{server.url}/v1/models", headers=headers).json()["data"]
    [embedding] = [card["id"] for card in cards if card["capabilities"]["embeddings"]]
    with TerminalCommand(["chat", "--home", str(server.home)], os.environ) as terminal:
        terminal.wait_for(r"smollm2-135m[\s\S]*› ")
        terminal.type(f"/model {embedding}\r")
        shown = terminal.wait_for(rf"There is no model '{embedding}';\s+there\s+are:\s+[^›]*› ")
        assert "smollm2-135m" in shown
        terminal.type("/model\r")
        listed = terminal.wait_for(r"› smollm2-135m[^›]*› ")
        assert embedding not in listed
        terminal.type("/exit\r")
        assert terminal.wait_for_end() == 0
