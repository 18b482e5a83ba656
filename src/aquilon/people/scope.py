"""The rows that a query may see; every query over an owned table begins here.

No other module passes a `storage.base.Owned` table to SQLAlchemy's ``select``,
``update`` or ``delete``; a test reads the sources and checks it.
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
    """An organization's rows; with ``user_id``, in tables that have that column only the user's."""

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
    """Every organization's rows, to find out who makes a request and for the operator on the server's machine.

    A test names the modules that may use it.
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
