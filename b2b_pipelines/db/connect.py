"""From settings to a database that is running and has the tables of this version."""

from typing import Any

from b2b_pipelines.db import schema
from b2b_pipelines.db.embedded import PRODUCT_DATABASE, EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.revisions import newest_revision
from b2b_pipelines.settings import Settings

DAGSTER_DATABASE = "dagster"


def embedded_postgres(settings: Settings) -> EmbeddedPostgres:
    """The PostgreSQL that this installation keeps for itself under `B2B_HOME`."""
    return EmbeddedPostgres(settings.home / "postgres")


def connect(settings: Settings, **pool: Any) -> Database:
    """The product's database, ready for use. `pool` are the arguments of `Database`.

    The embedded one is made, started and migrated when needed. A database named by `B2B_DATABASE_URL` is used as it
    is, and refused with `SchemaOutdated` when `b2b db upgrade` has not been run for this version.
    """
    if settings.database_url is not None:
        database = Database(settings.database_url, **pool)
        schema.require_current(database.engine)
        return database
    server = embedded_postgres(settings)
    server.ensure_running()
    server.ensure_database(PRODUCT_DATABASE)
    database = Database(server.url(PRODUCT_DATABASE), **pool)
    if schema.current_revision(database.engine) != newest_revision():
        schema.upgrade(database.engine)
    return database
