"""Fine-tuning jobs with their events, fine-tuned models, and the price of a trained token."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_STATUSES = (
    "('validating_files', 'validated', 'queued', 'running', 'pausing', 'paused', 'cancelling', "
    "'succeeded', 'failed', 'cancelled')"
)


def _organization(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id"], ["organizations.id"], ondelete="CASCADE", name=f"fk_{table}_organization_id"
    )


def upgrade() -> None:
    op.create_table(
        "fine_tuning_jobs",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("api_key_id", sa.String, nullable=True),
        sa.Column("contract", sa.String, nullable=False),
        sa.Column("base", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("suffix", sa.String, nullable=True),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("training_file_ids", sa.JSON, nullable=False),
        sa.Column("validation_file_ids", sa.JSON, nullable=False),
        sa.Column("hyperparameters", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=True),
        sa.Column("auto_start", sa.Boolean, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("problem_code", sa.String, nullable=True),
        sa.Column("problem", sa.String, nullable=True),
        sa.Column("problem_field", sa.String, nullable=True),
        sa.Column("examples", sa.BigInteger, nullable=True),
        sa.Column("tokens", sa.BigInteger, nullable=True),
        sa.Column("estimated_tokens", sa.BigInteger, nullable=True),
        sa.Column("estimated_cost", sa.BigInteger, nullable=True),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("steps", sa.BigInteger, nullable=True),
        sa.Column("trained_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=True),
        sa.Column("starts", sa.BigInteger, nullable=False),
        sa.Column("read_bytes", sa.BigInteger, nullable=False),
        sa.Column("fine_tuned_model", sa.String, nullable=True),
        sa.Column("result_file_id", sa.String, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("modified_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=True),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sa.Column("lease_owner", sa.String, nullable=True),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fine_tuning_jobs"),
        sa.CheckConstraint("contract IN ('openai', 'mistral')", name=op.f("ck_fine_tuning_jobs_contract")),
        sa.CheckConstraint("method IN ('supervised', 'dpo')", name=op.f("ck_fine_tuning_jobs_method")),
        sa.CheckConstraint(f"status IN {_STATUSES}", name=op.f("ck_fine_tuning_jobs_status")),
        _organization("fine_tuning_jobs"),
    )
    op.create_index("ix_fine_tuning_jobs_organization_id", "fine_tuning_jobs", ["organization_id", "id"])
    op.create_index("ix_fine_tuning_jobs_status", "fine_tuning_jobs", ["status", "created_at"])
    op.create_index("ix_fine_tuning_jobs_ended_at", "fine_tuning_jobs", ["ended_at"])
    op.create_table(
        "fine_tuning_events",
        sa.Column("job_id", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("level", sa.String, nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("step", sa.BigInteger, nullable=True),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_fine_tuning_events"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["fine_tuning_jobs.id"], ondelete="CASCADE", name="fk_fine_tuning_events_job_id"
        ),
        sa.CheckConstraint("kind IN ('message', 'metrics', 'checkpoint')", name=op.f("ck_fine_tuning_events_kind")),
        sa.CheckConstraint("level IN ('info', 'warn', 'error')", name=op.f("ck_fine_tuning_events_level")),
    )
    op.create_index("ix_fine_tuning_events_organization_id", "fine_tuning_events", ["organization_id"])
    op.create_table(
        "fine_tuned_models",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("base", sa.String, nullable=False),
        sa.Column("job_id", sa.String, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("trained_on", sa.JSON, nullable=False),
        sa.Column("title", sa.String, nullable=True),
        sa.Column("description", sa.String, nullable=True),
        sa.Column("archived", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_fine_tuned_models"),
        _organization("fine_tuned_models"),
    )
    op.create_index("ix_fine_tuned_models_organization_id", "fine_tuned_models", ["organization_id"])
    with op.batch_alter_table("prices") as table:
        table.add_column(sa.Column("training", sa.BigInteger, nullable=False, server_default="0"))
    with op.batch_alter_table("prices") as table:
        table.alter_column("training", existing_type=sa.BigInteger(), server_default=None)
