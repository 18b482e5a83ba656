"""An entry of a person's memory may be for one assistant alone."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    with op.batch_alter_table("memories") as table:
        table.add_column(sa.Column("assistant_id", sa.String, nullable=True))
        table.create_foreign_key("fk_memories_assistant_id", "assistants", ["assistant_id"], ["id"], ondelete="CASCADE")
    is_set = sa.text("assistant_id IS NOT NULL")
    op.create_index(
        "ix_memories_assistant_id", "memories", ["assistant_id"], sqlite_where=is_set, postgresql_where=is_set
    )
