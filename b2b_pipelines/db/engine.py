"""A database of the product: one engine, and sessions that commit when their block succeeds."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, Row, create_engine, event
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from b2b_pipelines.db.prepared import Prepared
from b2b_pipelines.db.watchdog import watch
from b2b_pipelines.errors import PermanentError, TransientError

DISK_FULL = "53100"
CONNECT_SECONDS = 5
"""Seconds in which one address of the server must accept a connection. A name may have two addresses."""
# The tables fit into memory, and no statement runs long enough to benefit from compilation. A prepared statement is planned
# once: PostgreSQL takes a page of unknown size for a tenth of the table, and would plan it at every execution.
SESSION_SETTINGS = (
    "-c timezone=UTC",
    "-c random_page_cost=1.1",
    "-c jit=off",
    "-c plan_cache_mode=force_generic_plan",
)
TRIED_AFTER_SECONDS = 0.1
"""Seconds for which an idle connection is used without a test. No server restarts faster."""
SILENT_SECONDS = 10
"""Seconds without an answer of its machine after which a TCP connection counts as broken."""


class DatabaseUnavailable(TransientError):
    """PostgreSQL does not answer."""

    code = "database_unavailable"


class DatabaseFull(PermanentError):
    """PostgreSQL has no disk space left for a write."""

    code = "disk_full"


@contextmanager
def answering() -> Iterator[None]:
    """Raise `DatabaseUnavailable` for a connection that is refused or breaks. Other errors pass."""
    try:
        yield
    except psycopg2.OperationalError as error:  # a connection that breaks when it returns to the pool
        raise _unavailable(error) from error
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) == DISK_FULL:
            raise DatabaseFull("the disk of PostgreSQL is full: make room, and try again") from error
        message = str(error.orig)
        if error.statement is None or error.connection_invalidated or "connect" in message or "terminat" in message:
            raise _unavailable(error.orig) from error
        raise


def _unavailable(error: BaseException | None) -> DatabaseUnavailable:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return DatabaseUnavailable(f"PostgreSQL does not answer: {reason}")


def try_when_idle(engine: Engine) -> None:
    """Make the pool test an idle connection before use, and replace it when it is broken.

    `pool_pre_ping` would test busy ones too, at one round trip for every request.
    """
    event.listen(engine, "checkin", _note_when)
    event.listen(engine, "checkout", _try_if_idle)


def _note_when(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _try_if_idle(connection: Any, record: Any, _pool: Any) -> None:
    if time.monotonic() - record.info.get("used", time.monotonic()) < TRIED_AFTER_SECONDS:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not connection.autocommit:
            connection.rollback()
    except psycopg2.Error as error:
        raise InvalidatePoolError("the idle connection was lost") from error


class Database:
    """The product's PostgreSQL. Thread-safe; connections are opened at first use.

    `url` names the driver (`postgresql+psycopg2://…`) and may hold a password: it is never logged.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 5,
        max_overflow: int = 30,
        pool_timeout: float = 30,
        lock_timeout: float | None = None,
        statement_timeout: float | None = None,
    ) -> None:
        """Create the engine. `lock_timeout` and `statement_timeout` are in seconds (None: no limit)."""
        self.url = url
        limits = (("lock_timeout", lock_timeout), ("statement_timeout", statement_timeout))
        options = [*SESSION_SETTINGS, *(f"-c {name}={round(value * 1000)}" for name, value in limits if value)]
        self.engine: Engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=pool_timeout,
            hide_parameters=True,  # addresses and codes must not appear in the text of an error
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "tcp_user_timeout": SILENT_SECONDS * 1000,
                "keepalives_idle": SILENT_SECONDS,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "options": " ".join(options),
            },
        )
        try_when_idle(self.engine)
        watch(self.engine)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a transaction: committed when the block succeeds, rolled back when it raises.

        Raises `DatabaseUnavailable` when the server cannot be reached.
        """
        with answering(), self._sessions.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session in which each statement is its own transaction.

        It is for reads that need not agree, and saves the two round trips that begin and end a transaction. Raises
        `DatabaseUnavailable`.
        """
        with answering(), self._without_transaction() as connection, Session(connection) as session:
            yield session

    def first(self, statement: Prepared, given: Mapping[str, Any]) -> Row[*tuple[Any, ...]] | None:
        """Return the first row of a prepared statement, which is its own transaction. One round trip.

        Raises `DatabaseUnavailable`.
        """
        with answering(), self._without_transaction() as connection:
            return statement.first(connection, given)

    @contextmanager
    def _without_transaction(self) -> Iterator[Connection]:
        """Open a connection on which the driver begins no transaction.

        SQLAlchemy's isolation level AUTOCOMMIT does the same, and needs a round trip to reset the connection.
        """
        with self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.autocommit = True
            try:
                yield connection
            finally:
                if not driver.closed:
                    driver.autocommit = False

    @contextmanager
    def rehearsal(self) -> Iterator[Session]:
        """Open a transaction that is always rolled back, for dry runs of the same code.

        Raises `DatabaseUnavailable` when the server cannot be reached.
        """
        with answering(), self._sessions() as session:
            try:
                yield session
            finally:
                session.rollback()

    def dispose(self) -> None:
        self.engine.dispose()
