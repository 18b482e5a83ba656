"""Saved prompts; why a request failed, and an index for a person's requests; VAT of organizations."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "prompts",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("visibility", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("messages", sa.String, nullable=False),
        sa.Column("settings", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prompts"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], ondelete="CASCADE", name="fk_prompts_organization_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_prompts_user_id"),
        sa.CheckConstraint("visibility IN ('workspace', 'user')", name=op.f("ck_prompts_visibility")),
    )
    op.create_index("ix_prompts_organization_id", "prompts", ["organization_id", "id"])
    op.create_index("ix_prompts_user_id", "prompts", ["user_id"])
    op.add_column("usage_events", sa.Column("error_code", sa.String, nullable=True))
    op.add_column("organizations", sa.Column("vat_number", sa.String, nullable=True))
    op.add_column("organizations", sa.Column("vat_basis_points", sa.BigInteger, nullable=True))
