"""A new name must not look like an existing one."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.catalogue.administration import aliases
from aquilon.catalogue.administration.aliases import AliasDefinition
from aquilon.checkpoints.arrival import PullError
from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelStore
from aquilon.people import first_run
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, workspaces
from aquilon.people.tables import Organization, User, Workspace
from aquilon.settings import Settings
from aquilon.storage import Database
from aquilon.storage.sealing import Sealer
from aquilon.upstreams import administration as upstreams
from aquilon.upstreams.upstream import ProvidedModel, Upstream

LOOK_ALIKES = ["ADMIN", "аdmin", "ａｄｍｉｎ", "αdmin", "ad\u034fmin"]


@pytest.mark.parametrize("name", LOOK_ALIKES)
async def test_a_look_alike_name_is_refused_for_users_organizations_and_workspaces(
    database: Database, name: str
) -> None:
    async with database.writing() as session:
        organization = await accounts.create_organization(session, "admin")
        scope = Scope(organization.id)
        other = await accounts.create_organization(session, "other")
        await accounts.create_user(session, organization.id, "admin", role="owner")
        nina = await accounts.create_user(session, organization.id, "nina", role="member")
        await workspaces.create_workspace(session, scope, "admin")
        lab = await workspaces.create_workspace(session, scope, "lab")
        for refused in (
            accounts.create_organization(session, name),
            accounts.rename_organization(session, other, name),
            accounts.create_user(session, organization.id, name, role="member"),
            accounts.rename_user(session, nina, name),
            workspaces.create_workspace(session, scope, name),
            workspaces.rename_workspace(session, scope, lab, name=name),
        ):
            with pytest.raises(ValueError, match="'admin', which exists already"):
                await refused
        await accounts.create_user(session, other.id, name.replace("а", "a").replace("α", "a"), role="member")


async def test_a_name_may_be_changed_to_a_look_alike_of_itself(database: Database) -> None:
    async with database.writing() as session:
        organization = await accounts.create_organization(session, "acme")
        nina = await accounts.create_user(session, organization.id, "nina", role="member")
        lab = await workspaces.create_workspace(session, Scope(organization.id), "lab")
        await accounts.rename_organization(session, organization, "ACME")
        await accounts.rename_user(session, nina, "Nina")
        await workspaces.rename_workspace(session, Scope(organization.id), lab, name="Lab")
        assert (organization.name, nina.name, lab.name) == ("ACME", "Nina", "Lab")


async def test_a_name_with_a_word_of_two_alphabets_is_refused(database: Database) -> None:
    async with database.writing() as session:
        organization = await accounts.create_organization(session, "acme")
        with pytest.raises(ValueError, match="mixes letters of several alphabets"):
            await accounts.create_user(session, organization.id, "Ꮩictor", role="member")


async def test_an_invisible_name_is_refused(database: Database) -> None:
    async with database.writing() as session:
        with pytest.raises(ValueError, match="visible character"):
            await accounts.create_organization(session, "\u3164\u2800")


async def test_names_are_stored_in_nfc(database: Database) -> None:
    async with database.writing() as session:
        organization = await accounts.create_organization(session, unicodedata.normalize("NFD", "Société"))
        jose = await accounts.create_user(session, organization.id, unicodedata.normalize("NFD", "José"), role="member")
        assert (organization.name, jose.name) == ("Société", "José")


async def test_look_alikes_of_an_earlier_version_stay_and_may_be_renamed(database: Database) -> None:
    async with database.writing() as session:
        organization = Organization(id="org_1", name="acme", created_at=0, operates=True)
        twin = Organization(id="org_2", name="АСМЕ", created_at=0)
        session.add_all([organization, twin])
        await session.flush()
        session.add_all(
            User(id=f"user_{name}", organization_id="org_1", name=name, role="member", created_at=0)
            for name in ("admin", "Admin")
        )
        session.add(Workspace(id="workspace_1", organization_id="org_1", name="lab", created_at=0))
        await session.flush()
        user = await accounts.user_by_id(session, Scope("org_1"), "user_Admin")
        assert user is not None
        await accounts.rename_user(session, user, "Admin")
        await accounts.rename_user(session, user, "Ada")
        await accounts.rename_organization(session, twin, "АСМЕ")


async def test_a_look_alike_name_is_refused_for_aliases_and_upstream_models(
    database: Database, settings: Settings
) -> None:
    await first_run.prepare_first_run(database)
    actor, sealer = await first_run.operator(database), Sealer.of(settings)

    def upstream(name: str, *models: str) -> Upstream:
        return Upstream(
            id="",
            name=name,
            kind="openai",
            base_url="http://127.0.0.1:1/v1",
            models=tuple(ProvidedModel(model, model) for model in models),
        )

    await aliases.set_alias(database, actor, AliasDefinition(name="latest", target="small"), models=["small"])
    for name in ("Latest", "SMALL"):
        with pytest.raises(ValueError, match="which exists already"):
            await aliases.set_alias(database, actor, AliasDefinition(name=name, target="small"), models=["small"])
    await aliases.set_alias(
        database, actor, AliasDefinition(name="latest", target="small-2"), models=["small", "small-2"]
    )
    first = await upstreams.add(database, sealer, actor, upstream=upstream("first", "large", "medium"))
    await upstreams.add(database, sealer, actor, upstream=upstream("second", "large"))
    for model in ("Large", "lаrge", "LATEST"):
        with pytest.raises(ValueError, match="looks like"):
            await upstreams.add(database, sealer, actor, upstream=upstream("third", model))
    await upstreams.add(database, sealer, actor, upstream=upstream("cased", "Tiny", "TINY"))  # as its server has them
    kept = tuple(ProvidedModel(model, model) for model in ("large", "medium"))
    await upstreams.change(database, sealer, actor, id_or_name=first.id, changes={"models": kept})


def test_a_pulled_model_s_name_must_differ_by_more_than_capitals(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "source", tiny_checkpoint())
    store = ModelStore(tmp_path / "models")
    pull(str(tmp_path / "source"), store, name="tiny")
    with pytest.raises(PullError, match="differs only in capitals from the model 'tiny'"):
        pull(str(tmp_path / "source"), store, name="Tiny")
    pull(str(tmp_path / "source"), store, name="tiny")
