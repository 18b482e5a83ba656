"""The database, its schema history, backups and sealed secrets."""

from aquilon.storage.database import Database
from aquilon.storage.upgrade import DatabaseError

__all__ = ["Database", "DatabaseError"]
