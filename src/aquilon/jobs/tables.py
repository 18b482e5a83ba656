"""The tables of uploaded files, batch jobs and idempotency keys. Times are whole seconds since 1970."""

from __future__ import annotations

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned


class StoredFile(Owned, Base):
    """A file outside the database, in ``files/<organization>/<id>``: its row is made when it is whole there."""

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
    """As the uploader called it; no path is ever made of it."""
    purpose: Mapped[str]
    visibility: Mapped[str]
    """``user``: for whoever uploaded it alone."""
    source: Mapped[str]
    """``result``: written by a job here."""
    bytes: Mapped[int]
    lines: Mapped[int | None]
    """Of a ``.jsonl`` file, those that are not blank."""
    sha256: Mapped[str]
    mimetype: Mapped[str]
    created_at: Mapped[int]
    expires_at: Mapped[int | None] = mapped_column(index=True)


class Batch(Owned, Base):
    """A batch job: requests of a file, or inline ones, asked one by one when nobody waits."""

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
    """What it was made with: asked again before each line whether it may go on. None for a session."""
    endpoint: Mapped[str]
    """The path that every line is asked at, such as ``/v1/chat/completions``."""
    model: Mapped[str | None]
    """For every line, where the job names one (Mistral)."""
    input_file_ids: Mapped[list[str]]
    needs_custom_id: Mapped[bool]
    """OpenAI's lines have an id, a method and a path of their own."""
    batch_metadata: Mapped[dict[str, str] | None] = mapped_column("metadata", JSON(none_as_null=True))
    completion_window: Mapped[str]
    status: Mapped[str]
    outcome: Mapped[str | None]
    """What ``finalizing`` leads to: completed, expired or cancelled."""
    problem: Mapped[str | None]
    """Why the job failed."""
    output_seconds: Mapped[int | None]
    """How long its result files are kept; None is the server's own time."""
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
    lease_owner: Mapped[str | None]
    """The process that works on it: what it records counts as long as it is named here."""
    lease_until: Mapped[int]


class BatchLine(Owned, Base):
    """What became of one line; it is on record with the usage event that it caused, or not at all."""

    __tablename__ = "batch_lines"

    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 0, blank lines not counted, through all input files."""
    organization_id: Mapped[str] = mapped_column(index=True)
    failed: Mapped[bool]
    result: Mapped[str]
    """The line of the output file or, if ``failed``, of the error file: JSON without a line break."""


class IdempotencyKey(Owned, Base):
    """A request that its client may send again, and what it was answered; sealed, for answers may hold secrets."""

    __tablename__ = "idempotency_keys"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    owner: Mapped[str] = mapped_column(primary_key=True)
    """The API key's or, for a session, the user's id."""
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    """SHA-256 over path and body."""
    holder: Mapped[str | None]
    """Who answers it now, until ``lease_until``; None when it is answered."""
    lease_until: Mapped[int]
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Status, headers and body; None while in flight, or where they were too large to keep."""
    size: Mapped[int]
    """Of ``answer``."""
    expires_at: Mapped[int] = mapped_column(index=True)
