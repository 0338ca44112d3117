"""The contents of one sheet as Google keeps them: cells, what they come out as, and regions. No HTTP.

Indexes are zero-based, the end excluded, as in the API.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sandbox.google.a1 import Area, Box, parse_cell, parse_cells
from sandbox.google.cells import Cell, Formatted, Matrix, Scalar, Spilled
from sandbox.google.regions import Kind, Region
from sandbox.google.results import Values, as_shown

if TYPE_CHECKING:
    from sandbox.google.model import Spreadsheet

Dimension = Literal["ROWS", "COLUMNS"]
Line = list[Cell | None]


@dataclass(slots=True)
class Protection:
    """Cells that only its editors, and the owner of the spreadsheet, may change."""

    protection_id: int
    area: Area
    description: str = ""
    editors: frozenset[str] = frozenset()


class Contents:
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

    def changed(self, *, regions: bool = False) -> None:
        """Forget what formulas came out as; with `regions` which cells are covered, too."""
        self.values.forget()
        if regions:
            self._covered = None
            self._boxes = {}

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

    def size(self, dimension: Dimension) -> int:
        return self.row_count if dimension == "ROWS" else self.column_count

    def _box(self, cells: str | None) -> Box:
        return (parse_cells(cells) if cells else Area()).box(self.row_count, self.column_count)


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
