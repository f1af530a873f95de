"""What Alembic runs for every command: the connection comes from ``migrations.upgrade``."""

from alembic import context

from hookferry.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
