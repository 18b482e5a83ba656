"""``aquilon invitations``: links by which people make their own accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator, checked_role, minute, print_link, whole_id
from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.people.identity import Principal
    from aquilon.people.store.invitations import NewInvitation
    from aquilon.people.tables import Invitation
    from aquilon.storage import Database

invitations = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Links by which people make their own accounts."
)


@invitations.command("create")
def create_invitation(
    role: Annotated[str, typer.Option("--role", help="owner, administrator, developer, member or billing.")] = "member",
    workspace: Annotated[
        list[str] | None,
        typer.Option(
            "--workspace", help="The workspace that people join, by name or id; repeat.", show_default="the first one"
        ),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=90, help="Days that the link is valid.")] = 7,
    uses: Annotated[int, typer.Option("--uses", min=1, max=1000, help="How many people may join by it.")] = 1,
    note: Annotated[str, typer.Option("--note", help="Whom it is for; shown in the list.")] = "",
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Print a link by which somebody joins the organization. It is shown only now.

    \b
    Example:
      aquilon invitations create --role developer --workspace research --note "the new colleague"
    """
    from aquilon.people.administration import invitations as administration

    checked = checked_role(role)

    async def create(database: Database, operator: Principal) -> NewInvitation:
        return await administration.create(
            database, operator, checked, workspaces=workspace or (), note=note, seconds=days * 24 * 3600, uses=uses
        )

    new = as_operator(home, organization, create)
    print_link(home, note or new.record.id, new.token, as_json=as_json, kind="invite")


@invitations.command("list")
def list_invitations(organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """List invitations, never their links."""
    from aquilon.api.people.invitations import invitation_body
    from aquilon.cli.tables import print_list
    from aquilon.people.administration import invitations as administration

    no_invitations: list[Invitation] = []
    print_list(
        [
            invitation_body(row)
            for row in as_operator(home, organization, administration.visible, before_first_start=no_invitations)
        ],
        {
            "role": lambda row: row.role,
            "state": lambda row: row.status,
            "used": lambda row: f"{row.used} of {row.uses}",
            "until": lambda row: minute(row.expires_at),
            "note": lambda row: row.note,
            "id": lambda row: row.id,
        },
        spare=("used", "until"),
        as_json=as_json,
        nothing="No invitations: make one with `aquilon invitations create`",
    )


@invitations.command("revoke")
def revoke_invitation(
    invitation: Annotated[str, typer.Argument(metavar="ID", help="As listed.", show_default=False)],
    organization: Organization = None,
    home: Home = None,
) -> None:
    """Withdraw an invitation: nobody joins by it any more."""
    from aquilon.people.administration import invitations as administration
    from aquilon.people.tables import Invitation

    async def revoke(database: Database, operator: Principal) -> Invitation:
        return await administration.revoke(
            database, operator, await whole_id(database, operator, Invitation, beginning=invitation)
        )

    print(f"Revoked {as_operator(home, organization, revoke).id}")
