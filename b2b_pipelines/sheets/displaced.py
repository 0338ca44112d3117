"""What to put back when rows or columns moved between our reading and our writing.

Google writes to places. If somebody sorts, inserts or moves in the moment between, our cells land in other rows or
columns than they were meant for, over what had moved there. What that was is known, because it had been read; which
row it is now is told by the cells beside, which were not written.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, cast

from b2b_pipelines.sheets.layout import Cell, Layout, Tab, is_blank, normal
from b2b_pipelines.sheets.plan import CellRun, Plan, Value

_Written: TypeAlias = dict[int, dict[int, Value]]
"""What was written, by row and column."""
_Origins: TypeAlias = Mapping[int, int]
"""Where a row (or a column) of the tab as it is stood when it was read."""


def is_as_meant(before: Tab, plan: Plan, after: Tab) -> bool:
    """Whether the tab holds what it held and what the plan writes, and nothing moved. Cheap: it nearly always does."""
    written = _by_cell(plan.writes)
    for row in range(max(len(before.values), len(after.values))):
        then = before.values[row] if row < len(before.values) else []
        now = after.values[row] if row < len(after.values) else []
        if then == now and row not in written:
            continue
        changed = written.get(row, {})
        width = max(len(then), len(now), *changed, 0)
        if any(not _same(changed.get(c, before.cell(row, c)), after.cell(row, c)) for c in range(width + 1)):
            return False
    return True


def repairs(before: Tab, plan: Plan, after: Tab, layout: Layout) -> tuple[CellRun, ...]:
    """The cells to write so that whatever moved under the plan is as it was.

    `before` is what the plan was made from, `after` what the tab holds with the plan applied, and `layout` where our
    columns are in it now. Cells in which somebody typed since are left alone, and so are rows that are where they were.
    """
    if plan.kind != "update" or plan.layout is None:
        return ()
    written = _by_cell(plan.writes)
    columns = _column_origins(before, plan.layout, after, layout)
    rows = _row_origins(before, written, after, columns)
    meant = plan.rows_after or {}
    put_back = []
    for row, cells in written.items():
        beside = [
            (after.cell(row, column), before.cell(row, then)) for column, then in columns.items() if column not in cells
        ]
        stayed = normal(after.cell(row, layout.code)) == normal(meant.get(row + 1)) or any(
            _same(now, then) and not is_blank([now]) for now, then in beside
        )
        origin = rows.get(row, row if stayed else None)
        ours = [(after.cell(row, at), before.cell(row, columns[at])) for at in layout.columns if at not in cells]
        emptied = origin == row and _was_emptied(ours)
        for column, value in cells.items():
            source = columns.get(column)
            if not _same(after.cell(row, column), value) or ((origin, source) == (row, column) and not emptied):
                continue
            old = "" if origin is None or source is None or emptied else before.cell(origin, source)
            if not _same(old, value):
                put_back.append(CellRun(row, column, ((cast(Value, _plain(old)),),)))
    return tuple(put_back)


def withdrawal(plan: Plan, after: Tab) -> tuple[CellRun, ...]:
    """The cells to empty where nothing stands in the tab but what the plan wrote: somebody had cleared it."""
    written = [
        (row, column)
        for row, cells in _by_cell(plan.writes).items()
        for column, value in cells.items()
        if _same(after.cell(row, column), value)
    ]
    blanks = tuple(CellRun(row, column, (("",),)) for row, column in written)
    return blanks if plan.kind == "update" and with_cells(after, blanks).is_blank else ()


def with_cells(tab: Tab, runs: Iterable[CellRun]) -> Tab:
    """The tab as it is once those cells are written."""
    values = [list(row) for row in tab.values]
    for run in runs:
        values.extend([] for _ in range(run.row + len(run.values) - len(values)))
        for line, cells in zip(values[run.row :], run.values, strict=False):
            line.extend([""] * (run.column + len(cells) - len(line)))
            line[run.column : run.column + len(cells)] = cells
    return Tab(values, tab.row_count, tab.column_count)


def _by_cell(runs: Iterable[CellRun]) -> _Written:
    written: _Written = defaultdict(dict)
    for run in runs:
        for row, cells in enumerate(run.values, start=run.row):
            written[row].update(enumerate(cells, start=run.column))
    return written


def _column_origins(before: Tab, then: Layout, after: Tab, now: Layout) -> _Origins:
    """Ours by what they are; others by their order, or where some came or went, by their header."""
    origins = dict(zip(now.columns, then.columns, strict=True))
    others = [column for column in range(after.column_count) if column not in now.columns]
    others_then = [column for column in range(before.column_count) if column not in then.columns]
    if len(others) == len(others_then):
        return origins | dict(zip(others, others_then, strict=True))
    titles = _only_ones(normal(before.cell(0, column)) for column in others_then)
    for column in others:
        title = normal(after.cell(0, column))
        if title in titles:
            origins[column] = others_then[titles[title]]
    return origins


def _row_origins(before: Tab, written: _Written, after: Tab, columns: _Origins) -> _Origins:
    """By the cells that were not written; rows that have none, by the rows above, if what must have been there is gone.

    What is gone in the end stood, in its order, in what is not told yet, if it held the same in what was not written and
    unless rows were deleted or edited.
    """
    origins: dict[int, int] = {}
    those = _Rows(before, range(len(before.values)), columns)
    for row in range(len(after.values)):
        beside = tuple(column for column in columns if column not in written.get(row, ()))
        found = those.like(after, row, beside)
        if found and not is_blank(after.cell(row, column) for column in beside):
            origins[row] = row if row in found else min(found, key=lambda then: abs(then - row))
    there = set(origins.values())
    shift = 0
    for row in range(len(after.values)):
        if row in origins:
            shift = origins[row] - row
        elif shift and row in written and row + shift not in there and _holds(before, row + shift):
            origins[row] = row + shift
    there = set(origins.values())
    gone = [row for row in range(len(before.values)) if row not in there and _holds(before, row)]
    edited = any(row not in origins and row not in written and _holds(after, row) for row in range(len(after.values)))
    if not edited and after.row_count >= before.row_count:
        gone_rows = _Rows(before, gone, columns)
        for row in sorted(written.keys() - origins.keys()):
            beside = tuple(column for column in columns if column not in written[row])
            candidates = gone_rows.like(after, row, beside)
            while candidates and candidates[0] in there:
                del candidates[0]
            if candidates:
                origins[row] = candidates[0]
                there.add(candidates[0])
    return origins


def _was_emptied(pairs: Sequence[tuple[Cell, Cell]]) -> bool:
    """Whether cells, as they are and as they were, are blank and were not."""
    return is_blank(now for now, _ in pairs) and not is_blank(then for _, then in pairs)


class _Rows:
    """Rows of the tab that was read, found by what they held in some columns."""

    def __init__(self, tab: Tab, rows: Iterable[int], columns: _Origins) -> None:
        self.tab, self.rows, self.columns = tab, list(rows), columns
        self.indexes: dict[tuple[int, ...], dict[tuple[Cell, ...], list[int]]] = {}

    def like(self, after: Tab, row: int, beside: tuple[int, ...]) -> list[int]:
        """The rows that held, in the columns that are now `beside`, what that row holds there."""
        if beside not in self.indexes:
            index: dict[tuple[Cell, ...], list[int]] = defaultdict(list)
            for then in self.rows:
                index[tuple(_plain(self.tab.cell(then, self.columns[column])) for column in beside)].append(then)
            self.indexes[beside] = index
        return self.indexes[beside].get(tuple(_plain(after.cell(row, column)) for column in beside), [])


def _holds(tab: Tab, row: int) -> bool:
    return 0 <= row < len(tab.values) and not is_blank(tab.values[row])


def _only_ones(titles: Iterable[str]) -> dict[str, int]:
    """The places of titles that are there once and not blank."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, title in enumerate(titles):
        places[title].append(place)
    return {title: found[0] for title, found in places.items() if title and len(found) == 1}


def _plain(cell: Cell) -> Cell:
    return "" if cell is None else cell


def _same(one: Cell, other: Cell) -> bool:
    return _plain(one) == _plain(other)
