"""``aquilon`` in this process, for tests of something else: a process of its own takes a second to start."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from aquilon.cli.main import main

_WITH_TORCH = {"dpo", "eval", "export", "pretrain", "pull", "resume", "sft"}
"""Commands that start a process which imports torch."""


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
        with ExitStack() as meanwhile:
            if _WITH_TORCH & set(arguments[:2]):
                from tests.support.prepared import forking  # a test whose file imports it isn't quick

                meanwhile.enter_context(forking())
            out = meanwhile.enter_context(redirect_stdout(io.StringIO()))
            err = meanwhile.enter_context(redirect_stderr(io.StringIO()))
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
