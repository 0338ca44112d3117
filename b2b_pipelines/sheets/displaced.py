"""Repairs for rows or columns that moved between the reading and the writing of a tab.

Google writes to places. If a person sorts, inserts or moves rows in between, our cells land in other rows or columns
than planned, over the cells that moved there. The overwritten cells are known, because they were read before. The new
place of a row is recognized by the constants entered beside it, which were not written. The value of a formula proves
nothing, because it changes with our own write.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from b2b_pipelines.cells import Cell, is_blank, is_blank_cell, is_prepared, recognized
from b2b_pipelines.sheets.layout import Layout, Tab, normal
from b2b_pipelines.sheets.operations import CellRun, Entry, Plan

_Written: TypeAlias = dict[int, dict[int, Entry]]
"""The written cells, by row and column."""
_Origins: TypeAlias = Mapping[int, int]
"""The place of a row (or column) of the current tab when the tab was read."""


def is_as_meant(before: Tab, plan: Plan, after: Tab) -> bool:
    """Return whether the tab holds its old cells and the plan's, all in place.

    Cheap; nearly always true.
    """
    return not differing(before, plan, after, most=1)


def differing(before: Tab, plan: Plan, after: Tab, most: int = 1000) -> list[tuple[int, int]]:
    """Return at most `most` cells that hold neither their old value nor the planned one."""
    written = _by_cell(plan.writes)
    found: list[tuple[int, int]] = []
    for row in range(max(len(before.values), len(after.values))):
        then = before.values[row] if row < len(before.values) else []
        now = after.values[row] if row < len(after.values) else []
        if then == now and row not in written:
            continue
        changed = written.get(row, {})
        width = max(len(then), len(now), *(column + 1 for column in changed), 0)
        for column in range(width):
            if not _reads_back(changed.get(column, before.cell(row, column)), after.cell(row, column)):
                found.append((row, column))
                if len(found) == most:
                    return found
    return found


def repairs(before: Tab, plan: Plan, after: Tab, layout: Layout) -> tuple[CellRun, ...]:
    """Return the cells to write so that everything that moved under the plan is restored.

    The plan was made from `before`; `after` is the tab with the plan applied, and `layout` is the place of our columns
    in it now. Cells that a person edited since are left alone, and so are rows that did not move. A code that is
    elsewhere in the tab is never written again.
    """
    if plan.kind != "update" or plan.layout is None:
        return ()
    written = _by_cell(plan.writes)
    columns = _column_origins(before, plan.layout, after, layout)
    rows = _RowSearch(before, plan.layout, written, after, columns).origins()
    standing = Counter(normal(row[layout.code]) for row in after.values if len(row) > layout.code)
    meant = plan.rows_after or {}
    put_back: list[CellRun] = []
    for row, cells in written.items():
        origin = rows.get(
            row,
            row
            if _stayed(row, cells, before=before, after=after, columns=columns, layout=layout, meant=meant)
            else None,
        )
        ours = [(after.cell(row, at), before.cell(row, columns[at])) for at in layout.columns if at not in cells]
        emptied = origin == row and _was_emptied(ours)
        restored = []
        for column, value in cells.items():
            source = columns.get(column)
            if not _same(after.cell(row, column), value) or ((origin, source) == (row, column) and not emptied):
                continue
            old = "" if origin is None or source is None or emptied else before.cell(origin, source)
            if not _same(old, value):
                restored.append((column, old))
        if not any(column == layout.code and standing[normal(old)] and normal(old) for column, old in restored):
            put_back += [CellRun(row, column, ((_entry(old),),)) for column, old in restored]
    return tuple(put_back)


def withdrawal(plan: Plan, after: Tab) -> tuple[CellRun, ...]:
    """Return the cells to empty because a person cleared the tab around this product's write."""
    written = [
        (row, column)
        for row, cells in _by_cell(plan.writes).items()
        for column, value in cells.items()
        if _same(after.cell(row, column), value)
    ]
    blanks = tuple(CellRun(row, column, (("",),)) for row, column in written)
    return blanks if plan.kind == "update" and with_cells(after, blanks).is_blank else ()


