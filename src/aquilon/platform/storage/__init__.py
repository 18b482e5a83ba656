"""Everything that outlives the process: one schema, one migration history, queries scoped to their owner."""

from aquilon.platform.storage.database import Database, DatabaseError

__all__ = ["Database", "DatabaseError"]
