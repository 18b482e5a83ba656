"""Conversations: their branches, items and words, the runs that answer them, the runs' events."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("visibility", sa.String, nullable=False),
        sa.Column("implicit", sa.Boolean, nullable=False),
        sa.Column("title", sa.String, nullable=True),
        sa.Column("labels", sa.String, nullable=False),
        sa.Column("settings", sa.String, nullable=False),
        sa.Column("edition", sa.BigInteger, nullable=False),
        sa.Column("head_id", sa.String, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("retention_days", sa.BigInteger, nullable=True),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            ondelete="CASCADE",
            name="fk_conversations_organization_id",
        ),
        sa.CheckConstraint("visibility IN ('workspace', 'user')", name=op.f("ck_conversations_visibility")),
    )
    op.create_index(
        "ix_conversations_organization_id", "conversations", ["organization_id", "workspace_id", "updated_at"]
    )
    op.create_index("ix_conversations_expires_at", "conversations", ["expires_at"])
    op.create_table(
        "conversation_branches",
        sa.Column("conversation_id", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("parent", sa.BigInteger, nullable=True),
        sa.Column("forked_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "number", name="pk_conversation_branches"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            ondelete="CASCADE",
            name="fk_conversation_branches_conversation_id",
        ),
    )
    op.create_table(
        "conversation_items",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("conversation_id", sa.String, nullable=False),
        sa.Column("branch", sa.BigInteger, nullable=False),
        sa.Column("depth", sa.BigInteger, nullable=False),
        sa.Column("parent_id", sa.String, nullable=True),
        sa.Column("run_id", sa.String, nullable=True),
        sa.Column("output", sa.Boolean, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("content", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversation_items"),
        sa.UniqueConstraint(
            "conversation_id", "branch", "depth", name="uq_conversation_items_conversation_id_branch_depth"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            ondelete="CASCADE",
            name="fk_conversation_items_conversation_id",
        ),
    )
    op.create_index("ix_conversation_items_run_id", "conversation_items", ["run_id", "depth"])
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "searched_words",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("conversation_id", sa.String, nullable=False),
        sa.Column("item_id", sa.String, nullable=True),
        sa.Column("words", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_searched_words"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            ondelete="CASCADE",
            name="fk_searched_words_conversation_id",
        ),
        sa.ForeignKeyConstraint(
            ["item_id"], ["conversation_items.id"], ondelete="CASCADE", name="fk_searched_words_item_id"
        ),
        sqlite_autoincrement=True,
    )
    for column in ("conversation_id", "item_id"):
        op.create_index(f"ix_searched_words_{column}", "searched_words", [column])
    op.create_table(
        "deleted_words",
        sa.Column("id", number, autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("words", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deleted_words"),
    )
    if op.get_context().dialect.name == "sqlite":
        # The words are plain already (`text.words`), and every character beyond ASCII is part of a word.
        op.execute(
            "CREATE VIRTUAL TABLE conversation_search USING fts5(organization_id, words, content='searched_words', "
            "content_rowid='id', tokenize=\"ascii tokenchars '_'\")"
        )
        op.execute(
            "CREATE TRIGGER searched_words_deleted AFTER DELETE ON searched_words BEGIN "
            "INSERT INTO deleted_words (id, organization_id, words) "
            "VALUES (old.id, old.organization_id, old.words); END"
        )
    else:
        op.execute(
            "CREATE INDEX ix_searched_words_words ON searched_words "
            "USING gin (array_to_tsvector(string_to_array(words, ' ')))"
        )
    op.create_table(
        "runs",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("conversation_id", sa.String, nullable=False),
        sa.Column("process_id", sa.String, nullable=True),
        sa.Column("dialect", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("labels", sa.String, nullable=False),
        sa.Column("background", sa.Boolean, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=True),
        sa.Column("error", sa.String, nullable=True),
        sa.Column("leaf_id", sa.String, nullable=True),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.Column("unbilled", sa.String, nullable=True),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], ondelete="CASCADE", name="fk_runs_conversation_id"
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled')",
            name=op.f("ck_runs_status"),
        ),
    )
    op.create_index("ix_runs_organization_id", "runs", ["organization_id", "dialect", "id"])
    op.create_index("ix_runs_status", "runs", ["status"])
    op.create_index("ix_runs_conversation_id", "runs", ["conversation_id"])
    op.create_index("ix_runs_ended_at", "runs", ["ended_at"])
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.String, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("events", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "first", name="pk_run_events"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE", name="fk_run_events_run_id"),
    )
    op.create_table(
        "conversation_policies",
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("days", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_conversation_policies"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            ondelete="CASCADE",
            name="fk_conversation_policies_organization_id",
        ),
    )
