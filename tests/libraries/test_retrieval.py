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
