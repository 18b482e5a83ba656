"""What people let models know about them: settings, entries, proposals, and the answers that used an entry."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def _reference(table: str, column: str, to: str, *, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], ondelete=ondelete, name=f"fk_{table}_{column}")


def _index_of_set(table: str, column: str) -> None:
    condition = sa.text(f"{column} IS NOT NULL")
    op.create_index(f"ix_{table}_{column}", table, [column], sqlite_where=condition, postgresql_where=condition)


def upgrade() -> None:
    op.create_table(
        "memory_settings",
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("proposes", sa.Boolean, nullable=False),
        sa.Column("key_ids", sa.JSON, nullable=False),
        sa.Column("keys_allowed_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_memory_settings"),
        _reference("memory_settings", "user_id", "users"),
        _reference("memory_settings", "organization_id", "organizations"),
    )
    op.create_index("ix_memory_settings_organization_id", "memory_settings", ["organization_id"])
    op.create_table(
        "memories",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("project_id", sa.String, nullable=True),
        sa.Column("conversation_id", sa.String, nullable=True),
        sa.Column("item_id", sa.String, nullable=True),
        sa.Column("embedding_model", sa.String, nullable=True),
        sa.Column("vector", sa.LargeBinary, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.Column("last_used_at", sa.BigInteger, nullable=True),
        sa.Column("uses", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_memories"),
        _reference("memories", "organization_id", "organizations"),
        _reference("memories", "user_id", "users"),
        _reference("memories", "project_id", "projects"),
        _reference("memories", "conversation_id", "conversations", ondelete="SET NULL"),
        _reference("memories", "item_id", "conversation_items", ondelete="SET NULL"),
    )
    op.create_index("ix_memories_organization_id", "memories", ["organization_id", "user_id", "id"])
    op.create_index("ix_memories_user_id", "memories", ["user_id"])
    for column in ("project_id", "conversation_id", "item_id", "expires_at"):
        _index_of_set("memories", column)
    op.create_table(
        "memory_proposals",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("project_id", sa.String, nullable=True),
        sa.Column("conversation_id", sa.String, nullable=False),
        sa.Column("item_id", sa.String, nullable=False),
        sa.Column("embedding_model", sa.String, nullable=True),
        sa.Column("vector", sa.LargeBinary, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_memory_proposals"),
        _reference("memory_proposals", "organization_id", "organizations"),
        _reference("memory_proposals", "user_id", "users"),
        _reference("memory_proposals", "project_id", "projects"),
        _reference("memory_proposals", "conversation_id", "conversations"),
        _reference("memory_proposals", "item_id", "conversation_items"),
    )
    op.create_index("ix_memory_proposals_organization_id", "memory_proposals", ["organization_id", "user_id", "id"])
    for column in ("user_id", "conversation_id", "item_id", "created_at"):
        op.create_index(f"ix_memory_proposals_{column}", "memory_proposals", [column])
    _index_of_set("memory_proposals", "project_id")
    op.create_table(
        "memory_uses",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("memory_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "memory_id", name="pk_memory_uses"),
        _reference("memory_uses", "run_id", "runs"),
        _reference("memory_uses", "memory_id", "memories"),
        _reference("memory_uses", "user_id", "users"),
    )
    op.create_index("ix_memory_uses_memory_id", "memory_uses", ["memory_id"])
    op.create_index("ix_memory_uses_user_id", "memory_uses", ["user_id"])
