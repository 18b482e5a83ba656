"""Comparisons of two answers, and the votes on them."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "comparisons",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("visibility", sa.String, nullable=False),
        sa.Column("blind", sa.Boolean, nullable=False),
        sa.Column("answered", sa.Boolean, nullable=False),
        sa.Column("left_model", sa.String, nullable=False),
        sa.Column("right_model", sa.String, nullable=False),
        sa.Column("left_side", sa.String, nullable=False),
        sa.Column("right_side", sa.String, nullable=False),
        sa.Column("prompt", sa.String, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_comparisons"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], ondelete="CASCADE", name="fk_comparisons_organization_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_comparisons_user_id"),
        sa.CheckConstraint("visibility IN ('workspace', 'user')", name=op.f("ck_comparisons_visibility")),
    )
    op.create_index("ix_comparisons_organization_id", "comparisons", ["organization_id", "workspace_id", "created_at"])
    op.create_index("ix_comparisons_user_id", "comparisons", ["user_id"])
    op.create_table(
        "comparison_votes",
        sa.Column("comparison_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("choice", sa.String, nullable=False),
        sa.Column("blind", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("comparison_id", "user_id", name="pk_comparison_votes"),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparisons.id"], ondelete="CASCADE", name="fk_comparison_votes_comparison_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_comparison_votes_user_id"),
        sa.CheckConstraint("choice IN ('left', 'right', 'tie', 'both_bad')", name=op.f("ck_comparison_votes_choice")),
    )
    for column in ("user_id", "organization_id"):
        op.create_index(f"ix_comparison_votes_{column}", "comparison_votes", [column])
