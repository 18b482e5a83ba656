"""An operator's note says which languages a model is good at."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("model_notes", sa.Column("languages", sa.JSON(none_as_null=True), nullable=True))
