"""The grid of one sheet as Google keeps it: its cells, what they come out as, its rows and columns. No HTTP.

Indexes are zero-based, the end excluded, as in the API.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sandbox.google import cells as content
from sandbox.google.a1 import Area, Box, parse_cell, parse_cells, range_name
from sandbox.google.cells import Cell, Formatted, Formula, Matrix, Scalar, Spilled
from sandbox.google.references import following, moved
from sandbox.google.regions import Kind, Region, follow
from sandbox.google.results import Values, as_shown

if TYPE_CHECKING:
    from sandbox.google.model import Spreadsheet

Dimension = Literal["ROWS", "COLUMNS"]
Line = list[Cell | None]

MAX_CELLS = 10_000_000
MAX_COLUMNS = 18_278
PROTECTED = (
    "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to remove protection "
    "if you need to edit."
)


class SheetError(Exception):
    """A request that Google answers with 400 and this message."""


@dataclass(slots=True)
class Protection:
    """Cells that only its editors, and the owner of the spreadsheet, may change."""

    protection_id: int
    area: Area
    description: str = ""
    editors: frozenset[str] = frozenset()


class Grid:
    """The cells of one sheet.

    `rows` is ragged: a row ends after its last filled cell or later, and the rows after the last filled one may be
    missing. `row_count` and `column_count` are the grid. What formulas come out as is computed when it is read, and
    kept until a cell changes.
    """

    def __init__(self, spreadsheet: "Spreadsheet", sheet_id: int, title: str, row_count: int, column_count: int):
        self.spreadsheet = spreadsheet
        self.sheet_id = sheet_id
        self.title = title
        self.row_count = row_count
        self.column_count = column_count
        self.frozen_rows = 0
        self.frozen_columns = 0
        self.hidden = False
        self.rows: list[Line] = []
        self.protections: list[Protection] = []
        self.regions: list[Region] = []
        self.values = Values(self)
        self._covered: set[tuple[int, int]] | None = None
        self._boxes: dict[Kind, list[tuple[Box, Region]]] = {}

    def __repr__(self) -> str:
        return f"<Tab {self.title!r} {self.row_count}x{self.column_count}>"

    @property
    def index(self) -> int:
        return next(place for place, tab in enumerate(self.spreadsheet.tabs) if tab is self)

    @property
    def box(self) -> Box:
        """The whole grid."""
        return Box(0, 0, self.row_count, self.column_count)

    # What is in it

    def cell(self, where: str) -> Cell | None:
        """Return the content of a cell: text, number, boolean, `Formula`, `Formatted`, or None."""
        return self.at(*parse_cell(where))

    def at(self, row: int, column: int) -> Cell | None:
        if row < len(self.rows):
            line = self.rows[row]
            if column < len(line):
                return line[column]
        return None

    def value(self, where: str) -> Scalar | None:
        """Return the value of a cell: a formula's result, a date's serial number."""
        return self.value_at(*parse_cell(where))

    def value_at(self, row: int, column: int) -> Scalar | None:
        return self.values.at(row, column)

    def block(self, box: Box) -> Matrix:
        """The values of a box, as a formula sees them."""
        return self.values.block(box)

    def shown(self, where: str) -> str:
        """Return the text that a cell shows. Empty cells show nothing, as may formulas, and as do cells that a merge covers."""
        return self.shown_at(*parse_cell(where))

    def shown_at(self, row: int, column: int) -> str:
        if self.is_covered(row, column):
            return ""
        cell = self.at(row, column)
        return cell.shown if isinstance(cell, Formatted) else as_shown(self.value_at(row, column))

    def grid(self, cells: str | None = None) -> list[list[str]]:
        """Return the texts of cells by row, without empty ends of rows and of the range."""
        box = self._box(cells).clipped(self.row_count, self.column_count)
        return [
            [self.shown_at(row, column) for column, _ in enumerate(line, box.left)]
            for row, line in enumerate(self.lines(box), box.top)
        ]

    def column(self, letters: str) -> list[str]:
        """Return the texts that a column shows, from row 1 to its last filled cell."""
        return [line[0] if line else "" for line in self.grid(f"{letters}:{letters}")]

    def lines(self, box: Box, *, spilled: bool = True) -> list[Line]:
        """The cells of a box, without empty ones at the ends of rows, and without empty rows at the end.

        With what array formulas spill, unless only what was entered is asked for.
        """
        rows = self.rows
        if spilled and (spills := self.values.spills()):
            rows = _overlaid(rows, spills)
        lines: list[Line] = []
        for line in rows[box.top : box.bottom]:
            cut = line[box.left : box.right]
            while cut and cut[-1] is None:
                cut.pop()
            lines.append(cut)
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def used(self) -> tuple[int, int]:
        """Rows and columns up to the last filled ones."""
        lines = self.lines(self.box, spilled=False)
        return len(lines), max(map(len, lines), default=0)

    def computed(self, cell: Cell | None) -> Scalar | None:
        """Return the value of a cell's content, independent of the cell's position."""
        return self.values.of(cell)

    # Regions

    def regions_of(self, *kinds: Kind) -> list[Region]:
        return [region for region in self.regions if region.kind in kinds]

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

    def region_at(self, kind: Kind, row: int, column: int) -> Region | None:
        for box, region in self._boxes_of(kind):
            if box.top <= row < box.bottom and box.left <= column < box.right:
                return region
        return None

    def _boxes_of(self, kind: Kind) -> list[tuple[Box, Region]]:
        if kind not in self._boxes:
            self._boxes[kind] = [(region.box(*self.box[2:]), region) for region in self.regions if region.kind == kind]
        return self._boxes[kind]

    def is_covered(self, row: int, column: int) -> bool:
        """Whether the cell is inside of a merge and is not its first one."""
        if not self.regions:
            return False
        if self._covered is None:
            self._covered = set()
            for region in self.regions_of("merge"):
                box = region.box(*self.box[2:])
                self._covered.update(
                    (row, column) for row in range(box.top, box.bottom) for column in range(box.left, box.right)
                )
                self._covered.discard((box.top, box.left))
        return (row, column) in self._covered

    def merge_box(self, box: Box, how: str = "MERGE_ALL") -> None:
        """Merge cells: the value of the first one stays, the others are emptied.

        Recorded: gspread's cassette test_get_merge_cells_and_unmerge_cells (MERGE_ALL, _ROWS, _COLUMNS). That the first
        value stays: https://support.google.com/docs/answer/9060449.
        """
        for merge in self.regions_of("merge"):
            other = merge.box(*self.box[2:])
            if other.touches(box) and not other.within(box):
                raise SheetError("You must select all cells in a merged range to merge or unmerge them.")
        self.remove_regions("merge", box)
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

    def changed(self, *, regions: bool = False) -> None:
        """Forget what formulas came out as; with `regions` which cells are covered, too."""
        self.values.forget()
        if regions:
            self._covered = None
            self._boxes = {}

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

    def typed_column(self, row: int, column: int) -> str | None:
        """The type of the table's column below whose header the cell is, if it is not text."""
        table = self.region_at("table", row, column)
        if table is None or row == (table.area.top or 0):
            return None
        for described in table.properties.get("columnProperties", ()):
            if described.get("columnIndex", 0) == column - (table.area.left or 0):
                kind = described.get("columnType", "TEXT")
                return None if kind in ("TEXT", "COLUMN_TYPE_UNSPECIFIED", "DROPDOWN") else str(kind)
        return None

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

    def size(self, dimension: Dimension) -> int:
        return self.row_count if dimension == "ROWS" else self.column_count

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

    def _box(self, cells: str | None) -> Box:
        return (parse_cells(cells) if cells else Area()).box(self.row_count, self.column_count)

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


def _overlaid(rows: list[Line], spills: Mapping[tuple[int, int], Scalar | None]) -> list[Line]:
    """The rows with what array formulas show in empty cells."""
    overlaid = list(rows)
    for (row, column), value in spills.items():
        if value is None:
            continue
        while len(overlaid) <= row:
            overlaid.append([])
        if row >= len(rows) or overlaid[row] is rows[row]:
            overlaid[row] = list(overlaid[row])
        line = overlaid[row]
        line.extend([None] * (column + 1 - len(line)))
        line[column] = Spilled(value)
    return overlaid


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
