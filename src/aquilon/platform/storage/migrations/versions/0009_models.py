"""Aliases and what an operator says of models."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    pass
