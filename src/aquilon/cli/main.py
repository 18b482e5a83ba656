"""The ``aquilon`` command: its subcommands, its version, and how errors are reported.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C.
Commands import what they need when they run, so that help comes at once.
"""

from __future__ import annotations

import copy
import os
import sys
from typing import Annotated, Any

import typer
import typer.core

from aquilon import __version__
from aquilon.cli import (
    accounts,
    aliases,
    backup,
    batches,
    chat,
    conversations,
    doctor,
    documents,
    files,
    fine_tuning,
    invitations,
    keys,
    limits,
    loaded,
    models,
    money,
    organizations,
    pull,
    sso,
    train,
    up,
    upstreams,
)
from aquilon.cli.eval import evaluate
from aquilon.cli.export import export

_PANELS = _START, _MODELS, _TRAINING, _PEOPLE, _MONEY, _FILES = (
    "Start and chat",
    "Models",
    "Training",
    "People and keys",
    "Usage and money",
    "Jobs, files and backup",
)
"""Titles of the groups in the list of commands, in their order."""


class _GroupedHelp(typer.core.TyperGroup):
    """Help with the commands under their group's title."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {title: [] for title in _PANELS}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            panels[command.rich_help_panel].append((name, command.get_short_help_str(80)))
        longest = max(len(name) for rows in panels.values() for name, _ in rows)
        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{longest}}", explained) for name, explained in rows])


app = typer.Typer(
    name="aquilon",
    cls=_GroupedHelp,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help comes in half the time, and reads the same in a pipe
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: aquilon up",
)

_CommandLineError = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""Click's base class; newer typers carry a click of their own."""

_debug = False


def _print_version(is_set: bool) -> None:
    if is_set:
        typer.echo(f"aquilon {__version__}")
        raise typer.Exit


def _set_debug(is_set: bool) -> None:
    global _debug
    _debug = is_set or bool(os.environ.get("AQUILON_DEBUG"))


@app.callback()
def _aquilon(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from.", callback=_set_debug, is_eager=True)
    ] = False,
) -> None:
    """Run open language models on your own machine: serve them, chat with them, call them from programs."""


app.command("up", rich_help_panel=_START, short_help="Start the server: chat page, API and documentation.")(up.up)
app.command("chat", rich_help_panel=_START)(chat.chat)
app.command("run", rich_help_panel=_START, short_help="Chat with a model; pull it first if it isn't there.")(loaded.run)
app.command("doctor", rich_help_panel=_START, short_help="Check this machine and this home.")(doctor.doctor)
app.command("pull", rich_help_panel=_MODELS)(pull.pull)
app.add_typer(models.app, name="models", rich_help_panel=_MODELS)
app.command("eval", rich_help_panel=_MODELS, short_help="Measure and compare models on texts and questions.")(evaluate)
app.command("ps", rich_help_panel=_MODELS, short_help="List the models in the server's memory.")(loaded.list_loaded)
app.command("stop", rich_help_panel=_MODELS, short_help="Take a model out of memory, or end the server.")(loaded.stop)
app.add_typer(aliases.app, name="aliases", rich_help_panel=_MODELS)
app.add_typer(upstreams.upstreams, name="upstreams", rich_help_panel=_MODELS)
app.add_typer(train.app, name="train", rich_help_panel=_TRAINING)
app.command("export", rich_help_panel=_TRAINING, short_help="Write a run's or a stored model for other programs.")(
    export
)
app.add_typer(accounts.users, name="users", rich_help_panel=_PEOPLE)
app.add_typer(invitations.invitations, name="invitations", rich_help_panel=_PEOPLE)
app.add_typer(keys.keys, name="keys", rich_help_panel=_PEOPLE)
app.add_typer(sso.sso, name="sso", rich_help_panel=_PEOPLE)
app.add_typer(organizations.organizations, name="orgs", rich_help_panel=_PEOPLE)
app.add_typer(organizations.workspaces, name="workspaces", rich_help_panel=_PEOPLE)
app.add_typer(organizations.members, name="members", rich_help_panel=_PEOPLE)
app.command("usage", rich_help_panel=_MONEY, short_help="Show requests, tokens and cost by day or hour.")(money.usage)
app.add_typer(money.prices, name="prices", rich_help_panel=_MONEY)
app.add_typer(money.budgets, name="budgets", rich_help_panel=_MONEY)
app.add_typer(limits.limits, name="limits", rich_help_panel=_MONEY)
app.command("statement", rich_help_panel=_MONEY, short_help="Show a month's bill; write it as a PDF.")(money.statement)
app.add_typer(batches.batches, name="batches", rich_help_panel=_FILES)
app.add_typer(fine_tuning.fine_tuning, name="fine-tuning", rich_help_panel=_FILES)
app.add_typer(files.files, name="files", rich_help_panel=_FILES)
app.add_typer(conversations.conversations, name="conversations", rich_help_panel=_FILES)
app.add_typer(documents.documents, name="documents", rich_help_panel=_FILES)
app.command("backup", rich_help_panel=_FILES, short_help="Write database and files to one archive.")(backup.backup)
app.command("restore", rich_help_panel=_FILES, short_help="Put a backup in place.")(backup.restore)


def _with_named_command(arguments: list[str]) -> typer.Typer:
    """`app` with only the command that the arguments name: building all 85 takes half of a short command's time.

    With all of them where the arguments name none, as for help and for completion.
    """
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    commands = [command for command in app.registered_commands if command.name == name]
    groups = [group for group in app.registered_groups if group.name == name]
    if not commands and not groups:
        return app
    named = copy.copy(app)
    named.registered_commands, named.registered_groups = commands, groups
    return named


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code; errors are explained on stderr."""
    from aquilon.cli.errors import is_wrong_setting, words
    from aquilon.cli.streams import prepare_streams

    prepare_streams()
    former = os.umask(0o077)  # files that a command writes are for its user alone
    try:
        command_line = _with_named_command(sys.argv[1:] if arguments is None else arguments)
        result = command_line(args=arguments, prog_name="aquilon", standalone_mode=False)
        sys.stdout.flush()  # here, because a full or closed output can still be reported
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        _give_up_output()
        return 1
    except Exception as error:
        if isinstance(error, _CommandLineError):
            error.show()  # type: ignore[attr-defined]
            option, context = getattr(error, "option_name", None), getattr(error, "ctx", None)
            if option is not None and context is not None and context.parent is None:
                print(f"An option of a command stands after it: aquilon COMMAND {option} …", file=sys.stderr)
            return 2
        if _debug:
            raise
        message = words(error)
        if not isinstance(error, MemoryError):  # what follows is imported, which takes some
            from aquilon.cli.output import printable

            message = printable(message)
        if isinstance(error, OSError):
            _give_up_output()

        print(f"aquilon: {message}", file=sys.stderr)
        return 2 if is_wrong_setting(error) else 1
    finally:
        os.umask(former)


def _give_up_output() -> None:
    """Discard what could not be written, because the interpreter flushes standard output again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
