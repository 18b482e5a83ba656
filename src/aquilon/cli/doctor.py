"""``aquilon doctor``: what this machine can do, and what is wrong."""

from __future__ import annotations

import typer

from aquilon.cli.options import AsJson, Home, settings_from

_MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}


def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check this machine and this home, and say what to do about what is wrong.

    Ends with 1 if something fails; a warning is no failure.
    """
    from dataclasses import asdict

    from aquilon.cli.checks import run_checks
    from aquilon.cli.output import out, print_json

    results = []
    console = out()
    for check in run_checks(settings_from(home=home)):
        results.append(check)
        if not as_json:
            console.print(f"{_MARKS[check.state]}  {check.name:<12} ", end="")
            console.print(check.finding, markup=False)
            if check.advice:
                console.print(f"      {'':<12} → {check.advice}", markup=False)
    if as_json:
        print_json([asdict(check) for check in results])
    if any(check.state == "fail" for check in results):
        raise typer.Exit(1)
