"""Count the requests of a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class RequestTally:
    """Requests made, attempts included."""

    total: int = 0


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


def count() -> None:
    """Add a request to the tally of the block in which it is made, if any."""
    if tally := _of_block.get():
        tally.total += 1
