"""The database as the routes see it: connected at first use, so that the API starts and answers without one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from b2b_pipelines.db.connect import connect
from b2b_pipelines.db.engine import Database, DatabaseUnavailable
from b2b_pipelines.settings import Settings

TRIED_EVERY = 2.0
"""Seconds between attempts to reach a server that is away."""


class Connection:
    """One database for the whole process. Until it answers, requests that need it try anew.

    Its methods raise what `connect` raises: the server is away, or lacks this version's tables.
    """

    def __init__(self, settings: Settings, database: Database | None = None) -> None:
        self._settings = settings
        self._lock = Lock()
        self._ours = database is None
        self._database = database
        self._away_until = 0.0

    def open(self) -> Database:
        """The database itself."""
        with self._lock:
            if self._database is None:
                self._database = self._connect()
            return self._database

    def _connect(self) -> Database:
        """Try, unless that failed a moment ago: a server that does not even refuse would hold up one after the other."""
        if time.monotonic() < self._away_until:
            raise DatabaseUnavailable("PostgreSQL does not answer")
        try:
            return connect(self._settings)
        except DatabaseUnavailable:
            self._away_until = time.monotonic() + TRIED_EVERY
            raise

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction, as `Database.session` has it."""
        with self.open().session() as session:
            yield session

    @property
    def engine(self) -> Engine:
        return self.open().engine

    def close(self) -> None:
        """Let go of the connections, if they were opened here."""
        if self._ours and self._database is not None:
            self._database.dispose()


async def connection(request: Request) -> Connection:
    found: Connection = request.app.state.connection
    return found


Db = Annotated[Connection, Depends(connection)]
"""A route's database. It opens its transaction itself: `with db.session() as session:`."""
