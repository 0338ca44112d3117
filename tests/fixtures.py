"""The shared fixtures as a pytest plugin: a database, the stand-ins of every vendor, Dagster in memory, and a shop.

A test project that extends this one puts the checkout on its path and registers the plugin:

    pytest_plugins = ["tests.fixtures"]    # in its root conftest.py

`database` and `sandbox` are as new in each test that names them; their servers are started once for each process.
"""

import os
import ssl
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import uvicorn.server
from alembic.config import Config
from alembic.script import ScriptDirectory
from argon2 import PasswordHasher
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, settings
from sqlalchemy import text

from b2b_pipelines.db import connect, schema
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.revisions import VERSION_TABLE
from b2b_pipelines.people import service as people
from sandbox.server import Sandbox
from tests.commands import run
from tests.shop import Shop
from tests.waiting import QuickTicks

__all__ = ["run"]

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repeatable")

# End sessions that a test left at work or with a lock. Idle ones stay, because most are of the shared pool. Then empty
# the tables that have pages, without foreign keys and triggers: a tenth of the time that TRUNCATE takes for a few rows.
EMPTY = f"""
    SELECT count(pg_terminate_backend(activity.pid, 5000)) FROM pg_stat_activity AS activity
    WHERE activity.datname = current_database() AND activity.pid <> pg_backend_pid()
      AND (activity.state <> 'idle' OR activity.pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'));
    DO $$
    DECLARE statements text;
    BEGIN
        SELECT string_agg(format('DELETE FROM %s', oid::regclass), '; ') INTO statements FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> '{VERSION_TABLE}'
          AND pg_relation_size(oid) > 0;
        IF statements IS NOT NULL THEN
            SET LOCAL session_replication_role = replica;
            EXECUTE statements;
        END IF;
    END $$
""".replace("%", "%%")
# No test starts at 1, and no number names rows of two tables: a test that guesses an id fails.
NUMBERS_OF_EACH_TABLE = text("""
    SELECT setval(format('%I', sequencename)::regclass, 1000 * row_number() OVER (ORDER BY sequencename))
    FROM pg_sequences
""")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The embedded server of all tests of this process."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.ensure_running()
    yield server
    server.stop()


class KeptDatabase(Database):
    """Stays open when the command, resource or server that uses it ends."""

    def dispose(self) -> None:
        """Leave the connections to the next test."""


class KeptDatabases:
    """Databases by their arguments: with a new engine, every command would compile every statement again."""

    def __init__(self, kept_url: str) -> None:
        self._url = kept_url
        self._opened: dict[str, KeptDatabase] = {}

    def open(self, url: str, **pool: Any) -> Database:
        """Return the kept database of this URL and pool, or a new one for another URL."""
        if url != self._url:
            return Database(url, **pool)
        key = repr(sorted(pool.items()))
        if key not in self._opened:
            self._opened[key] = KeptDatabase(url, **pool)
        return self._opened[key]

    def dispose(self) -> None:
        """Close every connection."""
        for database in self._opened.values():
            database.engine.dispose()


@pytest.fixture(scope="session")
def one_database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """One migrated database for all tests: to empty it takes milliseconds, to make another a quarter of a second."""
    postgres.ensure_database("b2b_tests")
    url = postgres.url("b2b_tests")
    kept = KeptDatabases(url)
    database = kept.open(url)
    schema.upgrade(database.engine)
    with database.session() as session:
        session.execute(NUMBERS_OF_EACH_TABLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "Database", kept.open)
        yield database
    kept.dispose()


@pytest.fixture
def database(one_database: Database) -> Iterator[Database]:
    """Every table of the product, empty. Numbers continue from test to test: ask a created row for its id."""
    yield one_database
    with one_database.engine.begin() as connection:
        connection.exec_driver_sql(EMPTY)


@pytest.fixture
def database_url(database: Database) -> str:
    """The URL of the test's database."""
    return database.url


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    """The stand-ins of all tests of this process."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """The stand-ins of every vendor, as new."""
    running_sandbox.reset()
    return running_sandbox


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, one for the tests of a module; they are skipped without it."""
    from benchmarks.browser import CHROMIUM, chromium

    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    with chromium() as browser:
        yield browser


@pytest.fixture
def shop(database: Database) -> Shop:
    """Contracts to sell, with their learners, on an empty database."""
    return Shop(database)


def migrations_read_once() -> Callable[[Config], ScriptDirectory]:
    """Return `ScriptDirectory.from_config`, which imports a folder's migrations, with one directory for each folder."""
    read: dict[str | None, ScriptDirectory] = {}
    from_config = ScriptDirectory.from_config

    def from_folder(config: Config) -> ScriptDirectory:
        folder = config.get_main_option("script_location")
        if folder not in read:
            read[folder] = from_config(config)
        return read[folder]

    return from_folder


@pytest.fixture(scope="session", autouse=True)
def slow_preparations_once() -> Iterator[None]:
    """Do once for each process what takes 10 to 100 ms.

    Private keys are checked, the machine's certificates and Alembic's folders of migrations read, and passwords hashed.
    Servers in this process stop without delay.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serialization, "load_pem_private_key", cache(serialization.load_pem_private_key))
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        patch.setattr(ScriptDirectory, "from_config", migrations_read_once())
        patch.setattr(uvicorn.server, "asyncio", QuickTicks())
        patch.setattr(people, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders that do not exist yet, one for each test that needs a home."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / f"{number}" for number in count())


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, homes: Iterator[Path]) -> None:
    """Keep the settings of the machine out of every test, and tests out of the project's `.b2b`."""
    for name in [name for name in os.environ if name.startswith("B2B_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("B2B_HOME", str(next(homes)))
    monkeypatch.delenv("COLUMNS", raising=False)  # xdist gives its workers the width of the terminal
