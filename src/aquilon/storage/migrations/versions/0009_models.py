"""Aliases and what an operator says of models."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "model_aliases",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("target", sa.String, nullable=False),
        sa.Column("former", sa.String, nullable=True),
        sa.Column("share_target", sa.String, nullable=True),
        sa.Column("share_percent", sa.BigInteger, nullable=False),
        sa.Column("switch_target", sa.String, nullable=True),
        sa.Column("switch_at", sa.BigInteger, nullable=True),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_model_aliases"),
        sa.CheckConstraint("share_percent >= 0 AND share_percent < 100", name=op.f("ck_model_aliases_share_percent")),
    )
    op.create_table(
        "model_notes",
        sa.Column("model", sa.String, nullable=False),
        sa.Column("access", sa.String, nullable=True),
        sa.Column("description", sa.String, nullable=True),
        sa.Column("license", sa.String, nullable=True),
        sa.Column("default_temperature", sa.Float, nullable=True),
        sa.Column("deprecated_at", sa.BigInteger, nullable=True),
        sa.Column("retires_at", sa.BigInteger, nullable=True),
        sa.Column("replacement", sa.String, nullable=True),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_model_notes"),
        sa.CheckConstraint("access IN ('open', 'commercial')", name=op.f("ck_model_notes_access")),
    )
