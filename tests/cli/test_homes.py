"""A home that isn't there: only what begins one makes it, everything else says so and names the nearest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.cli.conftest import Run

from aquilon.cli.main import command_line
from aquilon.settings import Settings
from aquilon.storage import Database, DatabaseError

BEGIN_A_HOME = {"up", "run", "pull", "restore"}
NEED_NONE = {
    "doctor",
    "documents read",
    "models suggest",
    *("train " + name for name in ("data", "tokenizer", "pretrain", "sft", "dpo", "pairs", "resume", "show")),
    *("eval", "export"),  # of a path; a name needs the home that it is in
}


def commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return [path]
    return [found for name, each in inner.items() for found in commands(each, (*path, name))]


def example_arguments(path: tuple[str, ...]) -> list[str]:
    """The least that a command takes: a value for each required argument and option."""
    command: Any = typer.main.get_command(command_line())
    for name in path:
        command = command.commands[name]
    arguments = []
    for parameter in command.params:
        if parameter.required:
            value = "7" if "CENTS" in str(parameter.metavar) or "AMOUNT" in str(parameter.metavar) else "2026-11"
            arguments += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    extra = {
        "prices set": ["--prompt", "1", "--completion", "1"],
        "limits set": ["--requests", "1"],
        "models fallbacks": [],
        "chat": ["Hi"],
        "aliases set": ["a", "b"],
        "stop": ["a"],
        "sso add": ["a", "https://a.example", "--client-id", "a"],
        "upstreams add": ["a", "http://127.0.0.1:9/v1"],
    }
    key = " ".join(path)
    return (arguments if key not in extra or key == "prices set" else []) + extra.get(key, [])


ALL = commands(typer.main.get_command(command_line()))


@pytest.mark.parametrize("path", [path for path in ALL if " ".join(path) not in BEGIN_A_HOME | NEED_NONE])
def test_a_command_on_a_home_that_is_not_there_makes_none(run: Run, tmp_path: Path, path: tuple[str, ...]) -> None:
    shown = run(*path, *example_arguments(path), "--home", str(tmp_path / "nowhere"), stdin="correct horse battery")
    assert (shown.code, shown.out) == (1, ""), shown
    assert f"There is no Aquilon home at {tmp_path / 'nowhere'}" in shown.err
    assert "`aquilon up --home" in shown.err
    assert not (tmp_path / "nowhere").exists()


def test_the_nearest_home_is_named(run: Run, prepared: Path) -> None:
    typo = prepared.with_name("hoem")
    assert f"did you mean --home {prepared}?" in run("keys", "list", "--home", str(typo)).err
    deeper = prepared.parent.with_name(prepared.parent.name + "x") / "home"
    assert f"did you mean --home {prepared}?" in run("usage", "--home", str(deeper)).err
    assert f"--home {prepared}" in run("doctor", "--home", str(typo)).out


def test_a_folder_without_a_home_s_files_is_not_a_home(run: Run, prepared: Path, tmp_path: Path) -> None:
    (tmp_path / "hom").mkdir()
    shown = run("models", "list", "--home", str(tmp_path / "hom"))
    assert (shown.code, f"did you mean --home {prepared}?" in shown.err) == (1, True)
    assert list((tmp_path / "hom").iterdir()) == []


def test_a_database_that_was_deleted_is_not_made_again(run: Run, prepared: Path) -> None:
    (prepared / "server.lock").touch()  # as a server leaves it
    for file in prepared.glob("aquilon.db*"):
        file.unlink()
    shown = run("keys", "list")
    assert (shown.code, f"There is no database at {prepared / 'aquilon.db'}" in shown.err) == (1, True)
    assert not (prepared / "aquilon.db").exists()


def test_a_home_with_models_alone_has_its_models_and_no_database(run: Run, home: Path) -> None:
    (home / "models").mkdir(parents=True)
    assert (run("models", "list").code, run("users", "list").code) == (0, 1)


def test_a_restore_of_a_missing_archive_makes_no_home(run: Run, home: Path) -> None:
    assert "No such file" in run("restore", "gone.tar").err
    assert not home.exists()


def test_an_empty_database_is_left_empty_where_none_may_be_made(home: Path) -> None:
    home.mkdir()
    (home / "aquilon.db").touch()
    with pytest.raises(DatabaseError, match="is empty: the first start"):
        asyncio.run(Database.open(Settings(home=home), create=False))
