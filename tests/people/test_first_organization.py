"""The default names of the first organization and its first workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from aquilon.people import first_run
from aquilon.people.first_organization import UNNAMED, organization_name, organization_name_here
from aquilon.people.scope import Scope
from aquilon.people.store.workspaces import list_workspaces
from aquilon.settings import Settings
from aquilon.storage import Database


@pytest.mark.parametrize(
    ("host", "login", "full_name", "name"),
    [
        ("gpu-1.example.org", "root", "root", "example.org"),
        ("gpu-1.example.org", "anna", "Anna Meyer", "example.org"),
        ("laptop", "anna", "Anna Meyer,,,", "Anna Meyer"),
        ("laptop.local", "anna", "", "anna"),
        ("10.0.0.7", "anna", "", "anna"),
        ("atlas", "root", "root", "atlas"),
        ("3f2a9c0b1d4e", "root", "root", UNNAMED),
        ("localhost", "", "", UNNAMED),
        ("vm", "root", "root", UNNAMED),
        ("ip-10-0-0-7", "ubuntu", "Ubuntu", UNNAMED),
        ("", "", "", UNNAMED),
        ("laptop", "anna", "A\x00nna\n", "Anna"),
    ],
)
def test_a_name_comes_from_the_domain_the_person_or_the_machine(
    host: str, login: str, full_name: str, name: str
) -> None:
    assert organization_name(host, login, full_name) == name


async def test_the_first_start_names_the_organization_and_a_second_one_changes_nothing(tmp_path: Path) -> None:
    database = await Database.open(Settings(home=tmp_path))
    try:
        first = await first_run.prepare_first_run(database, "Coopérative")
        assert first is not None
        assert first.organization_name == "Coopérative"
        assert await first_run.prepare_first_run(database, "Another") is None
        operator = await first_run.operator(database)
        assert operator.organization_name == "Coopérative"
        async with database.reading() as session:
            [workspace] = await list_workspaces(session, Scope.of_organization(operator))
        assert workspace.name == "general"
    finally:
        await database.close()


async def test_without_a_name_the_organization_is_named_after_the_machine_or_its_user(tmp_path: Path) -> None:
    database = await Database.open(Settings(home=tmp_path))
    try:
        first = await first_run.prepare_first_run(database)
        assert first is not None
        assert first.organization_name == organization_name_here() != "default"
    finally:
        await database.close()
