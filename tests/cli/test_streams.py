"""Commands whose standard streams are closed, full, or in an encoding that can't hold what they say."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.cli.test_chat import chat_server, delta
from tests.support.prepared import command_folder

from aquilon.cli.main import main

ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "LANG": "C"}


def shell(line: str, *, stdin: bytes = b"", environment: dict[str, str] | None = None) -> tuple[int, str]:
    """A line of shell in which ``aquilon`` is the program: its exit code, and both outputs together.

    It is a new interpreter's where that prepares what is tested: streams that are closed, and their encoding.
    """
    path = {"PATH": f"{command_folder()}:{os.environ['PATH']}"}
    if "&-" in line or environment:
        line = line.replace("aquilon", f"{sys.executable} -m aquilon.cli.main", 1)
    variables = os.environ | path | (environment or {})
    done = subprocess.run(["bash", "-c", line], input=stdin, capture_output=True, timeout=120, env=variables)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_the_output_cannot_hold_is_replaced_in_an_answer(home: Path, encoding: str) -> None:
    with chat_server([delta("Bonjour 😀 ça va"), "[DONE]"]) as url:
        code, shown = shell(f"aquilon chat Hi --url {url}", environment={"PYTHONIOENCODING": encoding})
    assert (code, "Bonjour ? " in shown) == (0, True), shown


def test_json_is_escaped_where_the_output_cannot_hold_its_letters(home: Path) -> None:
    with chat_server([delta("😀 é"), "[DONE]"]) as url:
        code, shown = shell(f"aquilon chat Hi --json --url {url}", environment=ASCII)
    assert (code, json.loads(shown)["answer"]) == (0, "😀 é")


@pytest.mark.parametrize("command", [["models", "suggest"], ["doctor", "--help"], ["keys", "list"], ["nonsense"]])
def test_a_command_says_what_it_has_to_say_in_ascii(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    outputs = [io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="surrogateescape") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", outputs[0])
    monkeypatch.setattr(sys, "stderr", outputs[1])
    assert main(command) in (0, 2)
    for output in outputs:
        output.flush()
        assert b"bug in Aquilon" not in output.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("aquilon chat <&-", 2, "standard input is empty"),
        ("aquilon users password admin <&-", 1, "A password has 12 to 500 characters"),
        ("aquilon keys list <&- 2>&-", 0, "first key"),
        ("aquilon keys list --org nobody 2>&-", 1, ""),
        ("aquilon keys list >&-", 0, ""),
        ("aquilon files download file_none >&-", 1, "file_none"),
        ("aquilon backup <&- >&- 2>&-", 0, ""),
    ],
)
def test_a_closed_stream_counts_as_no_terminal(prepared: Path, line: str, code: int, says: str) -> None:
    ended, shown = shell(line)
    assert (ended, says in shown, "bug" in shown) == (code, True, False), shown


@pytest.mark.parametrize(
    "closed", ["<&- >&- 2>&-", *(pytest.param(one, marks=pytest.mark.slow) for one in ("2>&-", ">&-"))]
)
def test_the_server_runs_and_stops_without_a_stream(home: Path, closed: str) -> None:
    line = f"exec {sys.executable} -m aquilon.cli.main up --port 0 --model none {closed}"
    with subprocess.Popen(["bash", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        while server.poll() is None and not (home / "server.json").exists():
            try:
                server.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        server.send_signal(signal.SIGTERM)
        shown = server.stdout.read() + server.stderr.read()
    assert (server.returncode, b"Traceback" in shown, b"Assertion" in shown) == (0, False, False), shown


def test_an_output_that_is_full_is_reported_once(prepared: Path) -> None:
    code, shown = shell("aquilon keys list > /dev/full")
    assert (code, shown.count("\n")) == (1, 1), shown
    assert "The disk is full" in shown


def test_a_reader_that_left_early_is_no_error(prepared: Path) -> None:
    _, shown = shell("aquilon keys list | true")
    assert shown == ""


@pytest.mark.parametrize(
    ("line", "environment"),
    [
        ("aquilon chat Hi --url http://127.0.0.1:9", {}),
        ("aquilon chat --url http://127.0.0.1:9", ASCII),
        ("aquilon users password admin", {}),
        ("aquilon users password admin", ASCII),
        ("aquilon prices set m --file /dev/stdin", {}),
        ("aquilon upstreams add u http://127.0.0.1:9/v1 --key-file -", ASCII),
        ("aquilon sso add corp https://login.example.org --client-id a --secret-file -", {}),
    ],
)
def test_bytes_that_are_not_text_on_standard_input_are_reported_in_words(
    prepared: Path, line: str, environment: dict[str, str]
) -> None:
    code, shown = shell(line, stdin=b"\xff\xfe not text", environment=environment)
    assert (code in (1, 2), "bug" in shown) == (True, False), shown
    assert re.search("isn't text|can't be read", shown), shown


ODD = os.fsdecode(b"caf\xe9")
"""As a file name or argument in another encoding arrives in a program."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["chat", ODD, "--url", "http://127.0.0.1:9"],
        ["chat", "Hi", "--url", "http://127.0.0.1:9", "--key", ODD],
        ["chat", "Hi", "--url", "http://127.0.0.1:9", "--key", "clé"],
        ["chat", "Hi", "--url", f"http://{ODD}:9"],
        ["keys", "create", "--name", ODD],
        ["keys", "list", "--org", ODD],
        ["users", "create", ODD],
        ["budgets", "set", "1", "--workspace", ODD],
        ["pull", f"./{ODD}"],
        ["models", "show", ODD],
        ["aliases", "set", "a", ODD],
        ["sso", "add", ODD, "https://login.example.org", "--client-id", "a"],
        ["upstreams", "add", ODD, "http://127.0.0.1:9/v1"],
        ["keys", "list", "--home", f"/nowhere/{ODD}"],
        ["restore", f"{ODD}.tar"],
        [ODD],
    ],
)
def test_an_argument_that_is_not_text_is_reported_in_words(run: Run, prepared: Path, arguments: list[str]) -> None:
    shown = run(*arguments)
    assert (shown.code in (1, 2), "bug" in shown.err) == (True, False), shown


@pytest.mark.parametrize("content", [b'seller = "\xe9"', b"port = = 1"])
def test_a_settings_file_that_cannot_be_read_is_wrong_usage(run: Run, prepared: Path, content: bytes) -> None:
    (prepared / "aquilon.toml").write_bytes(content)
    shown = run("keys", "list")
    assert (shown.code, "aquilon.toml isn't" in shown.err, "bug" in shown.err) == (2, True, False), shown
