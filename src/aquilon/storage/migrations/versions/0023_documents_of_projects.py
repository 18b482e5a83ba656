"""A project names the libraries that its conversations' questions are searched in."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    with op.batch_alter_table("projects") as table:
        table.add_column(sa.Column("library_ids", sa.JSON, nullable=False, server_default="[]"))
