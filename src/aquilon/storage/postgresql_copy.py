"""Copies a database's rows to plain files and into PostgreSQL, without PostgreSQL's version-specific tools.

Each table has a file of JSON lines: its columns' names, then one row per line.
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

from aquilon.storage.upgrade import MIGRATION_LOCK, VERSION_TABLE, DatabaseError, table_names, upgrade_to

SUFFIX = ".jsonl"
_ROWS_AT_ONCE = 500
_CONNECT_SECONDS = 5


class RowsRefused(DatabaseError):
    """The database refuses these rows for good; nothing has changed."""


_TEMPORARY = ("08", "40", "53", "55", "57")
"""Classes of SQLSTATE for temporary errors: connections, deadlocks, a full disk, locks, a shutdown."""


async def revision_of(url: str) -> str | None:
    """The schema's revision, None if there is no schema yet. Raises DatabaseError if the server doesn't answer."""
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
    """Write each table's rows of one moment to ``folder``, and return the schema's revision.

    Writers can go on meanwhile. Raises DatabaseError if there are no tables, DBAPIError if
    the database can't be read.
    """
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            revision = await connection.run_sync(_revision)
            if revision is None:
                raise DatabaseError("The database has no tables of Aquilon: nothing to back up")
            for table in await connection.run_sync(_tables):
                rows = await connection.stream(select(table))
                with (folder / f"{table.name}{SUFFIX}").open("wb") as file:
                    file.write(_line(str(column.name) for column in table.columns))
                    async for part in rows.partitions(_ROWS_AT_ONCE):
                        await asyncio.to_thread(file.write, b"".join(_line(row) for row in part))
    finally:
        await engine.dispose()
    return revision


def copy_out_of_file(file: Path, folder: Path) -> str:
    """`copy_out` for a SQLite file that no process writes to."""
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
    """Replace the database's rows with those in ``folder``, in one transaction.

    Tables are created as ``revision`` has them. Raises RowsRefused for rows that don't fit
    them, DatabaseError if the database can't be written now.
    """
    engine = _engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_replace, folder, revision)
    except (DBAPIError, LookupError, StopIteration, ValueError, msgspec.MsgspecError) as error:
        problem = error.orig if isinstance(error, DBAPIError) else error
        temporary = isinstance(error, DBAPIError) and (
            error.connection_invalidated or str(getattr(problem, "sqlstate", ""))[:2] in _TEMPORARY
        )
        kind, consequence = (DatabaseError, "it is tried again") if temporary else (RowsRefused, "nothing has changed")
        raise kind(f"The backup's rows can't be put into the database: {problem}; {consequence}") from error
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"), connect_args={"timeout": _CONNECT_SECONDS}
    )


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - ours


def _tables(connection: Connection) -> list[Table]:
    """Aquilon's tables, referenced ones first; other tables in the same database are left out."""
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: name in table_names())
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)  # so that NULL stays NULL
    return list(metadata.sorted_tables)


def _replace(connection: Connection, folder: Path, revision: str) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
    _drop(connection)
    upgrade_to(connection, revision)
    tables = _tables(connection)
    for table in reversed(tables):
        if table.name not in _APPEND_ONLY:
            connection.execute(table.delete())  # rows that a migration inserted
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


_APPEND_ONLY = frozenset({"audit_log"})
"""Append-only tables: rows can't be deleted, and no migration inserts any."""


def _drop(connection: Connection) -> None:
    functions = connection.execute(
        text(
            "SELECT DISTINCT tgfoid::regprocedure::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
            "WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace AND relname = ANY(:names)"
        ),
        {"names": list(table_names())},
    ).scalars()
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: name in table_names() or name == VERSION_TABLE)
    function_names = list(functions)
    metadata.drop_all(connection)
    for function in function_names:
        connection.execute(text(f"DROP FUNCTION IF EXISTS {function}"))


def _fill(connection: Connection, table: Table, file: Path) -> None:
    with file.open("rb") as lines:
        names = msgspec.json.decode(next(lines), type=list[str])
        columns = [table.columns[name] for name in names]
        binary = [isinstance(column.type, LargeBinary) for column in columns]
        for chunk in _chunks(lines):
            rows = [
                {
                    name: base64.b64decode(value) if is_binary and value is not None else value
                    for name, value, is_binary in zip(names, values, binary, strict=True)
                }
                for values in (msgspec.json.decode(line, type=list[Any]) for line in chunk)
            ]
            connection.execute(table.insert(), rows)


def _chunks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    iterator = iter(lines)
    while chunk := list(islice(iterator, _ROWS_AT_ONCE)):
        yield chunk


def _line(values: Iterable[Any]) -> bytes:
    return msgspec.json.encode([_plain(value) for value in values]) + b"\n"


def _plain(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes | memoryview) else value
