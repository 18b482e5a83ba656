"""A run keeps its client's id of the request, so that a conversation answers it once, however often it arrives."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("request_id", sa.String, nullable=True))
    some = sa.text("request_id IS NOT NULL")
    op.create_index(
        "ix_runs_request_id",
        "runs",
        ["conversation_id", "request_id"],
        unique=True,
        sqlite_where=some,
        postgresql_where=some,
    )
