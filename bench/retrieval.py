"""Whether a question's passage is among the first five that a library finds, in five languages, and how quick it is.

``AQUILON_QUESTIONS`` is a folder with ``LANGUAGE.json`` files in SQuAD's format: articles with paragraphs, and their
questions, whose answers are a part of one. Public ones: XQuAD (en, de, es), SQuAD-it (it), the CNIL's in etalab's
``piaf-ml`` (fr). Articles become chapters of documents, all in one library. A passage is right if it has the answer,
with what is around it, out of the right document. Every passage that is found is also opened, as a footnote opens it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from tests.libraries.shelf import Shelf, shelf_on
from tests.support.homes import place_database

from aquilon.libraries.retrieval import Hit
from aquilon.libraries.store import passages as stored_passages
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.text.words import words_of
from bench.report import keep, table

QUESTIONS = 40
"""Of each language."""
_PARAGRAPHS = 90
_DOCUMENTS = 4
"""Of each language."""
_FIRST = 5
_PASSAGES = 10_000
_AROUND = 20
"""Characters before and after the answer's beginning."""


@dataclass(frozen=True)
class Asked:
    question: str
    document: str
    around: str
    """The answer's beginning, with what is around it."""


def main(*, quick: bool = False) -> None:
    folder = os.environ.get("AQUILON_QUESTIONS")
    files = [] if folder is None else sorted(Path(folder).glob("*.json"))
    articles = {file.stem: json.loads(file.read_text())["data"] for file in files}
    chapters = {language: _chapters(articles[language], at, len(files)) for at, language in enumerate(articles)}
    asyncio.run(_measure(chapters, 20 if quick else QUESTIONS))


async def _measure(chapters: dict[str, list[Any]], number: int) -> None:
    figures: dict[str, Any] = {}
    if chapters:
        async with new_shelf() as shelf:
            figures = await _languages(shelf, chapters, number)
        rows = [[language, *(f"{share:.0%}" for share in shares.values())] for language, shares in figures.items()]
        print(table(["language", "first", "first 5", "by words alone", "by meaning alone", "opens"], rows))
    else:
        print("AQUILON_QUESTIONS names no folder with questions: only the time is measured")
    async with new_shelf() as shelf:
        figures["milliseconds"] = milliseconds = await _time(shelf)
    print(f"a search in {_PASSAGES:,} passages: {milliseconds['search']:.1f} ms", end="")
    print(f", of which the question's vector {milliseconds['vector']:.1f} ms")
    keep("retrieval", figures)


def _chapters(articles: list[Any], at: int, languages: int) -> list[Any]:
    """Some paragraphs of each article, others for each language, since the articles of several are translations."""
    chosen = []
    for article in articles[: 4 * _PARAGRAPHS]:
        paragraphs = article["paragraphs"]
        chosen.append((article, paragraphs if len(paragraphs) < languages else paragraphs[at::languages][:2]))
    chapters = [{"title": article.get("title"), "paragraphs": some} for article, some in chosen if some]
    ends = accumulate(len(chapter["paragraphs"]) for chapter in chapters)
    return [chapter for chapter, end in zip(chapters, ends, strict=True) if end <= _PARAGRAPHS]


@asynccontextmanager
async def new_shelf() -> Any:
    with tempfile.TemporaryDirectory() as home:
        place_database(Path(home))
        settings = Settings(home=Path(home))
        database = await Database.open(settings)
        async with shelf_on(settings, database) as shelf:
            yield shelf
        await database.close()


async def _languages(shelf: Shelf, chapters: dict[str, list[Any]], number: int) -> dict[str, dict[str, float]]:
    library = await shelf.library()
    for language, some in chapters.items():
        for at in range(_DOCUMENTS):
            text = "\n\n".join(_chapter(chapter) for chapter in some[at::_DOCUMENTS])
            await shelf.add(library, text, name=f"{language}-{at}.md")
    await shelf.read(library, seconds=3600)
    counts = (await shelf.services.libraries.get(shelf.person, library)).counts
    assert counts.completed == _DOCUMENTS * len(chapters), counts
    return {language: await _shares(shelf, library, language, some, number) for language, some in chapters.items()}