def with_cells(tab: Tab, runs: Iterable[CellRun]) -> Tab:
    """Return the tab with those cells written."""
    values: list[list[Cell]] = [list(row) for row in tab.values]
    for run in runs:
        values.extend([] for _ in range(run.row + len(run.values) - len(values)))
        for line, cells in zip(values[run.row :], run.values, strict=False):
            line.extend([""] * (run.column + len(cells) - len(line)))
            line[run.column : run.column + len(cells)] = cells
    return replace(tab, values=values)


def _stayed(
    row: int,
    cells: Mapping[int, Entry],
    *,
    before: Tab,
    after: Tab,
    columns: _Origins,
    layout: Layout,
    meant: Mapping[int, str],
) -> bool:
    """Return whether a written row is the intended one, by its code or by any cell beside it."""
    if normal(after.cell(row, layout.code)) == normal(meant.get(row + 1)):
        return True
    beside = [
        (after.cell(row, column), before.cell(row, then)) for column, then in columns.items() if column not in cells
    ]
    return any(_same(now, then) and not is_prepared(now) for now, then in beside)


def _by_cell(runs: Iterable[CellRun]) -> _Written:
    written: _Written = defaultdict(dict)
    for run in runs:
        for row, cells in enumerate(run.values, start=run.row):
            written[row].update(enumerate(cells, start=run.column))
    return written


def _column_origins(before: Tab, then: Layout, after: Tab, now: Layout) -> _Origins:
    """Match our columns by header.

    Others by their order, or by their header if some came or went.
    """
    origins = dict(zip(now.columns, then.columns, strict=True))
    others = [column for column in range(after.column_count) if column not in now.columns]
    others_then = [column for column in range(before.column_count) if column not in then.columns]
    if len(others) == len(others_then):
        return origins | dict(zip(others, others_then, strict=True))
    titles = _only_ones(normal(before.cell(then.header_row, column)) for column in others_then)
    for column in others:
        title = normal(after.cell(now.header_row, column))
        if title in titles:
            origins[column] = others_then[titles[title]]
    return origins


