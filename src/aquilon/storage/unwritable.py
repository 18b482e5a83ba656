"""What clients are told while nothing can be saved: the disk is full, or the database can't be used."""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError

from aquilon.errors import ApiError, invalid, overloaded

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_POSTGRESQL_DISK_FULL = "53100"
_POSTGRESQL_UNTRANSLATABLE = "22021"
"""For a NUL in a query's text; SQLite stores such a text, and returns no row for it."""


def is_disk_full(error: BaseException | None) -> bool:
    """Whether there is no room for what was to be written, in a file or by a database."""
    if isinstance(error, DBAPIError):
        error = error.orig
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(error, "sqlstate", None) == _POSTGRESQL_DISK_FULL


def disk_full() -> ApiError:
    return overloaded(
        "The server's disk is full: nothing can be saved until its operator makes room",
        code="disk_full",
        retry_after=60,
    )


def database_unavailable(*, retry_after: int) -> ApiError:
    return overloaded(
        "The server's database can't be used now; its log has the reason",
        code="database_unavailable",
        retry_after=retry_after,
    )


def untranslatable(error: Exception) -> ApiError | None:
    """For a text that the database can't have. None for any other exception."""
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _POSTGRESQL_UNTRANSLATABLE:
        return invalid("A text contains a NUL character, which no name or id contains", code="invalid_characters")
    return None


def unwritable(error: Exception, *, retry_after: int = 30) -> ApiError | None:
    """For a full disk, or an error of the database's, whose text goes only to the log. None for any other exception."""
    if is_disk_full(error):
        return disk_full()
    return database_unavailable(retry_after=retry_after) if isinstance(error, DBAPIError | sqlite3.Error) else None
