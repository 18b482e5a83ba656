"""What any file may have for a tree: it keeps its shape, or is refused, whatever its size and order."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.conversations.items import MessageItem, Text
from aquilon.conversations.store.trees import PlacedItem, parents_by_place
from aquilon.conversations.transfer.imports.own_format import tree_of_export
from aquilon.conversations.transfer.imports.tree import ImportRefused, Node, cleaned_title, in_order, laid_out

TEXT = MessageItem("user", (Text("x"),))


def node(id_: str, parent_id: str | None) -> Node:
    return Node(id=id_, parent_id=parent_id, item=TEXT)


@st.composite
def trees(draw: st.DrawFn) -> list[Node]:
    """Trees of any shape, their nodes in any order."""
    size = draw(st.integers(1, 30))
    parents = [draw(st.sampled_from([None, *map(str, range(number))])) for number in range(size)]
    return draw(st.permutations([node(str(number), parent) for number, parent in enumerate(parents)]))


def siblings(nodes: list[Node]) -> dict[str | None, list[str]]:
    children: dict[str | None, list[str]] = {}
    for one in nodes:
        children.setdefault(one.parent_id, []).append(one.id)
    return children


def stored(nodes: list[Node]) -> tuple[list[PlacedItem], dict[int, tuple[int | None, int]]]:
    placed, forks = laid_out(nodes)
    rows = [PlacedItem(one.node.id, one.branch, one.depth, None, False, 1) for one in placed]
    return sorted(rows, key=lambda row: (row.branch, row.depth)), {
        fork.number: (fork.parent, fork.forked_at) for fork in forks
    }


@given(trees())
def test_a_tree_is_read_back_from_its_places_as_it_was(nodes: list[Node]) -> None:
    rows, forks = stored(nodes)
    parents = parents_by_place(rows, forks)
    assert parents == {one.id: one.parent_id for one in nodes}
    assert siblings([node(row.id, parents[row.id]) for row in rows]) == siblings(nodes)


@given(trees())
def test_places_are_those_that_two_writers_would_take(nodes: list[Node]) -> None:
    rows, forks = stored(nodes)
    assert len({(row.branch, row.depth) for row in rows}) == len(rows) == len(nodes)
    assert all(parent is None or parent < number for number, (parent, _) in forks.items())


@given(trees())
def test_a_second_export_has_the_order_of_the_first(nodes: list[Node]) -> None:
    first, forks = stored(nodes)
    parents = parents_by_place(first, forks)
    again, _ = stored([node(row.id, parents[row.id]) for row in first])
    assert [(row.id, row.branch, row.depth) for row in again] == [(row.id, row.branch, row.depth) for row in first]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, *"abcdefgh"])), max_size=8))
def test_any_graph_is_refused_or_becomes_a_tree_of_all_its_messages(pairs: list[tuple[str, str | None]]) -> None:
    items = [{"id": id_, "parent_id": parent, "content": TEXT} for id_, parent in pairs]
    data = msgspec.Raw(msgspec.json.encode({"items": items}))
    known = {id_ for id_, _ in pairs}
    if len(known) < len(pairs) or _has_circle(dict(pairs)):
        with pytest.raises(ImportRefused):
            tree_of_export(data)
        return
    tree = tree_of_export(data)
    assert tree.detached == sum(parent is not None and parent not in known for _, parent in pairs)
    assert {one.id: one.parent_id for one in tree.nodes} == {
        id_: parent if parent in known else None for id_, parent in pairs
    }
    assert len(laid_out(tree.nodes)[0]) == len(pairs)


def _has_circle(parents: dict[str, str | None]) -> bool:
    for id_ in parents:
        above, steps = parents.get(id_), 0
        while above in parents and above is not None and steps <= len(parents):
            above, steps = parents[above], steps + 1
        if steps > len(parents):
            return True
    return False


def test_a_chain_of_50_000_messages_in_reverse_needs_no_recursion() -> None:
    chain = [node(str(number), str(number - 1) if number else None) for number in range(50_000)]
    assert [one.id for one in in_order(chain[::-1])] == [one.id for one in chain]
    placed, forks = laid_out(chain[::-1])
    assert (placed[-1].depth, len(forks)) == (49_999, 1)


@pytest.mark.parametrize(
    ("title", "cleaned"),
    [
        (None, None),
        ("  \x00\n\t ", None),
        ("Tea\nand\x1b[31m cups\u2028!", "Tea and [31m cups !"),
        ("x" * 1000, "x" * 256),
    ],
)
def test_a_title_is_one_line_without_control_characters(title: str | None, cleaned: str | None) -> None:
    assert cleaned_title(title) == cleaned
