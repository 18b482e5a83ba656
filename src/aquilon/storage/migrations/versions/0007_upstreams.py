"""Upstreams and the models they provide."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "upstreams",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("base_url", sa.String, nullable=False),
        sa.Column("sealed_key", sa.String, nullable=True),
        sa.Column("sealed_headers", sa.String, nullable=True),
        sa.Column("api_version", sa.String, nullable=True),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("connect_seconds", sa.Float, nullable=False),
        sa.Column("first_token_seconds", sa.Float, nullable=False),
        sa.Column("between_seconds", sa.Float, nullable=False),
        sa.Column("total_seconds", sa.Float, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_upstreams"),
        sa.UniqueConstraint("name", name="uq_upstreams_name"),
        sa.CheckConstraint(
            "kind IN ('openai', 'azure', 'azure_ai', 'mistral', 'aquilon')", name=op.f("ck_upstreams_kind")
        ),
    )
    op.create_table(
        "upstream_models",
        sa.Column("upstream_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("remote", sa.String, nullable=False),
        sa.Column("max_context", sa.BigInteger, nullable=False),
        sa.Column("capabilities", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("weight", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("upstream_id", "name", name="pk_upstream_models"),
        sa.ForeignKeyConstraint(
            ["upstream_id"], ["upstreams.id"], name="fk_upstream_models_upstream_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("weight >= 0", name=op.f("ck_upstream_models_weight")),
    )
    op.create_table(
        "upstream_fallbacks",
        sa.Column("model", sa.String, nullable=False),
        sa.Column("models", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_upstream_fallbacks"),
    )
    op.create_table(
        "upstreams_version",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("version", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_upstreams_version"),
    )
