"""What an answer from documents says beside its text: what was searched, what the text cites, and whether that holds.

They are events among those of the generation, so that every reader of a run gets them, also later.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from aquilon.libraries.embedding import Embedder
from aquilon.libraries.retrieval import Hit
from aquilon.libraries.sources import MarkReader, claim
from aquilon.libraries.support import Check, Claim, check
from aquilon.people.identity import Principal
from aquilon.request import Delta, Finished, Started, ToolCallDelta

SEARCH = "file_search_call"
"""The name of the `items.OtherItem` that keeps a search."""


class Searched(msgspec.Struct, frozen=True, tag=True):
    """The libraries were searched before the answer."""

    index: int
    queries: list[str]
    hits: list[Hit]


class Cited(msgspec.Struct, frozen=True, tag=True):
    """The message that is being written names a source."""

    index: int
    annotation: dict[str, Any]


class Checked(msgspec.Struct, frozen=True, tag=True):
    """Whether the sources support the sentences that cite them: a value for each `Cited` so far, in order."""

    index: int
    checks: list[Check]


Footnote = Searched | Cited | Checked
E = TypeVar("E")


@dataclass
class Footnotes:
    """Adds footnotes to one answer."""

    principal: Principal
    embedder: Embedder
    model: str | None
    """The model that embeds; None if there is none."""
    queries: list[str]
    hits: Sequence[Hit]
    """The sources, in the order of their numbers."""
    _claims: list[Claim] = field(default_factory=list)

    async def added_to(self, events: AsyncGenerator[E]) -> AsyncGenerator[E | Footnote]:
        """The events of a generation of one answer, with footnotes between them."""
        marks, begun = MarkReader(len(self.hits)), False
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Finished) and self._claims:
                    checks = await check(self._claims, self.principal, embedder=self.embedder, model=self.model)
                    yield Checked(event.index, checks)
                yield event
                if isinstance(event, Started) and not begun:
                    begun = True
                    yield Searched(0, self.queries, list(self.hits))
                elif isinstance(event, ToolCallDelta) or (isinstance(event, Delta) and event.reasoning):
                    if marks.text:  # another message begins after it
                        marks = MarkReader(len(self.hits))
                elif isinstance(event, Delta):
                    for mark in marks.add(event.text):
                        hit = self.hits[mark.source]
                        self._claims.append(Claim(claim(marks.text, mark), hit.text))
                        yield Cited(event.index, annotation(hit, mark.source + 1, mark.begin, mark.end))


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What `annotation` writes, as far as others read it."""

    number: int
    end_index: int
    vector_store_id: str
    file_id: str
    filename: str
    passage_id: str
    page: int | None
    quote: str
    support: str


def note_of(annotation: dict[str, Any]) -> Note | None:
    """None for an annotation of another kind, which a client may have sent."""
    try:
        return msgspec.convert(annotation, Note)
    except msgspec.ValidationError:
        return None


def annotation(hit: Hit, number: int, begin: int, end: int) -> dict[str, Any]:
    """A citation in OpenAI's shape, with what is needed to open the passage."""
    return {
        "type": "file_citation",
        "file_id": hit.file_id,
        "filename": hit.name,
        "index": begin,
        "start_index": begin,
        "end_index": end,
        "number": number,
        "vector_store_id": hit.library_id,
        "passage_id": hit.passage_id,
        "passage_start": hit.begin,
        "passage_end": hit.end,
        "page": hit.page,
        "quote": hit.text.strip(),
        "support": "unchecked",
        "support_score": None,
    }


def checked(annotation: dict[str, Any], check: Check) -> dict[str, Any]:
    return annotation | {"support": check.support, "support_score": check.score}


def search_record(searched: Searched) -> dict[str, Any]:
    """The search as its item keeps it."""
    return {"queries": searched.queries, "hits": msgspec.to_builtins(searched.hits)}


def search_of(index: int, record: dict[str, Any]) -> Searched:
    return Searched(index, record["queries"], msgspec.convert(record["hits"], list[Hit]))
