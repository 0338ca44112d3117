"""Limit a client's requests in any minute, hour or day, across all workers, at low cost.

PostgreSQL stores how many requests each client was granted, by slices of the window. A worker takes grants in advance
(a lease: one at first, twice as many each time a lease is used up at once, never more than a quarter of the rest),
spends them from memory, and returns the unspent ones after five seconds. So no two workers grant the same request, and
a busy client costs a query now and then, not one for each request. The lease of a busy client is renewed while it is
still being spent, so that no request waits for a query.

A grant counts until its slice of the window has passed, so no window of the full length ever exceeds the rate; a client
may wait up to a sixtieth of the window longer than necessary.
"""

import asyncio
import json
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from anyio import CapacityLimiter, to_thread
from sqlalchemy import bindparam, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError

SLICES = 60
LEASE_SECONDS = 5.0
"""Seconds for which a worker may spend a lease before it returns the rest."""
AHEAD_SECONDS = 0.5
"""Seconds before its end at which a large lease is renewed."""
LARGE_LEASE = 64
"""Requests in a large lease. Smaller ones, of quiet clients or near the limit, are not renewed ahead."""
BLOCKED_SECONDS = 1.0
"""Seconds after which a worker asks again for a client without grants, because another may have returned some."""
UNITS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` requests in any `seconds`."""

    count: int
    seconds: int

    @classmethod
    def parse(cls, value: str) -> "Rate":
        """Return the rate of a setting such as `120/hour`."""
        count, _, unit = value.partition("/")
        return cls(int(count), UNITS[unit])

    @property
    def slice_seconds(self) -> float:
        return self.seconds / SLICES

    def ends(self, number: int) -> float:
        """Return the time at which the grants of a slice no longer count."""
        return (number + 1) * self.slice_seconds + self.seconds + LEASE_SECONDS


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant of `count` requests in a slice, or the seconds to `wait` until more are available."""

    count: int
    slice: int
    wait: float
    grants: list[list[int]]


def grant(grants: Sequence[Sequence[int]], rate: Rate, now: float, wanted: int) -> Grant:
    """Return the grant for a client that asks for `wanted` more requests. Pure.

    `grants` are `[[slice, count], …]`. The grant is never more than a quarter of the rest, so that other workers get
    some too, but at least one if one is left.
    """
    current = int(now // rate.slice_seconds)
    alive = {number: count for number, count in grants if count > 0 and rate.ends(number) > now}
    left = rate.count - sum(alive.values())
    count = max(min(wanted, max(left // 4, 1)), 0) if left > 0 else 0
    alive[current] = alive.get(current, 0) + count
    wait = 0.0 if count else rate.ends(min(alive)) - now
    return Grant(count, current, wait, [[number, granted] for number, granted in sorted(alive.items()) if granted])


_READ = text("""
    INSERT INTO throttled_client (client, grants, ends_at) VALUES (:client, '[]', now())
    ON CONFLICT (client) DO UPDATE SET client = excluded.client
    RETURNING grants, extract(epoch FROM clock_timestamp())::float
""")
_WRITE = text("UPDATE throttled_client SET grants = :grants, ends_at = to_timestamp(:ends_at) WHERE client = :client")
_GIVE_BACK = text("""
    UPDATE throttled_client
    SET grants = (
        SELECT coalesce(jsonb_agg(
            CASE WHEN had -> 0 = to_jsonb(back.slice) THEN jsonb_build_array(back.slice, (had ->> 1)::int8 - back.count)
            ELSE had END), '[]')
        FROM jsonb_array_elements(grants) AS had
    )
    FROM jsonb_to_recordset(:unspent) AS back (client text, slice int8, count int8)
    WHERE throttled_client.client = back.client
""")
_LOCK = text("SELECT 1 FROM throttled_client WHERE client IN :clients ORDER BY client FOR UPDATE").bindparams(
    bindparam("clients", expanding=True)
)
_FORGET = text("DELETE FROM throttled_client WHERE ends_at < now()")


def take(session: Session, client: str, rate: Rate, wanted: int) -> Grant:
    """Grant a client up to `wanted` requests, by the database's clock. Workers take turns."""
    grants, now = session.execute(_READ, {"client": client}).one()
    given = grant(grants, rate, now, wanted)
    if given.count:
        ends_at = rate.ends(given.slice)
        session.execute(_WRITE, {"client": client, "grants": json.dumps(given.grants), "ends_at": ends_at})
    return given


def give_back(session: Session, unspent: Mapping[str, tuple[int, int]]) -> None:
    """Return unspent grants: `(slice, count)` by client."""
    rows = [{"client": client, "slice": number, "count": count} for client, (number, count) in unspent.items()]
    session.execute(_LOCK, {"clients": list(unspent)})
    session.execute(_GIVE_BACK, {"unspent": json.dumps(rows)})


def forget_the_past(session: Session) -> None:
    """Delete clients without any grant that still counts."""
    session.execute(_FORGET)


@dataclass(slots=True)
class Lease:
    """A worker's lease for a client, by the worker's monotonic clock."""

    granted: int = 0
    left: int = 0
    slice: int = 0
    good_until: float = 0.0
    blocked_until: float = 0.0
    free_at: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    renewal: asyncio.Task[None] | None = None
    """The single attempt to take the next lease before this one ends."""

    def begin(self, given: Grant, asked_at: float, spent: int) -> None:
        """Start a lease of which `spent` requests are used.

        Without a grant, block further queries briefly.
        """
        self.granted, self.left, self.slice = given.count, max(given.count - spent, 0), given.slice
        self.good_until = asked_at + LEASE_SECONDS if given.count else 0.0
        self.blocked_until = 0.0 if given.count else asked_at + BLOCKED_SECONDS
        self.free_at = asked_at + given.wait
        self.renewal = None

    @property
    def is_nearly_spent(self) -> bool:
        return self.left <= self.granted // 4

    def runs_out(self, now: float) -> bool:
        """Return whether to take the next lease while this one is still being spent."""
        return self.granted >= LARGE_LEASE and (self.is_nearly_spent or now >= self.good_until - AHEAD_SECONDS)

    def next_size(self, now: float) -> int:
        """Return the size of the next lease.

        It is twice this one's when all were used before its end, the number used when it has just ended, else one.
        """
        if now < self.good_until and self.is_nearly_spent:
            return self.granted * 2
        return max(self.granted - self.left, 1) if now < self.good_until + LEASE_SECONDS else 1


class Throttle:
    """The throttle of one worker.

    `admit` runs in its event loop; another thread calls `tidy` regularly. `leases` are those of its clients, and
    `clock` gives the seconds by which they end.
    """

    def __init__(
        self, rate: Rate, threads: CapacityLimiter | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate = rate
        self.leases: dict[str, Lease] = {}
        self._threads = threads
        self._clock = clock
        self._lock = threading.Lock()

    async def admit(self, client: str, database: Database) -> int | None:
        """Return None for an admitted request, else the seconds until a retry."""
        if lease := self._spend(client):
            if lease.renewal is None and lease.runs_out(self._clock()):
                lease.renewal = asyncio.create_task(self._renew_ahead(client, lease, database))
            return None
        with self._lock:
            lease = self.leases.setdefault(client, Lease())
        async with lease.asking:
            if self._spend(client):
                return None
            now = self._clock()
            asks = now >= lease.blocked_until
            if asks:
                size = lease.next_size(now)
                if await to_thread.run_sync(self._renew, client, lease, size, database, limiter=self._threads):
                    return None
            return max(math.ceil(lease.free_at - self._clock()), 1)

    def tidy(self, database: Database) -> None:
        """Return unspent grants to the database, and forget idle clients."""
        now = self._clock()
        unspent: dict[str, tuple[int, int]] = {}
        with self._lock:
            for client, lease in list(self.leases.items()):
                if now < max(lease.good_until, lease.blocked_until) or lease.asking.locked():
                    continue
                if lease.left:
                    unspent[client] = (lease.slice, lease.left)
                    lease.granted, lease.left = lease.granted - lease.left, 0
                if now >= lease.good_until + LEASE_SECONDS:
                    del self.leases[client]
        if unspent:
            with database.session() as session:
                give_back(session, unspent)

    def _spend(self, client: str) -> Lease | None:
        """Admit a request on the client's lease, if any of it is left."""
        with self._lock:
            lease = self.leases.get(client)
            if lease is None or not lease.left or self._clock() >= lease.good_until:
                return None
            lease.left -= 1
            return lease

    async def _renew_ahead(self, client: str, lease: Lease, database: Database) -> None:
        """Take the next lease before this one ends.

        On failure the request that finds the lease empty reports the error.
        """
        async with lease.asking:
            now = self._clock()
            if not (lease.left and lease.runs_out(now)):  # a request that found the lease empty was faster
                return
            with suppress(B2BError, SQLAlchemyError):
                size = lease.next_size(now)
                await to_thread.run_sync(self._add, client, lease, size, database, limiter=self._threads)

    def _add(self, client: str, lease: Lease, size: int, database: Database) -> None:
        """Replace the lease with a new one, and return what is left of the old one."""
        asked_at = self._clock()
        with database.session() as session:
            given = take(session, client, self.rate, size)
        if not given.count:
            return
        with self._lock:
            unspent, slice_number = lease.left, lease.slice
            lease.begin(given, asked_at, spent=0)
        if unspent:
            with database.session() as session:
                give_back(session, {client: (slice_number, unspent)})

    def _renew(self, client: str, lease: Lease, size: int, database: Database) -> bool:
        """Take a new lease. Return whether there was one.

        Its first request is reserved for the caller, because others may spend the rest at once.
        """
        asked_at = self._clock()
        with self._lock:
            unspent, lease.left = lease.left, 0
        with database.session() as session:
            if unspent:
                give_back(session, {client: (lease.slice, unspent)})
            given = take(session, client, self.rate, size)
        with self._lock:
            self.leases[client] = lease
            lease.begin(given, asked_at, spent=1)
        return given.count > 0
