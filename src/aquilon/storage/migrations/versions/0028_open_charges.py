"""What the sides of a comparison owe if their server is killed."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.create_table(
        "open_charges",
        sa.Column("request_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("process_id", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_open_charges"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_open_charges_organization_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_open_charges_organization_id", "open_charges", ["organization_id"])
