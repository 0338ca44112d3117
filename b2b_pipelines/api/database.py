"""The database as the routes see it: connected at first use, so that the API starts and answers without one."""

from threading import Lock
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Request

from b2b_pipelines.db.connect import connect
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings


class Connection:
    """One database for the whole process. Until it answers, every request that needs it tries anew."""

    def __init__(self, settings: Settings, database: Database | None = None) -> None:
        self._settings = settings
        self._lock = Lock()
        self._ours = database is None
        self.database = database

    def open(self) -> Database:
        """The database. Raises what `connect` raises: the server is away, or lacks this version's tables."""
        with self._lock:
            if self.database is None:
                self.database = connect(self._settings)
            return self.database

    def close(self) -> None:
        """Let go of the connections, if they were opened here."""
        if self._ours and self.database is not None:
            self.database.dispose()


async def connected(request: Request) -> Database:
    connection: Connection = request.app.state.connection
    if connection.database is not None:
        return connection.database
    return await to_thread.run_sync(connection.open)


Db = Annotated[Database, Depends(connected)]
"""A route's database. It opens its transaction itself: `with db.session() as session:`."""
