"""The database: its migrations, its constraints, and the rows that a query sees."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import ValidationError
from sqlalchemy import Connection, ForeignKeyConstraint, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

import aquilon.web.app  # noqa: F401 - and with it every table
from aquilon.errors import ApiError
from aquilon.people import first_run
from aquilon.people.administration import keys, members
from aquilon.people.identity import Principal
from aquilon.people.scope import Scope
from aquilon.people.secrets import fingerprint, looks_like_api_key
from aquilon.people.store import accounts, api_keys, sessions
from aquilon.people.tables import User
from aquilon.settings import Settings
from aquilon.storage import Database, DatabaseError, migrations
from aquilon.storage.base import Base


async def user_named(session: AsyncSession, name: str) -> User:
    [organization] = await accounts.list_organizations(session)
    return await accounts.user_named(session, Scope(organization.id), name)


async def principal_named(database: Database, name: str) -> Principal:
    token = await first_run.create_login_link(database, name)
    async with database.writing() as session:
        signed_in = await sessions.sign_in(session, token)
    assert signed_in is not None
    return signed_in.principal


def is_index_of_words(name: str) -> bool:
    """Each kind of database has its own: `conversations/test_search.py` and `libraries/test_retrieval.py` use them."""
    indexes = ("conversation_search", "passage_search")
    return name.startswith(indexes) or name in ("ix_searched_words_words", "ix_library_passages_words")


def is_reference_of_an_added_column(value: Any) -> bool:
    """SQLAlchemy doesn't read in SQLite what it does at a deletion: `test_listing.py` deletes a project."""
    return isinstance(value, ForeignKeyConstraint) and value.column_keys == ["project_id"]


