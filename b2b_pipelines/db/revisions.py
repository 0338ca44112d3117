"""Numbers of migrations: this version's newest, and the table that stores the database's."""

from pathlib import Path

VERSION_TABLE = "b2b_alembic_version"
MIGRATIONS = Path(__file__).parent / "migrations"


def newest_revision() -> str:
    """Return the number of the newest migration.

    It is read from file names, because loading Alembic is slow.
    """
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
