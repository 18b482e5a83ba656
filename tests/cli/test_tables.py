"""Tables on terminals of every width: no word is broken, no line is too long, and what was left out is said."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.cli.conftest import Run
from tests.cli.test_homes import commands
from tests.support.homes import begin_home
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.cli.main import command_line, main
from aquilon.cli.tables import Table, wrapped

WIDTHS = [60, 72, 80, 100, 120, 160, 200]
TABLES = [
    *(path for path in commands(typer.main.get_command(command_line())) if path[-1] == "list"),
    ("usage",),
    ("statement", "2026-11"),
    ("models", "fallbacks"),
    ("upstreams", "models", "vllm"),
]


FURNISHING = (
    "users create rosa-luxembourg --role developer --email rosa.luxembourg@research.example.org",
    "workspaces create recherche",
    "orgs create cooperative-of-open-models --owner olga",
    "keys create --name continuous-integration",
    "budgets set 1234.56",
    "budgets set 2 --period day --workspace recherche",
    "limits set --requests 600 --tokens 200000",
    "limits set --workspace recherche --model Ministral-3-8B-Instruct-2512-Q4_K_M --parallel 4",
    "invitations create --role developer --note for-the-new-colleague",
    "prices set Ministral-3-8B-Instruct-2512-Q4_K_M --prompt 0.10 --completion 1234.50",
    "upstreams add vllm http://127.0.0.1:9/v1 --private --model llama=meta-llama/Llama-3.1-8B-Instruct --context 8",
    "aliases set small-latest llama",
    "models fallbacks llama Ministral-3-8B-Instruct-2512-Q4_K_M",
    "sso add corp https://login.example.org --client-id a --newcomers member --domain example.org",
)


@pytest.fixture(scope="module")
def furnished_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with something in every list that needs no server."""
    home, folder = tmp_path_factory.mktemp("furnished") / "home", tmp_path_factory.mktemp("model")
    begin_home(home)
    checkpoint = write_checkpoint(folder / "Ministral-3-8B-Instruct-2512-Q4_K_M", tiny_checkpoint())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AQUILON_HOME", str(home))
        for line in (f"pull {checkpoint}", *FURNISHING):
            assert main(line.split()) == 0, line
    return home


@pytest.fixture
def furnished(home: Path, furnished_home: Path) -> Path:
    shutil.copytree(furnished_home, home)
    return home


@pytest.mark.slow
def test_every_table_fits_every_terminal_without_breaking_a_word(
    run: Run, furnished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in TABLES:
        whole = set(run(*command).out.split())
        monkeypatch.setenv("FORCE_COLOR", "1")
        for width in WIDTHS:
            monkeypatch.setenv("COLUMNS", str(width))
            shown = run(*command)
            lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.out).splitlines()
            assert max(map(cell_len, lines), default=0) <= width, (command, width, lines)
            words = {word for line in lines for word in line.split()}
            cut = {word for word in words - whole if word.endswith("…")}
            assert words - cut <= whole, (command, width)
            assert all(any(each.startswith(word[:-1]) for each in whole) for word in cut), (command, width)
            assert width < 120 or not [word for word in cut if "_" not in word], (command, width, cut)
        monkeypatch.delenv("FORCE_COLOR")
        monkeypatch.delenv("COLUMNS")


def test_what_a_narrow_terminal_leaves_out_is_named(run: Run, furnished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    assert "Left out here: created" in run("keys", "list").err


def test_large_numbers_are_grouped(run: Run, furnished: Path) -> None:
    assert "200,000" in run("limits", "list").out


@pytest.mark.parametrize("kind", ["budgets", "limits"])
def test_an_id_as_a_narrow_table_shows_it_is_enough(
    run: Run, furnished: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    ids = [each["id"] for each in json.loads(run(kind, "list", "--json").out)]
    monkeypatch.setenv("FORCE_COLOR", "1")
    tables = []
    for width in (90, 100, 110, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        tables.append(run(kind, "list").out)
    [shown, *_] = re.findall(r"\w+_[0-9a-f]+…", "".join(tables))
    assert shown.rstrip("…") not in ids
    assert run(kind, "remove", shown).code == 0
    [left] = [each["id"] for each in json.loads(run(kind, "list", "--json").out)]
    assert left in ids
    assert not left.startswith(shown.rstrip("…"))


def test_a_beginning_that_several_ids_share_is_refused(run: Run, furnished: Path) -> None:
    shown = run("budgets", "remove", "budget_0")
    assert (shown.code, "Several ids begin with 'budget_0'" in shown.err) == (1, True)


def test_amounts_are_in_euros_with_a_total(run: Run, furnished: Path) -> None:
    budgets = run("budgets", "list").out
    assert ("limit EUR" in budgets, "1,234.56" in budgets) == (True, True)
    prices = run("prices", "list").out
    assert ("0.10" in prices, "1,234.50" in prices) == (True, True)
    assert run("budgets", "set", "12.345").code == 2
    assert run("budgets", "set", "fifty").code == 2
    assert run("budgets", "set", "7.5").err == "7.50 EUR a month\n"


CELLS = st.text(st.sampled_from("ab cé研-_"), max_size=40)


@given(st.lists(st.tuples(CELLS, CELLS, st.integers(0, 10**9).map(str)), max_size=6), st.integers(40, 200))
def test_a_table_is_never_wider_than_the_terminal(rows: list[tuple[str, str, str]], width: int) -> None:
    table = Table.of(("name", "what it is for", "how often"), rows, right=("how often",), spare=("what it is for",))
    fitted = table.fitted(width)
    assert all(cell_len(line) <= width for line in [*fitted.heads, *fitted.lines])
    assert table.fitted(None).left_out == []
    for row in rows:
        assert any(row[2] in line for line in fitted.lines)


@given(CELLS, st.integers(1, 30))
def test_wrapping_keeps_every_word_that_fits(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    short = [word for word in text.split() if cell_len(word) <= width]
    assert [word for line in lines for word in line.split() if not word.endswith("…")] == short


def test_a_name_cannot_steer_the_terminal_or_break_a_row() -> None:
    table = Table.of(("name",), [("a\x1b[2J\nb",)])
    assert table.fitted(None).lines == ["a[2J b"]
