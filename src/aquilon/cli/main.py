"""The ``aquilon`` command: its subcommands, its version, and how errors are reported.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C.
A command is imported where it is asked for, and imports what it needs when it runs, so that help comes at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import typer
import typer.core

from aquilon import __version__

_PANELS = _START, _MODELS, _TRAINING, _PEOPLE, _MONEY, _FILES = (
    "Start and chat",
    "Models",
    "Training",
    "People and keys",
    "Usage and money",
    "Jobs, files and backup",
)
"""Titles of the groups in the list of commands, in their order."""


_ONE_SENTENCE = 1000
"""Characters that no first sentence of a command's help has: the list of commands shows it whole, on lines enough."""


class _Group(typer.core.TyperGroup):
    """Help with each command's first sentence, none cut at the line's end."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands: list[tuple[str, Any]] = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(_ONE_SENTENCE)) for name, command in commands])


class _GroupedHelp(typer.core.TyperGroup):
    """Help with the commands under their group's title."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {title: [] for title in _PANELS}
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            panels[command.rich_help_panel].append((name, command.get_short_help_str(_ONE_SENTENCE)))
        longest = max(len(name) for rows in panels.values() for name, _ in rows)
        for title, rows in panels.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{longest}}", explained) for name, explained in rows])


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


def _aquilon(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from.", callback=_set_debug, is_eager=True)
    ] = False,
) -> None:
    """Run open language models on your own machine: serve them, chat with them, call them from programs."""


class _Command(NamedTuple):
    name: str
    panel: str
    place: str
    """Module and name in `aquilon.cli`, of a function or of a group of commands."""
    short_help: str | None = None
    """In the list of commands; None for the first sentence of its help."""


_COMMANDS = (
    _Command("up", _START, "up:up", "Start the server: chat page, API and documentation."),
    _Command("chat", _START, "chat:chat"),
    _Command("run", _START, "loaded:run", "Chat with a model; pull it first if it isn't there."),
    _Command("doctor", _START, "doctor:doctor", "Check this machine and this home."),
    _Command("pull", _MODELS, "pull:pull"),
    _Command("models", _MODELS, "models:app"),
    _Command("eval", _MODELS, "eval:evaluate", "Measure and compare models on texts and questions."),
    _Command("ps", _MODELS, "loaded:list_loaded", "List the models in the server's memory."),
    _Command("stop", _MODELS, "loaded:stop", "Take a model out of memory, or end the server."),
    _Command("aliases", _MODELS, "aliases:app"),
    _Command("upstreams", _MODELS, "upstreams:upstreams"),
    _Command("train", _TRAINING, "train:app"),
    _Command("export", _TRAINING, "export:export", "Write a run's or a stored model for other programs."),
    _Command("users", _PEOPLE, "accounts:users"),
    _Command("invitations", _PEOPLE, "invitations:invitations"),
    _Command("keys", _PEOPLE, "keys:keys"),
    _Command("sso", _PEOPLE, "sso:sso"),
    _Command("orgs", _PEOPLE, "organizations:organizations"),
    _Command("workspaces", _PEOPLE, "organizations:workspaces"),
    _Command("members", _PEOPLE, "organizations:members"),
    _Command("usage", _MONEY, "money:usage", "Show requests, tokens and cost by day or hour."),
    _Command("prices", _MONEY, "money:prices"),
    _Command("budgets", _MONEY, "money:budgets"),
    _Command("limits", _MONEY, "limits:limits"),
    _Command("statement", _MONEY, "money:statement", "Show a month's bill; write it as a PDF."),
    _Command("batches", _FILES, "batches:batches"),
    _Command("fine-tuning", _FILES, "fine_tuning:fine_tuning"),
    _Command("files", _FILES, "files:files"),
    _Command("conversations", _FILES, "conversations:conversations"),
    _Command("documents", _FILES, "documents:documents"),
    _Command("backup", _FILES, "backup:backup", "Write database and files to one archive."),
    _Command("restore", _FILES, "backup:restore", "Put a backup in place."),
)


def command_line(arguments: Sequence[str] = ()) -> typer.Typer:
    """The commands; only the one that the arguments name, if they name one.

    All 85 take most of a short command's time to import and build, and 1 MB of a server's memory.
    """
    program = typer.Typer(
        name="aquilon",
        cls=_GroupedHelp,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # plain help comes in half the time, and reads the same in a pipe
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Start with: aquilon up",
    )
    program.callback()(_aquilon)
    name = next((argument for argument in arguments if not argument.startswith("-")), None)
    for command in [command for command in _COMMANDS if command.name == name] or _COMMANDS:
        module, _, attribute = command.place.partition(":")
        commands = getattr(importlib.import_module(f"aquilon.cli.{module}"), attribute)
        if isinstance(commands, typer.Typer):
            program.add_typer(commands, name=command.name, cls=_Group, rich_help_panel=command.panel)
        else:
            program.command(command.name, rich_help_panel=command.panel, short_help=command.short_help)(commands)
    return program


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code; errors are explained on stderr."""
    from aquilon.cli.errors import is_wrong_setting, words
    from aquilon.cli.streams import prepare_streams

    prepare_streams()
    former = os.umask(0o077)  # files that a command writes are for its user alone
    try:
        program = command_line(sys.argv[1:] if arguments is None else arguments)
        result = program(args=arguments, prog_name="aquilon", standalone_mode=False)
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