class TestMigrations:
    async def test_the_migrations_create_exactly_the_schema(self, database: Database) -> None:
        def differences(connection: Connection) -> Any:
            opts = {
                "include_name": lambda name, *_: not is_index_of_words(name or ""),
                "include_object": lambda value, *_: (
                    connection.dialect.name != "sqlite" or not is_reference_of_an_added_column(value)
                ),
            }
            return compare_metadata(MigrationContext.configure(connection, opts=opts), Base.metadata)

        async with database.reading() as session:
            connection = await session.connection()
            assert await connection.run_sync(differences) == []

    def test_the_listed_revisions_are_the_migrations(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        history = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
        assert tuple(reversed(history)) == migrations.REVISIONS

    async def test_two_processes_may_start_at_once(self, settings: Settings) -> None:
        databases = await asyncio.gather(*(Database.open(settings) for _ in range(4)))
        first_runs = await asyncio.gather(*(first_run.prepare_first_run(database) for database in databases))
        assert len([first for first in first_runs if first is not None]) == 1
        await asyncio.gather(*(database.close() for database in databases))

    async def test_a_newer_schema_is_refused_and_left_alone(self, settings: Settings, database: Database) -> None:
        async with database.writing() as session:
            await session.execute(text("UPDATE alembic_version SET version_num = '0999'"))
        with pytest.raises(DatabaseError, match=r"schema 0999, written by a newer Aquilon"):
            await Database.open(settings)
        async with database.reading() as session:
            assert await session.scalar(text("SELECT version_num FROM alembic_version")) == "0999"

    async def test_the_database_is_durable_and_enforces_foreign_keys(
        self, settings: Settings, database: Database
    ) -> None:
        if settings.database_url is None:
            async with database.reading() as session:
                assert await session.scalar(text("PRAGMA journal_mode")) == "wal"
                assert await session.scalar(text("PRAGMA synchronous")) == 2
        with pytest.raises(IntegrityError):
            async with database.writing() as session:
                session.add(User(id="user_1", organization_id="nowhere", name="x", role="member", created_at=0))

    def test_another_kind_of_database_is_refused_with_a_clear_error(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match="write sqlite:///FILE or postgresql://"):
            Settings(home=tmp_path, database_url="mysql://somewhere/aquilon")


class TestFirstRun:
    async def test_the_first_start_creates_one_administrator_with_a_key_and_a_link(self, database: Database) -> None:
        first = await first_run.prepare_first_run(database)
        assert first is not None
        assert looks_like_api_key(first.api_key)
        assert await first_run.prepare_first_run(database) is None
        [user] = await members.visible(database, await first_run.operator(database))
        assert (user.name, user.role, user.disabled_at) == ("admin", "owner", None)

    async def test_secrets_are_stored_as_their_fingerprints(self, database: Database) -> None:
        first = await first_run.prepare_first_run(database)
        assert first is not None
        async with database.reading() as session:
            tables = [table.select() for table in Base.metadata.sorted_tables]
            dump = "\n".join([str(row) for table in tables for row in await session.execute(table)])
        assert first.api_key not in dump
        assert first.login_token not in dump
        assert fingerprint(first.api_key) in dump
        assert first.api_key[:10] in dump


class TestSignIn:
    async def test_a_link_opens_one_session_even_if_used_several_times_at_once(self, database: Database) -> None:
        first = await first_run.prepare_first_run(database)
        assert first is not None

        async def attempt() -> bool:
            async with database.writing() as session:
                return await sessions.sign_in(session, first.login_token) is not None

        assert sorted(await asyncio.gather(*(attempt() for _ in range(5)))) == [False] * 4 + [True]

    async def test_a_reset_ends_sessions_and_open_links_and_gives_a_new_link(self, database: Database) -> None:
        first = await first_run.prepare_first_run(database)
        assert first is not None
        async with database.writing() as session:
            signed_in = await sessions.sign_in(
                session, await sessions.create_login_link(session, await user_named(session, "admin"))
            )
        assert signed_in is not None
        user = await first_run.user_of(database, "admin")
        token = (await members.reset(database, await first_run.operator(database), user.id)).login_token
        async with database.writing() as session:
            assert await sessions.holder_of(session, signed_in.session_id) is None
            assert await sessions.sign_in(session, first.login_token) is None
            assert await sessions.sign_in(session, token) is not None

    async def test_the_error_for_an_unknown_user_lists_the_users(self, database: Database) -> None:
        await first_run.prepare_first_run(database)
        with pytest.raises(accounts.UnknownUser, match="no user 'nobody'; the users are: admin"):
            await first_run.create_login_link(database, "nobody")

    async def test_a_disabled_user_s_key_and_link_are_refused(self, database: Database) -> None:
        first = await first_run.prepare_first_run(database)
        assert first is not None
        async with database.writing() as session:
            (await user_named(session, "admin")).disabled_at = 1
        async with database.writing() as session:
            assert await api_keys.holder_of(session, first.api_key) is None
            assert await sessions.sign_in(session, first.login_token) is None


class TestApiKeys:
    async def test_a_second_user_neither_sees_nor_revokes_the_firsts_keys(self, database: Database) -> None:
        first = await first_run.prepare_first_run(database)
        assert first is not None
        await members.create(database, await first_run.operator(database), "berta", role="member")
        admin, berta = await principal_named(database, "admin"), await principal_named(database, "berta")
        own = await first_run.create_api_key(database, "berta's", "berta")
        [(key, owner)] = await keys.visible(database, berta)
        assert (key.name, owner) == ("berta's", "berta")
        admin_key = next(key for key, owner in await keys.visible(database, admin) if owner == "admin")
        for id_ in (admin_key.id, "key_unknown"):
            with pytest.raises(ApiError) as refused:
                await keys.revoke(database, berta, id_)
            assert refused.value.status == 404
        await keys.revoke(database, berta, key.id)
        async with database.reading() as session:
            assert await api_keys.holder_of(session, first.api_key) is not None
            assert await api_keys.holder_of(session, own) is None

    @pytest.mark.parametrize("column", ["expires_at", "revoked_at", "blocked_at"])
    async def test_an_expired_revoked_or_blocked_key_is_refused(self, database: Database, column: str) -> None:
        first = await first_run.prepare_first_run(database)
        assert first is not None
        async with database.writing() as session:
            holder = await api_keys.holder_of(session, first.api_key)
            assert holder is not None
            [(key, _)] = await api_keys.list_api_keys(session, Scope.of_user(holder.principal))
            setattr(key, column, 1)
            await session.flush()
            assert await api_keys.holder_of(session, first.api_key) is None

    async def test_a_rotated_key_has_two_valid_secrets_and_never_three(self, database: Database) -> None:
        await first_run.prepare_first_run(database)
        actor = await first_run.operator(database)
        [(key, _)] = await keys.visible(database, actor)
        secrets = [(await keys.rotate(database, actor, key.id, keep_seconds=3600)).secret for _ in range(3)]
        valid = []
        async with database.reading() as session:
            for secret in secrets:
                holder = await api_keys.holder_of(session, secret)
                valid.append(holder is not None and holder.principal.api_key_id == key.id)
        assert valid == [False, True, True]
        last = await keys.rotate(database, actor, key.id, keep_seconds=0)
        async with database.reading() as session:
            assert await api_keys.holder_of(session, secrets[-1]) is None
            assert await api_keys.holder_of(session, last.secret) is not None

    async def test_a_name_must_be_printable_and_short(self, database: Database) -> None:
        await first_run.prepare_first_run(database)
        for name in ("", "   ", "x" * 101, "line\nbreak"):
            with pytest.raises(ValueError, match="printable"):
                await first_run.create_api_key(database, name)


async def test_a_write_inside_a_write_is_refused_before_it_waits_for_itself(database: Database) -> None:
    async with database.writing():
        with pytest.raises(RuntimeError, match="inside another one of the same task"):
            async with database.writing():
                pass
    async with database.writing():
        pass
