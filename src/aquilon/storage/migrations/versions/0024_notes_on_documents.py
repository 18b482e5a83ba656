"""A document says how far its file is read, and what of it was left out."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    with op.batch_alter_table("library_documents") as table:
        table.add_column(sa.Column("notes", sa.String, nullable=False, server_default="[]"))
        table.add_column(sa.Column("percent_read", sa.BigInteger, nullable=False, server_default="0"))
