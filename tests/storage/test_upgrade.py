"""This version opens databases of earlier releases, with their data."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.support.databases import upgrade_to
from tests.support.server import ROOT
from tests.support.small_disk import small_disk

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.histories import Histories
from aquilon.conversations.items import MessageItem
from aquilon.conversations.search import search
from aquilon.money.administration import budgets, prices
from aquilon.money.usage_report import UsageQuestion
from aquilon.people import first_run
from aquilon.people.administration import keys, members
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, api_keys, sessions
from aquilon.settings import Settings
from aquilon.storage import Database, DatabaseError
from aquilon.storage.migrations import REVISIONS
from aquilon.storage.sealing import Sealer
from aquilon.upstreams import store as upstreams

RELEASES = Path(__file__).parent / "releases"
KEY = "aq-" + "1" * 43
FIRST_WITH_CONVERSATIONS = "0011"
WITH_CONVERSATIONS = [
    pytest.param(revision, marks=[] if revision in (FIRST_WITH_CONVERSATIONS, REVISIONS[-2]) else pytest.mark.slow)
    for revision in REVISIONS
    if revision >= FIRST_WITH_CONVERSATIONS
]
"""From the oldest and from the last one always; from those between among the slow tests."""

Rows = dict[str, list[dict[str, Any]]]


async def left_by(revision: str, settings: Settings) -> Settings:
    """A home with a database of this revision and its data.

    From the first one with conversations on, it grew: each revision since then added its rows to what was there.
    """
    grown = [earlier for earlier in REVISIONS if FIRST_WITH_CONVERSATIONS <= earlier <= revision] or [revision]
    engine = create_async_engine(address_of(settings))
    async with engine.begin() as connection:
        for earlier in grown:
            await connection.run_sync(upgrade_to, earlier)
            for statement in statements(earlier, connection.dialect.name):
                await connection.exec_driver_sql(statement)
    await engine.dispose()
    return settings


def address_of(settings: Settings) -> str:
    return settings.database_url or f"sqlite+aiosqlite:///{settings.home / 'aquilon.db'}"


def statements(revision: str, dialect: str) -> list[str]:
    """What fills a revision's tables. The files are written for SQLite."""
    file = RELEASES / f"{revision}.sql"
    lines = file.read_text().splitlines() if file.exists() else []
    if dialect == "sqlite":
        return lines
    lines = [line for line in lines if not line.startswith("INSERT INTO conversation_search")]
    return [re.sub(r"\bx'([0-9a-f]*)'", r"'\\x\1'", line) for line in lines]


def rows(connection: Connection) -> Rows:
    """All rows by table, but for the indexes of words, and words that are to leave them."""
    read: Rows = {}
    for table in inspect(connection).get_table_names():
        if table != "alembic_version" and not table.startswith("deleted_") and "_search" not in table:
            query = text(f"SELECT * FROM {table}")
            read[table] = [dict(row) for row in connection.execute(query).mappings()]
    return read


async def rows_in(settings: Settings) -> Rows:
    engine = create_async_engine(address_of(settings))
    async with engine.connect() as connection:
        read = await connection.run_sync(rows)
    await engine.dispose()
    return read


def in_order(table: list[dict[str, Any]], columns: set[str]) -> list[str]:
    return sorted(repr([row[column] for column in sorted(columns)]) for row in table)


