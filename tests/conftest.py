"""One PostgreSQL and one sandbox for the tests of a process, both as new for each test that asks for them."""

import gc
import re
import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, settings
from sqlalchemy import text

from b2b_pipelines.db import connect, schema
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.models import Base
from b2b_pipelines.people import service as people
from sandbox.server import Sandbox
from tests.commands import run
from tests.shop import Shop

__all__ = ["run"]

ALL_LONG = re.compile(r"^pytestmark = \[?pytest\.mark\.long\b", re.MULTILINE)

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repeatable")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import modules of long tests alone when only short ones run: some import slow libraries."""
    if config.option.markexpr != "not long" or collection_path.suffix != ".py":
        return None
    return True if ALL_LONG.search(collection_path.read_text(encoding="utf-8")) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import everything without looking for garbage, of which there is none: a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


# What a test may leave behind for the next one: idle connections are let live, for most are of the shared pool.
LEFT_AT_WORK = text("""
    SELECT count(pg_terminate_backend(activity.pid, 5000)) FROM pg_stat_activity AS activity
    WHERE activity.datname = current_database() AND activity.pid <> pg_backend_pid()
      AND (activity.state <> 'idle' OR activity.pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'))
""")
# Without looking after foreign keys and triggers, and in a tenth of the time that TRUNCATE takes for a few rows.
EMPTY = text(
    "; ".join(
        ["SET LOCAL session_replication_role = replica", *(f"DELETE FROM {name}" for name in Base.metadata.tables)]
    )
)
NUMBERS_BEGIN_ANEW = text("""
    SELECT setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences WHERE last_value IS NOT NULL
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
        if url != self._url:
            return Database(url, **pool)
        key = repr(sorted(pool.items()))
        if key not in self._opened:
            self._opened[key] = KeptDatabase(url, **pool)
        return self._opened[key]

    def dispose(self) -> None:
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connect, "Database", kept.open)
        yield database
    kept.dispose()


@pytest.fixture
def database(one_database: Database) -> Iterator[Database]:
    """Every table, empty, and numbers begin with 1."""
    yield one_database
    with one_database.session() as session:
        session.execute(LEFT_AT_WORK)
        session.execute(EMPTY)
        session.execute(NUMBERS_BEGIN_ANEW)


@pytest.fixture
def database_url(database: Database) -> str:
    return database.url


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
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


@pytest.fixture(scope="session", autouse=True)
def what_is_slow_to_prepare_is_prepared_once() -> Iterator[None]:
    """A tenth of a second each: to check a private key, to read the machine's certificates, to hash a password."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serialization, "load_pem_private_key", cache(serialization.load_pem_private_key))
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        patch.setattr(people, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads the settings of the machine it runs on, or writes into the project's `.b2b`."""
    import os

    for name in [name for name in os.environ if name.startswith("B2B_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("B2B_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COLUMNS", raising=False)  # xdist gives its workers the width of the terminal


@pytest.fixture
def shop(database: Database) -> Shop:
    """Contracts to sell, with their learners, on an empty database."""
    return Shop(database)
