"""Everything that outlives the process: one schema, one migration history, queries scoped to their owner."""

from aquilon.platform.storage import (  # noqa: F401 - their tables belong to the schema
    identity_schema,
    jobs_schema,
    limits_schema,
    models_schema,
    upstreams_schema,
    usage_schema,
)
from aquilon.platform.storage.database import Database
from aquilon.platform.storage.upgrade import DatabaseError

__all__ = ["Database", "DatabaseError"]
