"""Sending many items in batches, and finding the ones that a vendor rejects. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

BATCH = 100
"""The most licenses, or addresses, that the LMS is sent at once."""


class EverythingRejected(Exception):
    """No part of the batch was accepted: the vendor fails, not an item."""


def batches(items: Sequence[T], size: int = BATCH) -> list[Sequence[T]]:
    """Return the items in their order, `size` at a time."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def find_rejected(batch: Sequence[T], accepts: Callable[[Sequence[T]], bool], *, limit: int | None = None) -> list[T]:
    """Return the items of a rejected batch that are rejected alone; all the others are accepted on the way.

    `accepts` sends a part of the batch and returns whether the vendor accepted it. The batch itself was sent before, and
    rejected. When the first half is accepted, the second must hold a rejected item, so it is halved without being sent;
    when it is rejected, the second half waits until a rejected item is alone. One rejected item among 100 costs at most
    9 calls. With `limit`, raises `EverythingRejected` once that many parts were rejected and none was accepted, or when
    every item was rejected alone.
    """
    rejected: list[T] = []
    waiting, failures, accepted = list(batch), 0, False

    def is_accepted(part: Sequence[T]) -> bool:
        nonlocal failures, accepted
        if accepts(part):
            accepted = True
            return True
        failures += 1
        if limit is not None and not accepted and failures >= limit:
            raise EverythingRejected
        return False

    while waiting:
        suspects = waiting
        rest: list[T] = []
        is_rejected = len(batch) == 1
        while len(suspects) > 1:
            middle = len(suspects) // 2
            first, second = suspects[:middle], suspects[middle:]
            if is_accepted(first):
                suspects, is_rejected = second, False
            else:
                suspects, is_rejected, rest = first, len(first) == 1, second + rest
        if is_rejected or not is_accepted(suspects):
            rejected += suspects
        waiting = rest if rest and not (len(rest) > 1 and is_accepted(rest)) else []
    if limit is not None and not accepted and len(batch) > 1:
        raise EverythingRejected
    return rejected
