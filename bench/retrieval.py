"""Whether a question's passage is among the first five that a library finds, in five languages, and footnotes open it.

``AQUILON_DATA`` is a folder with the public texts that `retrieval_corpus` names. Their documents are uploaded to a
server and read there; all are in one library. A passage is right if it has more than half of the paragraph that
answers. Every second question was looked at while the search was tuned: the others are what counts. Every passage that
is found is also opened, as a footnote opens it: its mark must be what was quoted, at its place in the document's text.
"""

from __future__ import annotations

import os
import tempfile
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from tests.support.server import start_server

from bench.report import keep, table
from bench.retrieval_corpus import LANGUAGES, Asked, Written, documents, questions

_FIRST = 5
_QUICK_DOCUMENTS = 2
"""Of each language."""
_WAYS = {"hybrid": (1.0, 1.0), "words": (1.0, 0.0), "meaning": (0.0, 1.0)}
"""Weights of words and of meaning."""
_READ_SECONDS = 3600


@dataclass(frozen=True)
class Text:
    """A document's, as the server read it."""

    text: str

    @cached_property
    def _letters(self) -> tuple[str, Sequence[int]]:
        """What no format changes, and where each of it is."""
        places = [at for at, character in enumerate(self.text) if character.isalnum()]
        return "".join(self.text[at] for at in places), places

    def ranges(self, paragraph: str) -> list[tuple[int, int]]:
        """Each place of a paragraph. Raises ValueError if it has none."""
        letters, places = self._letters
        wanted = "".join(character for character in paragraph if character.isalnum())
        ranges, at = [], letters.find(wanted)
        while at >= 0:
            ranges.append((places[at], places[at + len(wanted) - 1] + 1))
            at = letters.find(wanted, at + len(wanted))
        if not ranges:
            raise ValueError(f"The server read a document without its paragraph {paragraph[:80]!r}")
        return ranges


class Library:
    """A library on a server, as a client of the API sees it."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/v1", headers={"authorization": f"Bearer {key}"}, timeout=120)
        self._path = "/vector_stores/" + self._post("/vector_stores", json={"name": "texts"})["id"]
        self._files: dict[str, str] = {}
        self.texts: dict[str, Text] = {}
        """By document."""

    def read(self, written: Mapping[str, Written]) -> int:
        """Upload documents and wait until they are read. Returns the number of passages."""
        for name, document in written.items():
            upload = {"file": (document.name, document.content)}
            self._files[name] = self._post("/files", data={"purpose": "assistants"}, files=upload)["id"]
        files = list(self._files.values())
        batch = self._post(f"{self._path}/file_batches", json={"file_ids": files})
        deadline = time.monotonic() + _READ_SECONDS
        while batch["status"] == "in_progress" and time.monotonic() < deadline:
            time.sleep(0.5)
            batch = self._get(f"{self._path}/file_batches/{batch['id']}")
        if batch["file_counts"]["completed"] != len(files):
            raise RuntimeError(f"Not all documents were read: {batch}")
        passages = 0
        for name, file in self._files.items():
            passages += self._get(f"{self._path}/files/{file}")["passages"]
            self.texts[name] = Text(self._get(f"{self._path}/files/{file}/content")["data"][0]["text"])
        return passages

    def search(self, query: str, way: str) -> list[dict[str, Any]]:
        words, meaning = _WAYS[way]
        weights = {"hybrid_search": {"text_weight": words, "embedding_weight": meaning}}
        asked = {"query": query, "max_num_results": 10, "ranking_options": weights}
        hits: list[dict[str, Any]] = self._post(f"{self._path}/search", json=asked)["data"]
        return hits

    def is_right(self, hit: Mapping[str, Any], asked: Asked) -> bool:
        if hit["file_id"] != self._files[asked.document]:
            return False
        for begin, end in self.texts[asked.document].ranges(asked.paragraph):
            if 2 * (min(end, hit["end_index"]) - max(begin, hit["start_index"])) > end - begin:
                return True
        return False

    def opens(self, hit: Mapping[str, Any]) -> bool:
        """Whether a footnote's passage is marked exactly, and stands where it says in the document's text."""
        document = next(name for name, file in self._files.items() if file == hit["file_id"])
        place = self._get(f"{self._path}/files/{hit['file_id']}/passages/{hit['passage_id']}")
        begin, end = place["mark"]
        marked = place["text"][begin:end]
        [content] = hit["content"]
        quoted = content["text"] if place["head"] is None else content["text"].removeprefix(f"{place['head']}\n")
        stands = self.texts[document].text[hit["start_index"] : hit["end_index"]]
        return bool(marked) and marked == quoted == stands

    def _post(self, path: str, **content: Any) -> dict[str, Any]:
        return self._answered(self._client.post(path, **content))

    def _get(self, path: str) -> dict[str, Any]:
        return self._answered(self._client.get(path))

    def _answered(self, answer: httpx.Response) -> dict[str, Any]:
        if answer.is_error:
            raise RuntimeError(f"{answer.request.url}: {answer.status_code} {answer.text[:500]}")
        body: dict[str, Any] = answer.json()
        return body


@dataclass(frozen=True)
class Placed:
    asked: Asked
    is_tuned: bool
    """Whether it was looked at while the search was tuned."""
    ranks: Mapping[str, int | None]
    """By way, the place of the first right passage, from 1; None where it isn't among the first ten."""


