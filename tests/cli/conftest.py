"""Running commands: in this process where that is enough, as real ones where it isn't."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.homes import begin_home
from tests.support.prepared import run_prepared

from aquilon.cli.main import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that no command has seen yet, and no other setting."""
    for name in [name for name in os.environ if name.startswith("AQUILON_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AQUILON_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def prepared(home: Path) -> Path:
    """The home as a first start leaves it: an organization, its owner and a key, and no server."""
    begin_home(home)
    return home


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("models", "list", stdin="…")`` in this process."""

    def run(*arguments: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def command(home: Path) -> Run:
    """``command("up", …)`` as a process of its own, to its end."""

    def command(*arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None) -> Outcome:
        variables = os.environ | (environment or {})
        done = run_prepared("aquilon", *arguments, variables=variables, folder=Path.cwd(), stdin=stdin)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return command
