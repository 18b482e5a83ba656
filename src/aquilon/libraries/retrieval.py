"""Finds the passages that answer a question: by their words and by their meaning, both rankings fused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from aquilon.errors import ApiError, invalid
from aquilon.libraries.chunking import without_spaces
from aquilon.libraries.documents import public_id
from aquilon.libraries.embedding import Embedder, QuestionVectors
from aquilon.libraries.filters import Attributes, Filter, matches
from aquilon.libraries.libraries import note_use, require_unexpired, required
from aquilon.libraries.question_words import question_words
from aquilon.libraries.store import documents as stored_documents
from aquilon.libraries.store import libraries as stored_libraries
from aquilon.libraries.store import passages as stored_passages
from aquilon.libraries.store import search as stored_words
from aquilon.libraries.tables import Library, Passage
from aquilon.libraries.vectors import Floats, LoadedLibraries, LoadedLibrary, Loading
from aquilon.log import get_logger
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.storage import Database

Means = Literal["hybrid", "words"]
"""``words`` where no model embeds the question."""

DEFAULT_RESULTS, MOST_RESULTS = 10, 50
MOST_LIBRARIES = 16
MOST_QUESTION_CHARACTERS = 4000
"""The end of a longer question is searched for."""
_RANKED = 100
"""The passages of each ranking that are fused."""
_LOADED_AT_ONCE = 10_000
"""Vectors."""
_RANK_OFFSET = 6
"""How much the first places count more than the next ones: the constant of reciprocal rank fusion."""
_MEANING_WEIGHT = 0.5
"""Of a place in the ranking by meaning. One in the ranking by words weighs as much as the share of the question's words
that the passage has: a question in another language shares a name or two with passages that say nothing of it.
"""

log = get_logger("aquilon.libraries")


@dataclass(frozen=True, kw_only=True)
class Question:
    text: str
    most_results: int = DEFAULT_RESULTS
    filter: Filter | None = None
    least_score: float = 0.0
    words_weight: float = 1.0
    meaning_weight: float = 1.0


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that was found."""

    library_id: str
    file_id: str
    name: str
    """The document's."""
    passage_id: str
    number: int
    begin: int
    end: int
    """The range of the document's text, in characters."""
    page: int | None
    heading: str | None
    head: str | None
    text: str
    score: float
    """1 for a passage that has all words of the question and is the first of both rankings, less for others."""
    similarity: float | None
    """The cosine of the angle between its vector and the question's."""
    attributes: Attributes


@dataclass(frozen=True)
class Found:
    hits: Sequence[Hit]
    means: Means


@dataclass(frozen=True)
class _Searched:
    """A library whose words were searched."""

    library: Library
    loaded: LoadedLibrary
    within: set[int] | None
    """The positions of the documents that match the filter; None for all."""
    worded: list[stored_words.Worded]
    """The best first."""


