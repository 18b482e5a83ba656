"""Everything that outlives the process: one schema, one migration history, queries scoped to their owner."""

from aquilon.catalogue import tables as models_schema  # noqa: F401 - their tables belong to the schema
from aquilon.jobs import tables as jobs_schema  # noqa: F401 - their tables belong to the schema
from aquilon.money import limits_tables as limits_schema  # noqa: F401 - their tables belong to the schema
from aquilon.money import tables as usage_schema
from aquilon.people import identity_tables as identity_schema  # noqa: F401 - their tables belong to the schema
from aquilon.storage.database import Database
from aquilon.storage.upgrade import DatabaseError
from aquilon.upstreams import tables as upstreams_schema  # noqa: F401 - their tables belong to the schema

__all__ = ["Database", "DatabaseError"]
