"""Alembic's entry: runs on the connection that ``storage.database`` opened, inside its one transaction."""

from alembic import context

from aquilon.storage.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
