"""Projects; which conversations are pinned, archived, or in a project; an index of the beginnings of words."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("visibility", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("instructions", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], ondelete="CASCADE", name="fk_projects_organization_id"
        ),
        sa.CheckConstraint("visibility IN ('workspace', 'user')", name=op.f("ck_projects_visibility")),
    )
    op.create_index("ix_projects_organization_id", "projects", ["organization_id", "id"])
    op.add_column("conversations", sa.Column("pinned_at", sa.BigInteger, nullable=True))
    op.add_column("conversations", sa.Column("archived_at", sa.BigInteger, nullable=True))
    # Alembic would copy the table to add a reference on SQLite, and with it delete what refers to the table.
    op.execute(
        "ALTER TABLE conversations ADD COLUMN project_id VARCHAR "
        "CONSTRAINT fk_conversations_project_id REFERENCES projects (id) ON DELETE SET NULL"
    )
    op.create_index("ix_conversations_user_id", "conversations", ["user_id", "updated_at"])
    op.create_index(
        "ix_conversations_project_id",
        "conversations",
        ["project_id", "updated_at"],
        sqlite_where=sa.text("project_id IS NOT NULL"),
        postgresql_where=sa.text("project_id IS NOT NULL"),
    )
    op.create_index(
        "ix_conversations_pinned_at",
        "conversations",
        ["organization_id", "pinned_at"],
        sqlite_where=sa.text("pinned_at IS NOT NULL"),
        postgresql_where=sa.text("pinned_at IS NOT NULL"),
    )
    if op.get_context().dialect.name == "sqlite":
        # As in 0011, and with the first two and three letters of each word: a search by few letters reads one list.
        op.execute("DROP TABLE conversation_search")
        op.execute(
            "CREATE VIRTUAL TABLE conversation_search USING fts5(organization_id, words, content='searched_words', "
            "content_rowid='id', tokenize=\"ascii tokenchars '_'\", prefix='2 3')"
        )
        op.execute("INSERT INTO conversation_search (conversation_search) VALUES ('rebuild')")
        op.execute("UPDATE deleted_words SET words = ''")  # they are in no index any more
