"""Differences between two snapshots of a sheet. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from b2b_pipelines.cells import Cell
from b2b_pipelines.sheets.layout import HEADERS

Held: TypeAlias = tuple[int, str, Sequence[Cell]]
"""A row number (from 1), the row's code, and our six cells."""


@dataclass(frozen=True, slots=True)
class Change:
    """The difference of one code's row. A new row has no row before, a deleted one no row after.

    `cells` names the headers whose cells differ, with the value before and after; for a new or deleted row, the cells
    with contents.
    """

    code: str
    row_before: int | None
    row_after: int | None
    cells: tuple[tuple[str, Cell, Cell], ...] = ()

    @property
    def kind(self) -> str:
        """Return `added`, `gone`, `changed`, or `moved` for a row of which only the place differs."""
        if self.row_before is None:
            return "added"
        if self.row_after is None:
            return "gone"
        return "changed" if self.cells else "moved"


def differences(before: Iterable[Held], after: Iterable[Held]) -> list[Change]:
    """Return the changes, code by code.

    Changed, added and gone rows come in the later order, moved ones last. A code that stands in several rows is
    compared copy by copy, from the top.
    """
    then, now = _by_copy(before), _by_copy(after)
    found = [
        change
        for copy in (*now, *(copy for copy in then if copy not in now))
        if (change := _change(copy[0], then.get(copy), now.get(copy))) is not None
    ]
    return sorted(found, key=lambda change: change.kind == "moved")


def _by_copy(rows: Iterable[Held]) -> dict[tuple[str, int], Held]:
    """Return each row by its code and by which copy of the code it is."""
    copies: defaultdict[str, int] = defaultdict(int)
    found = {}
    for row in rows:
        found[row[1], copies[row[1]]] = row
        copies[row[1]] += 1
    return found


def _change(code: str, then: Held | None, now: Held | None) -> Change | None:
    blank = ("",) * len(HEADERS)
    cells = tuple(
        (header, was, became)
        for header, was, became in zip(HEADERS, then[2] if then else blank, now[2] if now else blank, strict=True)
        if was != became
    )
    change = Change(code, then[0] if then else None, now[0] if now else None, cells)
    return None if not cells and change.row_before == change.row_after else change
