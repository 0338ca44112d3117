"""Turns at the database: requests wait in the event loop, where waiting costs no thread and no connection.

Two bounds hold at once. `most` requests of a kind work at the same time, and at most `each` of them about the same thing
(a contract, a caller). So a contract that is locked for long stops the requests about it, and no others.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from b2b_pipelines.db.locks import Busy

PATIENCE = 5.0
"""Seconds that a request waits for its turn and for locks, in all."""
LONGEST_QUEUE = 500
"""Requests that may wait for the same thing; the next one is refused at once."""


class _Gate:
    """The turns about one thing."""

    __slots__ = ("semaphore", "users")

    def __init__(self, each: int) -> None:
        self.semaphore = asyncio.Semaphore(each)
        self.users = 0


class Turns:
    """Turns of one kind of request. Belongs to one event loop."""

    def __init__(self, most: int, each: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._each = each
        self._gates: dict[Hashable, _Gate] = {}

    @asynccontextmanager
    async def take(self, *keys: Hashable) -> AsyncIterator[float]:
        """Wait for a turn about these things; give the seconds that are left for waiting for locks.

        Raises `Busy` after `PATIENCE` seconds, and at once when too many wait already.
        """
        began = time.monotonic()
        ordered = sorted(set(keys), key=repr)  # one order for all, so that no two requests wait for each other
        gates = [self._gates.setdefault(key, _Gate(self._each)) for key in ordered]
        if any(gate.users >= LONGEST_QUEUE for gate in gates):
            raise busy()
        semaphores = [*(gate.semaphore for gate in gates), self._all]
        taken = 0
        for gate in gates:
            gate.users += 1
        try:
            if any(semaphore.locked() for semaphore in semaphores):
                async with asyncio.timeout(PATIENCE):
                    for semaphore in semaphores:
                        await semaphore.acquire()
                        taken += 1
            else:
                for semaphore in semaphores:
                    await semaphore.acquire()  # free: returns without a wait
                    taken += 1
            yield max(PATIENCE - (time.monotonic() - began), 0.1)
        except TimeoutError:
            if taken == len(semaphores):  # of the work itself
                raise
            raise busy() from None
        finally:
            for semaphore in semaphores[:taken]:
                semaphore.release()
            for key, gate in zip(ordered, gates, strict=True):
                gate.users -= 1
                if not gate.users and self._gates.get(key) is gate:
                    del self._gates[key]


def busy() -> Busy:
    """Return the refusal of a request that waited too long."""
    return Busy("Other requests about the same thing have not ended. Retry later.")
