"""The partitions of a run."""

from collections.abc import Sequence


def consecutive(keys: Sequence[str], every: Sequence[str], *, gap: int, most: int) -> list[tuple[str, str]]:
    """Return ranges `(first, last)` that cover `keys`, of at most `most` partitions.

    They follow the order of `every`. A run takes one range. Keys at most `gap` others apart share one: the partitions
    between them are worked on too, and stay unchanged. Keys that are not partitions are left out.
    """
    wanted = set(keys)
    ranges: list[tuple[int, int]] = []
    for place in (place for place, key in enumerate(every) if key in wanted):
        if ranges and place - ranges[-1][1] <= gap + 1 and place - ranges[-1][0] < most:
            ranges[-1] = (ranges[-1][0], place)
        else:
            ranges.append((place, place))
    return [(every[first], every[last]) for first, last in ranges]


def chunks(keys: Sequence[str], most: int) -> list[list[str]]:
    """Split keys into lists of at most `most`, of nearly the same length."""
    number = -(-len(keys) // most)
    size = -(-len(keys) // number) if number else 0
    return [list(keys[place * size : (place + 1) * size]) for place in range(number)]