class Retrieval:
    def __init__(self, database: Database, embedder: Embedder, loaded: LoadedLibraries) -> None:
        self._database = database
        self._embedder = embedder
        self._questions = QuestionVectors(embedder)
        self._loaded = loaded

    async def search(self, principal: Principal, library_ids: Sequence[str], question: Question) -> Found:
        """The best passages of some libraries, the best first.

        Raises ApiError: 404 for a library that the caller can't see, 400 for an expired one, for too many, and for a
        question without a word; 429 if the question's vector isn't admitted.
        """
        library_ids = list(dict.fromkeys(library_ids))
        if not 1 <= len(library_ids) <= MOST_LIBRARIES:
            raise invalid(
                f"The search names {len(library_ids)} libraries; it must name 1 to {MOST_LIBRARIES}",
                param="vector_store_ids",
                code="out_of_range",
                values={"value": len(library_ids), "least": 1, "most": MOST_LIBRARIES},
            )
        text = question.text.strip()[-MOST_QUESTION_CHARACTERS:]
        if not text:
            raise invalid("The query is empty: there is nothing to search for", param="query", code="query_empty")
        async with self._database.reading() as session:
            libraries = [await required(session, principal, library_id) for library_id in library_ids]
        for library in libraries:
            require_unexpired(library)
        vectors, searched = await asyncio.gather(  # another process computes vectors
            self._vectors(principal, libraries if question.meaning_weight else [], text),
            self._search_words(libraries, question, question_words(text)),
        )
        hits: list[Hit] = []
        for one in searched:
            hits += await self._fuse(one, question, vectors.get(one.library.embedding_model or ""))
            await note_use(self._database, one.library)
        hits.sort(key=lambda hit: (-hit.score, -(hit.similarity or 0.0), hit.library_id, hit.file_id, hit.number))
        hits = [hit for hit in hits if hit.score >= question.least_score][: question.most_results]
        return Found(hits, "hybrid" if vectors else "words")

    async def _vectors(self, principal: Principal, libraries: Sequence[Library], text: str) -> dict[str, Floats]:
        """By model, the question's vector; where a model fails, words alone find what they can."""
        vectors: dict[str, Floats] = {}
        for model in {library.embedding_model for library in libraries}:
            if model is None or not await self._embedder.has(model):
                continue
            try:
                vectors[model] = await self._questions.vector(model, text, principal)
            except ApiError as error:
                if error.status < 500 and error.code != "model_not_allowed":
                    raise
                log.warning("A question's vector can't be computed", model=model, error=error.message)
        return vectors

    async def _search_words(
        self, libraries: Sequence[Library], question: Question, words: Sequence[str]
    ) -> list[_Searched]:
        """Without the libraries in which no document matches the filter."""
        searched = []
        for library in libraries:
            loaded = await self._load(library)
            within = files = None
            if question.filter is not None:
                within = {at for at, attributes in enumerate(loaded.attributes) if matches(question.filter, attributes)}
                files = {loaded.file_ids[at] for at in within}
                if not within:
                    continue
            worded: list[stored_words.Worded] = []
            if words and question.words_weight:
                scope = Scope(library.organization_id)
                async with self._database.reading() as session:
                    worded = await stored_words.find(session, scope, library.id, words, within=files, most=_RANKED)
            searched.append(_Searched(library, loaded, within, worded))
        return searched

    async def _fuse(self, searched: _Searched, question: Question, vector: Floats | None) -> list[Hit]:
        library, loaded, worded = searched.library, searched.loaded, searched.worded
        near: list[tuple[int, float]] = []
        if vector is not None:
            near = await asyncio.to_thread(loaded.nearest, vector, most=_RANKED, within=searched.within)
        similar, scope = dict(near), Scope(library.organization_id)
        async with self._database.reading() as session:
            scores = _fused(
                (worded, question.words_weight),
                ([(id_, 1.0) for id_ in similar], _MEANING_WEIGHT * question.meaning_weight if near else 0.0),
            )
            best = sorted(scores, key=lambda id_: (-scores[id_], -similar.get(id_, 0.0)))[: question.most_results]
            passages = await stored_passages.by_ids(session, scope, best)
            keys = {(passage.library_id, passage.file_id) for passage in passages.values()}
            names = await stored_documents.names(session, scope, keys)
        attributes = dict(zip(loaded.file_ids, loaded.attributes, strict=True))
        return [
            _hit(
                passages[id_],
                names[library.id, passages[id_].file_id],
                score=scores[id_],
                similarity=similar.get(id_),
                attributes=attributes.get(passages[id_].file_id, {}),
            )
            for id_ in best
            if id_ in passages and (library.id, passages[id_].file_id) in names
        ]

    async def _load(self, library: Library) -> LoadedLibrary:
        scope = Scope(library.organization_id)
        async with self._database.reading() as session:
            key = library.id, library.edition, await stored_libraries.searchable(session, scope, library.id)
            known = self._loaded.of(key)
            if known is not None:
                return known
            attributes = await stored_documents.attributes(session, scope, library.id)
            loading, after = Loading(attributes), 0
            while rows := await stored_passages.vectors(session, scope, library.id, after=after, most=_LOADED_AT_ONCE):
                after = rows[-1][0]
                await asyncio.to_thread(loading.add, rows)
        loaded = loading.library()
        self._loaded.keep(key, loaded)
        return loaded


def _fused(*rankings: tuple[Iterable[tuple[int, float]], float]) -> dict[int, float]:
    """Scores by reciprocal rank.

    ``rankings``: ids of passages, each with what its place is worth, from 0 to 1, and the ranking's weight.
    """
    scores: dict[int, float] = {}
    total = 0.0
    for ranking, weight in rankings:
        total += weight
        for rank, (id_, worth) in enumerate(ranking):
            scores[id_] = scores.get(id_, 0.0) + weight * worth * (_RANK_OFFSET + 1) / (_RANK_OFFSET + 1 + rank)
    return {id_: score / total for id_, score in scores.items() if score > 0} if total else {}


def _hit(passage: Passage, name: str, *, score: float, similarity: float | None, attributes: Attributes) -> Hit:
    begin, end, text = without_spaces(passage.text, passage.begin)
    return Hit(
        library_id=passage.library_id,
        file_id=passage.file_id,
        name=name,
        passage_id=public_id(passage),
        number=passage.number,
        begin=begin,
        end=end,
        page=passage.page,
        heading=passage.heading,
        head=passage.head,
        text=text,
        score=round(score, 4),
        similarity=None if similarity is None else round(similarity, 4),
        attributes=attributes,
    )
