"""References of a formula: how Google rewrites them when cells are copied, moved, inserted or deleted.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0. References to other tabs follow
a copy, but not the moves in this tab.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from b2b_pipelines.cells import column_letters

Places: TypeAlias = Callable[[int], int | None]
"""The place of a row (or column) now, by its place then; None for a deleted one."""

_REFERENCE = re.compile(
    r"""
    "(?:[^"]|"")*" |
    (?P<tab>(?:'(?:[^']|'')*'|[^\W\d]\w*)!)?
    (?<![\w.$])
    (?:(?P<first>\$?[A-Z]{1,3}\$?[0-9]+|\$?[A-Z]{1,3}|\$?[0-9]+):(?P<last>\$?[A-Z]{1,3}\$?[0-9]+|\$?[A-Z]{1,3}|\$?[0-9]+)
      |(?P<cell>\$?[A-Z]{1,3}\$?[0-9]+))
    (?![\w(.!\[])
    """,
    re.IGNORECASE | re.VERBOSE,
)
_END = re.compile(r"(\$?)([A-Z]*)(\$?)([0-9]*)", re.IGNORECASE)
_DELETED = "#REF!"
_LONGEST_SEARCH = 1000
"""Rows or columns that may have been deleted at the beginning of an open range."""


class _End(NamedTuple):
    """A cell, or one end of a range: its column and row, None where the range is open, and whether they are absolute."""

    column: int | None
    row: int | None
    fixed_column: bool
    fixed_row: bool

    def __str__(self) -> str:
        letters = "" if self.column is None else "$" * self.fixed_column + column_letters(self.column + 1)
        return letters + ("" if self.row is None else "$" * self.fixed_row + str(self.row + 1))


def copied(formula: str, rows: int, columns: int) -> str:
    """Return the formula as it reads after a copy of its cell, so many rows down and columns to the right.

    Sorting and filling down rewrite formulas in the same way: absolute references stay.
    """

    def moved(place: int | None, distance: int) -> int | None:
        return None if place is None else place + distance

    def replace(match: re.Match[str]) -> str:
        ends = [
            end._replace(
                column=moved(end.column, 0 if end.fixed_column else columns),
                row=moved(end.row, 0 if end.fixed_row else rows),
            )
            for end in _ends(match)
        ]
        if not ends:
            return match[0]
        outside = any((end.column or 0) < 0 or (end.row or 0) < 0 for end in ends)
        return _DELETED if outside else (match["tab"] or "") + ":".join(map(str, ends))

    return _REFERENCE.sub(replace, formula)


def following(formula: str, rows: Places, columns: Places) -> str:
    """Return the formula as it reads after rows and columns of its tab were inserted, deleted or moved.

    A range shrinks to the rows and columns that are left of it; a deleted cell is `#REF!`.
    """

    def replace(match: re.Match[str]) -> str:
        ends = list(_ends(match))
        if match["tab"] or not ends:
            return match[0]
        down = _remaining(ends[0].row, ends[-1].row, rows)
        across = _remaining(ends[0].column, ends[-1].column, columns)
        if down is None or across is None:
            return _DELETED
        pairs = zip(ends, (across[0], across[-1]), (down[0], down[-1]), strict=False)
        return ":".join(str(end._replace(column=column, row=row)) for end, column, row in pairs)

    return _REFERENCE.sub(replace, formula)


def _ends(match: re.Match[str]) -> Iterator[_End]:
    """Yield the cell that was matched, or the two ends of the range; nothing for a text in quotes."""
    for text in filter(None, (match["cell"], match["first"], match["last"])):
        for fixed_column, letters, fixed_row, digits in _END.findall(text)[:1]:
            only_row = not letters
            yield _End(
                column=None if only_row else _column(letters),
                row=int(digits) - 1 if digits else None,
                fixed_column=bool(fixed_column) and not only_row,
                fixed_row=bool(fixed_row or (only_row and fixed_column)),
            )


def _remaining(first: int | None, last: int | None, places: Places) -> tuple[int | None, int | None] | None:
    """Return the places of the ends of a range now; None if nothing is left of it. An open end stays open."""
    beginning, end = first, last
    if first is not None:
        beginning = _first_place(range(first, (first + _LONGEST_SEARCH if last is None else last) + 1), places)
    if last is not None:
        end = _first_place(range(last, (0 if first is None else first) - 1, -1), places)
    gone = (beginning is None) is not (first is None) or (end is None) is not (last is None)
    return None if gone else (beginning, end)


def _first_place(searched: range, places: Places) -> int | None:
    return next((place for each in searched if (place := places(each)) is not None), None)


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
