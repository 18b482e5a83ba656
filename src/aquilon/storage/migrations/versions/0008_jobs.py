"""Files, batch jobs and idempotency keys."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

STATUSES = "('validating', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled')"


def upgrade() -> None:
    _files()
    _batches()
    _idempotency_keys()


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("visibility", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=True),
        sa.Column("sha256", sa.String, nullable=False),
        sa.Column("mimetype", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_files_organization_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("visibility IN ('workspace', 'user')", name=op.f("ck_files_visibility")),
        sa.CheckConstraint("source IN ('upload', 'result')", name=op.f("ck_files_source")),
    )
    op.create_index("ix_files_organization_id", "files", ["organization_id", "id"])
    op.create_index("ix_files_expires_at", "files", ["expires_at"])


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("api_key_id", sa.String, nullable=True),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=True),
        sa.Column("input_file_ids", sa.JSON, nullable=False),
        sa.Column("needs_custom_id", sa.Boolean, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=True),
        sa.Column("completion_window", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=True),
        sa.Column("problem", sa.String, nullable=True),
        sa.Column("output_seconds", sa.BigInteger, nullable=True),
        sa.Column("output_file_id", sa.String, nullable=True),
        sa.Column("error_file_id", sa.String, nullable=True),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("succeeded", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("in_progress_at", sa.BigInteger, nullable=True),
        sa.Column("finalizing_at", sa.BigInteger, nullable=True),
        sa.Column("cancelling_at", sa.BigInteger, nullable=True),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sa.Column("lease_owner", sa.String, nullable=True),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_batches_organization_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint(f"status IN {STATUSES}", name=op.f("ck_batches_status")),
    )
    op.create_index("ix_batches_organization_id", "batches", ["organization_id", "id"])
    op.create_index("ix_batches_status", "batches", ["status", "created_at"])
    op.create_index("ix_batches_ended_at", "batches", ["ended_at"])
    op.create_table(
        "batch_lines",
        sa.Column("batch_id", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("result", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", "number", name="pk_batch_lines"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_batch_lines_batch_id", ondelete="CASCADE"),
    )
    op.create_index("ix_batch_lines_organization_id", "batch_lines", ["organization_id"])


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("holder", sa.String, nullable=True),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "owner", "key", name="pk_idempotency_keys"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_idempotency_keys_organization_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
