"""How often the check of footnotes is right: sentences of a passage, translated ones, wrong ones, changed numbers.

``AQUILON_QUESTIONS`` is a folder with ``LANGUAGE.json`` files in SQuAD's format, those of the public XQuAD: its
articles are the same in each language, paragraph by paragraph. So a German sentence is supported by the English
paragraph that it translates, and not by the next one. A sentence whose numbers were changed isn't supported either.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.libraries.shelf import Shelf

from aquilon.libraries.chunking import sentences
from aquilon.libraries.support import Claim, check, numbers
from bench.report import keep, table
from bench.retrieval_time import new_shelf

_LANGUAGES = ("en", "de", "es")
_PAIRS = (("same language", "en", "en"), ("German for English", "de", "en"), ("English for Spanish", "en", "es"))
_AT_ONCE = 8
_LEAST = 40
"""Characters of a sentence."""


def main(*, quick: bool = False) -> None:
    folder = os.environ.get("AQUILON_QUESTIONS")
    if folder is None:
        print("AQUILON_QUESTIONS names no folder with questions: nothing is measured")
        return
    texts = {language: _paragraphs(Path(folder, f"{language}.json")) for language in _LANGUAGES}
    asyncio.run(_measure(texts, 30 if quick else 200))


def _paragraphs(file: Path) -> list[str]:
    articles = json.loads(file.read_text())["data"]
    return [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]


async def _measure(texts: dict[str, list[str]], number: int) -> None:
    draw, kinds = random.Random(1), dict[str, tuple[bool, list[Claim]]]()
    for name, own, other in _PAIRS:
        pairs = [(at, sentence) for at, text in enumerate(texts[own]) for sentence in _sentences(text)]
        draw.shuffle(pairs)
        pairs = [pair for pair in pairs if pair[0] + 1 < len(texts[other])][:number]
        kinds[name] = True, [Claim(sentence, texts[other][at]) for at, sentence in pairs]
        kinds[f"{name}, next paragraph"] = False, [Claim(sentence, texts[other][at + 1]) for at, sentence in pairs]
        changed = [Claim(_changed(sentence), texts[other][at]) for at, sentence in pairs if numbers(sentence)]
        kinds[f"{name}, changed numbers"] = False, changed
    figures: dict[str, Any] = {}
    rows = []
    async with new_shelf() as shelf:
        for name, (supported, claims) in kinds.items():
            with_vectors = await _right(shelf, claims, supported, embeds=True)
            with_words = await _right(shelf, claims, supported, embeds=False)
            figures[name] = {"number": len(claims), "right": with_vectors, "right_by_words": with_words}
            rows.append([name, str(len(claims)), *(f"{share:.0%}" for share in with_vectors), f"{with_words[0]:.0%}"])
            print(*rows[-1], flush=True)
    print(table(["sentences", "number", "right", "wrong", "right by words alone"], rows))
    keep("support", figures)


async def _right(shelf: Shelf, claims: Sequence[Claim], supported: bool, *, embeds: bool) -> tuple[float, float]:
    """The shares of claims that are judged rightly, and wrongly; the others are unchecked."""
    model = await shelf.services.embedder.model() if embeds else None
    right = wrong = 0
    for at in range(0, len(claims), _AT_ONCE):
        some = claims[at : at + _AT_ONCE]
        for one in await check(some, shelf.person, embedder=shelf.services.embedder, model=model):
            right += one.support == ("supported" if supported else "unsupported")
            wrong += one.support == ("unsupported" if supported else "supported")
    return right / len(claims), wrong / len(claims)


def _sentences(text: str) -> list[str]:
    return [text[begin:end].strip() for begin, end in sentences(text) if end - begin >= _LEAST]


def _changed(sentence: str) -> str:
    return re.sub(r"\d", lambda digit: str((int(digit[0]) + 3) % 10), sentence)
