"""The base classes of all tables.

A change of a table needs a new file under ``migrations/versions``; a test compares the two.
Times are whole seconds since 1970, which every database stores alike.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, MetaData, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a class attribute
        int: BigInteger,
        str: String,
        list[str]: JSON(none_as_null=True),
        dict[str, Any]: JSON,
    }


def index_of_some(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows for which ``where`` holds.

    In every database: the migrations say so. To name PostgreSQL here too would load its dialect, 2 MB.
    """
    return Index(name, *columns, unique=unique, sqlite_where=text(where))


class Owned:
    """A table whose rows belong to an organization; only `people.scope` begins queries over it."""

    organization_id: Mapped[str]


class Watched:
    """A table that processes cache in memory; `storage.changes` notes each change of its rows."""