class _RowSearch:
    """One search for the earlier places of a tab's rows.

    A row is the origin of at most one row, and never while it is still in its place.
    """

    def __init__(self, before: Tab, then: Layout, written: _Written, after: Tab, columns: _Origins) -> None:
        self.before, self.then, self.written, self.after, self.columns = before, then, written, after, columns
        self.found: dict[int, int] = {}
        self.used: set[int] = set()
        self.standing = {row for row in range(len(before.values)) if self.stands(row)}

    def origins(self) -> _Origins:
        """Return the earlier place of each row that can be matched.

        First, rows are matched by the cells that were not written. Rows without such cells are matched by the rows
        above them, if the row that must have been there is missing now. The remaining missing rows are matched in their
        order with the unmatched written rows that agree in every unwritten cell, unless rows were deleted or edited.
        """
        self.by_cells_beside()
        self.by_rows_above()
        self.by_what_is_gone()
        return self.found

    def stands(self, row: int) -> bool:
        """Return whether a row still shows its old contents in the cells that were not written."""
        return all(
            _same(self.after.cell(row, now), self.before.cell(row, self.columns[now])) for now in self.beside(row)
        )

    def beside(self, row: int) -> tuple[int, ...]:
        written = self.written.get(row)
        return tuple(column for column in self.columns if column not in written) if written else tuple(self.columns)

    def says_something(self, row: int, beside: Sequence[int]) -> bool:
        """Return whether those cells identify a row.

        Fill-down formulas and unticked boxes are alike in all rows.
        """
        return not all(is_prepared(self.after.cell(row, column)) for column in beside)

    def by_cells_beside(self) -> None:
        rows = [row for row in range(len(self.after.values)) if self.says_something(row, self.beside(row))]
        for row in rows:
            if row in self.standing:
                self.settle(row, row)
        before = _Rows(self.before, range(len(self.before.values)), self.columns)
        for row in rows:
            if row not in self.found:
                free = [then for then in before.like(self.after, row, self.beside(row)) if self.is_free(then)]
                if free:
                    self.settle(row, min(free, key=lambda then: abs(then - row)))

    def by_rows_above(self) -> None:
        shift = 0
        for row in range(len(self.after.values)):
            if row in self.found:
                shift = self.found[row] - row
            elif shift and row in self.written and self.is_missing(row + shift):
                self.settle(row, row + shift)

    def by_what_is_gone(self) -> None:
        gone = [row for row in range(len(self.before.values)) if self.is_missing(row)]
        edited = any(
            row not in self.found
            and row not in self.written
            and row not in self.standing
            and self.holds(self.after, row)
            for row in range(len(self.after.values))
        )
        if not gone or edited or self.after.row_count < self.before.row_count:
            return
        gone_rows = _Rows(self.before, gone, self.columns)
        for row in sorted(self.written.keys() - self.found.keys()):
            candidates = [then for then in gone_rows.like(self.after, row, self.beside(row)) if then not in self.used]
            if candidates:
                self.settle(row, candidates[0])

    def settle(self, row: int, then: int) -> None:
        self.found[row] = then
        self.used.add(then)

    def is_free(self, then: int) -> bool:
        return then not in self.used and then not in self.standing

    def is_missing(self, then: int) -> bool:
        """Return whether a row with contents is nowhere in the tab now."""
        return self.is_free(then) and self.holds(self.before, then)

    def holds(self, tab: Tab, row: int) -> bool:
        """Return whether a row has contents of its own, in our columns or beside them."""
        if not 0 <= row < len(tab.values):
            return False
        ours = self.then.columns if tab is self.before else tuple(self.columns)[: len(self.then.columns)]
        return any(
            not (is_blank_cell(cell) if column in ours else is_prepared(cell))
            for column, cell in enumerate(tab.values[row])
        )


def _was_emptied(pairs: Sequence[tuple[Cell, Cell]]) -> bool:
    """Return whether cells that had contents are blank now."""
    return is_blank(now for now, _ in pairs) and not is_blank(then for _, then in pairs)


class _Rows:
    """Rows of the tab as read, indexed by their contents in some columns."""

    def __init__(self, tab: Tab, rows: Iterable[int], columns: _Origins) -> None:
        self.tab, self.rows, self.columns = tab, list(rows), columns
        self.indexes: dict[tuple[int, ...], dict[tuple[object, ...], list[int]]] = {}

    def like(self, after: Tab, row: int, beside: tuple[int, ...]) -> list[int]:
        """Return the earlier rows that equal that row in the columns now `beside`."""
        if beside not in self.indexes:
            index: dict[tuple[object, ...], list[int]] = defaultdict(list)
            for then in self.rows:
                index[tuple(recognized(self.tab.cell(then, self.columns[column])) for column in beside)].append(then)
            self.indexes[beside] = index
        return self.indexes[beside].get(tuple(recognized(after.cell(row, column)) for column in beside), [])


def _only_ones(titles: Iterable[str]) -> dict[str, int]:
    """Return the places of titles that are there once and not blank."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, title in enumerate(titles):
        places[title].append(place)
    return {title: found[0] for title, found in places.items() if title and len(found) == 1}


def _entry(cell: Cell) -> Entry:
    """Return the entry that restores a cell."""
    return "" if is_blank_cell(cell) else cell  # type: ignore[return-value]


def _same(one: Cell, other: Cell) -> bool:
    return recognized(one) == recognized(other)


def _reads_back(wanted: Cell, held: Cell) -> bool:
    """Return whether a cell holds the wanted value.

    A number in a column of plain text may read back as text.
    """
    return _same(wanted, held) or (type(wanted) in (int, float) and held == str(wanted))
