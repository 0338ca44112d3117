"""Pace requests to a vendor, across every process of the installation.

The state is one row for each account and kind of request, with the times of the last permits. A permit is one
statement: it waits for the row, computes the next free time from the permit before, and appends it. All times are the
database's, so the clocks of machines need not agree. A process that dies while it waits wastes one permit.
"""

import random
import time
from datetime import datetime, timedelta
from hashlib import blake2b
from threading import Lock
from typing import Any, Literal

from sqlalchemy import ARRAY, DateTime, Engine, TextClause, text
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base
from b2b_pipelines.db.engine import answering
from b2b_pipelines.errors import TransientError

Kind = Literal["read", "write"]
LOOK_AGAIN_SECONDS = 0.5
PARTS = 6
"""Parts of a window over which routine work spreads its share."""

_NEXT = (
    "greatest(clock_timestamp(), permits.paused_until, permits.slots[cardinality(permits.slots)],"
    " permits.slots[cardinality(permits.slots) + 1 - :most] + :window,"
    " permits.slots[cardinality(permits.slots) + 1 - :burst] + :burst_window)"
)
_RESERVE = text(f"""
    INSERT INTO request_permits AS permits (account, kind, slots)
    VALUES (:account, :kind, ARRAY[clock_timestamp()])
    ON CONFLICT (account, kind) DO UPDATE
    SET slots = permits.slots[(CASE WHEN cardinality(permits.slots) < :kept THEN 1 ELSE 2 END):] || {_NEXT}
    WHERE {_NEXT} <= clock_timestamp() + :patience
    RETURNING extract(epoch FROM slots[cardinality(slots)] - clock_timestamp())
""")
_PAUSE = """
    INSERT INTO request_permits AS permits (account, kind, slots, paused_until)
    VALUES (:account, :kind, ARRAY[]::timestamptz[], clock_timestamp() + :pause)
    ON CONFLICT (account, kind) DO UPDATE
    SET paused_until = greatest(permits.paused_until, excluded.paused_until)
"""
_PAUSE_LONGER = text(_PAUSE)
_PAUSE_ONCE = text(f"{_PAUSE} WHERE (permits.paused_until > clock_timestamp()) IS NOT TRUE")
_PAUSED = text("""
    SELECT paused_until > clock_timestamp() FROM request_permits WHERE account = :account AND kind = :kind
""")


class OutOfPermits(TransientError):
    """Too many requests are waiting, so a permit would come too late. No permit was spent."""

    code = "out_of_permits"


class RequestPermits(Base):
    """The last permits of an account for one kind of request.

    `account` is a digest, because accounts have e-mail addresses for names. `slots` are the last permits in order; the
    newest may lie in the future. Before `paused_until` no permits are given.
    """

    __tablename__ = "request_permits"

    account: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    slots: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)))
    paused_until: Mapped[datetime | None]


