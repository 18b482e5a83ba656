"""A conversation that is about to be stored: its messages in a tree, as a file has them.

Files are hostile: parents may be missing or form a circle, ids may repeat, a chain may be as
long as the file. Nothing here recurses, and every step is linear in the number of messages.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aquilon.conversations.first_words import words_of_question
from aquilon.conversations.items import Item

MOST_TITLE_CHARACTERS = 256
_MOST_MODEL_CHARACTERS = 200
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class ImportRefused(ValueError):
    """A conversation can't be imported; the message says why, ``code`` says it to programs."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Node:
    id: str
    """In the file; the stored item gets another one."""
    parent_id: str | None
    item: Item
    created_at: int | None = None
    answer: str | None = None
    """The same for all items of one answer and for its question."""
    output: bool = False
    """Whether a model wrote it."""
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Tree:
    title: str | None
    created_at: int | None
    updated_at: int | None
    nodes: Sequence[Node]
    head: str | None
    """The node below which the conversation goes on; None for the last one."""
    models: Mapping[str, str] = field(default_factory=dict)
    """By answer, the model that wrote it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    detached: int = 0
    """How many messages named a parent that the file doesn't have: they begin branches of their own."""

    @property
    def name(self) -> str | None:
        """Its title; without one, the first words of its first question."""
        return self.title or words_of_question(node.item for node in self.nodes)


def parents_within(parents: Mapping[str, str | None], kept: Container[str]) -> tuple[dict[str, str | None], int]:
    """By id, the nearest node above it that is kept, and how many parents are missing. Raises ImportRefused."""
    above: dict[str, str | None] = {}
    missing = 0
    for start in parents:
        trail: dict[str, None] = {}
        node: str | None = start
        while node is not None and node in parents and node not in above:
            if node in trail:
                raise ImportRefused("Its messages form a circle: each would come before the other", code="circle")
            trail[node] = None
            node = parents[node]
        if node is not None and node not in parents:
            missing += 1
            node = None
        ancestor = node if node is None or node in kept else above[node]
        for passed in reversed(trail):
            above[passed] = ancestor
            if passed in kept:
                ancestor = passed
    return above, missing


def in_order(nodes: Sequence[Node]) -> list[Node]:
    """The nodes with each parent before its children: in their own order if that is so already, else branch by branch.

    Each parent is a node. Children of one parent keep their order.
    """
    seen: set[str] = set()
    children: dict[str | None, list[Node]] = {}
    ordered = True
    for node in nodes:
        ordered = ordered and (node.parent_id is None or node.parent_id in seen)
        seen.add(node.id)
        children.setdefault(node.parent_id, []).append(node)
    if ordered:
        return list(nodes)
    result: list[Node] = []
    stack = list(reversed(children.get(None, [])))
    while stack:
        result.append(stack.pop())
        stack.extend(reversed(children.get(result[-1].id, [])))
    return result


@dataclass(frozen=True)
class PlacedNode:
    node: Node
    branch: int
    depth: int


@dataclass(frozen=True)
class Fork:
    number: int
    parent: int | None
    forked_at: int
    """As in `ConversationBranch`."""


def laid_out(nodes: Sequence[Node]) -> tuple[list[PlacedNode], list[Fork]]:
    """The place of each node, parents first, and the branches: a parent's first child stays on its branch."""
    places: dict[str, PlacedNode] = {}
    continued: set[str | None] = set()
    placed: list[PlacedNode] = []
    forks = [Fork(0, None, -1)]
    for node in in_order(nodes):
        above = None if node.parent_id is None else places[node.parent_id]
        branch, depth = (0, -1) if above is None else (above.branch, above.depth)
        if node.parent_id in continued:
            forks.append(Fork(len(forks), branch, depth))
            branch = forks[-1].number
        continued.add(node.parent_id)
        places[node.id] = PlacedNode(node, branch, depth + 1)
        placed.append(places[node.id])
    return placed, forks


def by_children(
    ids: Sequence[str], parents: Mapping[str, str | None], children: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """The ids with each parent before its children, which come in the order in which their parent lists them."""
    rank: dict[tuple[str, str], int] = {}
    for parent, listed in children.items():
        for number, child in enumerate(listed):
            rank.setdefault((parent, child), number)
    below: dict[str | None, list[str]] = {}
    for id_ in ids:
        above = parents[id_]
        below.setdefault(above if above in parents else None, []).append(id_)
    for siblings in below.values():
        siblings.sort(key=lambda child: rank.get((parents[child] or "", child), len(ids)))
    stack = list(reversed(below.get(None, [])))
    while stack:
        yield stack[-1]
        stack.extend(reversed(below.get(stack.pop(), [])))


def cleaned_title(title: str | None) -> str | None:
    """One line without control characters; None if nothing is left."""
    return _CONTROLS.sub(" ", title or "").strip()[:MOST_TITLE_CHARACTERS].strip() or None


def cleaned_model(name: str) -> str:
    return _CONTROLS.sub(" ", name).strip()[:_MOST_MODEL_CHARACTERS]
