"""Passages are found by their words and by their meaning, in any language, with either database."""

from __future__ import annotations

from tests.libraries.shelf import Shelf

from aquilon.libraries.filters import filter_of

RIVERS = (
    "# Rivers\n\nThe Loire is the longest river of France.\n\nIt rises in the Cévennes and flows into the Atlantic."
)
CONTRACT = "Die Kündigungsfrist beträgt drei Monate zum Quartalsende.\n\nDie Miete ist am dritten Werktag zu zahlen."
ARABIC = "القاهرة هي عاصمة مصر وأكبر مدنها.\n\nيقع نهر النيل في أفريقيا."
MEALS = "Un repas français commence souvent par une entrée.\n\nLe fromage se mange avant le dessert."


async def test_a_question_finds_its_passage_in_each_language(shelf: Shelf) -> None:
    library = await shelf.library(RIVERS, CONTRACT, ARABIC, MEALS)
    await shelf.read(library)
    for question, answer in {
        "Which river is the longest in France?": "The Loire is the longest river",
        "ou rise the cevennes": "Cévennes",
        "Kündigung": "Kündigungsfrist",
        "Wie lange vorher muss ich kündigen?": "Kündigungsfrist",
        "ما هي عاصمة مصر؟": "القاهرة",
        "When does one eat cheese?": "fromage",
    }.items():
        found = await shelf.search(library, question)
        assert found.means == "hybrid"
        assert answer in found.hits[0].text, question


async def test_a_filter_leaves_documents_out(shelf: Shelf) -> None:
    library = await shelf.library()
    await shelf.add(library, "The budget of the year is large.", name="a", attributes={"year": 2024, "draft": False})
    await shelf.add(library, "The budget of the year is small.", name="b", attributes={"year": 2025, "draft": True})
    await shelf.read(library)

    async def names(filter_: object) -> list[str]:
        return sorted(hit.name for hit in (await shelf.search(library, "budget", filter=filter_of(filter_))).hits)

    assert await names({"type": "gte", "key": "year", "value": 2025}) == ["b"]
    assert await names({"type": "in", "key": "year", "value": [2023, 2024]}) == ["a"]
    assert await names({"type": "eq", "key": "draft", "value": 1}) == []
    neither = [{"type": "ne", "key": "year", "value": 2024}, {"type": "ne", "key": "draft", "value": True}]
    assert await names({"type": "or", "filters": neither}) == ["a", "b"]
    assert await names({"type": "and", "filters": neither}) == []


async def test_a_passage_counts_by_how_many_of_the_questions_words_it_has(shelf: Shelf) -> None:
    library = await shelf.library("Grain and wine go down the Loire.", "Wine is kept in cellars.", "The Rhône is fast.")
    await shelf.read(library)
    found = await shelf.search(library, "wine Loire", meaning_weight=0)
    assert [(hit.text, hit.score) for hit in found.hits] == [
        ("Grain and wine go down the Loire.", 1.0),
        ("Wine is kept in cellars.", round(1 / 2 * 7 / 8, 4)),
    ]


async def test_a_name_alone_does_not_outweigh_what_a_question_in_another_language_means(shelf: Shelf) -> None:
    names = [f"Holmes {verb}." for verb in ("smiled", "nodded", "sat down", "rose", "laughed", "waited", "turned")]
    library = await shelf.library("Nobody had bought stamps, so no letter had been sent to Holmes's friend.", *names)
    await shelf.read(library)
    found = await shelf.search(library, "Pourquoi Holmes savait-il qu'aucune lettre n'était partie, faute de timbres ?")
    assert "stamps" in found.hits[0].text
