"""The tables of libraries. Times are whole seconds since 1970; JSON is text that `msgspec` reads."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.jobs.queue import Queued
from aquilon.storage.base import Base, Owned


class Library(Owned, Base):
    __tablename__ = "libraries"
    __table_args__ = (
        Index("ix_libraries_organization_id", "organization_id", "created_at", "id"),
        CheckConstraint("visibility IN ('workspace', 'user')", name="visibility"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    user_id: Mapped[str]
    visibility: Mapped[str]
    """``user``: only its user sees it, signed in."""
    name: Mapped[str]
    description: Mapped[str | None]
    labels: Mapped[str]
    """JSON: the client's ``metadata``."""
    chunk_size: Mapped[int | None]
    """The most characters of a passage, if its creator chose them."""
    embedding_model: Mapped[str | None]
    """The model of all its vectors; None until the first document is read, or where no model embeds."""
    edition: Mapped[int]
    """Grows when passages or attributes change: what was remembered of the library before is out of date."""
    created_at: Mapped[int]
    updated_at: Mapped[int]
    last_active_at: Mapped[int]
    """When it was searched or changed last."""
    expires_days: Mapped[int | None]
    """How many days after ``last_active_at`` it expires; None for never."""
    expires_at: Mapped[int | None] = mapped_column(index=True)


class LibraryBatch(Owned, Base):
    """Documents that were added together."""

    __tablename__ = "library_batches"

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    library_id: Mapped[str] = mapped_column(ForeignKey("libraries.id", ondelete="CASCADE"), index=True)
    cancelled: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[int]


class LibraryDocument(Queued, Base):
    """A file in a library. Its text is read in the background."""

    __tablename__ = "library_documents"
    __table_args__ = (
        Index("ix_library_documents_library_id", "library_id", "created_at", "file_id"),
        Index("ix_library_documents_status", "status", "created_at"),
        CheckConstraint("status IN ('in_progress', 'completed', 'cancelled', 'failed')", name="status"),
    )

    library_id: Mapped[str] = mapped_column(ForeignKey("libraries.id", ondelete="CASCADE"), primary_key=True)
    file_id: Mapped[str] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), primary_key=True, index=True)
    organization_id: Mapped[str]
    workspace_id: Mapped[str]
    user_id: Mapped[str]
    api_key_id: Mapped[str | None]
    """Who added it, and pays for its vectors. No key for a session."""
    name: Mapped[str]
    uploaded: Mapped[bool] = mapped_column(Boolean)
    """Whether the file was uploaded into the library, and is deleted with the document."""
    attributes: Mapped[str]
    """JSON: what a search filters by."""
    chunk_characters: Mapped[int | None]
    overlap_characters: Mapped[int | None]
    """The sizes of passages, if whoever added it chose them."""
    batch_id: Mapped[str | None] = mapped_column(index=True)
    status: Mapped[str]
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    """Why it failed."""
    notes: Mapped[str]
    """JSON: what a reader should know of its text, the extraction's notes."""
    pages: Mapped[int | None]
    percent_read: Mapped[int]
    """How much of the file is read, before its passages are known."""
    characters: Mapped[int]
    """Of its text; 0 until that is known."""
    bytes: Mapped[int]
    """Of its text and vectors."""
    passages: Mapped[int]
    embedded: Mapped[int]
    """How many of its passages have a vector."""
    tokens: Mapped[int]
    """What its vectors cost."""
    created_at: Mapped[int]
    completed_at: Mapped[int | None]


class Passage(Owned, Base):
    """A part of a document's text. A document's passages cover the whole text in order; neighbours may overlap."""

    __tablename__ = "library_passages"
    __table_args__ = (
        UniqueConstraint("library_id", "file_id", "number"),
        ForeignKeyConstraint(
            ["library_id", "file_id"],
            ["library_documents.library_id", "library_documents.file_id"],
            ondelete="CASCADE",
            name="fk_library_passages_library_id",
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    """A number is never used again, since the index of a deleted text is emptied later."""
    organization_id: Mapped[str]
    library_id: Mapped[str]
    file_id: Mapped[str]
    number: Mapped[int]
    begin: Mapped[int]
    end: Mapped[int]
    """The range of the document's text, in characters (Unicode code points)."""
    page: Mapped[int | None]
    heading: Mapped[str | None]
    """The headings above it, the outermost first."""
    head: Mapped[str | None]
    """The first row of a table whose later rows these are."""
    text: Mapped[str]
    words: Mapped[str]
    """By which a search finds it; `text.words.words_of` writes them.

    Their index is SQLite's table ``passage_search`` or, with PostgreSQL, ``ix_library_passages_words``; neither is
    described here.
    """
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    """16-bit floats of a vector of length 1; None until it is computed, or where no model embeds."""


class DeletedPassageWords(Owned, Base):
    """Words that were deleted, and are still in SQLite's index until they are erased there too."""

    __tablename__ = "deleted_passage_words"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)
    organization_id: Mapped[str]
    library_id: Mapped[str]
    words: Mapped[str]
