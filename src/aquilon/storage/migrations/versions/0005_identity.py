"""Passwords, invitations and single sign-on; sessions that can be listed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ROLES = "('owner', 'administrator', 'developer', 'member', 'billing')"


def upgrade() -> None:
    _organizations_and_users()
    _sessions()
    _passwords()
    _invitations()
    _identities()


def _organizations_and_users() -> None:
    with op.batch_alter_table("organizations") as table:
        table.add_column(sa.Column("password_sign_in", sa.Boolean, nullable=False, server_default=sa.true()))
        table.add_column(sa.Column("disabled_at", sa.BigInteger, nullable=True))
    with op.batch_alter_table("organizations") as table:
        table.alter_column("password_sign_in", server_default=None)
    with op.batch_alter_table("users") as table:
        table.add_column(sa.Column("email", sa.String, nullable=True))
        table.add_column(sa.Column("email_vouched", sa.Boolean, nullable=False, server_default=sa.false()))
        table.create_unique_constraint("uq_users_organization_id_email", ["organization_id", "email"])
    with op.batch_alter_table("users") as table:
        table.alter_column("email_vouched", server_default=None)
    op.create_index("ix_users_email", "users", ["email"])


def _sessions() -> None:
    with op.batch_alter_table("sessions") as table:
        table.add_column(sa.Column("id", sa.String, nullable=True))
        table.add_column(sa.Column("workspace_id", sa.String, nullable=True))
        table.add_column(sa.Column("method", sa.String, nullable=False, server_default="link"))
        table.add_column(sa.Column("user_agent", sa.String, nullable=False, server_default=""))
        table.add_column(sa.Column("address", sa.String, nullable=False, server_default=""))
        table.add_column(sa.Column("last_used_at", sa.BigInteger, nullable=True))
    op.execute("UPDATE sessions SET id = 'session_' || substr(id_sha256, 1, 28), last_used_at = created_at")
    with op.batch_alter_table("sessions") as table:
        table.alter_column("id", existing_type=sa.String(), nullable=False)
        table.alter_column("last_used_at", existing_type=sa.BigInteger(), nullable=False)
        table.alter_column("method", server_default=None)
        table.alter_column("user_agent", server_default=None)
        table.alter_column("address", server_default=None)
        table.create_unique_constraint("uq_sessions_id", ["id"])
        table.create_foreign_key(
            "fk_sessions_workspace_id", "workspaces", ["workspace_id"], ["id"], ondelete="SET NULL"
        )


def _owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id"], ["organizations.id"], name=f"fk_{table}_organization_id", ondelete="CASCADE"
    )


def _passwords() -> None:
    op.create_table(
        "passwords",
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("set_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_passwords"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_passwords_user_id", ondelete="CASCADE"),
        _owner("passwords"),
    )
    op.create_index("ix_passwords_organization_id", "passwords", ["organization_id"])


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("token_sha256", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("workspace_ids", sa.JSON, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("uses", sa.BigInteger, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.UniqueConstraint("token_sha256", name="uq_invitations_token_sha256"),
        _owner("invitations"),
        sa.CheckConstraint(f"role IN {ROLES}", name=op.f("ck_invitations_role")),
    )
    op.create_index("ix_invitations_organization_id", "invitations", ["organization_id"])


def _identities() -> None:
    op.create_table(
        "identity_providers",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("issuer", sa.String, nullable=False),
        sa.Column("client_id", sa.String, nullable=False),
        sa.Column("sealed_secret", sa.String, nullable=True),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("email_domains", sa.JSON, nullable=False),
        sa.Column("newcomer_role", sa.String, nullable=True),
        sa.Column("links_by_email", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_identity_providers"),
        sa.UniqueConstraint("name", name="uq_identity_providers_name"),
        _owner("identity_providers"),
        sa.CheckConstraint(
            f"newcomer_role IS NULL OR newcomer_role IN {ROLES}", name=op.f("ck_identity_providers_newcomer_role")
        ),
    )
    op.create_index("ix_identity_providers_organization_id", "identity_providers", ["organization_id"])
    op.create_table(
        "identities",
        sa.Column("provider_id", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("organization_id", sa.String, nullable=False),
        sa.Column("email", sa.String, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("provider_id", "subject", name="pk_identities"),
        sa.UniqueConstraint("provider_id", "user_id", name="uq_identities_provider_id_user_id"),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["identity_providers.id"], name="fk_identities_provider_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id", ondelete="CASCADE"),
        _owner("identities"),
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_index("ix_identities_organization_id", "identities", ["organization_id"])
