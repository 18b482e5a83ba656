"""What holds for every command: help at once, exit codes, errors in words."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from aquilon import __version__
from aquilon.cli.errors import words

COMMANDS = [
    "up",
    "chat",
    "run",
    "ps",
    "stop",
    "pull",
    "models",
    "keys",
    "users",
    "usage",
    "prices",
    "budgets",
    "doctor",
]


def test_help_names_every_command_and_ends_with_0(run: Run) -> None:
    shown = run("--help")
    assert shown.code == 0
    assert all(f"\n  {command} " in shown.out for command in COMMANDS)


def test_help_groups_the_commands(run: Run) -> None:
    shown = run("--help").out
    heads = ["Start and chat:", "Models:", "People and keys:", "Usage and money:", "Jobs, files and backup:"]
    places = [shown.index(f"\n{head}\n") for head in heads]
    assert places == sorted(places)
    assert "..." not in shown[places[0] :]
    assert (
        places[0] < shown.index("\n  up ") < places[1] < shown.index("\n  ps ") < places[2] < shown.index("\n  keys ")
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    shown = run(command, "--help")
    assert shown.code == 0
    assert f"Usage: aquilon {command}" in shown.out
    assert "..." not in shown.out.partition("\nCommands:\n")[2]


@pytest.mark.parametrize("command", ["up", "chat", "pull"])
def test_the_main_commands_show_examples(run: Run, command: str) -> None:
    assert f"Examples:\n    aquilon {command}" in run(command, "--help").out


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out == f"aquilon {__version__}\n"


def loaded_by(*arguments: str) -> set[str]:
    """The names of all modules that a new interpreter has loaded after this command line."""
    code = (
        f"import sys, json; from aquilon.cli.main import main; main({arguments!r}); print(json.dumps([*sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_loads_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "pydantic", "sqlalchemy", "fastapi", "httpx", "asyncio", "transformers", "jinja2"}
    assert not loaded_by("--help") & heavy


def test_a_command_loads_no_other_command() -> None:
    loaded = loaded_by("keys", "--help")
    assert "aquilon.cli.keys" in loaded
    assert not loaded & {"aquilon.cli.up", "aquilon.cli.money", "aquilon.cli.train"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["pull"],
        ["up", "--port", "99999"],
        ["up", "--port", "x"],
        ["models", "suggest", "--memory", "big"],
        ["keys", "create"],
        ["chat", "--temperature", "9"],
        ["models"],
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_right(run: Run, arguments: list[str]) -> None:
    shown = run(*arguments)
    assert shown.code == 2
    assert "Usage: aquilon" in shown.err + shown.out


def test_a_wrong_setting_is_named_with_its_value(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run("up", "--quantize", "int3")
    assert shown.code == 2
    assert "quantize is 'int3'" in shown.err
    monkeypatch.setenv("AQUILON_PORT", "eighty")
    shown = run("models", "list")
    assert (shown.code, "port is 'eighty'" in shown.err) == (2, True)


def test_a_bug_asks_for_a_report_and_shows_where_only_on_demand(
    run: Run, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(self: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("aquilon.checkpoints.store.ModelStore.list", break_down)
    shown = run("models", "list")
    assert shown.code == 1
    assert "This is a bug in Aquilon: ZeroDivisionError: oops" in shown.err
    assert "aquilon --debug" in shown.err
    with pytest.raises(ZeroDivisionError):
        run("--debug", "models", "list")


def test_memory_that_ran_out_under_a_limit_names_the_limit() -> None:
    program = (
        "import resource; from aquilon.cli.errors import words; "
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); print(words(MemoryError()))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Memory ran out: this process may use 1024 MiB, as `ulimit -v` says." in shown.stdout


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device", "/home/x"), "The disk is full (/home/x)"),
        (PermissionError(13, "Permission denied", "/root/x"), "Not allowed to write there (/root/x)"),
        (MemoryError(), "Memory ran out. Raise the limit"),
        (
            MemoryError("Unable to allocate 1.2 GiB for an array with shape (9)"),
            "when 1.2 GiB more were needed",
        ),
        (
            RuntimeError("can't allocate memory: you tried to allocate 4096 bytes."),
            "when 4096 bytes more were needed",
        ),
        (RuntimeError("can't start new thread"), "Memory ran out"),
        (OSError(12, "Cannot allocate memory"), "Memory ran out"),
        (sqlite3.OperationalError("database or disk is full"), "The disk is full: free some space"),
        (OSError(30, "Read-only file system"), "use another home with --home"),
    ],
)
def test_the_machine_s_errors_say_what_to_do(error: Exception, says: str) -> None:
    assert says in words(error)
