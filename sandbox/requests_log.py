"""Which requests were made, so that a test can say what something costs."""

import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

REMEMBERED = 100_000


@dataclass(slots=True)
class Exchange:
    """One request and its answer. `status` is None when the connection was cut without one.

    `request_bytes` and `response_bytes` are of the bodies as they went over the wire. `fault` names the fault that
    befell it. `at` is seconds since the epoch.
    """

    vendor: str
    kind: str
    method: str
    path: str
    account: str | None = None
    status: int | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    fault: str | None = None
    at: float = field(default_factory=time.time)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class RequestLog:
    """Every request to a vendor, in the order of arrival, up to the last `REMEMBERED`.

    The page and the admin API are not in it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._exchanges: deque[Exchange] = deque(maxlen=REMEMBERED)

    def add(self, exchange: Exchange) -> None:
        with self._lock:
            self._exchanges.append(exchange)

    def reset(self) -> None:
        with self._lock:
            self._exchanges.clear()

    def entries(self, *, vendor: str | None = None, kind: str | None = None, since: float = 0) -> list[Exchange]:
        """The requests of a vendor, of a kind, of the time since a moment (seconds since the epoch)."""
        with self._lock:
            return [
                exchange
                for exchange in self._exchanges
                if vendor in (None, exchange.vendor) and kind in (None, exchange.kind) and exchange.at >= since
            ]

    def counts(self, *, vendor: str | None = None, since: float = 0) -> dict[str, int]:
        """How many requests of each kind; `read` and `write` are there even when none was made."""
        counted = Counter(exchange.kind for exchange in self.entries(vendor=vendor, since=since))
        return {"read": 0, "write": 0, **counted}
