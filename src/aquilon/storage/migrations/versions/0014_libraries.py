"""Libraries: their documents, the documents' passages with words and vectors."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "libraries",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("visibility", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("description", sa.String, nullable=True),
        sa.Column("labels", sa.String, nullable=False),
        sa.Column("chunk_size", sa.BigInteger, nullable=True),
        sa.Column("embedding_model", sa.String, nullable=True),
        sa.Column("edition", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("last_active_at", sa.BigInteger, nullable=False),
        sa.Column("expires_days", sa.BigInteger, nullable=True),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_libraries"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], ondelete="CASCADE", name="fk_libraries_organization_id"
        ),
        sa.CheckConstraint("visibility IN ('workspace', 'user')", name=op.f("ck_libraries_visibility")),
    )
    op.create_index("ix_libraries_organization_id", "libraries", ["organization_id", "created_at", "id"])
    op.create_index("ix_libraries_expires_at", "libraries", ["expires_at"])
    op.create_table(
        "library_batches",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("library_id", sa.String, nullable=False),
        sa.Column("cancelled", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_library_batches"),
        sa.ForeignKeyConstraint(
            ["library_id"], ["libraries.id"], ondelete="CASCADE", name="fk_library_batches_library_id"
        ),
    )
    op.create_index("ix_library_batches_library_id", "library_batches", ["library_id"])
    op.create_table(
        "library_documents",
        sa.Column("library_id", sa.String, nullable=False),
        sa.Column("file_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("api_key_id", sa.String, nullable=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("uploaded", sa.Boolean, nullable=False),
        sa.Column("attributes", sa.String, nullable=False),
        sa.Column("chunk_characters", sa.BigInteger, nullable=True),
        sa.Column("overlap_characters", sa.BigInteger, nullable=True),
        sa.Column("batch_id", sa.String, nullable=True),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("error_code", sa.String, nullable=True),
        sa.Column("error", sa.String, nullable=True),
        sa.Column("pages", sa.BigInteger, nullable=True),
        sa.Column("characters", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("passages", sa.BigInteger, nullable=False),
        sa.Column("embedded", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("completed_at", sa.BigInteger, nullable=True),
        sa.Column("lease_owner", sa.String, nullable=True),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("library_id", "file_id", name="pk_library_documents"),
        sa.ForeignKeyConstraint(
            ["library_id"], ["libraries.id"], ondelete="CASCADE", name="fk_library_documents_library_id"
        ),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], ondelete="CASCADE", name="fk_library_documents_file_id"),
        sa.CheckConstraint(
            "status IN ('in_progress', 'completed', 'cancelled', 'failed')", name=op.f("ck_library_documents_status")
        ),
    )
    op.create_index("ix_library_documents_library_id", "library_documents", ["library_id", "created_at", "file_id"])
    op.create_index("ix_library_documents_status", "library_documents", ["status", "created_at"])
    for column in ("file_id", "batch_id"):
        op.create_index(f"ix_library_documents_{column}", "library_documents", [column])
    op.create_table(
        "library_passages",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("library_id", sa.String, nullable=False),
        sa.Column("file_id", sa.String, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("begin", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("page", sa.BigInteger, nullable=True),
        sa.Column("heading", sa.String, nullable=True),
        sa.Column("head", sa.String, nullable=True),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("words", sa.String, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_library_passages"),
        sa.ForeignKeyConstraint(
            ["library_id", "file_id"],
            ["library_documents.library_id", "library_documents.file_id"],
            ondelete="CASCADE",
            name="fk_library_passages_library_id",
        ),
        sa.UniqueConstraint("library_id", "file_id", "number", name="uq_library_passages_library_id_file_id_number"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deleted_passage_words",
        sa.Column("id", number, autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("library_id", sa.String, nullable=False),
        sa.Column("words", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deleted_passage_words"),
    )
    if op.get_context().dialect.name == "sqlite":
        # The words are plain already (`text.words`), and every character beyond ASCII is part of a word.
        op.execute(
            "CREATE VIRTUAL TABLE passage_search USING fts5(library_id, words, content='library_passages', "
            "content_rowid='id', tokenize=\"ascii tokenchars '_'\")"
        )
        op.execute(
            "CREATE TRIGGER library_passages_deleted AFTER DELETE ON library_passages BEGIN "
            "INSERT INTO deleted_passage_words (id, organization_id, library_id, words) "
            "VALUES (old.id, old.organization_id, old.library_id, old.words); END"
        )
    else:
        op.execute(
            "CREATE INDEX ix_library_passages_words ON library_passages "
            "USING gin (array_to_tsvector(string_to_array(words, ' ')))"
        )
