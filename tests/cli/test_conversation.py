"""The conversation itself, and markdown that is still being written; no server in sight."""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from aquilon.cli.chat.client import Answer, ChatError, Model
from aquilon.cli.chat.conversation import Conversation
from aquilon.cli.chat.markdown import StreamedMarkdown, split_finished
from aquilon.cli.errors import CommandError
from aquilon.cli.output import printable


class Parrot:
    """Answers with the last question, a character at a time; breaks off where told to."""

    def __init__(self, breaks_after: int | None = None) -> None:
        self.asked: list[list[dict[str, str]]] = []
        self._breaks_after = breaks_after

    def answer(
        self, model: str, messages: Sequence[dict[str, str]], options: dict[str, Any], answer: Answer
    ) -> Generator[str]:
        self.asked.append(list(messages))
        for number, character in enumerate(messages[-1]["content"]):
            if number == self._breaks_after:
                raise ChatError("broken")
            answer.text += character
            yield character
        answer.finish_reason = "stop"


def conversation(parrot: Parrot) -> Conversation:
    return Conversation(client=parrot, model="parrot")  # type: ignore[arg-type]


def test_every_question_carries_what_was_said_before() -> None:
    talk = conversation(parrot := Parrot())
    for question in ("one", "two"):
        list(talk.ask(question)[1])
    assert [message["content"] for message in parrot.asked[1]] == ["one", "one", "two"]


def test_a_stopped_answer_stays_as_far_as_it_came() -> None:
    talk = conversation(Parrot())
    _, pieces = talk.ask("hello")
    next(pieces)
    next(pieces)
    pieces.close()
    assert talk.turns[-1] == {"role": "assistant", "content": "he"}


def test_a_question_that_got_no_answer_can_be_asked_again() -> None:
    talk = conversation(Parrot(breaks_after=0))
    with pytest.raises(ChatError):
        list(talk.ask("hello")[1])
    assert talk.turns == []


def test_retry_asks_the_last_question_again() -> None:
    talk = conversation(parrot := Parrot())
    list(talk.ask("hello")[1])
    list(talk.retry()[1])
    assert parrot.asked[0] == parrot.asked[1]
    assert len(talk.turns) == 2
    talk.clear()
    with pytest.raises(CommandError, match="nothing to ask again"):
        talk.retry()


def test_a_model_is_chosen_among_those_of_the_server() -> None:
    talk = conversation(Parrot())
    models = [Model(id=name, parameters=0, languages=(), description="") for name in ("a", "b")]
    talk.choose("b", models)
    assert talk.model == "b"
    with pytest.raises(CommandError, match="there are: a, b"):
        talk.choose("c", models)


def test_a_conversation_is_saved_as_markdown_or_json(tmp_path: Path) -> None:
    talk = conversation(Parrot())
    talk.system = "Be brief."
    list(talk.ask("hello")[1])
    talk.save(tmp_path / "talk.md")
    assert (tmp_path / "talk.md").read_text() == "## System\n\nBe brief.\n\n## You\n\nhello\n\n## parrot\n\nhello\n"
    talk.save(tmp_path / "talk.json")
    assert json.loads((tmp_path / "talk.json").read_text())["messages"][1] == {"role": "user", "content": "hello"}


def test_a_model_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b]0;owned\x07b\x1b[2Jc\r\n\td\x9b31m") == "a]0;ownedb[2Jc\n\td31m"


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("One paragraph", ""),
        ("One.\n\n", ""),
        ("One.\n\nTwo", "One.\n\n"),
        ("- a\n\n  still a", ""),
        ("```\ncode\n\nmore", ""),
        ("```\ncode\n\nmore\n```\n\nText", "```\ncode\n\nmore\n```\n\n"),
        ("````\n```\n\nx\n```\n````\n\nText", "````\n```\n\nx\n```\n````\n\n"),
    ],
)
def test_a_block_is_finished_once_nothing_can_change_it(text: str, finished: str) -> None:
    assert split_finished(text) == (finished, text.removeprefix(finished))


@given(st.text(alphabet="a`~ -\n#", max_size=80), st.integers(1, 7))
def test_the_text_is_kept_in_order_however_it_is_split(text: str, size: int) -> None:
    done, rest = "", ""
    for start in range(0, len(text), size):
        finished, rest = split_finished(rest + text[start : start + size])
        done += finished
    assert done + rest == text


def test_every_block_is_on_the_screen_in_the_end_once() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=60, height=10)
    text = "# Title\n\nFirst paragraph.\n\n" + "\n".join(f"{number}. item" for number in range(30)) + "\n\nLast."
    with StreamedMarkdown(console) as shown:
        for character in text:
            shown.add(character)
    lines = screen.getvalue()
    assert lines.count("First paragraph.") == 1
    assert lines.count("item") == 30
    assert lines.rstrip().endswith("Last.")
