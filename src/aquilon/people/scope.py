"""Whose rows a query may see: the one place where queries over owned tables begin.

`storage.schema.Owned` tables are never passed to SQLAlchemy's ``select``, ``update``
or ``delete`` anywhere else; a test reads the sources for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Delete, Select, Update, delete, select, update

from aquilon.people.identity import Principal
from aquilon.storage.base import Owned

Row = TypeVar("Row", bound=Owned)


@dataclass(frozen=True)
class Scope:
    """An organization's rows; with ``user_id``, only those of that user where a table says whose they are."""

    organization_id: str
    user_id: str | None = None

    @classmethod
    def of_organization(cls, principal: Principal) -> Scope:
        return cls(principal.organization_id)

    @classmethod
    def of_user(cls, principal: Principal) -> Scope:
        return cls(principal.organization_id, principal.user_id)

    def select(self, table: type[Row]) -> Select[Row]:
        return select(table).where(*self._criteria(table))

    def update(self, table: type[Owned]) -> Update:
        return update(table).where(*self._criteria(table))

    def delete(self, table: type[Owned]) -> Delete:
        return delete(table).where(*self._criteria(table))

    def _criteria(self, table: Any) -> list[Any]:
        criteria = [table.organization_id == self.organization_id]
        if self.user_id is not None and hasattr(table, "user_id"):
            criteria.append(table.user_id == self.user_id)
        return criteria


class Everyone:
    """Every organization's rows: for finding out who asks, and for the operator on the server's own machine.

    The modules that may use it are named in the test that keeps all others from it.
    """

    @staticmethod
    def select(table: type[Row]) -> Select[Row]:
        return select(table)

    @staticmethod
    def update(table: type[Owned]) -> Update:
        return update(table)

    @staticmethod
    def delete(table: type[Owned]) -> Delete:
        return delete(table)
