"""The conversation at a terminal: a line editor with history, commands, and an answer that Ctrl-C stops."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator, Iterator
from datetime import datetime
from pathlib import Path
from threading import Event
from types import FrameType

from rich.markup import escape

from aquilon.cli.chat.client import Answer, Model
from aquilon.cli.chat.conversation import Conversation
from aquilon.cli.chat.markdown import StreamedMarkdown
from aquilon.cli.errors import CommandError
from aquilon.cli.output import out
from aquilon.wording import counted, parameters_text

_HISTORY_LINES = 2000
_BLOCK = '"""'

COMMANDS = {
    "/help": "this list",
    "/system [TEXT]": "set the system prompt; without a text show it, with 'none' remove it",
    "/model [NAME]": "go on with another model; without a name list them",
    "/save [FILE]": "write the conversation to a file: markdown, or JSON where it ends in .json",
    "/retry": "answer the last question again",
    "/clear": "begin a new conversation",
    "/exit": "end (also Ctrl-D)",
}


class Terminal:
    """``run`` returns when the person leaves."""

    def __init__(self, conversation: Conversation, models: list[Model], history_file: Path) -> None:
        self._conversation = conversation
        self._models = models
        self._history_file = history_file
        self._console = out()

    def run(self) -> None:
        with _line_editor(self._history_file):
            self._greet()
            while (line := self._read()) is not None:
                try:
                    if line.startswith("/"):
                        if not self._command(line):
                            return
                    elif line.strip():
                        self._show(*self._conversation.ask(line))
                except CommandError as error:
                    self._console.print(f"[red]{escape(str(error))}[/]")
                except OSError as error:
                    self._console.print(
                        f"[red]{escape(error.strerror or str(error))}: {escape(str(error.filename))}[/]"
                    )

    def _greet(self) -> None:
        model = next((model for model in self._models if model.id == self._conversation.model), None)
        facts = []
        if model is not None and model.parameters:
            facts.append(f"{parameters_text(model.parameters)} parameters")
        if model is not None and model.languages:
            facts.append(", ".join(model.languages))
        about = f" [dim]({escape('; '.join(facts))})[/]" if facts else ""
        self._console.print(f"[bold]{escape(self._conversation.model)}[/]{about}")
        self._console.print(f"[dim]/help for commands, {_BLOCK} begins and ends several lines, Ctrl-D ends[/]\n")

    def _read(self) -> str | None:
        """One question, which a backslash or triple quotes continue over several lines; None at the end of input."""
        lines: list[str] = []
        block = False
        while True:
            try:
                line = input("… " if lines or block else "› ")
            except EOFError:
                print()
                return None
            except KeyboardInterrupt:
                print("\n(/exit or Ctrl-D ends)" if not lines and not block else "")
                lines, block = [], False
                continue
            if not block and not lines and line.lstrip().startswith(_BLOCK):
                block, line = True, line.lstrip()[len(_BLOCK) :]
            if block and line.rstrip().endswith(_BLOCK):
                return "\n".join([*lines, line.rstrip()[: -len(_BLOCK)]]).strip("\n")
            if not block and line.endswith("\\"):
                lines.append(line[:-1])
            elif block:
                lines.append(line)
            else:
                return "\n".join([*lines, line])

    def _command(self, line: str) -> bool:
        """Run one command; False if it ends the conversation. Raises CommandError for an unknown one."""
        name, _, rest = line.partition(" ")
        rest = rest.strip()
        match name:
            case "/help":
                for command, meaning in COMMANDS.items():
                    self._console.print(f"  [bold]{escape(command):<16}[/] {meaning}")
            case "/system":
                self._system(rest)
            case "/model":
                self._model(rest)
            case "/save":
                default = f"conversation-{datetime.now():%Y%m%d-%H%M%S}.md"
                path = Path(rest or default).expanduser()
                self._conversation.save(path)
                self._console.print(f"[dim]Saved to {escape(str(path))}[/]")
            case "/retry":
                self._show(*self._conversation.retry())
            case "/clear":
                self._conversation.clear()
                self._console.print("[dim]A new conversation[/]")
            case "/exit" | "/quit":
                return False
            case _:
                raise CommandError(f"There is no command {name}; /help lists them")
        return True

    def _system(self, text: str) -> None:
        if text:
            self._conversation.system = "" if text == "none" else text
        self._console.print(f"[dim]System prompt: {escape(self._conversation.system) or 'none'}[/]")

    def _model(self, name: str) -> None:
        self._models = self._conversation.client.models()
        if name:
            self._conversation.choose(name, self._models)
            self._console.print(f"[dim]Going on with {escape(name)}[/]")
            return
        for model in self._models:
            mark = "›" if model.id == self._conversation.model else " "
            self._console.print(f"{mark} {escape(model.id)} [dim]{escape(', '.join(model.languages))}[/]")

    def _show(self, answer: Answer, pieces: Generator[str]) -> None:
        with (
            _noted_ctrl_c() as pressed,
            contextlib.closing(pieces),
            StreamedMarkdown(self._console) as shown,
            contextlib.suppress(KeyboardInterrupt),
        ):
            for piece in pieces:
                shown.add(piece)
                if pressed.is_set():
                    break
        self._console.print(f"[dim]{escape(_figures(answer, pressed.is_set()))}[/]\n")


def _figures(answer: Answer, stopped: bool) -> str:
    """``stopped · 120 tokens · 41.3 tokens/s · first after 0.21 s``"""
    figures = ["stopped"] if stopped else []
    if answer.finish_reason == "length":
        figures.append("reached its longest length")
    figures.append(counted(answer.completion_tokens, "token"))
    if answer.tokens_per_second is not None:
        figures.append(f"{answer.tokens_per_second:.1f} tokens/s")
    if answer.seconds_to_first is not None:
        figures.append(f"first after {answer.seconds_to_first:.2f} s")
    return " · ".join(figures)


@contextlib.contextmanager
def _noted_ctrl_c() -> Iterator[Event]:
    """An event that Ctrl-C sets, besides raising: an exception in a callback that ignores them would be lost."""
    pressed = Event()

    def note(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.default_int_handler(number, frame)

    previous = signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, previous)


@contextlib.contextmanager
def _line_editor(history_file: Path) -> Iterator[None]:
    """Line editing, history across conversations, and completion of commands, if this Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(history_file)
    readline.set_history_length(_HISTORY_LINES)
    names = [command.split()[0] for command in COMMANDS]

    def complete(text: str, state: int) -> str | None:
        matches = [name for name in names if readline.get_line_buffer().startswith("/") and name.startswith(text)]
        return matches[state] if state < len(matches) else None

    readline.set_completer_delims(" ")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # a read-only home keeps no history
            os.close(os.open(history_file, os.O_WRONLY | os.O_CREAT, 0o600))
            readline.write_history_file(history_file)
