"""Rows of a tab that are free for a code, and cells of ours that merges cover. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import count

from b2b_pipelines.cells import Area, Cell, Formula, Table, is_prepared
from b2b_pipelines.sheets.layout import Layout, Tab

NONE: frozenset[int] = frozenset()


class Covered:
    """The cells in some columns that merges cover.

    Nothing is written or verified there.
    """

    def __init__(self, tab: Tab, columns: Collection[int]) -> None:
        self._end = len(tab.values)
        self._below: list[Area] = []
        rows: defaultdict[int, set[int]] = defaultdict(set)
        for area in tab.merges:
            ours = [column for column in columns if area.left <= column < area.right]
            if not ours:
                continue
            for row in range(area.top, min(area.bottom, self._end)):
                rows[row].update(column for column in ours if area.covers(row, column))
            if area.bottom > self._end:
                self._below.append(area)
        self._columns = columns
        self._rows = {row: frozenset(covered) for row, covered in rows.items() if covered}

    def columns_of(self, row: int) -> frozenset[int]:
        """Return the covered columns of a row."""
        if row < self._end:
            return self._rows.get(row, NONE)
        return frozenset(column for area in self._below for column in self._columns if area.covers(row, column))


def free_rows(start: int, standing: Sequence[int], tab: Tab, layout: Layout, covered: Covered) -> Iterator[int]:
    """Yield the rows from `start` on in which a code can be added, then all below.

    A row is free when our six cells are blank and the other cells hold only the customer's preparations for rows like
    ours: an unticked checkbox, or a formula in a column where our own rows, `standing`, have formulas too.
    """
    prepared = _formula_columns(standing, tab)
    ours = frozenset(layout.columns)
    for index in range(start, len(tab.values)):
        if not covered.columns_of(index) and _is_free(tab.values[index], ours, prepared):
            yield index
    yield from (index for index in count(max(start, len(tab.values))) if not covered.columns_of(index))


def grown_table(tab: Tab, layout: Layout, added: Collection[int]) -> Table | None:
    """Return the Google Table with our header, enlarged by the added rows directly below it."""
    for table in tab.tables:
        area = table.area
        if area.top <= layout.header_row < area.bottom and area.left <= layout.code < area.right:
            bottom = area.bottom
            while bottom in added:
                bottom += 1
            return Table(table.table_id, area._replace(bottom=bottom)) if bottom > area.bottom else None
    return None


def _formula_columns(standing: Sequence[int], tab: Tab) -> frozenset[int]:
    return frozenset(
        column for index in standing for column, cell in enumerate(tab.values[index]) if type(cell) is Formula
    )


def _is_free(row: Sequence[Cell], ours: Collection[int], prepared: Collection[int]) -> bool:
    for column, cell in enumerate(row):
        if cell is None or cell == "":
            continue
        if column in ours or not is_prepared(cell) or (type(cell) is Formula and column not in prepared):
            return False
    return True
