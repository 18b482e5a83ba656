"""Vector stores, their files and passages as OpenAI's clients are shown them. Times are in unix seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from aquilon.api.listing import PageOf
from aquilon.libraries.chunking import CHARACTERS_A_TOKEN, without_spaces
from aquilon.libraries.documents import Place, attributes_of, notes_of, public_id
from aquilon.libraries.filters import Attribute
from aquilon.libraries.libraries import CountedLibrary, is_expired
from aquilon.libraries.retrieval import Hit
from aquilon.libraries.store.libraries import Counts
from aquilon.libraries.tables import LibraryBatch, LibraryDocument


class FileCounts(msgspec.Struct, frozen=True, kw_only=True):
    in_progress: int
    completed: int
    failed: int
    cancelled: int
    total: int


class ExpiresAfterBody(msgspec.Struct, frozen=True, kw_only=True):
    anchor: str = "last_active_at"
    days: int


class VectorStoreBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "vector_store"
    created_at: int
    name: str
    description: str | None
    usage_bytes: int
    """Of texts and vectors."""
    file_counts: FileCounts
    status: str
    """``in_progress`` while a file is read, ``completed``, or ``expired``."""
    expires_after: ExpiresAfterBody | None
    expires_at: int | None
    last_active_at: int
    metadata: dict[str, str]
    visibility: str
    """``workspace``, or ``user``: only its person sees it, signed in."""
    embedding_model: str | None
    """The model of its vectors; null until a file is read, and where no model embeds: words alone are searched."""


class VectorStorePage(PageOf[VectorStoreBody], frozen=True, kw_only=True):
    pass


class DeletedVectorStore(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "vector_store.deleted"
    deleted: bool = True


class LastError(msgspec.Struct, frozen=True):
    code: str
    """``unsupported_file``, ``invalid_file`` or ``server_error``."""
    message: str
    reason: str
    """What exactly: ``unsupported``, ``encrypted``, ``no_text``, ``damaged``, ``bomb``, ``too_deep``, ``too_large``,
    ``timed_out`` or ``server_error``."""


class StaticSizesBody(msgspec.Struct, frozen=True):
    max_chunk_size_tokens: int
    chunk_overlap_tokens: int


class ChunkingBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: str
    """``static`` with sizes, or ``other`` for passages that follow the text's own structure."""
    static: StaticSizesBody | None = None


class VectorStoreFileBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """The file's."""
    object: str = "vector_store.file"
    created_at: int
    vector_store_id: str
    status: str
    """``in_progress``, ``completed``, ``cancelled`` or ``failed``."""
    last_error: LastError | None
    usage_bytes: int
    attributes: dict[str, Attribute]
    chunking_strategy: ChunkingBody
    filename: str
    progress: float
    """0 to 1: the first half is the reading of the file, the second its passages."""
    notes: Sequence[str]
    """What a reader should know of its text: ``truncated`` where parts of the document are left out,
    ``pages_without_text``, ``ocr_used``, ``encoding_guessed``."""
    passages: int
    pages: int | None
    """None where the format has no pages, and until the file is read."""


class VectorStoreFilePage(PageOf[VectorStoreFileBody], frozen=True, kw_only=True):
    pass


