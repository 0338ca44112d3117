"""Cut connections to a frozen PostgreSQL, so that their users get an error.

A statement timeout runs in the server, and a stopped server measures none; over a unix socket nothing else ends the
wait (TCP has keepalives). The driver waits inside libpq, where no Python code runs. So a thread sends the server a
request when connections have been busy for some seconds, and cuts them when it stays silent.
"""

import os
import socket
import threading
import time
import weakref
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, event

from b2b_pipelines.db.probe import server_answers

LOOKS_EVERY = 1.0
AT_WORK_SECONDS = 2.0
"""Seconds after which a busy connection is checked."""
SILENT_SECONDS = 4.0
QUESTIONS = 2
"""Consecutive requests without an answer after which the server counts as frozen."""


def watch(engine: Engine) -> None:
    """Watch the connections of an engine from their first use, as long as the engine exists."""
    watchdog = _Watchdog()
    event.listen(engine, "checkout", watchdog.checked_out)
    event.listen(engine, "checkin", watchdog.checked_in)
    event.listen(engine, "detach", watchdog.checked_in)
    weakref.finalize(engine, watchdog.stop)


class _Watchdog:
    """The connections that are checked out, and the thread that checks them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: dict[int, tuple[Any, float]] = {}
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._pid = 0

    def checked_out(self, connection: Any, _record: Any, _pool: Any) -> None:
        with self._lock:
            self._busy[id(connection)] = (connection, time.monotonic())
            if self._thread is None or self._pid != os.getpid():  # a fork has no threads
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._look, name="postgres-watchdog", daemon=True)
                self._thread.start()

    def checked_in(self, connection: Any, _record: Any) -> None:
        with self._lock:
            self._busy.pop(id(connection), None)

    def stop(self) -> None:
        self._stopping.set()

    def _look(self) -> None:
        while not self._stopping.wait(LOOKS_EVERY):
            asked = self._at_work()
            if asked and not any(_answers(asked[0]) for _ in range(QUESTIONS)):
                for connection in asked:
                    _cut(connection)

    def _at_work(self) -> list[Any]:
        """Return the connections that have been checked out for a while."""
        before = time.monotonic() - AT_WORK_SECONDS
        with self._lock:
            return [connection for connection, since in self._busy.values() if since < before]


def _socket(connection: Any) -> socket.socket:
    """Return a second handle on a connection's socket."""
    return socket.socket(fileno=os.dup(connection.fileno()))


def _answers(connection: Any) -> bool:
    """Return whether the server of that connection answers a new one.

    True when that cannot be determined.
    """
    try:
        with _socket(connection) as ours:
            family, address = ours.family, ours.getpeername()
            if family == socket.AF_UNIX:  # the server knows it by a path of its own, relative perhaps
                address = f"{connection.info.host}/.s.PGSQL.{connection.info.port}"
    except Exception:  # noqa: BLE001  the connection was closed meanwhile
        return True
    try:
        return server_answers(family, address, SILENT_SECONDS)
    except TimeoutError:
        return False
    except OSError:  # refused or reset: the server is not frozen, and the driver gets the error
        return True


def _cut(connection: Any) -> None:
    with suppress(Exception), _socket(connection) as ours:
        ours.shutdown(socket.SHUT_RDWR)
