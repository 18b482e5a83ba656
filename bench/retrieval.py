"""Whether a question's passage is among the first five that a library finds, in five languages, and how quick it is.

``AQUILON_QUESTIONS`` is a folder with ``LANGUAGE.json`` files in SQuAD's format: articles with paragraphs, and their
questions, whose answers are a part of one. Public ones: XQuAD (en, de, es), SQuAD-it (it), the CNIL's in etalab's
``piaf-ml`` (fr). Articles become chapters of documents, a language a library. A passage is right if it has the answer,
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
from aquilon.people.scope import Scope
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.text.words import words_of
from bench.report import keep, table

QUESTIONS = 100
"""Of each language."""
_MOST_PARAGRAPHS = 250
"""Of each language; further articles are left out."""
_DOCUMENTS = 8
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
    articles = {file.stem: _some(json.loads(file.read_text())["data"]) for file in files}
    asyncio.run(_measure(articles, 40 if quick else QUESTIONS))


def _some(articles: list[Any]) -> list[Any]:
    ends = accumulate(len(article["paragraphs"]) for article in articles)
    return [article for article, end in zip(articles, ends, strict=True) if end <= _MOST_PARAGRAPHS]


async def _measure(articles: dict[str, list[Any]], number: int) -> None:
    figures: dict[str, Any] = {}
    if not articles:
        print("AQUILON_QUESTIONS names no folder with questions: only the time is measured")
    else:
        rows = []
        for language in articles:
            async with new_shelf() as shelf:
                figures[language] = result = await _language(shelf, articles[language], number)
            shares = [f"{result[key]:.1%}" for key in ("first", "first_five", "words_alone", "footnotes_open")]
            rows.append([language, str(result["passages"]), str(result["questions"]), *shares])
            print(*rows[-1], flush=True)
        print(table(["language", "passages", "questions", "first", "first 5", "by words alone", "opens"], rows))
    async with new_shelf() as shelf:
        figures["milliseconds"] = milliseconds = await _time(shelf)
    print(f"a search in {_PASSAGES:,} passages: {milliseconds['search']:.1f} ms", end="")
    print(f", of which the question's vector {milliseconds['vector']:.1f} ms")
    keep("retrieval", figures)


@asynccontextmanager
async def new_shelf() -> Any:
    with tempfile.TemporaryDirectory() as home:
        place_database(Path(home))
        settings = Settings(home=Path(home))
        database = await Database.open(settings)
        async with shelf_on(settings, database) as shelf:
            yield shelf
        await database.close()


async def _language(shelf: Shelf, articles: list[Any], number: int) -> dict[str, float]:
    library = await shelf.library()
    for at in range(_DOCUMENTS):
        chapters = [_chapter(article) for article in articles[at::_DOCUMENTS]]
        await shelf.add(library, "\n\n".join(chapters), name=f"{at}.md")
    await shelf.read(library, seconds=3600)
    asked = list(_questions(articles))
    random.Random(1).shuffle(asked)
    asked = asked[:number]
    first = first_five = words_alone = opened = found = 0
    for one in asked:
        hits = (await shelf.search(library, one.question, most_results=_FIRST)).hits
        right = [_is_right(hit, one) for hit in hits]
        first += right[:1] == [True]
        first_five += any(right)
        by_words = (await shelf.search(library, one.question, most_results=_FIRST, meaning_weight=0.0)).hits
        words_alone += any(_is_right(hit, one) for hit in by_words)
        found += len(hits)
        opened += sum([await _opens(shelf, library, hit) for hit in hits])
    documents = await shelf.services.libraries.get(shelf.person, library)
    assert documents.counts.completed == _DOCUMENTS, documents.counts
    async with shelf.services.database.reading() as session:
        scope = Scope.of_organization(shelf.person)
        passages = await stored_passages.number_in(session, scope, library)
    return {
        "passages": passages,
        "questions": len(asked),
        "first": first / len(asked),
        "first_five": first_five / len(asked),
        "words_alone": words_alone / len(asked),
        "footnotes_open": opened / found,
    }


def _chapter(article: Any) -> str:
    paragraphs = [_line(paragraph["context"]) for paragraph in article["paragraphs"]]
    return "\n\n".join([f"# {_line(article.get('title') or 'Untitled')}", *paragraphs])


def _questions(articles: list[Any]) -> Iterator[Asked]:
    for at, article in enumerate(articles):
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                if question["answers"]:
                    start = question["answers"][0]["answer_start"]
                    around = paragraph["context"][max(0, start - _AROUND) : start + _AROUND]
                    yield Asked(question["question"], f"{at % _DOCUMENTS}.md", _letters(around))


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
