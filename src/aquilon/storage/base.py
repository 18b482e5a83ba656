"""What every table is made of.

A change of a table goes with a new file under ``migrations/versions``; a test holds the two together.
Times are whole seconds since 1970, so that they read the same from every database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, MetaData, String
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


class Owned:
    """A table whose rows belong to an organization: `people.scope` alone makes queries over it."""

    organization_id: Mapped[str]


class Watched:
    """A table that every request's knowledge comes from: `storage.changes` counts each change of its rows."""
