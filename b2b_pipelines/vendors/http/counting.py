"""Count requests: those of a client, and those of a block."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class RequestTally:
    """Requests made, attempts included, by method."""

    by_method: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def total(self) -> int:
        return self.by_method.total()

    def add(self, method: str) -> None:
        with self._lock:
            self.by_method[method] += 1


_of_block: ContextVar[RequestTally | None] = ContextVar("request_tally", default=None)


@contextmanager
def tallied_requests() -> Iterator[RequestTally]:
    """Count the requests that this thread makes inside the block, through any client."""
    tally = RequestTally()
    before = _of_block.set(tally)
    try:
        yield tally
    finally:
        _of_block.reset(before)


def count(method: str, *tallies: RequestTally) -> None:
    """Add a request to these tallies, and to that of the block in which it is made."""
    block = _of_block.get()
    for tally in (*tallies, *([block] if block else [])):
        tally.add(method)
