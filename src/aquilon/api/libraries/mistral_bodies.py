"""Libraries and documents as Mistral's clients are shown them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePath

import msgspec

from aquilon.api.conversations.bodies import time_of
from aquilon.jobs.tables import StoredFile
from aquilon.libraries.documents import attributes_of
from aquilon.libraries.filters import Attribute
from aquilon.libraries.libraries import CountedLibrary
from aquilon.libraries.tables import Library, LibraryDocument

_STATUSES = {"in_progress": "in_progress", "completed": "done", "failed": "error", "cancelled": "noop"}
_OLD_STATUSES = {"in_progress": "Running", "completed": "Completed", "failed": "Error", "cancelled": "Cancelled"}


class LibraryBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    owner_id: str
    """The workspace's or, of a private library, the user's."""
    owner_type: str
    """``Workspace`` or ``User``."""
    total_size: int
    nb_documents: int
    chunk_size: int | None


class Pagination(msgspec.Struct, frozen=True, kw_only=True):
    total_items: int
    total_pages: int
    current_page: int
    page_size: int
    has_more: bool


class LibraryList(msgspec.Struct, frozen=True, kw_only=True):
    data: Sequence[LibraryBody]
    pagination: Pagination | None
    next_page_token: str | None


class DocumentBody(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """The file's: the document is in `/v1/vector_stores` too."""
    library_id: str
    name: str
    hash: str
    mime_type: str
    extension: str | None
    size: int
    """Of the file, in bytes."""
    created_at: datetime
    last_processed_at: datetime | None
    process_status: str
    """``in_progress``, ``done``, ``error``, or ``noop`` for one that was cancelled."""
    processing_status: str
    number_of_pages: int | None
    uploaded_by_id: str
    uploaded_by_type: str = "User"
    tokens_processing_main_content: int
    tokens_processing_summary: int = 0
    tokens_processing_total: int
    summary: str | None = None
    url: str | None = None
    attributes: dict[str, Attribute]
    expires_at: datetime | None
    error: str | None
    """Why it can't be read."""


class DocumentList(msgspec.Struct, frozen=True, kw_only=True):
    data: Sequence[DocumentBody]
    pagination: Pagination


class DocumentStatus(msgspec.Struct, frozen=True, kw_only=True):
    document_id: str
    process_status: str
    processing_status: str


class DocumentText(msgspec.Struct, frozen=True):
    text: str


class SharingBody(msgspec.Struct, frozen=True, kw_only=True):
    library_id: str
    org_id: str
    user_id: str | None
    role: str
    """``Editor``: who sees a library may change it."""
    share_with_type: str
    share_with_uuid: str


class SharingList(msgspec.Struct, frozen=True):
    data: Sequence[SharingBody]


def library_body(counted: CountedLibrary) -> LibraryBody:
    library, counts = counted.library, counted.counts
    private = library.visibility == "user"
    return LibraryBody(
        id=library.id,
        name=library.name,
        description=library.description,
        created_at=time_of(library.created_at),
        updated_at=time_of(library.updated_at),
        owner_id=library.user_id if private else library.workspace_id,
        owner_type="User" if private else "Workspace",
        total_size=counts.bytes,
        nb_documents=counts.total,
        chunk_size=library.chunk_size,
    )


def document_body(document: LibraryDocument, file: StoredFile) -> DocumentBody:
    return DocumentBody(
        id=document.file_id,
        library_id=document.library_id,
        name=document.name,
        hash=file.sha256,
        mime_type=file.mimetype,
        extension=PurePath(file.name).suffix.lstrip(".") or None,
        size=file.bytes,
        created_at=time_of(document.created_at),
        last_processed_at=None if document.completed_at is None else time_of(document.completed_at),
        process_status=_STATUSES[document.status],
        processing_status=_OLD_STATUSES[document.status],
        number_of_pages=document.pages,
        uploaded_by_id=document.user_id,
        tokens_processing_main_content=document.tokens,
        tokens_processing_total=document.tokens,
        attributes=attributes_of(document),
        expires_at=None if file.expires_at is None else time_of(file.expires_at),
        error=document.error,
    )


def document_status(document: LibraryDocument) -> DocumentStatus:
    return DocumentStatus(
        document_id=document.file_id,
        process_status=_STATUSES[document.status],
        processing_status=_OLD_STATUSES[document.status],
    )


def pagination(*, total: int, page: int, page_size: int) -> Pagination:
    return Pagination(
        total_items=total,
        total_pages=-(-total // page_size),
        current_page=page,
        page_size=page_size,
        has_more=(page + 1) * page_size < total,
    )


def sharing_body(library: Library) -> SharingBody:
    """With whom a library is shared: its workspace, or its user alone."""
    private = library.visibility == "user"
    return SharingBody(
        library_id=library.id,
        org_id=library.organization_id,
        user_id=library.user_id,
        role="Editor",
        share_with_type="User" if private else "Workspace",
        share_with_uuid=library.user_id if private else library.workspace_id,
    )
