"""The database as the routes see it: connected at first use, so that the API starts and answers without one.

Requests wait for their turn in the event loop (`Turns`), so threads and connections are never all taken by requests
that wait for one lock. Health, the public list and Stripe's events have connections and threads of their own.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial, wraps
from threading import Lock
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from sqlalchemy import Engine, Row
from sqlalchemy.orm import Session

from b2b_pipelines.api.turns import PATIENCE, Turns
from b2b_pipelines.db.bounds import bound
from b2b_pipelines.db.connect import connect
from b2b_pipelines.db.engine import Database, DatabaseUnavailable
from b2b_pipelines.db.prepared import Prepared
from b2b_pipelines.settings import Settings

TRIED_EVERY = 2.0
"""Seconds between attempts to reach a server that is away."""
STATEMENT_SECONDS = 15.0
"""After how long the server ends a statement of a request."""
READS, READS_OF_A_CALLER = 14, 10
WRITES, WRITES_OF_A_KIND = 10, 2
"""Requests that work at the same time: in all; and for one caller, or about one thing."""
LOOK_UPS = 8
"""Connections for requests that look up what they are about before they wait for their turn."""
RESERVED = 8
"""Threads, and connections, for health, the public list and Stripe's events together."""
REQUESTS: dict[str, Any] = {
    "pool_size": 10,
    "max_overflow": READS + WRITES + LOOK_UPS - 10,
    "pool_timeout": PATIENCE,
    "lock_timeout": PATIENCE,
    "statement_timeout": STATEMENT_SECONDS,
}
OF_ITS_OWN: dict[str, Any] = REQUESTS | {"pool_size": 3, "max_overflow": RESERVED - 3}

T = TypeVar("T")


class Connection:
    """One database for the whole process. Until it answers, requests that need it try again.

    Its methods raise what `connect` raises: the server is away, or lacks this version's tables.
    """

    def __init__(self, settings: Settings, database: Database | None = None, pool: dict[str, Any] = REQUESTS) -> None:
        self._settings = settings
        self._pool = pool
        self._lock = Lock()
        self._ours = database is None
        self._database = database
        self._away_until = 0.0

    def open(self) -> Database:
        """The database itself."""
        if self._database is not None:
            return self._database
        if not self._lock.acquire(timeout=TRIED_EVERY):  # another request is trying, and does not succeed
            raise DatabaseUnavailable("PostgreSQL does not answer")
        try:
            if self._database is None:
                self._database = self._connect()
            return self._database
        finally:
            self._lock.release()

    def _connect(self) -> Database:
        """Try, unless that failed a moment ago: a server that does not even refuse would hold up one after the other."""
        if time.monotonic() < self._away_until:
            raise DatabaseUnavailable("PostgreSQL does not answer")
        try:
            return connect(self._settings, **self._pool)
        except DatabaseUnavailable:
            self._away_until = time.monotonic() + TRIED_EVERY
            raise

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction, as `Database.session` has it."""
        with self.open().session() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for a single statement, as `Database.reading` has it."""
        with self.open().reading() as session:
            yield session

    def first(self, statement: Prepared, given: Mapping[str, Any]) -> Row[*tuple[Any, ...]] | None:
        """The first row of a prepared statement, as `Database.first` has it."""
        return self.open().first(statement, given)

    @property
    def engine(self) -> Engine:
        return self.open().engine

    def close(self) -> None:
        """Let go of the connections, if they were opened here."""
        if self._ours and self._database is not None:
            self._database.dispose()


class Hurried(Connection):
    """The database for a request that has waited for its turn: it waits for locks only for the rest of its time."""

    def __init__(self, connection: Connection, lock_seconds: float) -> None:
        self._of = connection
        self._lock_seconds = lock_seconds

    def open(self) -> Database:
        return self._of.open()

    @contextmanager
    def session(self) -> Iterator[Session]:
        with self._of.session() as session:
            bound(session, self._lock_seconds, locks=True)
            yield session


class Lanes:
    """The limits on concurrent work in this process."""

    def __init__(self) -> None:
        self.reads = Turns(READS, READS_OF_A_CALLER)
        self.writes = Turns(WRITES, WRITES_OF_A_KIND)
        self.stripe = CapacityLimiter(RESERVED // 2)
        self.throttle = CapacityLimiter(RESERVED // 2)
        self.health = CapacityLimiter(2)
        self.writers = CapacityLimiter(WRITES)


@asynccontextmanager
async def turn_to_write(request: Request, *things: Hashable) -> AsyncIterator[Connection]:
    """Wait for a turn to change these things; give the database. Raises `Busy`."""
    connection: Connection = request.app.state.connection
    lanes: Lanes = request.app.state.lanes
    async with lanes.writes.take(*things) as lock_seconds:
        yield connection if lock_seconds > PATIENCE - 0.5 else Hurried(connection, lock_seconds)


async def in_thread(request: Request, work: Callable[[], T]) -> T:
    """Do the work of a request that has its turn to write."""
    lanes: Lanes = request.app.state.lanes
    return await to_thread.run_sync(work, limiter=lanes.writers)


def takes_its_own_turn(endpoint: T) -> T:
    """Mark an endpoint that waits for its turn itself (`turn_to_write`), once it knows what it is about to change."""
    endpoint.takes_its_own_turn = True  # type: ignore[attr-defined]
    return endpoint


def without_a_turn(endpoint: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """Run an endpoint in a thread without a turn: it asks Google or Studio for long, between transactions of its own."""

    @wraps(endpoint)
    async def served(**values: Any) -> T:
        return await in_thread(values["request"], partial(endpoint, **values))

    return takes_its_own_turn(served)


@asynccontextmanager
async def turn_to_read(request: Request) -> AsyncIterator[Connection]:
    """Wait for a turn to read; give the database. Raises `Busy`."""
    lanes: Lanes = request.app.state.lanes
    async with lanes.reads.take(_caller(request)):
        yield request.app.state.connection


async def connection(request: Request) -> AsyncIterator[Connection]:
    """Wait for the request's turn, and keep it until the endpoint returns."""
    if getattr(request.scope.get("endpoint"), "takes_its_own_turn", False):
        yield request.app.state.connection
    elif request.method in ("GET", "HEAD"):
        async with turn_to_read(request) as database:
            yield database
    else:
        async with turn_to_write(request, _about(request)) as database:
            yield database


def _caller(request: Request) -> Hashable:
    """Return a key for the caller, as far as it is known without the database."""
    known = request.headers.get("authorization") or request.cookies
    return hash(str(known)) if known else request.client and request.client.host


def _about(request: Request) -> Hashable:
    """Return a key for what a request changes: its first path parameter, else route and caller."""
    named = next(iter(request.path_params.items()), None)
    return named or (getattr(request.scope.get("route"), "path", ""), _caller(request))


async def reserved(request: Request) -> Connection:
    found: Connection = request.app.state.reserved
    return found


Db = Annotated[Connection, Depends(connection, scope="function")]
"""A route's database. It opens its transaction itself: `with db.session() as session:`."""

ReservedDb = Annotated[Connection, Depends(reserved)]
"""The database for health and Stripe's events, which wait for no other request."""
