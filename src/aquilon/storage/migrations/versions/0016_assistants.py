"""Assistants with their versions, aliases and pictures."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def _of_assistant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["assistant_id"], ["assistants.id"], ondelete="CASCADE", name=f"fk_{table}_assistant_id"
    )


def upgrade() -> None:
    op.create_table(
        "assistants",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("by_key", sa.Boolean, nullable=False),
        sa.Column("visibility", sa.String, nullable=False),
        sa.Column("in_chat", sa.Boolean, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("picture", sa.String, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_assistants"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], ondelete="CASCADE", name="fk_assistants_organization_id"
        ),
        sa.CheckConstraint("visibility IN ('workspace', 'user')", name=op.f("ck_assistants_visibility")),
    )
    op.create_index("ix_assistants_organization_id", "assistants", ["organization_id", "id"])
    op.create_table(
        "assistant_versions",
        sa.Column("assistant_id", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("content", sa.String, nullable=False),
        sa.Column("message", sa.String, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("assistant_id", "number", name="pk_assistant_versions"),
        _of_assistant("assistant_versions"),
    )
    op.create_table(
        "assistant_aliases",
        sa.Column("assistant_id", sa.String, nullable=False),
        sa.Column("alias", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("assistant_id", "alias", name="pk_assistant_aliases"),
        _of_assistant("assistant_aliases"),
    )
    op.create_table(
        "assistant_pictures",
        sa.Column("assistant_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("assistant_id", name="pk_assistant_pictures"),
        _of_assistant("assistant_pictures"),
    )
