"""The organization that runs the server."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("organizations") as table:
        table.add_column(sa.Column("operates", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(
        "UPDATE organizations SET operates = TRUE "
        "WHERE id = (SELECT id FROM organizations ORDER BY created_at, id LIMIT 1)"
    )
    with op.batch_alter_table("organizations") as table:
        table.alter_column("operates", server_default=None)
