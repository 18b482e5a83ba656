"""A conversation says whether a person wrote its title: one that was made of a question goes with that."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    with op.batch_alter_table("conversations") as table:
        table.add_column(sa.Column("named_by_person", sa.Boolean, nullable=True))