class Limiter:
    """At most `per_minute` requests of each kind in any 60 s, for one account and database.

    First come, first served. Free permits are given at once, so a quiet installation never waits. `margin` seconds are
    added to the window because a request reaches the vendor a little after its permit, with a delay that varies.
    `window` is for tests. Thread-safe.

    Routine work sets `share` below 1: it takes a permit only while fewer than that share of the window's permits are
    taken, by any caller, and reserves none in advance. It also spreads them: each sixth of a window has a sixth of the
    share. So urgent work never queues behind it, and the first minute of a refresh does not spend a minute's permits.
    One thread looks for a free permit while the others of its process wait behind it, because each look is a statement.
    """

    def __init__(
        self,
        engine: Engine,
        account: str,
        per_minute: int,
        *,
        max_wait: float = 900,
        window: float = 60,
        margin: float = 1,
        share: float = 1,
    ) -> None:
        if per_minute < 1:
            raise ValueError("a limiter must allow at least one request")
        self._engine = engine
        self._account = blake2b(account.encode(), digest_size=16).hexdigest()
        self._kept = per_minute
        self._most = max(round(per_minute * share), 1)
        self._yields = share < 1
        self._window = timedelta(seconds=window + margin)
        self._burst = max(round(self._most / PARTS), 1) if self._yields else self._most
        self._burst_window = self._window * self._burst / self._most
        self._max_wait = max_wait
        self._turn: dict[Kind, Lock] = {"read": Lock(), "write": Lock()}

    def wait(self, kind: Kind) -> float:
        """Wait until one request of this kind may be made. Return the seconds that passed.

        Raises `OutOfPermits`, at once and without spending a permit, when the wait would exceed `max_wait` seconds.
        """
        began = time.monotonic()
        if not self._yields:
            self._wait_for_turn(kind, began + self._max_wait)
        elif not self._becomes_free(kind, began + self._max_wait):
            raise self._out_of_permits(kind)
        return time.monotonic() - began

    def take(self, kind: Kind, patience: float) -> bool:
        """Wait until one request of this kind may be made, if that is within so many seconds. Return whether it may.

        If not, no permit was spent, unless the vendor asked for a pause meanwhile.
        """
        if self._yields:
            return self._becomes_free(kind, time.monotonic() + patience)
        delay = self._ask(kind, patience)
        if delay is None or delay <= 0:
            return delay is not None
        time.sleep(delay)
        return not self._run(_PAUSED, kind)

    def pause(self, kind: Kind, seconds: float) -> None:
        """Pause requests of this kind, because the vendor answered 429 with `Retry-After`.

        Requests that already wait get a new turn after the pause. A shorter pause never replaces a longer one.
        """
        self._run(_PAUSE_LONGER, kind, pause=timedelta(seconds=seconds))

    def pause_until_minute_ends(self, kind: Kind) -> None:
        """Give no permits of this kind until a minute has passed since the vendor's first refusal.

        A 429 without `Retry-After` means that the account's quota of this minute is spent. Requests that were already
        sent and are refused during the pause do not extend it.
        """
        self._run(_PAUSE_ONCE, kind, pause=self._window)

    def _wait_for_turn(self, kind: Kind, deadline: float) -> None:
        """Reserve the next permit, and wait for its time. A pause that begins meanwhile makes it void."""
        while True:
            delay = self._ask(kind, deadline - time.monotonic())
            if delay is None:
                raise self._out_of_permits(kind)
            if delay <= 0:
                return
            time.sleep(delay)
            if not self._run(_PAUSED, kind):
                return

    def _becomes_free(self, kind: Kind, deadline: float) -> bool:
        """Take a permit as soon as one is free. Return False when none was free in time."""
        if not self._turn[kind].acquire(timeout=max(deadline - time.monotonic(), 0)):
            return False
        try:
            while self._ask(kind, 0) is None:
                if time.monotonic() > deadline:
                    return False
                time.sleep(LOOK_AGAIN_SECONDS * (0.5 + random.random()))  # noqa: S311  jitter keeps processes apart
            return True
        finally:
            self._turn[kind].release()

    def _ask(self, kind: Kind, patience: float) -> float | None:
        """Take the next permit. Return the seconds until it counts, or None if they exceed `patience`: then none is taken."""
        delay = self._run(
            _RESERVE,
            kind,
            most=self._most,
            kept=self._kept,
            window=self._window,
            burst=self._burst,
            burst_window=self._burst_window,
            patience=timedelta(seconds=max(patience, 0)),
        )
        return None if delay is None else float(delay)

    def _out_of_permits(self, kind: Kind) -> OutOfPermits:
        return OutOfPermits(
            f"the next {kind} request would have to wait more than {self._max_wait:.0f} s,"
            f" at {self._most} a minute: try again later"
        )

    def _run(self, statement: TextClause, kind: Kind, **parameters: object) -> Any:
        """Execute and commit the statement. Return its single value, or None."""
        with answering(), self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            result = connection.execute(statement, {"account": self._account, "kind": kind, **parameters})
            return result.scalar() if result.returns_rows else None
