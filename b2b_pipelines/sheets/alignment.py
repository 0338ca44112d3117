"""Where the rows and columns of a tab were when it was read, if a person moved them before the write.

Cells that the write changed prove nothing, and neither does the value of a formula, which may follow the write.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from b2b_pipelines.cells import is_blank_cell, is_prepared, recognized
from b2b_pipelines.sheets.layout import Layout, Tab, normal
from b2b_pipelines.sheets.operations import CellRun, Entry

WrittenCells: TypeAlias = Mapping[int, Mapping[int, Entry]]
"""The written cells, by row and column."""
Origins: TypeAlias = dict[int, int]
"""The place of a row (or column) of the current tab when the tab was read."""


def by_cell(runs: Iterable[CellRun]) -> WrittenCells:
    """Return the cells of rectangles by row and column."""
    written: defaultdict[int, dict[int, Entry]] = defaultdict(dict)
    for run in runs:
        for row, cells in enumerate(run.values, start=run.row):
            written[row].update(enumerate(cells, start=run.column))
    return written


def column_origins(before: Tab, then: Layout, after: Tab, now: Layout | None, written: WrittenCells) -> Origins:
    """Return the place of each column when the tab was read, if it was there.

    Our columns are those of the layouts, if ours are known (`now`). Others are matched by their header, by their
    contents, by the columns beside them, and last by their order.
    """
    if now and now.columns == then.columns and before.column_count == after.column_count:
        return {column: column for column in (*now.columns, *range(after.column_count))}
    search = _ColumnSearch(before, after, dict(zip(now.columns, then.columns, strict=True)) if now else {})
    search.by_titles(then.header_row, now.header_row if now else then.header_row)
    search.by_contents(written)
    search.by_columns_beside()
    search.by_order()
    return search.origins


def row_origins(before: Tab, then: Layout, after: Tab, columns: Origins, written: WrittenCells) -> Origins:
    """Return the place of rows when the tab was read, as far as they can be matched.

    First, rows are matched by the cells that were not written. Rows without such cells are matched by the rows above
    them, if the row that must have been there is missing now. The remaining missing rows are matched in their order
    with the unmatched written rows that agree in every unwritten cell, unless rows were deleted or edited.
    """
    search = _RowSearch(before, then, written, after, columns)
    search.by_cells_beside()
    search.by_rows_above()
    search.by_what_is_gone()
    return search.found


class Nearby:
    """Places that are not known, judged by the known ones nearest to them, which keep their distance."""

    def __init__(self, known: Mapping[int, int]) -> None:
        self.known = known
        self.places = sorted(known)

    def candidates(self, place: int) -> list[int]:
        """Return the place by the nearest known one at or above it, then the one by the nearest below."""
        at = bisect_right(self.places, place)
        anchors = [*self.places[max(at - 1, 0) : at], *self.places[at : at + 1]]
        return list(dict.fromkeys(self.known[anchor] + place - anchor for anchor in anchors)) or [place]


class _ColumnSearch:
    """One search for the earlier places of a tab's columns; a column is the origin of at most one."""

    def __init__(self, before: Tab, after: Tab, origins: Origins) -> None:
        self.before, self.after, self.origins = before, after, origins

    @property
    def now(self) -> list[int]:
        """Return the current columns that are not matched yet."""
        return [column for column in range(self.after.column_count) if column not in self.origins]

    @property
    def then(self) -> list[int]:
        """Return the earlier columns that are not matched yet."""
        used = set(self.origins.values())
        return [column for column in range(self.before.column_count) if column not in used]

    def by_titles(self, row_then: int, row_now: int) -> None:
        titles_then = _only_ones((column, normal(self.before.cell(row_then, column))) for column in self.then)
        titles_now = _only_ones((column, normal(self.after.cell(row_now, column))) for column in self.now)
        for title, column in titles_now.items():
            if title in titles_then:
                self.origins[column] = titles_then[title]

    def by_contents(self, written: WrittenCells) -> None:
        """Match columns that share at least half of the contents which were not written, the likeliest first.

        Columns with the same contents, such as checkboxes, are distinguished by the rows of the contents, then by order.
        """
        found = {column: _contents(self.after, column, written) for column in self.now}
        contents = {column: _contents(self.before, column, {}) for column in self.then}
        pairs: list[tuple[int, int, int, int]] = []
        for one, cells in found.items():
            for other, earlier in contents.items():
                shared = (Counter(cells.values()) & Counter(earlier.values())).total()
                if shared and 2 * shared >= len(cells):
                    pairs.append((-shared, -len(cells.items() & earlier.items()), one, other))
        for *_, one, other in sorted(pairs):
            if one not in self.origins and other not in self.origins.values():
                self.origins[one] = other

    def by_columns_beside(self) -> None:
        for columns, step in ((self.now, 1), (self.now[::-1], -1)):
            for column in columns:
                place = self.origins[column - step] + step if column - step in self.origins else None
                if column not in self.origins and place in self.then:
                    self.origins[column] = place

    def by_order(self) -> None:
        now, then = self.now, self.then
        if len(now) == len(then):
            self.origins.update(zip(now, then, strict=True))


class _RowSearch:
    """One search for the earlier places of a tab's rows.

    A row is the origin of at most one row, and never while it is still in its place.
    """

    def __init__(self, before: Tab, then: Layout, written: WrittenCells, after: Tab, columns: Origins) -> None:
        self.before, self.written, self.after, self.columns = before, written, after, columns
        self.ours_then = then.columns
        self.ours_now = {now for now, place in columns.items() if place in then.columns}
        now = {place: column for column, place in columns.items()}
        self.code, *self.alike = [now.get(place) for place in then.columns[:3]]
        self.found: Origins = {}
        self.used: set[int] = set()
        self.standing = {row for row in range(len(before.values)) if self.stands(row)}

    def stands(self, row: int) -> bool:
        """Return whether a row still shows its old contents in the cells that were not written."""
        return all(
            recognized(self.after.cell(row, now)) == recognized(self.before.cell(row, self.columns[now]))
            for now in self.beside(row)
        )

    def beside(self, row: int) -> tuple[int, ...]:
        written = self.written.get(row)
        return tuple(column for column in self.columns if column not in written) if written else tuple(self.columns)

    def says_something(self, row: int, beside: Sequence[int]) -> bool:
        """Return whether those cells identify a row.

        Fill-down formulas and unticked boxes are alike in all rows, and so are the type and count beside a code that
        was overwritten.
        """
        alike = self.alike if self.code in self.written.get(row, ()) else ()
        return not all(is_prepared(self.after.cell(row, column)) for column in beside if column not in alike)

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
        ours = self.ours_then if tab is self.before else self.ours_now
        return any(
            not (is_blank_cell(cell) if column in ours else is_prepared(cell))
            for column, cell in enumerate(tab.values[row])
        )


class _Rows:
    """Rows of the tab as read, indexed by their contents in some columns."""

    def __init__(self, tab: Tab, rows: Iterable[int], columns: Origins) -> None:
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


def _contents(tab: Tab, column: int, written: WrittenCells) -> dict[int, tuple[str, object]]:
    """Return the entries of a column by row, except those of the cells that were written."""
    return {
        index: recognized(row[column])
        for index, row in enumerate(tab.values)
        if len(row) > column and not is_blank_cell(row[column]) and column not in written.get(index, ())
    }


def _only_ones(titles: Iterable[tuple[int, str]]) -> dict[str, int]:
    """Return the places of titles that are there once and not blank."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, title in titles:
        places[title].append(place)
    return {title: found[0] for title, found in places.items() if title and len(found) == 1}
