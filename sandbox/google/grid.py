"""The grid of one sheet: how its cells, regions, rows and columns change. No HTTP.

Indexes are zero-based, the end excluded, as in the API.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sandbox.google import cells as content
from sandbox.google.a1 import Area, Box, range_name
from sandbox.google.cells import Cell, Formula
from sandbox.google.contents import Contents, Dimension, Protection
from sandbox.google.references import following, moved
from sandbox.google.regions import Kind, Region, follow
from sandbox.google.results import as_shown

MAX_CELLS = 10_000_000
MAX_COLUMNS = 18_278
PROTECTED = (
    "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to remove protection "
    "if you need to edit."
)


class SheetError(Exception):
    """A request that Google answers with 400 and this message."""


class Grid(Contents):
    """The grid of one sheet: how writes and edits change its cells, rows, columns and regions."""

    # Regions

    def add_region(self, kind: Kind, area: Area, **properties: Any) -> Region:
        region = Region(kind, area, properties)
        self.regions.append(region)
        self.changed(regions=True)
        return region

    def remove_regions(self, kind: Kind, box: Box | None = None) -> None:
        """Remove the regions of a kind: all, or those that touch a box."""
        self.regions = [
            region
            for region in self.regions
            if region.kind != kind or (box is not None and not region.box(*self.box[2:]).touches(box))
        ]
        self.changed(regions=True)

    def clear_filter(self) -> None:
        self.remove_regions("filter")
        self.remove_regions("hidden_by_filter")

    def unmerge_box(self, box: Box) -> None:
        """Unmerge cells. Raises `SheetError` for a part of a merge."""
        for merge in self.regions_of("merge"):
            other = merge.box(*self.box[2:])
            if other.touches(box) and not other.within(box):
                raise SheetError("You must select all cells in a merged range to merge or unmerge them.")
        self.remove_regions("merge", box)

    def merge_box(self, box: Box, how: str = "MERGE_ALL") -> None:
        """Merge cells: the value of the first one stays, the others are emptied.

        Recorded: gspread's cassette test_get_merge_cells_and_unmerge_cells (MERGE_ALL, _ROWS, _COLUMNS). That the first
        value stays: https://support.google.com/docs/answer/9060449.
        """
        self.unmerge_box(box)
        for part in _parts(box, how):
            if (part.bottom - part.top) * (part.right - part.left) < 2:
                continue
            for row in range(part.top, part.bottom):
                for column in range(part.left, part.right):
                    if (row, column) != (part.top, part.left) and self.at(row, column) is not None:
                        self.put(row, column, None)
            self.add_region("merge", Area(*part))

    def add_table(
        self,
        box: Box,
        name: str,
        types: Mapping[int, str],
        table_id: str | None = None,
    ) -> str:
        """Make a table of a box whose first row are headers; its id. Types by column of the tab."""
        for other in self.regions_of("table"):
            if other.box(*self.box[2:]).touches(box):
                raise SheetError("You cannot add a table that overlaps with another table.")
        table_id = table_id or str(secrets.randbelow(2**31))
        columns = [
            {
                "columnIndex": column - box.left,
                "columnName": self.shown_at(box.top, column) or f"Column {column - box.left + 1}",
                "columnType": types.get(column, "TEXT"),
            }
            for column in range(box.left, box.right)
        ]
        self.add_region("table", Area(*box), tableId=table_id, name=name, columnProperties=columns)
        return table_id

    # What the API does to it, and every edit comes down to

    def put(self, row: int, column: int, cell: Cell | None) -> None:
        """Fill or empty one cell of the grid."""
        if isinstance(cell, str) and len(cell) > content.CELL_CHARACTERS:
            raise SheetError(
                f"Your input contains more than the maximum of {content.CELL_CHARACTERS} characters in a single cell."
            )
        rows = self.rows
        while len(rows) <= row:
            rows.append([])
        line = rows[row]
        if column >= len(line):
            if cell is None:
                return
            line.extend([None] * (column + 1 - len(line)))
        recorded = self.spreadsheet.recorded
        if recorded is not None and line[column] != cell:
            recorded.append((self.sheet_id, row, column))
        line[column] = cell
        self.values.note(cell)

    def write(self, row: int, column: int, cell: Cell | None) -> None:
        """Write one cell as the API does: where merges, formats, filters or tables are, they have their say."""
        if self.regions:
            cell = self._as_kept(row, column, cell)
            if cell is LEFT_ALONE:
                return
        self.put(row, column, cell)

    def _as_kept(self, row: int, column: int, cell: Any) -> Any:
        """Return the content that a write leaves in a cell, or `LEFT_ALONE` if it has no effect.

        Each case depends on a switch of `Hypotheses`.
        """
        habits = self.spreadsheet.hypotheses
        if habits.covered_cells == "drop" and self.is_covered(row, column):
            return LEFT_ALONE
        if habits.hidden_rows == "skip" and self.region_at("hidden_by_filter", row, column):
            return LEFT_ALONE
        if isinstance(cell, str) and habits.typed_columns == "refuse" and (typed := self.typed_column(row, column)):
            raise SheetError(f"The value does not match the type {typed} of the table's column.")
        is_number = isinstance(cell, bool | int | float)
        if is_number and habits.plain_text_numbers == "text" and self.region_at("plain_text", row, column):
            return as_shown(cell)
        return cell

    def empty(self, box: Box) -> None:
        """Empty the cells of a box."""
        recorded = self.spreadsheet.recorded
        for row in range(box.top, min(box.bottom, len(self.rows))):
            line = self.rows[row]
            for column in range(box.left, min(box.right, len(line))):
                if recorded is not None and line[column] is not None:
                    recorded.append((self.sheet_id, row, column))
                line[column] = None
        self.changed()

    def guard(self, box: Box, account: str | None) -> None:
        """Raise `SheetError` if the account may not change these cells. None is a person who owns the spreadsheet."""
        if account in (None, self.spreadsheet.owner):
            return
        for protection in self.protections:
            if account not in protection.editors and protection.area.box(self.row_count, self.column_count).touches(
                box
            ):
                raise SheetError(PROTECTED)

    def resize(self, row_count: int, column_count: int) -> None:
        """Give the grid another size. What stands outside of a smaller one is gone."""
        if row_count < 1 or column_count < 1:
            raise SheetError("You can't delete all the rows or columns on the sheet.")
        self.spreadsheet.check_size(row_count * column_count - self.row_count * self.column_count)
        if column_count > MAX_COLUMNS:
            raise SheetError(
                f"This action would increase the number of columns in the sheet above the limit of {MAX_COLUMNS}."
            )
        del self.rows[row_count:]
        for line in self.rows:
            del line[column_count:]
        self.row_count, self.column_count = row_count, column_count
        self.changed(regions=True)

    def append_dimension(self, dimension: Dimension, length: int) -> None:
        rows, columns = (length, 0) if dimension == "ROWS" else (0, length)
        self.resize(self.row_count + rows, self.column_count + columns)

    def insert_dimension(self, dimension: Dimension, start: int, length: int) -> None:
        """Push what stands from `start` on down (or to the right)."""
        self.append_dimension(dimension, length)
        if dimension == "ROWS":
            if start < len(self.rows):
                self.rows[start:start] = [[] for _ in range(length)]
        else:
            for line in self.rows:
                if start < len(line):
                    line[start:start] = [None] * length
        self._follow(dimension, lambda place: place + length if place >= start else place)

    def delete_dimension(self, dimension: Dimension, start: int, end: int) -> None:
        size = self.size(dimension)
        if end - start >= size:
            raise SheetError(f"You can't delete all the {dimension.lower()} on the sheet.")
        if dimension == "ROWS":
            del self.rows[start:end]
            self.row_count -= end - start
        else:
            for line in self.rows:
                del line[start:end]
            self.column_count -= end - start
        self._follow(
            dimension, lambda place: place if place < start else (None if place < end else place - (end - start))
        )

    def move_dimension(self, dimension: Dimension, start: int, end: int, destination: int) -> None:
        """Move rows or columns to stand before what is now at `destination`."""
        if start <= destination <= end:
            return
        order = list(range(self.size(dimension)))
        block = order[start:end]
        del order[start:end]
        target = destination if destination < start else destination - (end - start)
        order[target:target] = block
        if dimension == "ROWS":
            self.rows = [self.rows[place] if place < len(self.rows) else [] for place in order]
        else:
            self.rows = [[line[place] if place < len(line) else None for place in order] for line in self.rows]
        places = {old: new for new, old in enumerate(order)}
        self._follow(dimension, lambda place: places.get(place, place))

    def sort_box(self, box: Box, columns: Sequence[tuple[int, bool]]) -> None:
        """Sort the rows of a box by columns, each with whether it is descending. Empty cells always come last."""
        box = box.clipped(*self.used())
        if any(merge.box(*self.box[2:]).touches(box) for merge in self.regions_of("merge")):
            raise SheetError("You can't perform a sort on a range that contains merges.")
        rows = [[self.at(row, column) for column in range(box.left, box.right)] for row in range(box.top, box.bottom)]
        order = list(range(len(rows)))
        for column, descending in reversed(columns):
            keys = {row: self._sort_key(box.top + row, column) for row in order}
            filled = [row for row in order if keys[row] is not None]
            filled.sort(key=lambda row: keys[row] or (0, 0), reverse=descending)
            order = filled + [row for row in order if keys[row] is None]
        for place, row in enumerate(order):
            for offset, cell in enumerate(rows[row]):
                self.put(box.top + place, box.left + offset, carried(cell, place - row, 0))

    def _sort_key(self, row: int, column: int) -> tuple[int, Any] | None:
        """Numbers before text before booleans, as Google sorts; None for what is empty."""
        value = self.value_at(row, column)
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return 2, value
        return (1, value.casefold()) if isinstance(value, str) else (0, value)

    def _follow(self, dimension: Dimension, places: Callable[[int], int | None]) -> None:
        """Let references, protections and regions follow rows or columns that changed place."""
        for line in self.rows:
            for column, cell in enumerate(line):
                if isinstance(cell, Formula):
                    line[column] = Formula(following(cell.text, dimension, places), cell.value)
        size = self.size(dimension)
        self.protections = [
            thing for thing in self.protections if _moved_along(thing, follow(thing.area, dimension, places, size))
        ]
        self.regions = [
            thing for thing in self.regions if _moved_along(thing, follow(thing.area, dimension, places, size))
        ]
        self.changed(regions=True)

    def _inside(self, row: int, column: int) -> None:
        if not (0 <= row < self.row_count and 0 <= column < self.column_count):
            raise SheetError(
                f"Range ({range_name(self.title, Box(row, column, row + 1, column + 1))}) exceeds grid limits. "
                f"Max rows: {self.row_count}, max columns: {self.column_count}"
            )

    def add_protection(self, area: Area, editors: Iterable[str], description: str) -> Protection:
        protection = Protection(secrets.randbelow(2**31), area, description, frozenset(editors))
        self.protections.append(protection)
        return protection


LEFT_ALONE: Any = object()
"""Stands for a write that leaves its cell as it is."""


def _moved_along(thing: Protection | Region, area: Area | None) -> bool:
    """Set its new area. Return whether anything remains; a merge of one cell does not."""
    if area is None or (isinstance(thing, Region) and thing.kind == "merge" and area.is_cell):
        return False
    thing.area = area
    return True


def _parts(box: Box, how: str) -> list[Box]:
    if how == "MERGE_ROWS":
        return [Box(row, box.left, row + 1, box.right) for row in range(box.top, box.bottom)]
    if how == "MERGE_COLUMNS":
        return [Box(box.top, column, box.bottom, column + 1) for column in range(box.left, box.right)]
    return [box]


def carried(cell: Cell | None, rows: int, columns: int) -> Cell | None:
    """A cell as it is after it was copied or sorted to another place."""
    if isinstance(cell, Formula) and (rows or columns):
        return Formula(moved(cell.text, rows, columns), cell.value)
    return cell
