"""How long a search in a library of 10,000 passages takes, and how much of the processor's time, part by part."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from tests.libraries.shelf import Shelf, shelf_on
from tests.support.homes import place_database

from aquilon.libraries.store import passages as stored_passages
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.text.words import words_of
from bench.report import keep

_PASSAGES = 10_000


def main(*, quick: bool = False) -> None:
    asyncio.run(_measure())


async def _measure() -> None:
    async with new_shelf() as shelf:
        milliseconds = await _time(shelf)
    print(f"a search in {_PASSAGES:,} passages: {milliseconds['search']:.1f} ms", end="")
    print(f", of which the question's vector {milliseconds['vector']:.1f} ms")
    keep("retrieval_time", milliseconds)


@asynccontextmanager
async def new_shelf() -> Any:
    with tempfile.TemporaryDirectory() as home:
        place_database(Path(home))
        settings = Settings(home=Path(home))
        database = await Database.open(settings)
        async with shelf_on(settings, database) as shelf:
            yield shelf
        await database.close()


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
