"""The published list in the memory of an API worker, half a second behind the database.

A thread reads the version of the list twice a second, and reads the list when the version has changed. The same query
shows whether the database is up: while it is down, the list is not served.
"""

import logging
import threading
import time
from collections.abc import Callable

from anyio import CapacityLimiter
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from b2b_pipelines.academies import store, throttle
from b2b_pipelines.academies.listing import Listing
from b2b_pipelines.academies.throttle import Rate, Throttle
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError, TransientError

LOOK_SECONDS = 0.5
BELIEVED_SECONDS = 2.0
"""Seconds for which a version that was read counts, when the next query gets no answer."""
FORGET_SECONDS = 60.0

log = logging.getLogger(__name__)


class FeedUnavailable(TransientError):
    """The database is down, or was not up yet."""

    code = "academy_service_unavailable"


class Feed:
    """The list and its throttle.

    `connect` returns the database and may raise while there is none. Requests are counted in `threads`.
    """

    def __init__(
        self,
        connect: Callable[[], Database],
        rate: Rate,
        thumbnail_base: str | None,
        threads: CapacityLimiter | None = None,
    ) -> None:
        self.throttle = Throttle(rate, threads)
        self._connect = connect
        self._thumbnail_base = thumbnail_base
        self._listing: Listing | None = None
        self._database: Database | None = None
        self._connection: Connection | None = None  # apart from the pool: it runs one short query, and nothing else
        self._believed_until = 0.0
        self._forget_at = 0.0
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="academy-feed", daemon=True)

    def start(self) -> None:
        """Start the thread, and wait briefly for its first query."""
        self._thread.start()
        self._looked.wait(BELIEVED_SECONDS)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=15)

    def listing(self) -> Listing:
        """Return the list. Raises `FeedUnavailable`."""
        if self._listing is None or not self._is_believed:
            raise FeedUnavailable("the academies cannot be read now: try again later")
        return self._listing

    async def admit(self, client: str) -> int | None:
        """Count a client's request: None if admitted, else the seconds until a retry.

        Raises `FeedUnavailable`.
        """
        if self._database is None or not self._is_believed:
            raise FeedUnavailable("the academies cannot be read now: try again later")
        try:
            return await self.throttle.admit(client, self._database)
        except (B2BError, SQLAlchemyError) as error:
            raise FeedUnavailable("the requests cannot be counted now: try again later") from error

    @property
    def _is_believed(self) -> bool:
        return time.monotonic() < self._believed_until

    def _keep_looking(self) -> None:
        away = False
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._look(began)
            except Exception as error:  # noqa: BLE001  the thread must query again after any error
                self._believed_until = 0.0
                self._close_connection()
                if not away:
                    log.warning("the academies are unavailable: %s", type(error).__name__)
                away = True
            else:
                away = False
            self._looked.set()
            self._stopping.wait(LOOK_SECONDS)
        self._close_connection()

    def _look(self, now: float) -> None:
        self._database = database = self._connect()
        if self._connection is None:
            self._connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        version = store.version(self._connection)
        if self._listing is None or version != self._listing.version or now >= self._forget_at:
            with database.session() as session:
                version, products, price_times = store.shown(session)
                self._listing = Listing.prepare(version, products, price_times, self._thumbnail_base)
                throttle.forget_the_past(session)
            self._forget_at = now + FORGET_SECONDS
        self._believed_until = now + BELIEVED_SECONDS
        self.throttle.tidy(database)

    def _close_connection(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
