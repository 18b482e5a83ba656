"""Parse ``aquilon chat``, find the server, and choose between one answer and a conversation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aquilon.cli.options import AsJson, Home, settings_from

if TYPE_CHECKING:
    from aquilon.cli.chat.client import ChatClient, Model
    from aquilon.cli.chat.conversation import Conversation


def chat(
    question: Annotated[
        list[str] | None,
        typer.Argument(metavar="[QUESTION]", help="Ask this, print the answer and end.", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", show_default="the server's default")
    ] = None,
    system: Annotated[str, typer.Option("--system", "-s", metavar="TEXT", help="The system prompt.")] = "",
    temperature: Annotated[
        float | None,
        typer.Option(min=0, max=2, help="0 always takes the likeliest token.", show_default="the model's own"),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest answer, in tokens.", show_default="none")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Another OpenAI-compatible server.", show_default="the one of this home"),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="Its API key. [default: AQUILON_API_KEY, else OPENAI_API_KEY]", show_default=False
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Chat in the terminal; with a question or a pipe, answer once.

    In a conversation, /help lists the commands, Ctrl-C stops an answer and
    Ctrl-D ends. Text that is piped in follows the question, if there is one.

    \b
    Examples:
      aquilon chat
      aquilon chat "Why is the sky blue?"
      git diff | aquilon chat "Write a commit message for this:"
      aquilon chat --url https://api.mistral.ai --key $MISTRAL_API_KEY --model mistral-small-latest
    """
    from aquilon.cli.chat.conversation import Conversation

    piped = "" if sys.stdin.isatty() else sys.stdin.read()
    prompt = "\n\n".join(text for text in (" ".join(question or ()), piped.strip("\n")) if text.strip())
    if not prompt and not sys.stdin.isatty():
        raise typer.BadParameter("Nothing was asked: standard input is empty", param_hint="QUESTION")
    if as_json and not prompt:
        raise typer.BadParameter("A conversation has no JSON form: give a question with it", param_hint="--json")
    client, models = _connect(url, key, home)
    options: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens}
    conversation = Conversation(
        client=client,
        model=model or _default(models, client.url),
        system=system,
        options={name: value for name, value in options.items() if value is not None},
    )
    if prompt:
        _answer_once(conversation, prompt, plain=bool(piped), as_json=as_json)
    else:
        from aquilon.cli.chat.terminal import Terminal

        Terminal(conversation, models, _history_file(home)).run()


def _connect(url: str | None, key: str | None, home: Path | None) -> tuple[ChatClient, list[Model]]:
    """A client whose key the server accepts, and the server's models. Raises CommandError."""
    from aquilon.cli.chat.client import ChatClient, ChatError

    key = key or os.environ.get("AQUILON_API_KEY")
    if url is not None:
        client = ChatClient(url, key or os.environ.get("OPENAI_API_KEY"))
        return client, client.models()
    from aquilon.cli.errors import CommandError
    from aquilon.cli.homes import require_home
    from aquilon.cli.local_server import chat_key
    from aquilon.web.running import running_server

    settings = settings_from(home=home)
    server = running_server(settings.home)
    if server is None:
        require_home(settings)
        raise CommandError(
            f"No server is running on {settings.home}. Start one in another terminal with `aquilon up`, "
            "or name another with --url and --key"
        )
    client = ChatClient(server.url, key or chat_key(settings))
    try:
        return client, client.models()
    except ChatError as error:
        if error.status != 401 or key:
            raise
        # The kept key was revoked, or is of another database.
        client = ChatClient(server.url, chat_key(settings, fresh=True))
        return client, client.models()


def _default(models: list[Model], url: str) -> str:
    from aquilon.cli.errors import CommandError

    if not models:
        raise CommandError(
            f"{url} serves no model that chats: pull one with `aquilon pull`; `aquilon models suggest` names some"
        )
    return models[0].id


def _history_file(home: Path | None) -> Path:
    return settings_from(home=home).home / "chat-history"


def _answer_once(conversation: Conversation, question: str, *, plain: bool, as_json: bool) -> None:
    """Print markdown on a terminal, plain text to a program, or one JSON object at the end."""
    import contextlib

    from aquilon.cli.chat.markdown import StreamedMarkdown
    from aquilon.cli.output import err, out, print_json, printable

    answer, pieces = conversation.ask(question)
    console = out()
    with contextlib.closing(pieces):
        if as_json:
            for _ in pieces:
                pass
            print_json(
                {
                    "model": answer.model,
                    "answer": answer.text,
                    "finish_reason": answer.finish_reason,
                    "prompt_tokens": answer.prompt_tokens,
                    "completion_tokens": answer.completion_tokens,
                    "seconds": round(answer.seconds, 3),
                }
            )
        elif console.is_terminal and not plain:
            with StreamedMarkdown(console) as shown:
                for piece in pieces:
                    shown.add(piece)
        else:
            for piece in pieces:
                sys.stdout.write(printable(piece) if sys.stdout.isatty() else piece)
                sys.stdout.flush()
            if not answer.text.endswith("\n"):
                print()
    if answer.finish_reason == "length" and not as_json:
        err().print("[dim]The answer ends here because it reached its longest length[/]")
