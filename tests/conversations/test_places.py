"""The tree of a conversation: the path of each item is its ancestors, whatever is added, forked and deleted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tests.support.stored_runs import Process, Speaker, ended, message, text_of

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.conversations.live_run import LiveRun
from aquilon.conversations.rows import NewConversation
from aquilon.people.secrets import new_id
from aquilon.storage import Database

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add at once", "delete", "delete", "open run", "end runs"]),
        st.integers(0, 30),
        st.integers(1, 3),
    ),
    min_size=3,
    max_size=14,
)


@dataclass
class Tree:
    """What the conversation must be: the texts of its items by id, and each item's parent."""

    process: Process
    conversation_id: str
    texts: dict[str, str] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    open: list[LiveRun] = field(default_factory=list)

    @property
    def conversations(self) -> Conversations:
        return self.process.services.conversations

    def path(self, item_id: str | None) -> list[str]:
        texts = []
        while item_id is not None:
            texts.append(self.texts[item_id])
            item_id = self.parents[item_id]
        return texts[::-1]

    async def place(self, number: int) -> str | None:
        """Some item, or the head."""
        ids = [*self.texts]
        if number % 4 == 0 or not ids:
            return (await self.conversations.get(self.process.key, self.conversation_id)).head_id
        return ids[number % len(ids)]

    def note(self, parent: str | None, rows: Any) -> None:
        for row in rows:
            self.texts[row.id], self.parents[row.id] = text_of(row.content), parent
            parent = row.id

    async def add(self, parent: str | None, number: int) -> None:
        items = [message(f"{new_id('text')}") for _ in range(number)]
        added = await self.conversations.add(self.process.key, self.conversation_id, items, below=parent)
        self.note(parent, added)

    async def delete(self, item_id: str) -> None:
        await self.conversations.deletion.delete_items(self.process.key, self.conversation_id, [item_id])
        above = self.parents.pop(item_id)
        del self.texts[item_id]
        self.parents = {id_: above if parent == item_id else parent for id_, parent in self.parents.items()}

    async def open_run(self, parent: str | None) -> None:
        context = await self.conversations.contexts.within(self.process.key, self.conversation_id, below=parent)
        run = await self.process.start("2 words, wait after 1", context)
        [(id_, item)] = run.request.input
        self.texts[id_], self.parents[id_] = message_text(item), parent
        self.open.append(run)

    async def end_runs(self, speaker: Speaker) -> None:
        speaker.go_on.set()
        for run in self.open:
            await ended(run)
            [item] = run.answers[0].items
            input_id: str | None = run.request.input[0][0]
            self.texts[item.id], self.parents[item.id] = item.text, self.inputs_place(run, input_id)
        self.open.clear()
        speaker.go_on.clear()

    def inputs_place(self, run: LiveRun, input_id: str | None) -> str | None:
        """The input's item or, if it was deleted, the one that was above it then."""
        return input_id if input_id in self.texts else self.lost[run.id]

    lost: dict[str, str | None] = field(default_factory=dict)


def message_text(item: Any) -> str:
    text: str = item.text
    return text


async def grow(tree: Tree, speaker: Speaker, steps: list[tuple[str, int, int]]) -> None:
    for step, number, many in steps:
        place = await tree.place(number)
        if step == "add":
            await tree.add(place, many)
        elif step == "add at once" and place is not None:
            await asyncio.gather(*(tree.add(place, many) for _ in range(3)))
        elif step == "open run":
            await tree.open_run(place)
        elif step == "end runs":
            await tree.end_runs(speaker)
        elif step == "delete" and place is not None:
            for run in tree.open:
                if place in (run.request.input[0][0], tree.lost.get(run.id)):
                    tree.lost[run.id] = tree.parents[place]
            await tree.delete(place)
    await tree.end_runs(speaker)


async def expect_siblings(tree: Tree) -> None:
    """Each item is one of those below its parent, in one order for all of them, whichever page shows it."""
    conversations, key = tree.conversations, tree.process.key
    families: dict[str | None, set[str]] = {}
    for item_id, parent in tree.parents.items():
        families.setdefault(parent, set()).add(item_id)
    orders: dict[str | None, dict[int, str]] = {}
    for leaf in [*tree.texts][::2]:
        rows, _ = await conversations.page(key, tree.conversation_id, leaf=leaf, limit=2)
        siblings = (await conversations.surroundings(key, tree.conversation_id, rows)).siblings
        for id_, place in siblings.items():
            family, parent = families[tree.parents[id_]], tree.parents[id_]
            assert place.count == len(family)
            orders.setdefault(parent, {})[place.number] = id_
            assert (place.previous_id is None) == (place.number == 1)
            assert (place.next_id is None) == (place.number == place.count)
            assert {place.previous_id, place.next_id, id_} - {None} <= family
        last = await conversations.last_below(key, tree.conversation_id, leaf)
        below = tree.path(last)
        assert tree.texts[leaf] in below
        assert last not in tree.parents.values()
    for parent, order in orders.items():
        assert set(order.values()) <= families[parent]


@examples(max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
@pytest.mark.slow
async def test_the_path_of_each_item_is_its_ancestors(
    process: Process, speaker: Speaker, database: Database, steps: list[tuple[str, int, int]]
) -> None:
    conversations = process.services.conversations
    conversation_id = new_id("conv")
    new = NewConversation(id=conversation_id, visibility="workspace", implicit=False)
    await conversations.create(process.key, new, [])
    tree = Tree(process, conversation_id)
    await grow(tree, speaker, steps)

    cold = Conversations(database, Histories())
    for item_id in tree.texts:
        path = tree.path(item_id)
        assert await process.texts(conversation_id, item_id) == path
        for reader in (conversations, cold):  # what is remembered equals what is read
            context = await reader.contexts.within(process.key, conversation_id, below=item_id)
            assert [message_text(item) for item in context.history.items] == path
    await expect_siblings(tree)
    head = (await conversations.get(process.key, conversation_id)).head_id
    assert head is None or head in tree.texts
    await tree.add(head, 1) if head else None
