"""Everything that outlives the process: one schema, one migration history, queries scoped to their owner."""

from aquilon.storage.database import Database
from aquilon.storage.upgrade import DatabaseError

__all__ = ["Database", "DatabaseError"]
