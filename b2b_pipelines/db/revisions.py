"""Numbers of migrations: the newest one of this version, and where a database keeps its own."""

from pathlib import Path

VERSION_TABLE = "b2b_alembic_version"
MIGRATIONS = Path(__file__).parent / "migrations"


def newest_revision() -> str:
    """The number of the newest migration, read from the names of the files: no need to load Alembic to compare."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
