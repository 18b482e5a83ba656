"""Shares of conversations, and feedback on answers."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def _reference(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], ondelete="CASCADE", name=f"fk_{table}_{column}")


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("conversation_id", sa.String, nullable=False),
        sa.Column("token_hash", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=True),
        sa.Column("shared_by", sa.String, nullable=True),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("snapshot", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_shares"),
        sa.UniqueConstraint("token_hash", name="uq_shares_token_hash"),
        _reference("shares", "organization_id", "organizations"),
        _reference("shares", "user_id", "users"),
        _reference("shares", "conversation_id", "conversations"),
    )
    op.create_index("ix_shares_organization_id", "shares", ["organization_id", "user_id", "created_at", "id"])
    for column in ("user_id", "conversation_id", "expires_at"):
        op.create_index(f"ix_shares_{column}", "shares", [column])
    op.create_table(
        "feedback",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("rating", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=True),
        sa.Column("comment", sa.String, nullable=True),
        sa.Column("consent", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "user_id", name="pk_feedback"),
        sa.CheckConstraint("rating IN ('up', 'down')", name=op.f("ck_feedback_rating")),
        _reference("feedback", "run_id", "runs"),
        _reference("feedback", "user_id", "users"),
        _reference("feedback", "organization_id", "organizations"),
    )
    op.create_index("ix_feedback_organization_id", "feedback", ["organization_id", "consent"])
    op.create_index("ix_feedback_user_id", "feedback", ["user_id"])
