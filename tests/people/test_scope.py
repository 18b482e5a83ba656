"""Every query over an organization's rows begins in `people.scope`; the tests read the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import aquilon.web.app  # and with it every table
from aquilon.people.scope import Scope
from aquilon.people.tables import Organization, User
from aquilon.storage.base import Base, Owned

SOURCES = Path(aquilon.__file__).parent
SCOPE = SOURCES / "people" / "scope.py"
OWNED = {mapper.class_.__name__ for mapper in Base.registry.mappers if issubclass(mapper.class_, Owned)}

WITHOUT_OWNER = {
    "organizations": "the owner itself",
    "sessions": "looked up by its secret only; its user has an owner",
    "login_links": "looked up by its secret only; its user has an owner",
    "api_processes": "the server's own",
    "prices": "the server's, for all of its organizations",
    "model_aliases": "the server's, for all of its organizations",
    "model_notes": "the server's, for all of its organizations",
    "upstreams": "the server's, for all of its organizations",
    "upstream_models": "the server's, for all of its organizations",
    "upstream_fallbacks": "the server's, for all of its organizations",
    "upstreams_version": "the server's, for all of its organizations",
}
MAY_USE_EVERYONE = {
    "people/store/accounts.py": "who signs in; whether there is a user",
    "people/store/sessions.py": "the user of a session's cookie",
    "people/store/identity_providers.py": "the operator's list, and the user of a subject",
    "people/store/invitations.py": "the invitation of a token",
    "people/administration/account_deletion.py": "deletions that a stop interrupted",
    "people/store/waiting_list.py": "the open list that a visitor means, pruning",
    "people/store/api_keys.py": "the user of a key's secret",
    "money/store/usage.py": "pruning",
    "money/store/open_charges.py": "what answers of dead processes owe; statements that name the request",
    "money/store/person_quotas.py": "pruning",
    "jobs/queue.py": "the queues of jobs, and of documents to read",
    "jobs/store/batches.py": "pruning",
    "jobs/fine_tuning/store.py": "pruning, and what sweeping must keep",
    "catalogue/store.py": "the models of all organizations; the catalogue shows each its own",
    "jobs/store/files.py": "sweeping what is expired or belongs to nobody",
    "api/idempotency_store.py": "pruning",
    "chat/store/comparisons.py": "pruning",
    "chat/store/memories.py": "pruning",
    "chat/store/shares.py": "the share of a link, pruning",
    "conversations/store/conversations.py": "pruning; statements that name the owner themselves",
    "conversations/store/search.py": "statements that name the owner themselves",
    "libraries/store/documents.py": "which of all that wait is read next",
    "libraries/store/libraries.py": "pruning",
    "libraries/store/passages.py": "statements that name the owner themselves",
    "conversations/store/runs.py": "runs of dead processes, pruning; statements that name the owner themselves",
}


def test_every_table_has_an_owner_or_a_reason() -> None:
    tables = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}
    without = {name for name, table in tables.items() if not issubclass(table, Owned)}
    assert without == set(WITHOUT_OWNER)
    for name, table in Base.metadata.tables.items():
        assert ("organization_id" in table.columns) == (name not in WITHOUT_OWNER), name
        if name not in WITHOUT_OWNER:
            assert not table.columns["organization_id"].nullable


def calls(source: Path) -> Iterator[tuple[str, str, int]]:
    """Function, first argument's name and line, of each call."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and node.args:
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
            if isinstance(receiver, ast.Name) and (receiver.id == "scope" or receiver.id == "Everyone"):
                continue
            if isinstance(receiver, ast.Call) and getattr(receiver.func, "id", "") == "Scope":
                continue  # Scope(…).select(Table)
            if (
                isinstance(receiver, ast.Call)
                and isinstance(receiver.func, ast.Attribute)
                and isinstance(receiver.func.value, ast.Name)
                and receiver.func.value.id == "Scope"
            ):
                continue  # Scope.of_user(…).select(Table)
            argument = node.args[0]
            while isinstance(argument, ast.Attribute):
                argument = argument.value
            yield function, getattr(argument, "id", ""), node.lineno


def test_queries_over_owned_tables_begin_in_a_scope() -> None:
    beginnings = {"select", "update", "delete", "exists", "get", "get_one", "query", "scalar_one", "select_from"}
    without_scope = [
        f"{source.relative_to(SOURCES)}:{line}: {function}({table})"
        for source in SOURCES.rglob("*.py")
        if source != SCOPE
        for function, table, line in calls(source)
        if function in beginnings and table in OWNED
    ]
    assert not without_scope


def test_the_check_finds_a_query_without_a_scope(tmp_path: Path) -> None:
    source = tmp_path / "loose.py"
    source.write_text("session.scalars(select(User.id))\nsession.get(ApiKey, id)\nScope(x).select(User)\n")
    queries = {(function, table) for function, table, _ in calls(source)}
    assert {("select", "User"), ("get", "ApiKey")} <= queries
    assert {"User", "ApiKey"} <= OWNED


def test_only_the_listed_modules_use_everyone() -> None:
    users = {
        str(source.relative_to(SOURCES))
        for source in SOURCES.rglob("*.py")
        if source != SCOPE
        and "Everyone" in (text := source.read_text())
        and any(isinstance(node, ast.Name) and node.id == "Everyone" for node in ast.walk(ast.parse(text)))
    }
    assert users == set(MAY_USE_EVERYONE)


def test_a_scope_is_part_of_the_statement() -> None:
    for statement in (Scope("org_1").select(User), Scope("org_1").update(User), Scope("org_1").delete(User)):
        assert "WHERE users.organization_id = 'org_1'" in str(statement.compile(compile_kwargs={"literal_binds": True}))
    assert not issubclass(Organization, Owned)
