"""Usage events and their totals, prices, budgets and what was spent of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "usage_events",
        sa.Column("request_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("api_key_id", sa.String, nullable=True),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("latency_ms", sa.BigInteger, nullable=False),
        sa.Column("first_token_ms", sa.BigInteger, nullable=True),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("price_id", sa.String, nullable=True),
        sa.PrimaryKeyConstraint("request_id", name="pk_usage_events"),
    )
    op.create_index("ix_usage_events_organization_id", "usage_events", ["organization_id", "ended_at"])
    op.create_index("ix_usage_events_ended_at", "usage_events", ["ended_at"])
    op.create_table(
        "usage_totals",
        sa.Column("span", sa.String, nullable=False),
        sa.Column("starts_at", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("api_key_id", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "span",
            "starts_at",
            "organization_id",
            "workspace_id",
            "user_id",
            "api_key_id",
            "model",
            name="pk_usage_totals",
        ),
        sa.CheckConstraint("span IN ('hour', 'day')", name=op.f("ck_usage_totals_span")),
    )
    op.create_index("ix_usage_totals_organization_id", "usage_totals", ["organization_id", "span", "starts_at"])
    op.create_table(
        "prices",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("input", sa.BigInteger, nullable=False),
        sa.Column("cached_input", sa.BigInteger, nullable=False),
        sa.Column("output", sa.BigInteger, nullable=False),
        sa.Column("batch_discount", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_prices"),
        sa.UniqueConstraint("model", "starts_at", name="uq_prices_model_starts_at"),
    )
    op.create_table(
        "budgets",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("scope", sa.String, nullable=False),
        sa.Column("scope_id", sa.String, nullable=False),
        sa.Column("period", sa.String, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_budgets_organization_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("scope", "scope_id", "period", name="uq_budgets_scope_scope_id_period"),
        sa.CheckConstraint("scope IN ('organization', 'workspace', 'key')", name=op.f("ck_budgets_scope")),
        sa.CheckConstraint("period IN ('day', 'week', 'month', 'once')", name=op.f("ck_budgets_period")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_budgets_amount")),
    )
    op.create_index("ix_budgets_organization_id", "budgets", ["organization_id"])
    op.create_table(
        "budget_spending",
        sa.Column("budget_id", sa.String, nullable=False),
        sa.Column("starts_at", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("budget_id", "starts_at", name="pk_budget_spending"),
    )
    op.create_index("ix_budget_spending_organization_id", "budget_spending", ["organization_id"])
