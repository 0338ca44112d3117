"""Bringing the database's tables to what this version of the product needs.

Migrations are numbered, one after the other, and their numbers are kept in a version table of our own, because
Dagster uses Alembic's usual one.
"""

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from b2b_pipelines.errors import Refused

VERSION_TABLE = "b2b_alembic_version"
MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaOutdated(Refused):
    """The database lacks tables or columns of this version."""

    code = "schema_outdated"


def newest_revision() -> str:
    """The number of the newest migration, read from the names of the files: no need to load Alembic to compare."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def current_revision(engine: Engine) -> str | None:
    """The number of the last migration that the database has had, or None for a database without any."""
    with engine.connect() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Apply what is missing, in one transaction; the numbers before and after. Commands that come at once take turns."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    before = current_revision(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, newest_revision()


def require_current(engine: Engine) -> None:
    """Raise `SchemaOutdated` unless the database has had every migration."""
    current = current_revision(engine)
    if current != newest_revision():
        raise SchemaOutdated(
            f"the database is at migration {current or 'none'} and this version needs {newest_revision()}: run `b2b db upgrade`"
        )
