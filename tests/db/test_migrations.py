"""Migrations on a database that version 0001 of the product filled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from b2b_pipelines.db import revisions, schema
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from tests.commands import Run

FILLED = Path(__file__).parent / "filled_0001.sql"


@contextmanager
def filled(postgres: EmbeddedPostgres, name: str) -> Iterator[Database]:
    """A database of its own at migration 0001, with the rows that version 0001 left in it."""
    postgres.ensure_database(name)
    database = Database(postgres.url(name))
    with database.session() as session:
        session.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    schema.upgrade(database.engine, "0001")
    with database.engine.begin() as connection:
        connection.execute(
            text("SET LOCAL session_replication_role = replica")
        )  # the rows of a table may name later ones
        connection.exec_driver_sql(FILLED.read_text(encoding="utf-8").replace("%", "%%"))
    yield database
    database.dispose()


@pytest.fixture
def installation(postgres: EmbeddedPostgres) -> Iterator[Database]:
    with filled(postgres, "filled_0001") as database:
        yield database


@pytest.fixture(scope="module")
def upgraded(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """A database that version 0001 filled, at the newest migration. Tests only read it."""
    with filled(postgres, "upgraded_0001") as database:
        schema.upgrade(database.engine)
        yield database


def row_counts(database: Database) -> dict[str, int]:
    tables = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    with database.session() as session:
        return {
            table: session.scalar(text(f"SELECT count(*) FROM {table}")) or 0
            for table in session.scalars(tables).all()
            if table != revisions.VERSION_TABLE
        }


def test_a_filled_database_of_the_first_version_is_upgraded_without_losing_a_row(installation: Database) -> None:
    before = row_counts(installation)
    assert sum(before.values()) > 150
    assert schema.upgrade(installation.engine) == ("0001", revisions.newest_revision())
    schema.require_models(installation.engine)
    after = row_counts(installation)
    assert {table: after.get(table) for table in before} == before


@pytest.mark.parametrize(
    "command",
    [
        "b2b_list contracts",
        "b2b_list organizations",
        "b2b_list courseware",
        "b2b_list learners",
        "b2b_codes stats",
        "b2b_codes output --all",
        "b2b licenses expired",
        "b2b licenses customers",
        "b2b academies refused",
        "b2b intents list",
        "b2b token list",
        "b2b sheet history acme",
        "b2b sheet show acme",
    ],
)
def test_the_commands_read_an_upgraded_database(
    upgraded: Database, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("B2B_DATABASE_URL", upgraded.url)
    answer = run(command, "--json")
    assert answer.status == 0, answer.err
    assert answer.json
