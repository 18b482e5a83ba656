"""The ``aquilon`` command: its groups, its version, and what becomes of an error.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C.
Commands import what they need when they run, so that help comes at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from aquilon import __version__
from aquilon.cli import (
    accounts,
    aliases,
    backup,
    batches,
    chat,
    doctor,
    files,
    invitations,
    keys,
    limits,
    models,
    money,
    organizations,
    pull,
    sso,
    up,
    upstreams,
)

app = typer.Typer(
    name="aquilon",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help comes in half the time, and reads the same in a pipe
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: aquilon up",
)

_CommandLineError = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""Click's base class; newer typers carry a click of their own."""

_debug = False


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aquilon {__version__}")
        raise typer.Exit


def _set_debug(wanted: bool) -> None:
    global _debug
    _debug = wanted or bool(os.environ.get("AQUILON_DEBUG"))


@app.callback()
def _aquilon(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from.", callback=_set_debug, is_eager=True)
    ] = False,
) -> None:
    """A language-model house on your own machine: serve models, chat with them, call them."""


app.command("up")(up.up)
app.command("chat")(chat.chat)
app.command("pull")(pull.pull)
app.add_typer(models.app, name="models")
app.add_typer(aliases.app, name="aliases")
app.add_typer(upstreams.upstreams, name="upstreams")
app.add_typer(organizations.organizations, name="orgs")
app.add_typer(organizations.workspaces, name="workspaces")
app.add_typer(organizations.members, name="members")
app.add_typer(keys.keys, name="keys")
app.add_typer(accounts.users, name="users")
app.add_typer(invitations.invitations, name="invitations")
app.add_typer(sso.sso, name="sso")
app.command("usage")(money.usage)
app.add_typer(money.prices, name="prices")
app.add_typer(money.budgets, name="budgets")
app.add_typer(limits.limits, name="limits")
app.command("statement")(money.statement)
app.add_typer(batches.batches, name="batches")
app.add_typer(files.files, name="files")
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("doctor")(doctor.doctor)


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code; errors go to stderr in words."""
    from aquilon.cli.errors import is_wrong_setting, words
    from aquilon.cli.streams import prepare_streams

    prepare_streams()
    try:
        result = app(args=arguments, prog_name="aquilon", standalone_mode=False)
        sys.stdout.flush()  # here, where an output that is full or gone can still be reported
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        _give_up_output()
        return 1
    except Exception as error:
        if isinstance(error, _CommandLineError):
            error.show()  # type: ignore[attr-defined]
            return 2
        if _debug:
            raise
        from aquilon.cli.output import printable

        if isinstance(error, OSError):
            _give_up_output()

        print(f"aquilon: {printable(words(error))}", file=sys.stderr)
        return 2 if is_wrong_setting(error) else 1


def _give_up_output() -> None:
    """Throw away what could not be written: the interpreter flushes standard output once more when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
