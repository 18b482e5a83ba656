"""The tables of fine-tuning jobs and their events. Times are whole seconds since 1970."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.jobs.queue import Queued
from aquilon.storage.base import Base, Owned


class FineTuningJob(Queued, Base):
    __tablename__ = "fine_tuning_jobs"
    __table_args__ = (
        Index("ix_fine_tuning_jobs_organization_id", "organization_id", "id"),
        Index("ix_fine_tuning_jobs_status", "status", "created_at"),
        CheckConstraint("contract IN ('openai', 'mistral')", name="contract"),
        CheckConstraint("method IN ('supervised', 'dpo')", name="method"),
        CheckConstraint(
            "status IN ('validating_files', 'validated', 'queued', 'running', 'pausing', 'paused', 'cancelling', "
            "'succeeded', 'failed', 'cancelled')",
            name="status",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    user_id: Mapped[str]
    api_key_id: Mapped[str | None]
    """The key that created the job. None for a session."""
    contract: Mapped[str]
    """Whose clients' contract the job was created in: its shape where a request doesn't say otherwise."""
    base: Mapped[str]
    """The store's name of the model that is fine-tuned."""
    method: Mapped[str]
    suffix: Mapped[str | None]
    seed: Mapped[int]
    training_file_ids: Mapped[list[str]]
    validation_file_ids: Mapped[list[str]]
    hyperparameters: Mapped[dict[str, Any]]
    """`Hyperparameters`, without those that are left to the program."""
    job_metadata: Mapped[dict[str, str] | None] = mapped_column("metadata", JSON(none_as_null=True))
    auto_start: Mapped[bool] = mapped_column(Boolean)
    """Whether the job is queued once its files are validated; else it waits for its start."""
    status: Mapped[str]
    problem_code: Mapped[str | None]
    problem: Mapped[str | None]
    """Why the job failed."""
    problem_field: Mapped[str | None]
    """The field of the request that the problem is about, such as ``training_file``."""
    examples: Mapped[int | None]
    tokens: Mapped[int | None]
    """Of the training files, as estimated."""
    estimated_tokens: Mapped[int | None]
    """How many tokens the job will train on; the budget is reserved for them."""
    estimated_cost: Mapped[int | None]
    """Millionths of a cent."""
    step: Mapped[int]
    steps: Mapped[int | None]
    trained_tokens: Mapped[int]
    cost: Mapped[int | None]
    """Millionths of a cent; None before the job has ended."""
    starts: Mapped[int]
    """How often a training process was started since the last one that took a step."""
    read_bytes: Mapped[int]
    """Up to where the process' events are on record here."""
    fine_tuned_model: Mapped[str | None]
    result_file_id: Mapped[str | None]
    created_at: Mapped[int]
    modified_at: Mapped[int]
    started_at: Mapped[int | None]
    ended_at: Mapped[int | None] = mapped_column(index=True)


class FineTuningEvent(Owned, Base):
    """What a job's list of events, its curves and its list of checkpoints have."""

    __tablename__ = "fine_tuning_events"
    __table_args__ = (
        CheckConstraint("kind IN ('message', 'metrics', 'checkpoint')", name="kind"),
        CheckConstraint("level IN ('info', 'warn', 'error')", name="level"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("fine_tuning_jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organization_id: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    level: Mapped[str]
    message: Mapped[str]
    step: Mapped[int | None]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[int]