class DeletedVectorStoreFile(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "vector_store.file.deleted"
    deleted: bool = True


class FileBatchBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: str = "vector_store.files_batch"
    created_at: int
    vector_store_id: str
    status: str
    """``in_progress``, ``completed`` or ``cancelled``."""
    file_counts: FileCounts


class TextContent(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "text"
    text: str


class FileContent(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "vector_store.file_content.page"
    data: Sequence[TextContent]
    has_more: bool = False
    next_page: str | None = None


class SearchResultBody(msgspec.Struct, frozen=True, kw_only=True):
    file_id: str
    filename: str
    score: float
    """1 for a passage that is the first by words and by meaning, less for later places."""
    attributes: dict[str, Any]
    content: Sequence[TextContent]
    passage_id: str
    """For ``/v1/vector_stores/{vector_store_id}/files/{file_id}/passages/{passage_id}``."""
    page: int | None
    heading: str | None
    """The headings above the passage, the outermost first."""
    start_index: int
    end_index: int
    """The passage's range in the document's text, in characters (Unicode code points)."""
    similarity: float | None
    """The cosine of the angle between the vectors of passage and query; null if words alone found it."""


class SearchPage(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "vector_store.search_results.page"
    search_query: Sequence[str]
    data: Sequence[SearchResultBody]
    has_more: bool = False
    next_page: str | None = None
    means: str
    """``hybrid``, or ``words`` where no model embeds the query."""


class PassageBody(msgspec.Struct, frozen=True, kw_only=True):
    """A passage, with the text around it: what a footnote opens."""

    id: str
    object: str = "vector_store.passage"
    vector_store_id: str
    file_id: str
    filename: str
    page: int | None
    heading: str | None
    head: str | None
    """The first row of the table that the passage is a part of; null if the passage has it, or is no part of one."""
    start_index: int
    end_index: int
    """The passage's range in the document's text, in characters (Unicode code points)."""
    text: str
    """The passage and what is around it."""
    mark: tuple[int, int]
    """Begin and end of the passage in ``text``, in characters."""


def vector_store_body(counted: CountedLibrary) -> VectorStoreBody:
    library, counts = counted.library, counted.counts
    status = "in_progress" if counts.in_progress else "completed"
    days = library.expires_days
    return VectorStoreBody(
        id=library.id,
        created_at=library.created_at,
        name=library.name,
        description=library.description,
        usage_bytes=counts.bytes,
        file_counts=file_counts(counts),
        status="expired" if is_expired(library) else status,
        expires_after=None if days is None else ExpiresAfterBody(days=days),
        expires_at=library.expires_at,
        last_active_at=library.last_active_at,
        metadata=msgspec.json.decode(library.labels),
        visibility=library.visibility,
        embedding_model=library.embedding_model,
    )


def file_counts(counts: Counts) -> FileCounts:
    return FileCounts(
        in_progress=counts.in_progress,
        completed=counts.completed,
        failed=counts.failed,
        cancelled=counts.cancelled,
        total=counts.total,
    )


def file_body(document: LibraryDocument) -> VectorStoreFileBody:
    error = None
    if document.error is not None:
        reason = document.error_code or "server_error"
        code = {"unsupported": "unsupported_file", "server_error": reason}.get(reason, "invalid_file")
        error = LastError(code, document.error, reason)
    chunking = ChunkingBody(type="other")
    if document.chunk_characters is not None:
        most, overlap = document.chunk_characters, document.overlap_characters or 0
        chunking = ChunkingBody(
            type="static", static=StaticSizesBody(most // CHARACTERS_A_TOKEN, overlap // CHARACTERS_A_TOKEN)
        )
    return VectorStoreFileBody(
        id=document.file_id,
        created_at=document.created_at,
        vector_store_id=document.library_id,
        status=document.status,
        last_error=error,
        usage_bytes=document.bytes,
        attributes=attributes_of(document),
        chunking_strategy=chunking,
        filename=document.name,
        progress=progress(document),
        notes=notes_of(document),
        passages=document.passages,
        pages=document.pages,
    )


def progress(document: LibraryDocument) -> float:
    if document.status == "completed":
        return 1.0
    if not document.passages:
        return document.percent_read / 200
    return round(0.5 + document.embedded / document.passages / 2, 3)


def batch_body(batch: LibraryBatch, counts: Counts) -> FileBatchBody:
    status = "cancelled" if batch.cancelled else "in_progress" if counts.in_progress else "completed"
    return FileBatchBody(
        id=batch.id,
        created_at=batch.created_at,
        vector_store_id=batch.library_id,
        status=status,
        file_counts=file_counts(counts),
    )


def search_result(hit: Hit) -> SearchResultBody:
    text = hit.text if hit.head is None else f"{hit.head}\n{hit.text}"
    return SearchResultBody(
        file_id=hit.file_id,
        filename=hit.name,
        score=hit.score,
        attributes=dict(hit.attributes),
        content=[TextContent(text=text)],
        passage_id=hit.passage_id,
        page=hit.page,
        heading=hit.heading,
        start_index=hit.begin,
        end_index=hit.end,
        similarity=hit.similarity,
    )


def passage_body(place: Place) -> PassageBody:
    passage = place.passage
    begin, end, _ = without_spaces(passage.text, passage.begin)
    return PassageBody(
        id=public_id(passage),
        vector_store_id=passage.library_id,
        file_id=passage.file_id,
        filename=place.document.name,
        page=passage.page,
        heading=passage.heading,
        head=passage.head,
        start_index=begin,
        end_index=end,
        text=place.text,
        mark=(begin - place.begin, end - place.begin),
    )