def main(*, quick: bool = False) -> None:
    data = os.environ.get("AQUILON_DATA")
    if data is None or not Path(data, "novels").is_dir():
        print("AQUILON_DATA names no folder with the texts: nothing is measured")
        return
    written = documents(Path(data))
    if quick:
        names = sorted(written, key=lambda name: (name[:2], len(written[name].content)))
        written = {name: written[name] for name in names if names.index(name) - _begin(names, name) < _QUICK_DOCUMENTS}
    asked = questions(written)
    with tempfile.TemporaryDirectory() as home:
        server = start_server(Path(home), environment={"AQUILON_MODELS": "none"})
        try:
            _measure(Library(server.url, server.api_key), written, asked)
        finally:
            server.stop()


def _begin(names: Sequence[str], name: str) -> int:
    return bisect_left([one[:2] for one in names], name[:2])


def _measure(library: Library, written: Mapping[str, Written], asked: Sequence[Asked]) -> None:
    begun = time.monotonic()
    passages = library.read(written)
    paragraphs = sum(len(document.paragraphs) for document in written.values())
    print(f"{len(written)} documents with {paragraphs} paragraphs, {passages} passages", end="")
    print(f", read in {time.monotonic() - begun:.0f} s; {len(asked)} questions", flush=True)
    placed, hits = [], {}
    for at, one in enumerate(asked):
        ranks = {}
        for way in _WAYS:
            found = library.search(one.question, way)
            right = (rank for rank, hit in enumerate(found, 1) if library.is_right(hit, one))
            ranks[way] = next(right, None)
            hits |= {(hit["file_id"], hit["passage_id"]): hit for hit in found[:_FIRST]}
        placed.append(Placed(one, at % 2 == 0, ranks))
    opened = sum(library.opens(hit) for hit in hits.values())
    unseen = [one for one in placed if not one.is_tuned]
    own = [one for one in placed if one.asked.language == one.asked.of]
    groups = {language: [one for one in own if one.asked.of == language] for language in LANGUAGES}
    groups["these five"] = own
    groups["asked in another"] = [one for one in placed if one.asked.language != one.asked.of]
    groups["not seen while tuning"] = unseen
    groups["seen while tuning"] = [one for one in placed if one.is_tuned]
    figures = {name: _figures(group) for name, group in groups.items()}
    columns = ["documents in", "questions", "first 5", "first", "mean 1/rank", "words", "meaning"]
    shown = ["first_5", "first", "words_first_5", "meaning_first_5"]
    rows = []
    for name, one in figures.items():
        first_5, first, words, meaning = (f"{one[key]:.0%}" for key in shown)
        rows.append([name, str(one["questions"]), first_5, first, f"{one['mean_reciprocal_rank']:.2f}", words, meaning])
    print(table(columns, rows))
    print(f"footnotes that open the passage that they quote: {opened} of {len(hits)}")
    for one in placed:
        if (one.ranks["hybrid"] or 99) > _FIRST:
            print(f"not found: {one.asked.document}, {one.asked.question} {dict(one.ranks)}")
    keep("retrieval", figures | {"passages": passages, "opened": opened / len(hits)})


def _figures(group: Sequence[Placed]) -> dict[str, float]:
    def share(way: str, first: int) -> float:
        return sum((one.ranks[way] or 99) <= first for one in group) / max(1, len(group))

    reciprocal = sum(1 / rank for one in group if (rank := one.ranks["hybrid"]))
    return {
        "questions": len(group),
        "first_5": share("hybrid", _FIRST),
        "first": share("hybrid", 1),
        "mean_reciprocal_rank": reciprocal / max(1, len(group)),
        "words_first_5": share("words", _FIRST),
        "meaning_first_5": share("meaning", _FIRST),
    }
