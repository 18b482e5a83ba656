"""Rate limits, slots, what API processes hold of a shared database, and which events are of batch jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "limits",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("scope_id", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("requests_per_minute", sa.BigInteger, nullable=True),
        sa.Column("tokens_per_minute", sa.BigInteger, nullable=True),
        sa.Column("parallel_requests", sa.BigInteger, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_limits"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_limits_organization_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("scope", "scope_id", "model", name="uq_limits_scope_scope_id_model"),
        sa.CheckConstraint("scope IN ('organization', 'workspace', 'key')", name=op.f("ck_limits_scope")),
    )
    op.create_index("ix_limits_organization_id", "limits", ["organization_id"])
    op.create_table(
        "api_processes",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("beats", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_processes"),
    )
    op.create_table(
        "holds",
        sa.Column("process_id", sa.String, nullable=False),
        sa.Column("line_id", sa.String, nullable=False),
        sa.Column("starts_at", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("process_id", "line_id", "starts_at", name="pk_holds"),
        sa.ForeignKeyConstraint(["process_id"], ["api_processes.id"], name="fk_holds_process_id", ondelete="CASCADE"),
    )
    op.create_index("ix_holds_organization_id", "holds", ["organization_id"])
    with op.batch_alter_table("usage_events") as table:
        table.add_column(sa.Column("batch", sa.Boolean, nullable=False, server_default=sa.false()))
    with op.batch_alter_table("usage_events") as table:
        table.alter_column("batch", server_default=None)
    with op.batch_alter_table("usage_totals") as table:
        table.add_column(sa.Column("batch_requests", sa.BigInteger, nullable=False, server_default="0"))
    with op.batch_alter_table("usage_totals") as table:
        table.alter_column("batch_requests", server_default=None)
