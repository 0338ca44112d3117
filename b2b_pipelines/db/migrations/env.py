"""How Alembic reaches our tables: over the connection it is given, under a lock, with our own version table."""

from alembic import context
from sqlalchemy import Connection, text

from b2b_pipelines.db.revisions import VERSION_TABLE
from b2b_pipelines.models import Base

ONE_AT_A_TIME = 7_240_815_162


def migrate(connection: Connection) -> None:
    """Run the migrations that are asked for, after whoever is migrating now."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
    context.configure(connection=connection, target_metadata=Base.metadata, version_table=VERSION_TABLE)
    with context.begin_transaction():
        context.run_migrations()


migrate(context.config.attributes["connection"])
