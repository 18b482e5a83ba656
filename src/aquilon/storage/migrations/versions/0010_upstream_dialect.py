"""Upstreams that speak Anthropic's API."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    name = op.f("ck_upstreams_kind")
    kinds = "kind IN ('openai', 'azure', 'azure_ai', 'mistral', 'aquilon', 'anthropic')"
    with op.batch_alter_table("upstreams") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, kinds)
