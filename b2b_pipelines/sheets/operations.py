"""Operations on a tab: rectangles of cells to write, and the plan that holds them. Pure."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from b2b_pipelines.cells import Area, Formula, Table, Value
from b2b_pipelines.sheets.layout import Layout, LayoutLost, Written

Entry: TypeAlias = Value | Formula
"""A value to write: text as text, a count as a number; `""` empties a cell.

A formula is written only to restore a customer's.
"""

ConflictKind = Literal["annotated", "duplicate", "merged", "unknown_code", "layout_lost"]


class Conflict(NamedTuple):
    """A finding that a person must look at.

    It has the row (from 1), and its code where one can be named. `annotated`: a cell holds the code and something more.
    `duplicate`: the code is also in a row above. `merged`: a merge covers one of our cells in the row, which is neither
    written nor verified. `unknown_code`: a cell that held a code of ours (named, if known), or that looks like a code,
    does not hold one now. `layout_lost`: our columns cannot be found; the row is the header's, without a code.
    """

    kind: ConflictKind
    row: int
    code: str | None


@dataclass(frozen=True, slots=True)
class CellRange:
    """A rectangle of cells, counted from 0."""

    row: int
    column: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class CellRun:
    """A rectangle of cells to write, its upper left corner counted from 0.

    Every row of `values` is as wide.
    """

    row: int
    column: int
    values: tuple[tuple[Entry, ...], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions of one sync.

    Apply them in this order: growth, `clear`, `writes` from first to last. `updated`, `appended` and `unchanged` count
    rows of codes. `rows_after` maps row numbers (from 1) to the codes in them afterwards; a row with an annotated code
    is named only when no cell holds just the code. `written` is input for the next sync. `replaced` counts the rows of
    the customer's in A-F that a new target replaces, and `replaced_cells` are the first texts in them. `rows_added` are
    the numbers (from 1) of the rows in which codes were added to a tab, and `last_code` is that of the last row with a
    code before them. `merged` is a merge that forbids to write a new target, and `table` the Google Table to enlarge,
    with its new area. `lost` names the missing or misplaced headers when the layout is lost.
    """

    kind: Literal["new", "update", "layout_lost"]
    layout: Layout | None
    written: Written | None
    writes: tuple[CellRun, ...] = ()
    clear: CellRange | None = None
    grow_rows: int = 0
    grow_columns: int = 0
    conflicts: tuple[Conflict, ...] = ()
    updated: int = 0
    appended: int = 0
    unchanged: int = 0
    header: bool = False
    rows_after: dict[int, str] = field(default_factory=dict)
    replaced: int = 0
    replaced_cells: tuple[str, ...] = ()
    rows_added: tuple[int, ...] = ()
    last_code: int = 0
    merged: Area | None = None
    table: Table | None = None
    lost: LayoutLost | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether the plan writes nothing."""
        return not (self.writes or self.clear or self.grow_rows or self.grow_columns)

    @property
    def row_by_code(self) -> dict[str, int]:
        """Return the first row of each code afterwards, counted from 1."""
        return {code: row for row, code in reversed(self.rows_after.items())}

    @property
    def estimated_bytes(self) -> int:
        """Return the size of the writes as `updateCells` requests, in bytes of JSON."""
        return sum(update_cells_bytes(run) for run in self.writes)


Change: TypeAlias = tuple[int, tuple[int, ...], tuple[Entry, ...]]
"""Cells of one row to write: the row, their columns from left to right, their values."""


def pieces(plan: Plan, limit_bytes: int, range_bytes: int = 160) -> list[tuple[CellRun, ...]]:
    """Return the writes cut into requests of `RAW` values, in the order to send.

    Each has at most `limit_bytes` bytes. The header is in the first, and a new row's code is never sent after the rest
    of the row: after a cut anywhere, the next sync continues from the cells in the tab. A row larger than the limit is
    a piece by itself. `range_bytes` is the cost of each rectangle besides its values: its range, with the tab's title.
    """
    parts: list[tuple[CellRun, ...]] = []
    part: list[CellRun] = []
    room = limit_bytes
    for run in plan.writes:
        start, room = 0, room - range_bytes
        for index, row in enumerate(run.values):
            size = len(json.dumps(row)) + 2
            if size > room and (part or index > start):
                if index > start:
                    part.append(CellRun(run.row + start, run.column, run.values[start:index]))
                parts.append(tuple(part))
                part, start, room = [], index, limit_bytes - range_bytes
            room -= size
        part.append(CellRun(run.row + start, run.column, run.values[start:]))
    return [*parts, tuple(part)] if part else parts


def runs_of(changes: Iterable[Change]) -> Iterator[CellRun]:
    """Yield the changes as the fewest rectangles that touch no other cell.

    The changes come from the top down.
    """
    open_runs: dict[tuple[int, int], tuple[int, list[tuple[Entry, ...]]]] = {}
    for row, columns, values in changes:
        for start, end in _stretches(columns):
            place = (columns[start], end - start)
            top, rows = open_runs.get(place, (row, []))
            if rows and top + len(rows) != row:
                yield CellRun(top, place[0], tuple(rows))
                top, rows = row, []
            rows.append(values[start:end])
            open_runs[place] = (top, rows)
    yield from (CellRun(top, column, tuple(rows)) for (column, _), (top, rows) in open_runs.items())


@lru_cache(maxsize=64)
def _stretches(columns: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return the begin and end of each stretch of neighbouring columns, as slices."""
    breaks = [i for i in range(1, len(columns)) if columns[i] != columns[i - 1] + 1]
    return tuple(pairwise((0, *breaks, len(columns))))


def in_order(runs: Iterable[CellRun], code_column: int) -> tuple[CellRun, ...]:
    """Return the runs with codes first, then from the top.

    No row may have a status without a code.
    """

    def place(run: CellRun) -> tuple[bool, int, int]:
        return not run.column <= code_column < run.column + len(run.values[0]), run.row, run.column

    return tuple(sorted(runs, key=place))


def update_cells_bytes(run: CellRun) -> int:
    """Return the size of an `updateCells` request, in bytes of JSON."""
    cells = len(run.values) * len(run.values[0])
    return (
        len(json.dumps(run.values, default=lambda formula: formula.text))
        + cells * len('{"userEnteredValue": {"stringValue": }}')
        + len(run.values) * 12
        + 200
    )
