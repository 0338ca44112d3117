"""Repairs for rows or columns that moved between the reading and the writing of a tab.

Google writes to places. If a person sorts, inserts or moves rows in between, our cells land in other rows or columns
than planned, over the cells that moved there. The overwritten cells are known, because they were read before. The new
place of a row is recognized by the constants entered beside it, which were not written. The value of a formula proves
nothing, because it changes with our own write.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from b2b_pipelines.cells import Cell, is_blank, is_blank_cell, is_prepared, recognized
from b2b_pipelines.sheets.alignment import Nearby, by_cell, column_origins, row_origins
from b2b_pipelines.sheets.followed import FollowedFormulas
from b2b_pipelines.sheets.layout import Layout, Tab, normal
from b2b_pipelines.sheets.operations import CellRun, Entry, Plan

ROWS_AROUND = 50
"""Rows above, and below, among which rows like a written one are searched."""


def is_as_meant(before: Tab, plan: Plan, after: Tab) -> bool:
    """Return whether the tab holds its old cells and the plan's, all in place.

    Cheap; nearly always true.
    """
    return not differing(before, plan, after, most=1)


def differing(before: Tab, plan: Plan, after: Tab, most: int = 1000) -> list[tuple[int, int]]:
    """Return at most `most` cells that hold neither their old value nor the planned one."""
    written = by_cell(plan.writes)
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


def repairs(
    before: Tab, plan: Plan, after: Tab, layout: Layout | None, put_back: Sequence[CellRun] = ()
) -> tuple[CellRun, ...]:
    """Return the cells to write so that everything that moved under the plan is restored.

    The plan was made from `before`, with the cells `put_back` that were written with it; `after` is the tab with the
    plan applied, and `layout` is the place of our columns in it now, None if not all of them can be found. Cells that a
    person edited since are left alone, and so are rows that did not move. A code that is elsewhere in the tab is never
    written again.
    """
    if plan.kind != "update" or plan.layout is None:
        return ()
    sent = replace(plan, writes=(*put_back, *plan.writes))
    search = _Repairs(before, sent, after, layout, put_back)
    return (*(run for row in search.written for run in search.of_row(row)), *search.not_put_back())


def carried(put_back: Sequence[CellRun], then: Tab, now: Tab, layout: Layout) -> tuple[CellRun, ...]:
    """Return repairs of an earlier tab for the tab as it is now, because a person moved cells again since.

    `layout` is the place of our columns in the earlier one. Cells that changed since are left alone.
    """
    return tuple(_Repairs(then, Plan("update", layout, None), now, None, put_back).not_put_back())


def withdrawal(plan: Plan, after: Tab) -> tuple[CellRun, ...]:
    """Return the cells to empty because a person cleared the tab around this product's write."""
    written = [
        (row, column)
        for row, cells in by_cell(plan.writes).items()
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


class _Repairs:
    """The search for cells that a plan overwrote in another place than it meant."""

    def __init__(
        self, before: Tab, plan: Plan, after: Tab, layout: Layout | None, put_back: Sequence[CellRun] = ()
    ) -> None:
        assert plan.layout is not None
        self.put_back = by_cell(put_back)
        self.before, self.after = before, after
        self.written = by_cell(plan.writes)
        self.columns = column_origins(before, plan.layout, after, layout, self.written)
        self.rows = row_origins(before, plan.layout, after, self.columns, self.written)
        self.nearby, self.used = Nearby(self.rows), set(self.rows.values())
        self.ours_then = set(plan.layout.columns)
        self.ours = [now for now, then in self.columns.items() if then in self.ours_then]
        self.code = next((now for now, then in self.columns.items() if then == plan.layout.code), None)
        self.code_then = plan.layout.code
        self.meant = plan.rows_after or {}
        self.formulas = FollowedFormulas(with_cells(before, put_back), plan, after, self.columns, self.rows)

    @cached_property
    def standing(self) -> Counter[str]:
        """Return the codes in cells that no repair changes, and those that repairs wrote."""
        if self.code is None:
            return Counter()
        changed = {row for row in self.written if self.code in self.restored(row, next(self.origins(row)))}
        rows = (row for index, row in enumerate(self.after.values) if index not in changed)
        return Counter(normal(row[self.code]) for row in rows if len(row) > self.code)

    def of_row(self, row: int) -> list[CellRun]:
        """Return the repairs of a written row."""
        for origin in self.origins(row):
            restored = self.restored(row, origin)
            if not self.repeats_code(restored):
                self.standing[normal(restored.get(self.code, "")) if self.code is not None else ""] += 1
                return [CellRun(row, column, ((_entry(old),),)) for column, old in restored.items()]
        return []

    def not_put_back(self) -> Iterator[CellRun]:
        """Yield the cells to put back that moved once more, so that they were not written."""
        row_now = Nearby({then: row for row, then in self.rows.items()})
        column_now = {then: column for column, then in self.columns.items()}
        for then, cells in self.put_back.items():
            row = row_now.candidates(then)[0]
            for source in cells:
                column = column_now.get(source)
                if row < 0 or column is None or column in self.written.get(row, ()):
                    continue
                old = self.formulas.now(row, column, then, source)
                left = _same(self.after.cell(row, column), self.before.cell(then, source))
                if left and not self.repeats_code({column: old}):
                    yield CellRun(row, column, ((_entry(old),),))

    def restored(self, row: int, origin: int | None) -> dict[int, Cell]:
        """Return what the written cells of a row held, by column, if the row was at `origin` before."""
        foreign = self.alike(row) if origin is None and self.is_beside(row) else origin
        beside = [(self.after.cell(row, at), self.before.cell(row, self.columns[at])) for at in self.ours]
        unwritten = [pair for at, pair in zip(self.ours, beside, strict=True) if at not in self.written[row]]
        emptied = origin == row and _was_emptied(unwritten)
        astray = self.code_then in self.written[row] and self.columns.get(self.code_then) != self.code_then
        restored: dict[int, Cell] = {}
        for column, value in self.written[row].items():
            source = self.columns.get(column)
            is_right = (origin, source) == (row, column) and not emptied and not astray
            if is_right or not _same(self.after.cell(row, column), value):
                continue
            then = origin if source in self.ours_then else foreign
            old = "" if then is None or source is None or emptied else self.formulas.now(row, column, then, source)
            if not _same(old, value):
                restored[column] = old
        return restored

    def repeats_code(self, restored: Mapping[int, Cell]) -> bool:
        """Return whether a code would be written that stands somewhere else."""
        code = normal(restored.get(self.code, "")) if self.code is not None else ""
        return bool(code and self.standing[code])

    def origins(self, row: int) -> Iterator[int | None]:
        """Yield the places that a written row may have had when the tab was read, the likeliest first.

        None stands for an unknown place.
        """
        if row in self.rows:
            yield self.rows[row]
        elif self.stayed(row):
            yield row
        elif not self.is_beside(row):
            yield None
        if self.is_beside(row):
            yield from (then for then in (*self.nearby.candidates(row), row) if self.agrees(row, then))
            yield None

    def alike(self, row: int) -> int | None:
        """Return the nearest of the earlier rows that agree with a written row, if foreign cells are alike in them."""
        around = range(max(row - ROWS_AROUND, 0), row + ROWS_AROUND)
        rows = sorted((then for then in around if self.agrees(row, then)), key=lambda then: abs(then - row))
        sources = {self.columns[column] for column in self.written[row] if column in self.columns} - self.ours_then
        held = {tuple(recognized(self.before.cell(then, source)) for source in sources) for then in rows}
        return rows[0] if len(held) == 1 else None

    def is_beside(self, row: int) -> bool:
        """Return whether a row was written in other columns than the plan meant."""
        return any(self.columns.get(column) != column for column in self.written[row])

    def stayed(self, row: int) -> bool:
        """Return whether a written row is the intended one, by its code or by any cell beside it."""
        if self.code is not None and normal(self.after.cell(row, self.code)) == normal(self.meant.get(row + 1)):
            return True
        return any(_same(now, then) and not is_prepared(now) for now, then in self.beside(row, row))

    def agrees(self, row: int, then: int) -> bool:
        """Return whether a row is as an earlier one was, in all cells that were not written."""
        unmatched = then >= 0 and then not in self.used
        return unmatched and all(_same(now, earlier) for now, earlier in self.beside(row, then))

    def beside(self, row: int, then: int) -> Iterator[tuple[Cell, Cell]]:
        """Yield the unwritten cells of a row, each with the cell of an earlier row."""
        for column, source in self.columns.items():
            if column not in self.written[row]:
                yield self.after.cell(row, column), self.before.cell(then, source)


def _was_emptied(pairs: Sequence[tuple[Cell, Cell]]) -> bool:
    """Return whether cells that had contents are blank now."""
    return is_blank(now for now, _ in pairs) and not is_blank(then for _, then in pairs)


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
