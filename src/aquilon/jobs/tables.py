"""The tables of uploaded files, batch jobs and idempotency keys. Times are whole seconds since 1970."""

from __future__ import annotations

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.jobs.queue import Queued
from aquilon.storage.base import Base, Owned


class StoredFile(Owned, Base):
    """A file whose content is outside the database. The row is added once the content is complete."""

    __tablename__ = "files"
    __table_args__ = (
        Index("ix_files_organization_id", "organization_id", "id"),
        CheckConstraint("visibility IN ('workspace', 'user')", name="visibility"),
        CheckConstraint("source IN ('upload', 'result')", name="source"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    user_id: Mapped[str]
    name: Mapped[str]
    """The uploader's name for it, never used as a path."""
    purpose: Mapped[str]
    visibility: Mapped[str]
    """``user``: only its uploader sees it."""
    source: Mapped[str]
    """``result``: a batch job of this server wrote it."""
    bytes: Mapped[int]
    lines: Mapped[int | None]
    """Lines of a ``.jsonl`` file that are not blank."""
    sha256: Mapped[str]
    mimetype: Mapped[str]
    created_at: Mapped[int]
    expires_at: Mapped[int | None] = mapped_column(index=True)


class Batch(Queued, Base):
    """A batch job: requests of files, asked while the server has time."""

    __tablename__ = "batches"
    __table_args__ = (
        Index("ix_batches_organization_id", "organization_id", "id"),
        Index("ix_batches_status", "status", "created_at"),
        CheckConstraint(
            "status IN ('validating', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', "
            "'cancelled')",
            name="status",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    user_id: Mapped[str]
    api_key_id: Mapped[str | None]
    """The key that created the job, checked again before each line. None for a session."""
    endpoint: Mapped[str]
    """The path of every line's request, such as ``/v1/chat/completions``."""
    model: Mapped[str | None]
    """The model of every line, if the job names one (Mistral)."""
    input_file_ids: Mapped[list[str]]
    needs_custom_id: Mapped[bool]
    """Whether each line needs a ``custom_id``, as in OpenAI's jobs."""
    batch_metadata: Mapped[dict[str, str] | None] = mapped_column("metadata", JSON(none_as_null=True))
    completion_window: Mapped[str]
    status: Mapped[str]
    outcome: Mapped[str | None]
    """The status after ``finalizing``: completed, expired or cancelled."""
    problem: Mapped[str | None]
    """Why the job failed."""
    output_seconds: Mapped[int | None]
    """How long the result files are kept; None for the server's default."""
    output_file_id: Mapped[str | None]
    error_file_id: Mapped[str | None]
    total: Mapped[int]
    succeeded: Mapped[int]
    failed: Mapped[int]
    prompt_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    created_at: Mapped[int]
    expires_at: Mapped[int]
    in_progress_at: Mapped[int | None]
    finalizing_at: Mapped[int | None]
    cancelling_at: Mapped[int | None]
    ended_at: Mapped[int | None] = mapped_column(index=True)


class BatchLine(Owned, Base):
    """The result of one line, recorded in one transaction with the line's usage event."""

    __tablename__ = "batch_lines"

    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counts the lines of all input files that aren't blank, from 0."""
    organization_id: Mapped[str] = mapped_column(index=True)
    failed: Mapped[bool]
    result: Mapped[str]
    """The line of the output file or, if ``failed``, of the error file: JSON without a line break."""


class IdempotencyKey(Owned, Base):
    """A request that its client may send again, with its answer, encrypted since answers may hold secrets."""

    __tablename__ = "idempotency_keys"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    owner: Mapped[str] = mapped_column(primary_key=True)
    """The id of the API key or, for a session, of the user."""
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    """SHA-256 over path and body."""
    holder: Mapped[str | None]
    """The request that is being answered, until ``lease_until``; None once it is answered."""
    lease_until: Mapped[int]
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Status, headers and body; None while in flight, or if they are too large to keep."""
    size: Mapped[int]
    """Bytes of ``answer``."""
    expires_at: Mapped[int] = mapped_column(index=True)
