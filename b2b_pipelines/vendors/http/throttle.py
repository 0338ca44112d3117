"""Pace this process's requests, so that they stay within a vendor's published rate limit."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` within any span of `seconds`."""

    requests: int
    seconds: float


@dataclass
class _Window:
    rate: Rate
    starts: deque[float] = field(default_factory=deque)

    def free_at(self, now: float) -> float:
        """Return the time at which this window admits one more request."""
        while self.starts and self.starts[0] <= now - self.rate.seconds:
            self.starts.popleft()
        return now if len(self.starts) < self.rate.requests else self.starts[0] + self.rate.seconds


class Throttle:
    """Sliding windows over the requests of one client. Thread-safe.

    `clock` and `sleep` are in seconds. A caller that must wait sleeps outside the lock, then competes again.
    """

    def __init__(
        self,
        rates: Iterable[Rate] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._windows = [_Window(rate) for rate in rates]
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return once another request is allowed, and count it."""
        while self._windows:
            with self._lock:
                now = self._clock()
                free_at = max(window.free_at(now) for window in self._windows)
                if free_at <= now:
                    for window in self._windows:
                        window.starts.append(now)
                    return
            self._sleep(free_at - now)
