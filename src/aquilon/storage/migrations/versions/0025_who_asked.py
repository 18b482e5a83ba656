"""A run says who asked it, so that a conversation of several people names each one, and loses a person's questions."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("asked_by", sa.String, nullable=True))
    some = sa.text("asked_by IS NOT NULL")
    op.create_index("ix_runs_asked_by", "runs", ["asked_by", "id"], sqlite_where=some, postgresql_where=some)