def test_a_new_home_has_the_tables_that_the_migrations_make() -> None:
    script = [sys.executable, ROOT / "scripts" / "schema", "--check"]
    checked = subprocess.run(script, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("revision", WITH_CONVERSATIONS)
async def test_from_every_schema_with_conversations_no_row_is_lost_or_changed(
    settings: Settings, revision: str
) -> None:
    before = await rows_in(await left_by(revision, settings))
    database = await Database.open(settings)
    after = await rows_in(settings)
    for table, old in before.items():
        columns = set().union(*old)
        assert in_order(after[table], columns) == in_order(old, columns), table
    async with database.reading() as session:
        holder = await api_keys.holder_of(session, KEY)
    assert holder is not None
    person = replace(holder.principal, api_key_id=None)  # as when she is signed in
    for query, texts in {"apres": ["Vert, l'après-midi."], "mat": ["Noir, le matin."], "vert": 3, "only": 1}.items():
        hits, _ = await search(database, person, query, limit=20)
        found = [hit.snippet.text for hit in hits]
        assert found == texts or len(found) == texts, (query, found)
    conversations = Conversations(database, Histories())
    for leaf, words in (("msg_2", "Vert, l'après-midi."), ("msg_3", "Noir, le matin.")):
        context = await conversations.contexts.within(person, "conv_tea", below=leaf)
        assert [item.text for item in context.history.items if isinstance(item, MessageItem)] == [
            "Vert ou noir ?",
            words,
        ]
    await database.close()


async def test_every_table_since_the_first_conversation_has_rows_that_an_upgrade_is_tested_with(tmp_path: Path) -> None:
    (tmp_path / "older").mkdir()
    older = set(await rows_in(await left_by("0009", Settings(home=tmp_path / "older"))))
    newest = await rows_in(await left_by(REVISIONS[-1], Settings(home=tmp_path)))
    empty = {table for table, there in newest.items() if not there and table not in older}
    assert empty == set(), f"Write rows of {', '.join(empty)} into a file of {RELEASES}"


@pytest.fixture
async def first_release(settings: Settings) -> Settings:
    return await left_by("0001", settings)


async def test_usage_prices_and_budgets_are_carried_over(settings: Settings) -> None:
    database = await Database.open(await left_by("0003", settings))
    actor = await first_run.operator(database, "acme")
    report = UsageQuestion.read(since="2025-12-01", until="2025-12-02", by="key,model")
    async with database.reading() as session:
        [row] = await report.answer(session, Scope.of_organization(actor))
        holder = await api_keys.holder_of(session, KEY)
    assert (row.key, row.model, row.requests, row.prompt_tokens, row.cost) == ("app", "m", 1, 100, 1400)
    assert holder is not None
    assert (holder.principal.organization_name, holder.principal.operates) == ("acme", False)
    assert holder.principal.allowed_models == {"m"}
    [standing] = await budgets.list_budgets(database, actor)
    assert (standing.name, standing.budget.limit, standing.spent) == ("app", 5000, 1400)
    price = (await prices.price_lists(database))["m"].at(1764547300)
    assert price is not None
    assert (price.input, price.cached_input, price.output) == (10, 5, 30)
    async with database.reading() as session:
        operating = {
            organization.name: organization.operates for organization in await accounts.list_organizations(session)
        }
    assert operating == {"default": True, "acme": False}  # the oldest runs the server
    await database.close()


async def test_upstreams_are_carried_over_and_may_speak_anthropic_s_api(settings: Settings) -> None:
    database = await Database.open(await left_by("0009", settings))
    sealer = Sealer.of(settings)
    async with database.writing() as session:
        [upstream] = await upstreams.upstreams(session, sealer)
        assert (upstream.name, upstream.kind, [model.remote for model in upstream.models]) == (
            "vllm",
            "openai",
            ["there"],
        )
        changed = await upstreams.store(session, sealer, replace(upstream, kind="anthropic"))
    assert changed.kind == "anthropic"
    await database.close()


async def test_people_keys_sessions_and_links_are_carried_over(first_release: Settings) -> None:
    database = await Database.open(first_release)
    actor = await first_run.operator(database)
    users = {user.name: user for user in await members.visible(database, actor)}
    assert {name: user.role for name, user in users.items()} == {
        "admin": "owner",
        "boss": "administrator",
        "zoé": "member",
        "gone": "member",
    }
    assert users["gone"].disabled_at == 1500
    async with database.writing() as session:
        holder = await api_keys.holder_of(session, KEY)
        assert holder is not None
        principal = holder.principal
        assert (principal.user_name, principal.organization_name) == ("zoé", "default")
        assert principal.workspace_role == "member"
        assert "administration" not in principal.scopes
        signed_in = await sessions.holder_of(session, "")
        assert signed_in is not None
        assert signed_in.method == "link"
        assert signed_in.principal.workspace_id == principal.workspace_id
        by_link = await sessions.sign_in(session, "abc")
        assert by_link is not None
        assert by_link.principal.user_name == "admin"
    keys_by_id = {key.id: key for key, _ in await keys.visible(database, actor)}
    assert (keys_by_id["key_live"].last_used_at, keys_by_id["key_live"].revoked_at) == (1400, None)
    assert keys_by_id["key_dead"].revoked_at == 1300
    await database.close()


async def test_the_database_is_copied_before_its_upgrade_and_only_once(tmp_path: Path, first_release: Settings) -> None:
    if first_release.database_url is not None:
        pytest.skip("a PostgreSQL server is backed up by its own tools")
    for _ in range(2):
        await (await Database.open(first_release)).close()
    [copy] = (tmp_path / "backups").iterdir()
    assert copy.name.startswith("aquilon-0001-")
    assert copy.stat().st_mode & 0o077 == 0
    with sqlite3.connect(copy) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        assert raw.execute("SELECT count(*) FROM api_keys").fetchone() == (2,)


@pytest.mark.parametrize("copies", [0.5, 1.1], ids=["for the copy", "for the new tables"])
async def test_an_upgrade_without_room_changes_nothing_and_succeeds_once_there_is_room(
    tmp_path: Path, copies: float
) -> None:
    with small_disk(tmp_path / "home", megabytes=16) as disk:
        home = Settings(home=disk.folder)
        before = await rows_in(await left_by("0011", home))
        disk.fill(leave=int((disk.folder / "aquilon.db").stat().st_size * copies))
        with pytest.raises(DatabaseError, match=r"othing was changed.*full|full.*Nothing was changed: make room"):
            await Database.open(home)
        assert list((disk.folder / "backups").iterdir()) == []
        assert await rows_in(home) == before
        disk.make_room()
        await (await Database.open(home)).close()
        [copy] = (disk.folder / "backups").iterdir()
        assert copy.name.startswith("aquilon-0011-2")


async def test_an_upgrade_that_was_killed_leaves_its_copy_s_place_to_the_next(first_release: Settings) -> None:
    if first_release.database_url is not None:
        pytest.skip("a PostgreSQL server is backed up by its own tools")
    folder = first_release.home / "backups"
    folder.mkdir()
    unfinished = folder / "aquilon-0001.db.upgrading"
    for left in (unfinished, folder / f"{unfinished.name}.part"):
        left.write_bytes(b"half a copy")
    await (await Database.open(first_release)).close()
    [copy] = folder.iterdir()
    copy.rename(unfinished)  # killed after its commit, before its copy had a name
    await (await Database.open(first_release)).close()
    assert list(folder.iterdir()) == [copy]


async def test_without_room_for_the_copy_nothing_is_changed(tmp_path: Path, first_release: Settings) -> None:
    if first_release.database_url is not None:
        pytest.skip("a PostgreSQL server is backed up by its own tools")
    (tmp_path / "backups").write_text("in the way")
    with pytest.raises(DatabaseError, match=r"can't be copied to .* before its upgrade"):
        await Database.open(first_release)
    with sqlite3.connect(tmp_path / "aquilon.db") as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)


@pytest.mark.parametrize("change", ["UPDATE audit_log SET actor_name = 'nobody'", "DELETE FROM audit_log"])
async def test_the_audit_log_only_grows(database: Database, change: str) -> None:
    async with database.writing() as session:
        await session.execute(
            text(
                "INSERT INTO audit_log (organization_id, at, actor_kind, actor_name, action, object_id, object_name, "
                "detail) VALUES ('org', 1, 'operator', 'o', 'a', 'x', 'x', '{}')"
            )
        )
    with pytest.raises(Exception, match="the audit log is append-only"):
        async with database.writing() as session:
            await session.execute(text(change))
