"""How texts are cut into passages, how marks in answers are read, and when a passage supports a sentence."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.extraction import Block, Document
from aquilon.libraries.chunking import Chunk, Sizes, chunks, sentences
from aquilon.libraries.sources import Mark, MarkReader, claim
from aquilon.libraries.support import Claim, judged

TEXTS = st.text(st.sampled_from("ab. !?\n。|…"), min_size=1, max_size=300)
BLOCKS = st.lists(
    st.builds(Block, TEXTS, st.sampled_from(["heading", "paragraph", "list", "table", "code"])), max_size=9
)


def cut(*blocks: Block, most: int = 200, overlap: int = 40) -> list[Chunk]:
    return list(chunks(Document("text/plain", None, None, list(blocks)), Sizes(most, overlap)))


@given(BLOCKS, st.integers(20, 200))
def test_passages_cover_the_whole_text_in_order(blocks: list[Block], most: int) -> None:
    document = Document("text/plain", None, None, blocks)
    end = 0
    for chunk in chunks(document, Sizes(most, most // 4)):
        assert chunk.begin <= end < chunk.end
        assert document.text[chunk.begin : chunk.end] == chunk.text
        end = chunk.end
    assert end >= len(document.text)


@given(TEXTS)
def test_sentences_are_the_whole_text(text: str) -> None:
    assert "".join(text[begin:end] for begin, end in sentences(text)) == text


def test_a_passage_begins_at_a_heading_and_knows_those_above_it() -> None:
    first, second = cut(
        Block("Rivers", "heading", level=1),
        Block("France", "heading", level=2, page=3),
        Block("The Loire is long.", "paragraph", page=3),
        Block("Spain", "heading", level=2, page=4),
        Block("So is the Ebro.", "paragraph", page=4),
    )
    assert (first.text.split(), first.heading) == (
        ["Rivers", "France", "The", "Loire", "is", "long."],
        "Rivers › France",
    )
    assert (second.text.strip(), second.heading, second.page) == ("Spain\n\nSo is the Ebro.", "Rivers › Spain", 4)


def test_neighbours_overlap_by_a_sentence() -> None:
    text = " ".join(f"This is sentence number {number}." for number in range(30))
    passages = cut(Block(text, "paragraph"))
    for before, after in pairwise(passages):
        assert before.begin < after.begin < before.end
        assert after.text.startswith("This is")


def test_a_small_table_is_one_passage_with_its_first_row() -> None:
    table = Block("| item | price |\n|---|---|\n| chair | 10 |\n| desk | 20 |", "table")
    assert [chunk.text for chunk in cut(table)] == [table.text]
    said = Block("Prices are in euros.", "paragraph")
    (chunk,) = cut(said, table, said)
    assert chunk.text == "\n\n".join([said.text, table.text, said.text])


def test_the_rows_of_a_table_come_with_its_first_row() -> None:
    rows = "\n".join(f"| chair {number} | {number * 10} |" for number in range(40))
    first, *others = cut(Block(f"| item | price |\n|---|---|\n{rows}", "table"))
    assert first.head is None
    assert first.text.startswith("| item | price |")
    assert others
    for chunk in others:
        assert chunk.head == "| item | price |\n|---|---|"
        assert chunk.text.startswith("| chair")
        assert chunk.read.startswith("| item")


def test_titles_and_initials_end_no_sentence() -> None:
    text = "Dr. Smith met J. K. Miller. They talked. Il a vu M. Dupont. C'est fini."
    parts = [text[begin:end].strip() for begin, end in sentences(text)]
    assert parts == ["Dr. Smith met J. K. Miller.", "They talked.", "Il a vu M. Dupont.", "C'est fini."]


@pytest.mark.parametrize("step", [1, 2, 5, 100])
def test_marks_are_read_in_whatever_pieces_the_text_comes(step: int) -> None:
    text = "One [1]. Two [2, 3]! None [9] and [0], [x](1) nor ```a[1]``` but [2]"
    reader, marks = MarkReader(3), list[Mark]()
    for at in range(0, len(text), step):
        marks += reader.add(text[at : at + step])
    assert [mark.source for mark in marks] == [0, 1, 2, 1]
    assert [text[mark.begin : mark.end] for mark in marks] == ["[1]", "[2, 3]", "[2, 3]", "[2]"]


def test_a_mark_belongs_to_its_sentence_or_to_the_one_before_it() -> None:
    text = "It rains. The Loire is long [1]. It is cold. [2] - Ice [1][2]"
    reader = MarkReader(2)
    claims = [claim(text, mark) for mark in reader.add(text)]
    assert claims == ["The Loire is long", "It is cold.", "Ice", "Ice"]


@pytest.mark.parametrize(
    ("sentence", "nearness", "support"),
    [
        ("The Loire is 1006 kilometres long", None, "supported"),
        ("The Loire is 1206 kilometres long", None, "unsupported"),
        ("The Loire is 1206 kilometres long", 0.95, "unsupported"),
        ("The river's mouth is in Greenland", 0.8, "unsupported"),
        ("La Loire mesure 1006 kilomètres", 0.93, "supported"),
        ("La longueur du fleuve est grande", None, "unchecked"),
        ("!", 0.9, "unchecked"),
    ],
)
def test_a_passage_supports_what_it_says(sentence: str, nearness: float | None, support: str) -> None:
    passage = "The Loire, which rises in the Cévennes, is 1,006 kilometres long."
    assert judged(Claim(sentence, passage), nearness).support == support
