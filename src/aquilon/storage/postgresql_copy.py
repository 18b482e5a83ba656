"""A database's rows in plain files, and into PostgreSQL: no tool of PostgreSQL's own is needed, nor its version.

A file for each table: its columns' names in the first line, then a row a line, as JSON.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import JSON, Connection, LargeBinary, MetaData, Table, create_engine, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from aquilon.storage.base import Base
from aquilon.storage.upgrade import MIGRATION_LOCK, DatabaseError, upgrade_to

SUFFIX = ".jsonl"
_ROWS_AT_ONCE = 500
_CONNECT_SECONDS = 5
_VERSION_TABLE = "alembic_version"


class RowsRefused(DatabaseError):
    """Rows that the database doesn't take, now or later; nothing has changed."""


_PASSING = ("08", "40", "53", "55", "57")
"""Classes of SQLSTATE that another try may not meet: connections, deadlocks, a full disk, locks, a shutdown."""


async def revision_of(url: str) -> str | None:
    """The revision of the schema there, None where there is none yet. Raises DatabaseError where nothing answers."""
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_revision)
    except (DBAPIError, OSError) as error:
        problem = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseError(f"The database {engine.url} can't be used: {problem}") from error
    finally:
        await engine.dispose()


async def copy_out(url: str, folder: Path) -> str:
    """Write each table's rows to ``folder``, as they are at one moment; gives the schema's revision.

    Writers go on meanwhile. Raises DatabaseError where there is nothing, DBAPIError
    where the database can't be read.
    """
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            revision = await connection.run_sync(_revision)
            if revision is None:
                raise DatabaseError("The database has no tables of Aquilon's: nothing to back up")
            for table in await connection.run_sync(_tables):
                rows = await connection.stream(select(table))
                with (folder / f"{table.name}{SUFFIX}").open("wb") as file:
                    file.write(_line(str(column.name) for column in table.columns))
                    async for some in rows.partitions(_ROWS_AT_ONCE):
                        await asyncio.to_thread(file.write, b"".join(_line(row) for row in some))
    finally:
        await engine.dispose()
    return revision


def copy_out_of_file(file: Path, folder: Path) -> str:
    """The same for a SQLite file that nobody writes to."""
    engine = create_engine(f"sqlite:///{file}")
    try:
        with engine.connect() as connection:
            for table in _tables(connection):
                with (folder / f"{table.name}{SUFFIX}").open("wb") as lines:
                    lines.write(_line(str(column.name) for column in table.columns))
                    lines.writelines(_line(row) for row in connection.execute(select(table)))
            return str(_revision(connection))
    finally:
        engine.dispose()


async def copy_in(url: str, folder: Path, revision: str) -> None:
    """Put those rows in place of the database's, in one transaction: whoever reads meanwhile sees all or nothing of it.

    Tables are made anew as that revision had them. Raises RowsRefused for rows that don't fit them,
    DatabaseError where the database can't be written now.
    """
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_replace, folder, revision)
    except (DBAPIError, LookupError, StopIteration, ValueError, msgspec.MsgspecError) as error:
        problem = error.orig if isinstance(error, DBAPIError) else error
        passing = isinstance(error, DBAPIError) and (
            error.connection_invalidated or str(getattr(problem, "sqlstate", ""))[:2] in _PASSING
        )
        kind, then = (DatabaseError, "it is tried again") if passing else (RowsRefused, "nothing has changed")
        raise kind(f"The backup's rows can't be put into the database: {problem}; {then}") from error
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"), connect_args={"timeout": _CONNECT_SECONDS}
    )


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()  # noqa: S608 - ours


def _tables(connection: Connection) -> list[Table]:
    """Aquilon's, those that others refer to first; somebody else's in the same database are left alone."""
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name in Base.metadata.tables)
    for table in found.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)  # so that NULL stays what it is
    return list(found.sorted_tables)


def _replace(connection: Connection, folder: Path, revision: str) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    _drop(connection)
    upgrade_to(connection, revision)
    tables = _tables(connection)
    for table in reversed(tables):
        if table.name not in _TRIGGERED:
            connection.execute(table.delete())  # what a migration put there
    for table in tables:
        if (file := folder / f"{table.name}{SUFFIX}").exists():
            _fill(connection, table, file)
        for column in table.primary_key:
            _continue_sequence(connection, table.name, column.name)


def _continue_sequence(connection: Connection, table: str, column: str) -> None:
    names = {"table": table, "column": column}
    sequence = connection.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), names).scalar()
    if sequence is not None:
        last = f"SELECT setval(:sequence, coalesce((SELECT max({column}) FROM {table}), 0) + 1, false)"  # noqa: S608 - ours
        connection.execute(text(last), {"sequence": sequence})


_TRIGGERED = frozenset({"audit_log"})
"""Append-only: nothing may be deleted from it, and a migration puts nothing into it."""


def _drop(connection: Connection) -> None:
    functions = connection.execute(
        text(
            "SELECT DISTINCT tgfoid::regprocedure::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace AND relname = ANY(:names)"
        ),
        {"names": list(Base.metadata.tables)},
    ).scalars()
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name in Base.metadata.tables or name == _VERSION_TABLE)
    dropped = list(functions)
    found.drop_all(connection)
    for function in dropped:
        connection.execute(text(f"DROP FUNCTION IF EXISTS {function}"))


def _fill(connection: Connection, table: Table, file: Path) -> None:
    with file.open("rb") as lines:
        names = msgspec.json.decode(next(lines), type=list[str])
        columns = [table.columns[name] for name in names]
        binary = [isinstance(column.type, LargeBinary) for column in columns]
        for some in _chunks(lines):
            rows = [
                {
                    name: base64.b64decode(value) if is_binary and value is not None else value
                    for name, value, is_binary in zip(names, values, binary, strict=True)
                }
                for values in (msgspec.json.decode(line, type=list[Any]) for line in some)
            ]
            connection.execute(table.insert(), rows)


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(lines)
    while some := list(islice(iterator, _ROWS_AT_ONCE)):
        yield some


def _line(values: Iterable[Any]) -> bytes:
    return msgspec.json.encode([_plain(value) for value in values]) + b"\n"


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes | memoryview) else value
