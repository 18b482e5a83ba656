"""Pairs of answers from a person's archive (`people.archive`): the votes in it, with the conversations that it holds.

As in `chat.preferences`, only judgements are used whose person agreed to it. Answers of
side-by-side comparisons are not stored, so their votes make no pairs.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from aquilon.chat.answer_trees import AnswerTree, PreferencePair
from aquilon.conversations.items import Item

_FEEDBACK = "feedback.jsonl"
_MOST_BYTES = 64 * 2**20
"""Of a file in an archive."""


class UnreadableArchive(ValueError):
    """A file that is no archive of a person's data; the message says what is wrong with it."""


class _Judgement(msgspec.Struct, frozen=True):
    run_id: str
    rating: str
    consent: bool = False


class _Item(msgspec.Struct, frozen=True):
    id: str
    parent_id: str | None
    content: Item
    answer: str | None = None
    output: bool = False


class _Run(msgspec.Struct, frozen=True):
    id: str
    status: str
    imported: bool = False


class _Conversation(msgspec.Struct, frozen=True):
    """As `conversations.personal_data` writes it."""

    items: list[_Item]
    answers: list[_Run] = []


def archived_pairs(path: Path) -> Iterator[PreferencePair]:
    """Raises UnreadableArchive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if _FEEDBACK not in names:
                raise UnreadableArchive(f"{path} holds no {_FEEDBACK}: nobody has voted in it")
            lines = _content(archive, _FEEDBACK, path).splitlines()
            judgements = {one.run_id: one for one in map(_judgement, lines)}
            for name in sorted(names):
                if name.startswith("conversations/") and name.endswith(".json"):
                    yield from _of_conversation(_content(archive, name, path), judgements, where=f"{path}: {name}")
    except FileNotFoundError:
        raise UnreadableArchive(f"{path} does not exist") from None
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise UnreadableArchive(f"{path} is no whole ZIP archive: {error}") from None
    except msgspec.DecodeError as error:
        raise UnreadableArchive(f"{path}: {_FEEDBACK} is damaged: {error}") from None


def _judgement(line: bytes) -> _Judgement:
    return msgspec.json.decode(line, type=_Judgement)


def _content(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    with archive.open(name) as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise UnreadableArchive(f"{path}: {name} has more than {_MOST_BYTES // 2**20} MiB")
    return content


def _of_conversation(content: bytes, judgements: Mapping[str, _Judgement], *, where: str) -> Iterator[PreferencePair]:
    try:
        conversation = msgspec.json.decode(content, type=_Conversation)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableArchive(f"{where} is damaged: {error}") from None
    tree, branches = AnswerTree(), dict[str | None, int]()
    continued = set[str | None]()
    for number, item in enumerate(conversation.items):
        if item.parent_id is not None and item.parent_id not in branches:
            continue  # what was above it is gone
        branches[item.id] = number if item.parent_id in continued else branches.get(item.parent_id, number)
        continued.add(item.parent_id)
        tree.add(
            item.id,
            item.content,
            parent_id=item.parent_id,
            branch=branches[item.id],
            run_id=item.answer if item.output else None,
        )
    ended = [run for run in conversation.answers if run.status in ("completed", "incomplete") and not run.imported]
    agreed = {run.id: judgements[run.id].rating for run in ended if run.id in judgements and judgements[run.id].consent}
    others = {run.id for run in ended if run.status == "completed" and run.id not in judgements}
    yield from tree.pairs(
        [run.id for run in ended],
        liked={run_id for run_id, rating in agreed.items() if rating == "up"},
        others=others | {run_id for run_id, rating in agreed.items() if rating == "down"},
    )
