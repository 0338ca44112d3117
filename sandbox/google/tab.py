"""A tab, and what a person does to it in the browser: cells in A1 notation, rows from 1, columns by letter."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

from sandbox.google import cells as content
from sandbox.google.a1 import Area, Unparsable, column_index, parse_cell, parse_cells
from sandbox.google.cells import Cell, Formula, Scalar
from sandbox.google.grid import Grid, SheetError, carried

P = ParamSpec("P")
R = TypeVar("R")


def edit(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """An edit by a person: all of it under the spreadsheet's lock, and a new version after it."""

    @wraps(method)
    def applied(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        spreadsheet = self.spreadsheet
        with spreadsheet.lock:
            try:
                result = method(self, *args, **kwargs)
            except Unparsable as error:
                raise SheetError(f"Unable to parse range: {error}") from None
            spreadsheet.version += 1
            return result

    return cast(Callable[Concatenate[Any, P], R], applied)


class Tab(Grid):
    """One sheet of a spreadsheet, as its owner edits it."""

    # What a person does to it

    @edit
    def type(self, where: str, text: str, *, value: Scalar | None = None) -> None:
        """Type into a cell as a person does: `=…` is a formula, `12` a number, `'12` text, nothing empties the cell.

        `value` is what a formula comes out as where the stand-in cannot compute it.
        """
        row, column = self._first_of_merge(*parse_cell(where))
        self._inside(row, column)
        cell = self._typed(row, column, text)
        self.put(row, column, Formula(cell.text, value) if isinstance(cell, Formula) and value is not None else cell)

    @edit
    def paste(self, where: str, rows: Sequence[Sequence[str]]) -> None:
        """Paste a block of texts with its first cell here. The grid grows where it must."""
        top, left = parse_cell(where)
        self.resize(max(self.row_count, top + len(rows)), max(self.column_count, left + max(map(len, rows), default=0)))
        for row, line in enumerate(rows, top):
            for column, text in enumerate(line, left):
                if not self.is_covered(row, column):
                    self.put(row, column, self._typed(row, column, text))

    @edit
    def fill_down(self, where: str, to_row: int) -> None:
        """Drag a cell, or the first row of a block, down to a row: values repeat, references of formulas follow."""
        box = self._box(where)
        self._inside(to_row - 1, box.right - 1)
        for column in range(box.left, box.right):
            cell = self.at(box.top, column)
            for target in range(box.top + 1, to_row):
                if not self.is_covered(target, column):
                    self.put(target, column, carried(cell, target - box.top, 0))

    @edit
    def merge(self, cells: str, how: Literal["all", "rows", "columns"] = "all") -> None:
        """Merge cells: all into one, or row by row, or column by column. The first value of each merge stays."""
        self.merge_box(self._box(cells), {"all": "MERGE_ALL", "rows": "MERGE_ROWS", "columns": "MERGE_COLUMNS"}[how])

    @edit
    def unmerge(self, cells: str) -> None:
        self.remove_regions("merge", self._box(cells))

    @edit
    def checkbox(self, cells: str) -> None:
        """Insert checkboxes: blank cells become FALSE, and keep a rule (`dataValidation` of type BOOLEAN).

        Source: https://support.google.com/docs/answer/7684717; the value of a box that is not ticked is FALSE.
        """
        area = parse_cells(cells)
        box = area.box(*self.box[2:])
        for row in range(box.top, box.bottom):
            for column in range(box.left, box.right):
                if self.at(row, column) is None:
                    self.put(row, column, False)
        self.add_region("checkbox", area)

    @edit
    def tick(self, where: str, ticked: bool = True) -> None:
        """Tick a checkbox, or untick it."""
        row, column = parse_cell(where)
        self._inside(row, column)
        self.put(row, column, ticked)

    @edit
    def plain_text(self, cells: str) -> None:
        """Format › Number › Plain text: what is typed stays text, `0` and `=A1` too. What is there keeps its type."""
        self.add_region("plain_text", parse_cells(cells))

    @edit
    def make_table(self, cells: str, name: str = "Table1", types: dict[str, str] | None = None) -> str:
        """Convert to a table: the first row are its headers; `types` are types by column letter. Answers its id.

        Source: https://developers.google.com/workspace/sheets/api/guides/tables
        """
        return self.add_table(self._box(cells), name, {column_index(key): kind for key, kind in (types or {}).items()})

    @edit
    def filter(self, cells: str, hide: Sequence[int] = ()) -> None:
        """Create a filter over cells that hides these rows (from 1)."""
        self.clear_filter()
        self.add_region("filter", Area(*self._box(cells)))
        for row in hide:
            self.add_region("hidden_by_filter", Area(row - 1, None, row, None))

    @edit
    def remove_filter(self) -> None:
        self.clear_filter()

    @edit
    def hide_rows(self, first: int, last: int | None = None) -> None:
        """Hide rows by hand."""
        self.add_region("hidden_by_user", Area(first - 1, None, last or first, None))

    @edit
    def show_rows(self) -> None:
        """Show every row that was hidden by hand."""
        self.remove_regions("hidden_by_user")

    @edit
    def clear(self, cells: str) -> None:
        """Select cells and press Delete."""
        self.empty(self._box(cells).clipped(self.row_count, self.column_count))

    @edit
    def sort(self, column: str, *, descending: bool = False, header: bool = True, cells: str | None = None) -> None:
        """Sort rows by a column: of the whole tab, or of some cells only. The header row keeps its place."""
        box = self._box(cells)
        self.sort_box(box._replace(top=box.top + 1) if header else box, [(column_index(column), descending)])

    @edit
    def insert_rows(self, row: int, number: int = 1) -> None:
        """Insert rows above this one."""
        self._inside(row - 1, 0)
        self.insert_dimension("ROWS", row - 1, number)

    @edit
    def append_rows(self, number: int) -> None:
        """Add empty rows at the bottom of the grid."""
        self.append_dimension("ROWS", number)

    @edit
    def delete_rows(self, first: int, last: int | None = None) -> None:
        """Delete a row, or the rows from first to last."""
        last = first if last is None else last
        self._inside(first - 1, 0)
        self._inside(last - 1, 0)
        self.delete_dimension("ROWS", first - 1, last)

    @edit
    def move_rows(self, first: int, last: int | None = None, *, before: int) -> None:
        """Drag rows to stand above the row `before`."""
        last = first if last is None else last
        self._inside(last - 1, 0)
        self.move_dimension("ROWS", first - 1, last, before - 1)

    @edit
    def duplicate_row(self, row: int) -> None:
        """Insert a copy of a row below it: as copy and paste does, checkboxes and formats come along, merges do not."""
        self._inside(row - 1, 0)
        line = [carried(self.at(row - 1, column), 1, 0) for column in range(self.column_count)]
        self.insert_dimension("ROWS", row, 1)
        for column, cell in enumerate(line):
            self.put(row, column, cell)

    @edit
    def insert_columns(self, column: str, number: int = 1) -> None:
        """Insert columns to the left of this one."""
        self._inside(0, column_index(column))
        self.insert_dimension("COLUMNS", column_index(column), number)

    @edit
    def append_columns(self, number: int) -> None:
        """Add empty columns at the right of the grid."""
        self.append_dimension("COLUMNS", number)

    @edit
    def delete_columns(self, first: str, last: str | None = None) -> None:
        """Delete a column, or the columns from first to last."""
        self._inside(0, column_index(last or first))
        self.delete_dimension("COLUMNS", column_index(first), column_index(last or first) + 1)

    @edit
    def move_columns(self, first: str, last: str | None = None, *, before: str) -> None:
        """Drag columns to stand to the left of the column `before` (which may be the one after the last)."""
        self._inside(0, column_index(last or first))
        self.move_dimension("COLUMNS", column_index(first), column_index(last or first) + 1, column_index(before))

    @edit
    def shrink(self, row_count: int, column_count: int) -> None:
        """Give the grid this size, as if rows and columns beyond it were deleted."""
        self.resize(row_count, column_count)

    @edit
    def protect(self, cells: str | None = None, *, editors: Iterable[str] = (), description: str = "") -> int:
        """Protect cells, or the whole tab, from everyone but the owner and these editors. Answers its id."""
        area = parse_cells(cells) if cells else Area()
        return self.add_protection(area, editors, description).protection_id

    @edit
    def unprotect(self) -> None:
        """Lift every protection of this tab."""
        self.protections.clear()

    def _typed(self, row: int, column: int, text: str) -> Cell | None:
        if self.region_at("plain_text", row, column):
            return text or None
        return content.typed(text)

    def _first_of_merge(self, row: int, column: int) -> tuple[int, int]:
        """The first cell of the merge that a cell is in: a person cannot select another one."""
        merge = self.region_at("merge", row, column)
        return (row, column) if merge is None else (merge.area.top or 0, merge.area.left or 0)
