"""``aquilon run``, ``ps`` and ``stop`` beside a running server."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import httpx
from tests.cli.conftest import Run
from tests.support.prepared import PreparedProcess
from tests.support.server import RunningServer, start_server
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.web.running import RunningServer as RunningServerFile
from aquilon.web.running import own_home


def test_a_model_is_run_listed_and_stopped(run: Run, server: RunningServer) -> None:
    home = ("--home", str(server.home))
    assert run("run", "smollm2-135m", "Say hello.", *home).out.strip()
    [loaded] = json.loads(run("ps", "--json", *home).out)
    assert (loaded["id"], loaded["state"], loaded["running_requests"]) == ("smollm2-135m", "ready", 0)
    assert loaded["loaded_at"] > 0
    assert "135M" in run("ps", *home).out
    assert run("usage", *home).out.splitlines()[-1].startswith("total ")
    assert run("stop", "smollm2-135m", *home).out == "smollm2-135m is out of memory\n"
    assert "No model is in memory" in run("ps", *home).err
    assert run("chat", "Hi", "--max-tokens", "8", *home).code == 0  # its next request loads it again
    assert run("ps", *home).out


def test_ps_leaves_no_key_behind(run: Run, server: RunningServer) -> None:
    home = ("--home", str(server.home))
    before = run("keys", "list", "--json", *home).out
    assert run("ps", *home).code == 0
    assert run("keys", "list", "--json", *home).out == before
    assert not (server.home / "cli-operator-key").exists()


def test_the_key_of_ps_is_short_lived_and_is_removed_when_ctrl_c_ends_the_command(run: Run, prepared: Path) -> None:
    keys_before = run("keys", "list", "--json").out
    with (
        own_home(prepared) as announce,
        socket.create_server(("127.0.0.1", 0)) as never_answers,
        (prepared / "stderr.log").open("w") as errors,
    ):
        announce(RunningServerFile(f"http://127.0.0.1:{never_answers.getsockname()[1]}", os.getpid()))
        never_answers.settimeout(120)
        process = PreparedProcess("aquilon", "ps", folder=prepared, variables=os.environ, stderr=errors)
        connection, _ = never_answers.accept()
        with connection:
            request = connection.recv(65536).decode()
            [key] = [row for row in json.loads(run("keys", "list", "--json").out) if row["prefix"] in request]
            assert key["scopes"] == ["administration"]
            assert key["expires_at"] - key["created_at"] <= 60  # for the case that the process is killed
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(120) == 130
    assert run("keys", "list", "--json").out == keys_before
    secret = request.partition("Bearer ")[2].split()[0].encode()
    assert not [file for file in prepared.rglob("*") if file.is_file() and secret in file.read_bytes()]


def test_an_unknown_model_and_a_missing_server_are_reported(run: Run, server: RunningServer, prepared: Path) -> None:
    unknown = run("stop", "nonsense", "--home", str(server.home))
    assert (unknown.code, "There is no model 'nonsense'" in unknown.err) == (1, True)
    alone = run("ps")
    assert (alone.code, "start one with `aquilon up`" in alone.err) == (1, True)


def test_the_server_is_stopped_by_its_name(run: Run, home: Path) -> None:
    server = start_server(home, environment={"AQUILON_MODELS": "none"})
    assert run("stop", "server").out == f"The server at {server.url} has ended\n"
    assert server.process.wait(15) == 0
    again = run("stop", "server")
    assert (again.code, "No server is running" in again.err) == (1, True)


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


def test_run_pulls_a_model_that_is_missing(run: Run, home: Path, tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "Tiny-Llama", tiny_checkpoint())
    shown = run("run", str(folder), "Hi")
    assert "No server is running" in shown.err
    assert (home / "models" / "Tiny-Llama" / "manifest.json").exists()
