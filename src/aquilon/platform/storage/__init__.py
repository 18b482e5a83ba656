"""Everything that outlives the process: one schema, one migration history, queries scoped to their owner."""

from aquilon.platform.storage.database import Database
from aquilon.platform.storage.upgrade import DatabaseError

__all__ = ["Database", "DatabaseError"]