async def _shares(shelf: Shelf, library: str, language: str, chapters: list[Any], number: int) -> dict[str, float]:
    asked = list(_questions(language, chapters))
    random.Random(1).shuffle(asked)
    asked = asked[:number]
    first = first_five = by_words = by_meaning = opened = found = 0
    for one in asked:
        hits = (await shelf.search(library, one.question, most_results=_FIRST)).hits
        right = [_is_right(hit, one) for hit in hits]
        first += right[:1] == [True]
        first_five += any(right)
        by_words += await _finds(shelf, library, one, meaning_weight=0.0)
        by_meaning += await _finds(shelf, library, one, words_weight=0.0)
        found += len(hits)
        opened += sum([await _opens(shelf, library, hit) for hit in hits])
    shares = {"first": first, "first_five": first_five, "by_words": by_words, "by_meaning": by_meaning}
    return {name: share / len(asked) for name, share in shares.items()} | {"opens": opened / found}


async def _finds(shelf: Shelf, library: str, asked: Asked, **weight: float) -> bool:
    hits = (await shelf.search(library, asked.question, most_results=_FIRST, **weight)).hits
    return any(_is_right(hit, asked) for hit in hits)


def _chapter(chapter: Any) -> str:
    paragraphs = [_line(paragraph["context"]) for paragraph in chapter["paragraphs"]]
    return "\n\n".join([f"# {_line(chapter['title'] or 'Untitled')}", *paragraphs])


def _questions(language: str, chapters: list[Any]) -> Iterator[Asked]:
    for at, chapter in enumerate(chapters):
        for paragraph in chapter["paragraphs"]:
            for question in paragraph["qas"]:
                if question["answers"]:
                    start = question["answers"][0]["answer_start"]
                    around = paragraph["context"][max(0, start - _AROUND) : start + _AROUND]
                    yield Asked(question["question"], f"{language}-{at % _DOCUMENTS}.md", _letters(around))


def _is_right(hit: Hit, asked: Asked) -> bool:
    return hit.name == asked.document and asked.around in _letters(hit.text)


def _line(text: str) -> str:
    """As one paragraph of Markdown without marks."""
    return re.sub(r"^[#>\-*+|\d.]+\s", "", " ".join(text.split()))


def _letters(text: str) -> str:
    """Without what Markdown may change."""
    return "".join(character for character in text if character.isalnum())


async def _opens(shelf: Shelf, library: str, hit: Hit) -> bool:
    """Whether the place that a footnote names is the passage, in its document's text."""
    place = await shelf.services.documents.place(shelf.person, library, hit.file_id, hit.passage_id)
    begin = hit.begin - place.begin
    return place.document.name == hit.name and place.text[begin : begin + len(hit.text)].rstrip() == hit.text.rstrip()


async def _time(shelf: Shelf) -> dict[str, float]:
    """The median of searches in a library of passages with random words and vectors."""
    library = await shelf.library("A first text.")
    await shelf.read(library)
    document = await shelf.document(library)
    draw, words = np.random.default_rng(1), [f"{random.Random(at).randrange(16**6):06x}" for at in range(20_000)]
    weights = 1 / np.arange(1, len(words) + 1)
    texts = draw.choice(words, (_PASSAGES, 130), p=weights / weights.sum())
    vectors = draw.standard_normal((_PASSAGES, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [
        {
            "organization_id": document.organization_id,
            "library_id": library,
            "file_id": document.file_id,
            "number": number,
            "begin": 900 * number,
            "end": 900 * number + 900,
            "page": None,
            "heading": None,
            "head": None,
            "text": " ".join(some),
            "words": words_of(" ".join(some)),
            "vector": vector.astype("<f2").tobytes(),
        }
        for number, (some, vector) in enumerate(zip(texts.tolist(), vectors, strict=True), 1)
    ]
    async with shelf.services.database.writing() as session:
        await stored_passages.add(session, document, rows)
    model, spent, vector = await shelf.services.embedder.model(), [], []
    assert model is not None
    for at in range(60):
        question = " ".join(draw.choice(words, 9, p=weights / weights.sum()))
        begun = time.perf_counter()
        assert (await shelf.search(library, question)).hits
        spent.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        await shelf.services.embedder.vectors(model, [f"{question} {at}"], "query", shelf.person)
        vector.append(time.perf_counter() - begun)
    return {"search": 1000 * median(spent[10:]), "vector": 1000 * median(vector[10:])}
