"""``aquilon run``, ``ps`` and ``stop`` beside a running server."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from tests.cli.conftest import Run
from tests.support.server import RunningServer, start_server
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint


def test_a_model_is_run_listed_and_stopped(run: Run, server: RunningServer) -> None:
    home = ("--home", str(server.home))
    assert run("run", "smollm2-135m", "Say hello.", *home).out.strip()
    [loaded] = json.loads(run("ps", "--json", *home).out)
    assert (loaded["id"], loaded["state"]) == ("smollm2-135m", "ready")
    assert "135M" in run("ps", *home).out
    assert run("usage", *home).out.splitlines()[-1].startswith("total ")
    assert run("stop", "smollm2-135m", *home).out == "smollm2-135m is out of memory\n"
    assert "No model is in memory" in run("ps", *home).err
    assert run("run", "smollm2-135m", "Hi", *home).code == 0  # its next request loads it again
    assert run("ps", *home).out


def test_the_operator_s_key_stays_in_the_home_and_is_made_anew_when_revoked(run: Run, server: RunningServer) -> None:
    home = ("--home", str(server.home))
    assert run("ps", *home).code == 0
    file = server.home / "cli-operator-key"
    assert file.stat().st_mode & 0o077 == 0
    key = file.read_text().strip()
    [listed] = [row for row in json.loads(run("keys", "list", "--json", *home).out) if key.startswith(row["prefix"])]
    assert listed["scopes"] == ["administration"]
    run("keys", "revoke", listed["id"], *home)
    assert run("ps", *home).code == 0
    assert file.read_text().strip() != key


def test_what_is_not_there_is_said(run: Run, server: RunningServer, prepared: Path) -> None:
    unknown = run("stop", "nonsense", "--home", str(server.home))
    assert (unknown.code, "There is no model 'nonsense'" in unknown.err) == (1, True)
    alone = run("ps")
    assert (alone.code, "start one with `aquilon up`" in alone.err) == (1, True)


def test_only_models_that_chat_are_offered(run: Run, home: Path) -> None:
    server = start_server(home, environment={"AQUILON_MODELS": "none"})
    try:
        headers = {"authorization": f"Bearer {server.api_key}"}
        listed = httpx.get(f"{server.url}/v1/models", headers=headers).json()["data"]
        assert any(card["capabilities"]["embeddings"] for card in listed)
        shown = run("chat", "Hi")
        assert (shown.code, "serves no model that chats" in shown.err) == (1, True)
    finally:
        server.stop()


def test_run_pulls_what_is_not_there(run: Run, home: Path, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "Tiny-Llama", tiny_checkpoint())
    shown = run("run", str(folder), "Hi")
    assert "No server is running" in shown.err
    assert (home / "models" / "Tiny-Llama" / "manifest.json").exists()
