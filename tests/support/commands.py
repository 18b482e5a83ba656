"""``aquilon`` in this process, for tests of something else: a process of its own takes a second to start."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from aquilon.cli.main import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def run_aquilon(home: Path, *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None) -> Outcome:
    """How ``aquilon …`` ends on this home, and what it prints."""
    variables, keyboard = dict(os.environ), sys.stdin
    os.environ.update({"AQUILON_HOME": str(home), **(environment or {})})
    sys.stdin = io.StringIO(stdin)
    try:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(list(arguments))
    finally:
        sys.stdin = keyboard
        os.environ.clear()
        os.environ.update(variables)
    return Outcome(code, out.getvalue(), err.getvalue())


def aquilon(home: Path, *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None) -> str:
    """What a command that must end well prints on standard output, less the last line's end."""
    outcome = run_aquilon(home, *arguments, stdin=stdin, environment=environment)
    assert outcome.code == 0, f"aquilon {' '.join(arguments)}: {outcome}"
    return outcome.out.removesuffix("\n")
