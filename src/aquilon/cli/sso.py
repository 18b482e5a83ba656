"""``aquilon sso``: identity providers by which people sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator, checked_role
from aquilon.cli.options import AsJson, Home, secret_from, settings_from

if TYPE_CHECKING:
    from aquilon.people.identity import Principal
    from aquilon.people.openid import Discovery
    from aquilon.people.tables import IdentityProvider
    from aquilon.people.tables import Organization as OrganizationRow
    from aquilon.storage import Database

sso = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Identity providers by which people sign in.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As listed.", show_default=False)]


@sso.command("add")
def add(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A short name for its address: a–z, 0–9 and hyphens.", show_default=False),
    ],
    issuer: Annotated[
        str, typer.Argument(metavar="ISSUER", help="Such as https://login.example.org.", show_default=False)
    ],
    client_id: Annotated[str, typer.Option("--client-id", help="As the provider gave it.", show_default=False)],
    secret_env: Annotated[
        str | None,
        typer.Option(
            "--secret-env", metavar="VARIABLE", help="The variable of the environment that holds the client's secret."
        ),
    ] = None,
    secret_file: Annotated[
        typer.FileText | None, typer.Option("--secret-file", help="Or a file with it; - reads it from standard input.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="On the sign-in page.", show_default="the name")] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option("--domain", help="Newcomers need an e-mail address of this domain; repeat.", show_default="any"),
    ] = None,
    newcomers: Annotated[
        str | None,
        typer.Option(
            "--newcomers",
            metavar="ROLE",
            help="The role of people who sign in for the first time.",
            show_default="by invitation alone",
        ),
    ] = None,
    link_by_email: Annotated[
        bool, typer.Option("--link-by-email", help="A verified address finds the account that you gave it to.")
    ] = False,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="A scope to ask for; repeat.", show_default="openid profile email"),
    ] = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Trust an identity provider, and print the redirect URI to register there.

    \b
    Example:
      aquilon sso add corp https://login.example.org --client-id aquilon --secret-env SSO_SECRET \\
        --domain example.org --newcomers member
    """
    from aquilon.api.people.identity_providers import provider_body
    from aquilon.cli.output import tell
    from aquilon.people.administration import identity_providers as administration
    from aquilon.storage.sealing import Sealer

    provider = administration.ProviderSettings(
        issuer=issuer,
        client_id=client_id,
        client_secret=secret_from(secret_env, secret_file, "--secret-env"),
        label=label,
        organization=organization,
        scopes=tuple(scope) if scope else administration.DEFAULT_SCOPES,
        email_domains=tuple(domain or ()),
        newcomer_role=None if newcomers is None else checked_role(newcomers),
        links_by_email=link_by_email,
    )
    sealer = Sealer.of(settings_from(home=home))

    async def create(database: Database, operator: Principal) -> tuple[IdentityProvider, OrganizationRow]:
        return await administration.create(database, operator, sealer, name=name, settings=provider)

    body = provider_body(*as_operator(home, None, create))
    tell(body, f"Redirect URI: https://YOUR-SERVER{body.callback_path}", as_json=as_json)


@sso.command("list")
def list_providers(home: Home = None, as_json: AsJson = False) -> None:
    """List the identity providers of all organizations."""
    from aquilon.api.people.identity_providers import provider_body
    from aquilon.cli.tables import print_list
    from aquilon.people.administration import identity_providers as administration

    no_providers: list[tuple[IdentityProvider, OrganizationRow]] = []
    print_list(
        [
            provider_body(*row)
            for row in as_operator(home, None, administration.visible, before_first_start=no_providers)
        ],
        {
            "name": lambda row: row.name,
            "organization": lambda row: row.organization_name,
            "issuer": lambda row: row.issuer,
            "domains": lambda row: ", ".join(row.email_domains) or "any",
            "newcomers": lambda row: row.newcomer_role or "by invitation",
            "state": lambda row: "disabled" if row.disabled else "",
        },
        spare=("domains", "newcomers", "organization"),
        as_json=as_json,
        nothing="No identity providers: add one with `aquilon sso add`",
    )


@sso.command("remove")
def remove(name: NameArgument, home: Home = None) -> None:
    """Stop trusting an identity provider; its people keep their accounts."""
    from aquilon.people.administration import identity_providers as administration

    async def delete(database: Database, operator: Principal) -> IdentityProvider:
        return await administration.remove(database, operator, name)

    print(f"Removed {as_operator(home, None, delete).name}")


@sso.command("check")
def check(name: NameArgument, home: Home = None, as_json: AsJson = False) -> None:
    """Ask an identity provider for its discovery document and keys."""
    from aquilon.cli.output import tell
    from aquilon.people.administration import identity_providers as administration
    from aquilon.people.openid import OpenIdProviders
    from aquilon.storage.sealing import Sealer

    sealer = Sealer.of(settings_from(home=home))

    async def ask(database: Database, operator: Principal) -> Discovery:
        return await administration.check(database, operator, sealer, providers=OpenIdProviders(), id_or_name=name)

    discovery = as_operator(home, None, ask)
    tell(
        discovery, f"{discovery.issuer} answers; people sign in at {discovery.authorization_endpoint}", as_json=as_json
    )
