"""Workspaces and their members, five roles, keys with limits and two secrets, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ROLES = "('owner', 'administrator', 'developer', 'member', 'billing')"
DEFAULT_SCOPES = '["inference", "files", "batch", "usage"]'


def upgrade() -> None:
    _workspaces()
    _roles()
    _api_keys()
    _audit_log()


def _workspaces() -> None:
    op.create_table(
        "workspaces",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("archived_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_workspaces_organization_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("organization_id", "name", name="uq_workspaces_organization_id_name"),
    )
    op.create_table(
        "workspace_members",
        sa.Column("workspace_id", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "user_id", name="pk_workspace_members"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_workspace_members_workspace_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_workspace_members_user_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_workspace_members_organization_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint(f"role IN {ROLES}", name=op.f("ck_workspace_members_role")),
    )
    op.create_index("ix_workspace_members_user_id", "workspace_members", ["user_id"])
    op.create_index("ix_workspace_members_organization_id", "workspace_members", ["organization_id"])
    op.execute(
        "INSERT INTO workspaces (id, organization_id, name, created_at) "
        "SELECT 'workspace_' || substr(id, 5), id, 'default', created_at FROM organizations"
    )
    op.execute(
        "INSERT INTO workspace_members (workspace_id, user_id, organization_id, role, created_at) "
        "SELECT workspaces.id, users.id, users.organization_id, users.role, users.created_at "
        "FROM users JOIN workspaces ON workspaces.organization_id = users.organization_id"
    )


def _roles() -> None:
    with op.batch_alter_table("users") as users:
        users.drop_constraint(op.f("ck_users_role"), type_="check")
        users.create_check_constraint(op.f("ck_users_role"), f"role IN {ROLES}")
    op.execute(
        "UPDATE users SET role = 'owner' WHERE role = 'administrator' AND NOT EXISTS ("
        "SELECT 1 FROM users AS earlier WHERE earlier.organization_id = users.organization_id "
        "AND earlier.role IN ('owner', 'administrator') AND earlier.disabled_at IS NULL "
        "AND (earlier.created_at < users.created_at "
        "OR (earlier.created_at = users.created_at AND earlier.id < users.id))) AND disabled_at IS NULL"
    )


def _api_keys() -> None:
    op.create_table(
        "api_key_secrets",
        sa.Column("secret_sha256", sa.String, nullable=False),
        sa.Column("api_key_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("secret_sha256", name="pk_api_key_secrets"),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name="fk_api_key_secrets_api_key_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_api_key_secrets_organization_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_api_key_secrets_api_key_id", "api_key_secrets", ["api_key_id"])
    op.create_index("ix_api_key_secrets_organization_id", "api_key_secrets", ["organization_id"])
    op.execute(
        "INSERT INTO api_key_secrets (secret_sha256, api_key_id, organization_id, created_at) "
        "SELECT secret_sha256, id, organization_id, created_at FROM api_keys"
    )
    op.add_column("api_keys", sa.Column("workspace_id", sa.String, nullable=True))
    op.add_column("api_keys", sa.Column("scopes", sa.JSON, nullable=True))
    op.add_column("api_keys", sa.Column("allowed_models", sa.JSON, nullable=True))
    op.add_column("api_keys", sa.Column("allowed_addresses", sa.JSON, nullable=True))
    op.add_column("api_keys", sa.Column("blocked_at", sa.BigInteger, nullable=True))
    op.execute(
        f"UPDATE api_keys SET scopes = '{DEFAULT_SCOPES}', workspace_id = ("  # noqa: S608 - a constant of ours
        "SELECT workspaces.id FROM workspaces WHERE workspaces.organization_id = api_keys.organization_id)"
    )
    with op.batch_alter_table("api_keys") as keys:
        keys.alter_column("workspace_id", existing_type=sa.String(), nullable=False)
        keys.alter_column("scopes", existing_type=sa.JSON(), nullable=False)
        keys.drop_constraint("uq_api_keys_secret_sha256", type_="unique")
        keys.drop_column("secret_sha256")
        keys.create_foreign_key("fk_api_keys_workspace_id", "workspaces", ["workspace_id"], ["id"], ondelete="CASCADE")
    op.create_index("ix_api_keys_workspace_id", "api_keys", ["workspace_id"])


def _audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor_kind", sa.String, nullable=False),
        sa.Column("actor_id", sa.String, nullable=True),
        sa.Column("actor_name", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("object_id", sa.String, nullable=False),
        sa.Column("object_name", sa.String, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_organization_id", "audit_log", ["organization_id", "id"])
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_log_no_{change.lower()} BEFORE {change} ON audit_log "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_log_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_append_only()"
    )
