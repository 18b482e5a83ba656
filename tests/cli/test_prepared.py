"""Forked commands and servers of the tests do what those of a new interpreter do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.prepared import command_folder, python_with_torch, run_prepared
from tests.support.server import start_server


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["keys", "list"], ""),
        (["users", "password", "admin"], "short\n"),
        (["chat"], ""),
        (["nonsense"], ""),
    ],
)
def test_a_forked_command_prints_and_ends_as_a_new_interpreter_does(
    prepared: Path, arguments: list[str], stdin: str
) -> None:
    new = subprocess.run(
        [sys.executable, "-m", "aquilon.cli.main", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
    )
    forked = run_prepared("aquilon", *arguments, variables=os.environ, stdin=stdin)
    assert (forked.returncode, forked.stdout, forked.stderr) == (new.returncode, new.stdout, new.stderr)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["-P", "-m", "aquilon.training.job"],
        ["-c", "import sys; print(sys.stdin.read(), sys.argv)", "-m", "aquilon.training.job"],
    ],
)
def test_what_imports_torch_is_forked_and_ends_as_in_a_new_interpreter(arguments: list[str]) -> None:
    new, forked = (
        subprocess.run([python, *arguments], input="read", capture_output=True, text=True)
        for python in (sys.executable, python_with_torch())
    )
    assert (forked.returncode, forked.stdout, forked.stderr) == (new.returncode, new.stdout, new.stderr)


def test_a_shell_finds_the_forked_command_with_its_folder_variables_and_pipes(prepared: Path, tmp_path: Path) -> None:
    variables = os.environ | {"PATH": f"{command_folder()}:{os.environ['PATH']}", "AQUILON_HOME": "elsewhere"}
    line = "command -v aquilon; echo 'correct horse battery' | aquilon users password admin; echo $?"
    done = subprocess.run(["bash", "-c", line], cwd=prepared.parent, env=variables, capture_output=True, text=True)
    assert done.stdout == f"{command_folder()}/aquilon\n1\n"
    assert "elsewhere" in done.stderr


def test_a_forked_server_that_is_killed_has_the_signal_s_status(tmp_path: Path) -> None:
    server = start_server(tmp_path / "home", environment={"AQUILON_MODELS": "none"})
    assert server.process.poll() is None
    server.process.kill()
    assert server.process.wait(20) == -9
