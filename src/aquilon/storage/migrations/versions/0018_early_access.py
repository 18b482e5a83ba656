"""Waiting lists, quotas of persons, rules of access, settings of the chat, announcements, deletions of accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_UNCHANGED = ("id", "organization_id", "at", "actor_kind", "actor_id", "action", "object_id")
_ERASED = "deleted person"
_ONLY_ERASES = (
    " AND ".join(f"NEW.{column} IS NOT DISTINCT FROM OLD.{column}" for column in _UNCHANGED)
    + f" AND NEW.actor_name IN (OLD.actor_name, '{_ERASED}') AND NEW.object_name IN (OLD.object_name, '{_ERASED}')"
    + f" AND '{_ERASED}' IN (NEW.actor_name, NEW.object_name)"
)
"""The log is append-only but for one change: the name of a person whose account was deleted."""


def _organization(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id"], ["organizations.id"], ondelete="CASCADE", name=f"fk_{table}_organization_id"
    )


def upgrade() -> None:
    op.create_table(
        "open_waiting_lists",
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_open_waiting_lists"),
        _organization("open_waiting_lists"),
    )
    op.create_table(
        "waiting_list",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("email", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.BigInteger, nullable=True),
        sa.Column("invitation_id", sa.String, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_waiting_list"),
        sa.UniqueConstraint("organization_id", "email", name="uq_waiting_list_organization_id_email"),
        sa.CheckConstraint("status IN ('waiting', 'admitted', 'refused')", name=op.f("ck_waiting_list_status")),
        _organization("waiting_list"),
    )
    op.create_index("ix_waiting_list_organization_id", "waiting_list", ["organization_id", "status", "created_at"])
    op.create_index("ix_waiting_list_decided_at", "waiting_list", ["decided_at"])
    op.create_table(
        "access_rules",
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("roles", sa.JSON, nullable=True),
        sa.Column("workspace_ids", sa.JSON, nullable=True),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "kind", "name", name="pk_access_rules"),
        sa.CheckConstraint("kind IN ('model', 'feature')", name=op.f("ck_access_rules_kind")),
        _organization("access_rules"),
    )
    op.create_table(
        "account_deletions",
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("requested_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_account_deletions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_account_deletions_user_id"),
        _organization("account_deletions"),
    )
    op.create_table(
        "person_quotas",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("period", sa.String, nullable=False),
        sa.Column("messages", sa.BigInteger, nullable=True),
        sa.Column("tokens", sa.BigInteger, nullable=True),
        sa.Column("cost", sa.BigInteger, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_person_quotas"),
        sa.UniqueConstraint(
            "organization_id",
            "workspace_id",
            "user_id",
            "period",
            name="uq_person_quotas_organization_id_workspace_id_user_id_period",
        ),
        sa.CheckConstraint("period IN ('day', 'month')", name=op.f("ck_person_quotas_period")),
        _organization("person_quotas"),
    )
    op.create_table(
        "chat_settings",
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("default_model", sa.String, nullable=True),
        sa.Column("instructions", sa.String, nullable=False),
        sa.Column("preference_pairs", sa.Boolean, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_chat_settings"),
        _organization("chat_settings"),
    )
    op.create_table(
        "announcements",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("level", sa.String, nullable=False),
        sa.Column("dismissible", sa.Boolean, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_announcements"),
        sa.CheckConstraint("level IN ('info', 'warning')", name=op.f("ck_announcements_level")),
        _organization("announcements"),
    )
    op.create_index("ix_announcements_organization_id", "announcements", ["organization_id", "starts_at"])
    op.create_index("ix_usage_events_user_id", "usage_events", ["organization_id", "user_id", "ended_at"])
    if op.get_bind().dialect.name == "sqlite":
        only_erases = _ONLY_ERASES.replace("IS NOT DISTINCT FROM", "IS")
        op.execute("DROP TRIGGER audit_log_no_update")
        op.execute(
            f"CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log WHEN NOT ({only_erases}) "
            "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
        )
        return
    op.execute("DROP TRIGGER audit_log_append_only ON audit_log")
    op.execute(
        "CREATE TRIGGER audit_log_append_only BEFORE DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_append_only()"
    )
    op.execute(
        "CREATE TRIGGER audit_log_only_erases BEFORE UPDATE ON audit_log "
        f"FOR EACH ROW WHEN (NOT ({_ONLY_ERASES})) EXECUTE FUNCTION audit_log_append_only()"
    )
