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
from tests.support.work import processor_seconds

from aquilon.libraries.store import passages as stored_passages
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.text.words import words_of
from bench.report import keep, table

_PASSAGES = 10_000
_SEARCHES = 50


def main(*, quick: bool = False) -> None:
    asyncio.run(_measure())


async def _measure() -> None:
    async with new_shelf() as shelf:
        figures = await _time(shelf)
    columns = ["in 10,000 passages, ms", "p50", "least", "server's processor", "embedding's processor"]
    print(table(columns, [[name, *(f"{value:.1f}" for value in one.values())] for name, one in figures.items()]))
    keep("retrieval_time", figures)


@asynccontextmanager
async def new_shelf() -> Any:
    with tempfile.TemporaryDirectory() as home:
        place_database(Path(home))
        settings = Settings(home=Path(home))
        database = await Database.open(settings)
        async with shelf_on(settings, database) as shelf:
            yield shelf
        await database.close()


async def _time(shelf: Shelf) -> dict[str, dict[str, float]]:
    """Searches in a library of passages with random words and vectors: whole, by words alone, and asked again."""
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
    questions = [" ".join(draw.choice(words, 9, p=weights / weights.sum())) for _ in range(_SEARCHES + 10)]
    for question in questions[:10]:
        assert (await shelf.search(library, question)).hits
    pid = shelf.services.local_embeddings._process.pid
    assert pid is not None
    figures = {}
    for name, options in {"search": {}, "words": {"meaning_weight": 0.0}, "again": {}}.items():
        elapsed = []
        begun, computed = time.process_time(), processor_seconds(pid)
        for question in questions[10:]:
            started = time.perf_counter()
            await shelf.search(library, question, **options)
            elapsed.append(time.perf_counter() - started)
        figures[name] = {
            "p50_ms": 1000 * median(elapsed),
            "least_ms": 1000 * min(elapsed),
            "processor_ms": 1000 * (time.process_time() - begun) / _SEARCHES,
            "embedding_processor_ms": 1000 * (processor_seconds(pid) - computed) / _SEARCHES,
        }
    return figures
