"""Read-only statements on one plain connection, for commands that a person waits for.

SQLAlchemy takes a third of a second to import, and a listing does not need it. Every problem (no server, no migration)
is left to `db.connect`, which solves or reports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extras import RealDictCursor, register_uuid

from b2b_pipelines.db.embedded import PRODUCT_DATABASE, EmbeddedPostgres
from b2b_pipelines.db.parameters import PARAMETER
from b2b_pipelines.db.revisions import VERSION_TABLE, newest_revision

if TYPE_CHECKING:
    from b2b_pipelines.settings import Settings

ROWS_AT_ONCE = 2_000
OPTIONS = "-c timezone=UTC -c jit=off -c default_transaction_read_only=on"


class Reading:
    """A read-only transaction. Statements name their parameters as in SQLAlchemy: `:name`."""

    def __init__(self, connection: Any) -> None:
        register_uuid(conn_or_curs=connection)  # type: ignore[no-untyped-call]
        self._connection = connection

    @property
    def server_version(self) -> str:
        """Return PostgreSQL's version, such as `16.4`."""
        return str(self._connection.info.parameter_status("server_version")).split()[0]

    def rows(self, statement: str, **given: Any) -> list[dict[str, Any]]:
        """Return every row as a mapping of columns to values."""
        with self._connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(_for_driver(statement), given)
            return [dict(row) for row in cursor]

    def texts(self, statement: str, **given: Any) -> Iterator[str]:
        """Yield the first column of each row. The rows are streamed, not held in memory."""
        with self._connection.cursor("texts") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(_for_driver(statement), given)
            for row in cursor:
                yield row[0]


@contextmanager
def reading(settings: Settings) -> Iterator[Reading]:
    """Open the product's database for reading.

    The embedded database is created, started and migrated when needed. Raises the errors of `db.connect.connect`.
    """
    with closing(_current(settings) or _prepared(settings)) as connection:
        yield Reading(connection)


def _current(settings: Settings) -> Any:
    """Return a connection to a database that has every migration; None on any problem."""
    try:
        connection = psycopg2.connect(_dsn(settings), connect_timeout=5, options=OPTIONS)
    except psycopg2.Error:
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT version_num FROM {VERSION_TABLE}")
            if cursor.fetchone() == (newest_revision(),):
                return connection
    except psycopg2.Error:
        pass
    connection.close()
    return None


def _prepared(settings: Settings) -> Any:
    """Return a connection after `connect` prepared the database. Raises its errors."""
    from b2b_pipelines.db.connect import connect
    from b2b_pipelines.db.engine import answering

    connect(settings).dispose()
    with answering():
        return psycopg2.connect(_dsn(settings), connect_timeout=5, options=OPTIONS)


def _dsn(settings: Settings) -> str:
    url = settings.database_url
    if url is None:
        server = EmbeddedPostgres(settings.home / "postgres")
        server.ensure_running()
        url = server.url(PRODUCT_DATABASE)
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


def _for_driver(statement: str) -> str:
    return PARAMETER.sub(r"%(\1)s", statement.replace("%", "%%"))
