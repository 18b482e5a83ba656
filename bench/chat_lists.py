"""A list of 10,000 conversations, and a search in 100,000 messages: milliseconds at the server, on SQLite.

Half of the words are among the 100 commonest, as in languages. Each question is asked in turns with the others.
Processor time is that of all threads: other work on the machine hardly shifts it.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.support.counted_rows import counted

import aquilon.web.app  # noqa: F401 - with it every table
from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.conversations.items import Item, MessageItem, Text
from aquilon.conversations.projects import Projects
from aquilon.conversations.rows import NewConversation
from aquilon.conversations.search import search
from aquilon.conversations.store.conversations import NO_PROJECT, Chosen
from aquilon.people import first_run
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.settings import Settings
from aquilon.storage import Database
from bench.report import keep, table

CONVERSATIONS = 10_000
MESSAGES = 10
"""In each conversation."""
WORDS = 60
"""In each message."""
_VOCABULARY = 20_000
_PAGE = 50
_ROUNDS = 100

Question = Callable[[int], Awaitable[Any]]


def main(*, quick: bool = False) -> None:
    conversations = CONVERSATIONS // 10 if quick else CONVERSATIONS
    figures = asyncio.run(_figures(conversations))
    columns = ("p50", "p95", "processor p50", "processor p95", "statements", "rows")
    rows = [[name, *(str(figure[column]) for column in columns)] for name, figure in figures.items()]
    print(table(("asked", *columns), rows))
    print(f"\nkept in {keep('chat_lists', {'conversations': conversations} | figures)}")


async def _figures(number: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="aquilon-bench-") as folder:
        database = await Database.open(Settings(home=Path(folder)))
        try:
            await first_run.prepare_first_run(database)
            admin = await first_run.user_of(database, "admin")
            person = replace(await first_run.operator(database), user_id=admin.id, api_key_id=None)
            await _fill(database, person, number)
            return await _ask(database, await _questions(database, person, number))
        finally:
            await database.close()


async def _fill(database: Database, person: Principal, number: int) -> None:
    """Every fourth conversation is the workspace's, every tenth archived, every hundredth pinned."""
    conversations = Conversations(database, Histories())
    project = await Projects(database).create(person, name="Project", instructions="", visibility="workspace")
    draw = random.Random(1)
    for position in range(number):
        items: list[Item] = [
            MessageItem(("user", "assistant")[turn % 2], (Text(" ".join(_words(draw, WORDS))),))
            for turn in range(MESSAGES)
        ]
        new = NewConversation(
            id=new_id("conv"),
            visibility="workspace" if position % 4 == 0 else "user",
            implicit=False,
            title=" ".join(_words(draw, 5)),
            pinned=position % 100 == 0,
            archived=position % 10 == 0,
            project_id=project.id if position % 20 == 1 else None,
        )
        await conversations.create(person, new, items)


def _words(draw: random.Random, number: int) -> list[str]:
    """Words of three to six letters, the n-th commonest about as often as one in n."""
    return [_spelled(int(_VOCABULARY ** draw.random())) for _ in range(number)]


def _spelled(number: int) -> str:
    """One word for each number; words that begin alike are common and rare ones."""
    letters = ""
    number = number * 7919 + 676
    while number:
        number, letter = divmod(number, 26)
        letters += chr(ord("a") + letter)
    return letters


async def _questions(database: Database, person: Principal, number: int) -> dict[str, Question]:
    conversations = Conversations(database, Histories())
    [last], _ = await conversations.latest_first(person, offset=number - number // 10, limit=1)
    [project], _ = await Projects(database).page(person, after=None, limit=1)

    def listed(chosen: Chosen, after: str | None = None) -> Question:
        return lambda _: conversations.latest_first(person, chosen=chosen, after=after, limit=_PAGE)

    def found(query: Callable[[int], str], chosen: Chosen | None = None) -> Question:
        return lambda round_: search(database, person, query(round_), chosen=chosen or Chosen(), limit=20)

    return {
        "the first page of all": listed(Chosen()),
        "the first page at the side of the chat": listed(Chosen(pinned=False, archived=False, project_id=NO_PROJECT)),
        "a page behind nine tenths": listed(Chosen(), last.id),
        "the pinned ones": listed(Chosen(pinned=True)),
        "the archived ones": listed(Chosen(archived=True)),
        "those of a project": listed(Chosen(project_id=project.id)),
        "a rare word": found(lambda round_: _spelled(10_000 + round_)),
        "a common word": found(lambda round_: _spelled(1 + round_ % 10)),
        "two common words": found(lambda round_: f"{_spelled(1 + round_ % 10)} {_spelled(2 + round_ % 10)}"),
        "two letters": found(lambda round_: _spelled(1 + round_)[:2]),
        "three letters": found(lambda round_: _spelled(1 + round_)[:3]),
        "a common word in the archive": found(lambda round_: _spelled(1 + round_ % 10), Chosen(archived=True)),
        "no such word": found(lambda round_: f"qqqqqqq{round_}"),
    }


async def _ask(database: Database, questions: dict[str, Question]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, ask in questions.items():
        with counted(database) as cost:
            await ask(0)
        figures[name] = {"statements": cost.statements, "rows": cost.rows}
    kinds = {"": time.perf_counter, "processor ": time.process_time}
    times: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in kinds} for name in questions}
    for round_ in range(_ROUNDS):
        for name, ask in questions.items():
            begins = {kind: clock() for kind, clock in kinds.items()}
            await ask(round_)
            for kind, clock in kinds.items():
                times[name][kind].append(1000 * (clock() - begins[kind]))
    for name, of_kinds in times.items():
        for kind, values in of_kinds.items():
            cuts = quantiles(values, n=100)
            figures[name] |= {f"{kind}p50": round(cuts[49], 1), f"{kind}p95": round(cuts[94], 1)}
    return figures
