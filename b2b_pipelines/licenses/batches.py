"""Sending many items in batches, and finding the ones that a vendor rejects. Pure."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

BATCH = 100
"""The most licenses, or addresses, that the LMS is sent at once."""


class EverythingRejected(Exception):
    """No part of the batch was accepted: the vendor fails, not an item."""


def batches(items: Sequence[T]) -> list[Sequence[T]]:
    """Return the items in their order, `BATCH` at a time."""
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]


def find_rejected(batch: Sequence[T], accepts: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return the items of a rejected batch that are rejected alone.

    All the others are accepted on the way. `accepts` sends a part of the batch and returns whether the vendor accepted
    it. The batch itself was sent before, and rejected. When the first half is accepted, the second must hold a rejected
    item, so it is halved without being sent; when it is rejected, the second half waits until a rejected item is alone.
    One rejected item among 100 costs at most 9 calls.
    """
    rejected: list[T] = []
    waiting = list(batch)
    while waiting:
        suspects = waiting
        rest: list[T] = []
        is_rejected = len(batch) == 1
        while len(suspects) > 1:
            middle = len(suspects) // 2
            first, second = suspects[:middle], suspects[middle:]
            if accepts(first):
                suspects, is_rejected = second, False
            else:
                suspects, is_rejected, rest = first, len(first) == 1, second + rest
        if is_rejected or not accepts(suspects):
            rejected += suspects
        waiting = rest if rest and not (len(rest) > 1 and accepts(rest)) else []
    return rejected


def find_rejected_unless_all(batch: Sequence[T], accepts: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return the result of `find_rejected`, once any part of the batch was accepted.

    Raises `EverythingRejected` when the vendor rejects both halves and three smaller parts, because the cause is then
    the vendor and not an item. One rejected item among 100 costs at most 10 calls, a vendor that rejects everything at
    most 5.
    """
    items = list(batch)
    if len(items) == 1:
        return items
    for places in _probes(len(items)):
        if accepts(items[places.start : places.stop]):
            others = [*items[: places.start], *items[places.stop :]]
            return find_rejected(others, accepts) if len(others) > 1 or not accepts(others) else []
    raise EverythingRejected


def _probes(size: int) -> list[range]:
    """Return the places of both halves, of an eighth of each, and of the last item.

    Each range once.
    """
    middle, eighth = size // 2, max(size // 8, 1)
    probes = [range(middle), range(middle, size), range(eighth), range(middle, middle + eighth), range(size - 1, size)]
    return list(dict.fromkeys(probes))
