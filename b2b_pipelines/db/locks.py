"""Locks across processes and machines, with PostgreSQL's advisory locks.

A lock is named by a kind and a name (`("contract", 7)`, `("spreadsheet", "1Abc…")`). Transaction locks and `exclusive`
exclude each other for the same kind and name. No lock outlives its connection, so a crash leaves none behind.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Connection, Engine, bindparam, event, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from b2b_pipelines.db.engine import answering
from b2b_pipelines.errors import TransientError

APPLICATION_NAME_BYTES = 63
SLICE_SECONDS = 1.0
LOCK_NOT_AVAILABLE = "55P03"

_KEY = bindparam("key", type_=BigInteger)
_TRANSACTION_LOCKS = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS wanted (key)")
_LOCK = text("SELECT pg_advisory_lock(:key)").bindparams(_KEY)
_UNLOCK = text("SELECT pg_advisory_unlock(:key)").bindparams(_KEY)
_TRY = text(
    "SELECT taken FROM set_config('application_name', :holder, false) AS named,"
    " set_config('statement_timeout', '0', false) AS patient,"
    " pg_try_advisory_lock(:key) AS taken"
).bindparams(_KEY)
_PATIENCE = text("SELECT set_config('lock_timeout', :milliseconds, false)")
_HOLDER = text(
    "SELECT activity.application_name FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)"
    " WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1"
    " AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (held.classid::bigint << 32 | held.objid::bigint) = :key"
).bindparams(_KEY)


class Busy(TransientError):
    """Another holder has the lock; the message names it."""

    code = "busy"


class LockLost(TransientError):
    """The connection that held the lock broke, so another holder may have taken it."""

    code = "lock_lost"


class Held:
    """A lock that is held, to confirm before a step that must not run twice."""

    def __init__(self, connection: Connection, key: int, what: str) -> None:
        self._connection = connection
        self._key = key
        self._what = what

    def confirm(self) -> None:
        """Raise `LockLost` unless the lock was held without interruption. One short query."""
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            raise LockLost(f"lost the lock on {self._what} (database connection closed): try again") from error

    def release(self) -> None:
        """Release the lock. Raises `LockLost` when it was no longer held."""
        try:
            ours = self._connection.execute(_UNLOCK, {"key": self._key}).scalar_one()
        except SQLAlchemyError as error:
            raise LockLost(
                f"lost the lock on {self._what} before the end (database connection closed): try again"
            ) from error
        if not ours:
            raise LockLost(f"lost the lock on {self._what} before the end: try again")


def lock_key(kind: str, name: str | int) -> int:
    """Return PostgreSQL's signed 64-bit number for a lock.

    It is stable across processes and versions.
    """
    return int.from_bytes(blake2b(f"{kind}\0{name}".encode(), digest_size=8).digest(), signed=True)


def transaction_lock(session: Session, kind: str, name: str | int) -> None:
    """Wait for the lock and hold it until the session's transaction ends in any way."""
    transaction_locks(session, kind, [name])


def transaction_locks(session: Session, kind: str, names: Iterable[str | int]) -> None:
    """Wait for several locks of a kind and hold them like `transaction_lock`.

    They are taken in one order everywhere, which prevents deadlocks.
    """
    keys = sorted(lock_key(kind, name) for name in names)
    session.execute(_TRANSACTION_LOCKS, {"keys": keys})


@contextmanager
def exclusive(engine: Engine, kind: str, name: str | int, *, holder: str, wait: float = 60) -> Iterator[Held]:
    """Hold a lock during work that spans several transactions and HTTP requests.

    The lock lives on its own connection, outside any transaction and from a separate pool: in the main pool it would
    take the place of a working connection, and a new connection for each lock costs milliseconds of CPU. `holder` is
    shown to waiting processes ("b2b sheet sync acme-2026 (process 4711)"): no personal data, and ASCII of at most 63
    characters, else its middle is left out. Not reentrant.

    Raises `Busy` after `wait` seconds, `DatabaseUnavailable` without a connection. Raises `LockLost` at the end of work
    during which the connection broke (for example because the server restarted), unless the work itself raised.
    """
    what = f"{kind} {name}"
    key = lock_key(kind, name)
    with answering(), _apart(engine).connect() as connection:
        try:
            _take(connection, key, what, wait, _fitting(holder))
            held = Held(connection, key, what)
            try:
                yield held
            except BaseException:
                with suppress(LockLost):
                    held.release()
                raise
            held.release()
        except BaseException:
            connection.invalidate()  # closing the connection releases its locks
            raise


_APART: WeakKeyDictionary[Engine, Engine] = WeakKeyDictionary()
_MAKING = Lock()


def _apart(engine: Engine) -> Engine:
    """Return the engine of the lock connections to the same database.

    It is disposed of with the main engine.
    """
    with _MAKING:
        if engine not in _APART:
            made = Engine(engine.pool.recreate(), engine.dialect, engine.url, hide_parameters=True)
            made.update_execution_options(isolation_level="AUTOCOMMIT")
            event.listen(engine, "engine_disposed", lambda _: made.dispose())
            _APART[engine] = made
        return _APART[engine]


def _take(connection: Connection, key: int, what: str, wait: float, holder: str) -> None:
    if connection.execute(_TRY, {"holder": holder, "key": key}).scalar_one():
        return
    # In slices, because the driver blocks signals while it waits for PostgreSQL: Ctrl-C would have no effect.
    deadline = time.monotonic() + wait
    while True:
        remaining = max(deadline - time.monotonic(), 0.001)
        milliseconds = max(round(min(remaining, SLICE_SECONDS) * 1000), 1)
        connection.execute(_PATIENCE, {"milliseconds": str(milliseconds)})
        try:
            connection.execute(_LOCK, {"key": key})
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            if time.monotonic() < deadline:
                continue
            holder = connection.execute(_HOLDER, {"key": key}).scalar() or "another process"
            raise Busy(f"{what} is locked by {holder}: try again when it is done") from None
        return


def _fitting(holder: str) -> str:
    plain = holder.encode("ascii", "replace").decode()
    if len(plain) <= APPLICATION_NAME_BYTES:
        return plain
    return f"{plain[:35]}...{plain[-25:]}"
