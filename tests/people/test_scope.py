"""That no query over an organization's rows begins anywhere but in `storage.scope`: read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from aquilon.storage.base import Base, Owned

import aquilon
from aquilon.people.scope import Scope
from aquilon.people.tables import Organization, User

SOURCES = Path(aquilon.__file__).parent
SCOPE = SOURCES / "people" / "scope.py"
OWNED = {mapper.class_.__name__ for mapper in Base.registry.mappers if issubclass(mapper.class_, Owned)}

OF_NOBODY = {
    "organizations": "is the owner",
    "sessions": "found by its secret alone; its user has an owner",
    "login_links": "found by its secret alone; its user has an owner",
    "api_processes": "the server's own",
    "prices": "the server's, for all of its organizations",
    "model_aliases": "the server's, for all of its organizations",
    "model_notes": "the server's, for all of its organizations",
    "upstreams": "the server's, for all of its organizations",
    "upstream_models": "the server's, for all of its organizations",
    "upstream_fallbacks": "the server's, for all of its organizations",
    "upstreams_version": "the server's, for all of its organizations",
}
MAY_SEE_EVERYONE = {
    "people/store/accounts.py": "who signs in; whether anybody is there",
    "people/store/sessions.py": "whom a session's cookie stands for",
    "people/store/identity_providers.py": "the operator's, and whom one means",
    "people/store/invitations.py": "what a token invites to",
    "people/store/api_keys.py": "whom a secret stands for",
    "money/store/usage.py": "pruning",
    "jobs/store/batches.py": "the queue of jobs, pruning",
    "jobs/store/files.py": "sweeping what is expired or belongs to nobody",
    "api/idempotency_store.py": "pruning",
}


def test_every_table_has_an_owner_or_a_reason() -> None:
    tables = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}
    without = {name for name, table in tables.items() if not issubclass(table, Owned)}
    assert without == set(OF_NOBODY)
    for name, table in Base.metadata.tables.items():
        assert ("organization_id" in table.columns) == (name not in OF_NOBODY), name
        if name not in OF_NOBODY:
            assert not table.columns["organization_id"].nullable


def calls(source: Path) -> Iterator[tuple[str, str, int]]:
    """Function, first argument's name and line, of each call."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and node.args:
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            through = node.func.value if isinstance(node.func, ast.Attribute) else None
            if isinstance(through, ast.Name) and (through.id == "scope" or through.id == "Everyone"):
                continue
            if isinstance(through, ast.Call) and getattr(through.func, "id", "") == "Scope":
                continue  # Scope(…).select(Table)
            if (
                isinstance(through, ast.Call)
                and isinstance(through.func, ast.Attribute)
                and isinstance(through.func.value, ast.Name)
                and through.func.value.id == "Scope"
            ):
                continue  # Scope.of_user(…).select(Table)
            argument = node.args[0]
            while isinstance(argument, ast.Attribute):
                argument = argument.value
            yield function, getattr(argument, "id", ""), node.lineno


def test_queries_over_owned_tables_begin_in_a_scope() -> None:
    beginnings = {"select", "update", "delete", "exists", "get", "get_one", "query", "scalar_one", "select_from"}
    loose = [
        f"{source.relative_to(SOURCES)}:{line}: {function}({table})"
        for source in SOURCES.rglob("*.py")
        if source != SCOPE
        for function, table, line in calls(source)
        if function in beginnings and table in OWNED
    ]
    assert not loose


def test_a_loose_query_would_be_found(tmp_path: Path) -> None:
    source = tmp_path / "loose.py"
    source.write_text("session.scalars(select(User.id))\nsession.get(ApiKey, id)\nScope(x).select(User)\n")
    found = {(function, table) for function, table, _ in calls(source)}
    assert {("select", "User"), ("get", "ApiKey")} <= found
    assert {"User", "ApiKey"} <= OWNED


def test_few_modules_may_see_everyone() -> None:
    users = {
        str(source.relative_to(SOURCES))
        for source in SOURCES.rglob("*.py")
        if source != SCOPE
        and any(
            isinstance(node, ast.Name) and node.id == "Everyone" for node in ast.walk(ast.parse(source.read_text()))
        )
    }
    assert users == set(MAY_SEE_EVERYONE)


def test_a_scope_is_part_of_the_statement() -> None:
    for statement in (Scope("org_1").select(User), Scope("org_1").update(User), Scope("org_1").delete(User)):
        assert "WHERE users.organization_id = 'org_1'" in str(statement.compile(compile_kwargs={"literal_binds": True}))
    assert not issubclass(Organization, Owned)
