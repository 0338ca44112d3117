"""`spreadsheets.values`: reading and writing plain values by range."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from sandbox.google import cells as content
from sandbox.google.a1 import Area, Box, column_letters, range_name
from sandbox.google.cells import Cell, Formatted, Formula, Scalar, Spilled
from sandbox.google.model import SheetError, Spreadsheet, Tab
from sandbox.google.results import as_shown

Render = Literal["FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"]
Dates = Literal["SERIAL_NUMBER", "FORMATTED_STRING"]
Major = Literal["ROWS", "COLUMNS"]
Input = Literal["RAW", "USER_ENTERED"]
Target = tuple[Tab, Area]

_READ: dict[str, Callable[[object], Cell | None]] = {"RAW": content.raw, "USER_ENTERED": content.user_entered}


def read(target: Target, render: Render, dates: Dates, major: Major) -> dict[str, Any]:
    """A `ValueRange`: the range clipped to the grid; empty cells at the ends of rows and of the range left out.

    Raises `SheetError` for a range that begins outside of the grid.
    """
    tab, area = target
    box = area.box(tab.row_count, tab.column_count)
    if box.top >= tab.row_count or box.left >= tab.column_count:
        raise beyond_grid(tab, box)
    box = box.clipped(tab.row_count, tab.column_count)
    answer: dict[str, Any] = {"range": range_name(tab.title, box), "majorDimension": major}
    values = [
        [_rendered(tab, _place(box, line, place, major), cell, render, dates) for place, cell in enumerate(cells)]
        for line, cells in enumerate(_lines(tab, box, major))
    ]
    if values:
        answer["values"] = values
    return answer


def _lines(tab: Tab, box: Box, major: Major) -> list[list[Cell | None]]:
    lines = tab.lines(box)
    if major == "ROWS":
        return lines
    columns: list[list[Cell | None]] = [
        [line[place] if place < len(line) else None for line in lines]
        for place in range(max(map(len, lines), default=0))
    ]
    for column in columns:
        while column and column[-1] is None:
            column.pop()
    return columns


def _place(box: Box, line: int, place: int, major: Major) -> tuple[int, int]:
    """Row and column of the cell at a place in a line of the answer."""
    return (box.top + line, box.left + place) if major == "ROWS" else (box.top + place, box.left + line)


def _rendered(tab: Tab, place: tuple[int, int], cell: Cell | None, render: Render, dates: Dates) -> Any:
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if render == "FORMATTED_VALUE":
        return tab.shown_at(*place)
    if isinstance(cell, Formatted):
        return cell.shown if cell.is_date and dates == "FORMATTED_STRING" else cell.value
    if isinstance(cell, Formula):
        return cell.text if render == "FORMULA" else _or_nothing(tab.value_at(*place))
    if isinstance(cell, Spilled):
        return "" if render == "FORMULA" else cell.value
    return cell


def _or_nothing(value: Scalar | None) -> Any:
    """The value; of a picture the empty text."""
    return "" if value is None else value


def write(target: Target, values: Sequence[Sequence[Any]], how: Input, major: Major, account: str) -> Box:
    """Write values into a range; the box that they took.

    A value of null leaves its cell as it is, an empty text empties it. A range of one cell is a place to begin at;
    another range bounds what may be written. Raises `SheetError`, with nothing written.
    """
    tab, area = target
    box = area.box(tab.row_count, tab.column_count)
    rows = _as_rows(values, how, major)
    height, width = len(rows), max(map(len, rows), default=0)
    taken = Box(box.top, box.left, box.top + height, box.left + width)
    bounds = taken if area.is_cell else box
    if bounds.bottom > tab.row_count or bounds.right > tab.column_count or not _begins_inside(tab, box):
        raise beyond_grid(tab, bounds)
    if taken.bottom > bounds.bottom:
        raise SheetError(
            f"Requested writing within range [{range_name(tab.title, box)}], "
            f"but tried writing to row [{bounds.bottom + 1}]"
        )
    if taken.right > bounds.right:
        raise SheetError(
            f"Requested writing within range [{range_name(tab.title, box)}], "
            f"but tried writing to column [{column_letters(bounds.right)}]"
        )
    tab.guard(taken, account)
    for row, line in enumerate(rows, taken.top):
        for column, cell in enumerate(line, taken.left):
            if cell is not UNTOUCHED:
                tab.write(row, column, _in_plain_text(tab, row, column, cell) if how == "USER_ENTERED" else cell)
    return taken


def _in_plain_text(tab: Tab, row: int, column: int, cell: Cell | None) -> Cell | None:
    """Return what typing leaves in a cell. In plain text format all becomes text, formulas too."""
    if cell is None or not tab.regions or not tab.region_at("plain_text", row, column):
        return cell
    if isinstance(cell, Formula):
        return cell.text
    return cell.shown if isinstance(cell, Formatted) else as_shown(tab.computed(cell))


UNTOUCHED: Any = object()
"""Stands for a null in the values of a write."""


def _as_rows(values: Sequence[Sequence[Any]], how: Input, major: Major) -> list[list[Any]]:
    convert = _READ[how]
    rows = []
    if not isinstance(values, list):
        raise SheetError(f"Invalid value at 'data.values' (type.googleapis.com/google.protobuf.ListValue), {values!r}")
    for place, line in enumerate(values):
        if not isinstance(line, list):
            raise SheetError(
                f"Invalid value at 'data.values[{place}]' (type.googleapis.com/google.protobuf.ListValue), {line!r}"
            )
        try:
            rows.append([UNTOUCHED if value is None else convert(value) for value in line])
        except TypeError as error:
            kind = "list_value" if str(error) == "list" else "struct_value"
            raise SheetError(f"Invalid values[{place}]: {kind} is not a value of a cell") from None
    if major == "ROWS":
        return rows
    height = max(map(len, rows), default=0)
    return [[column[row] if row < len(column) else UNTOUCHED for column in rows] for row in range(height)]


def append(
    target: Target, values: Sequence[Sequence[Any]], how: Input, major: Major, account: str, *, insert: bool
) -> tuple[Box | None, Box]:
    """Write values below the last table in the range; the table's box, and the box written. The grid gets rows for it.

    With `insert` rows are inserted for the values, else they overwrite what is below.
    """
    tab, area = target
    box = area.box(tab.row_count, tab.column_count)
    if not _begins_inside(tab, box):
        raise beyond_grid(tab, box)
    table = _last_table(tab, box)
    top, left = (table.bottom, table.left) if table else (box.top, box.left)
    height = len(_as_rows(values, how, major))
    if insert and top < tab.row_count and height:
        tab.guard(Box(top, 0, tab.row_count, tab.column_count), account)
        tab.insert_dimension("ROWS", top, height)
    elif top + height > tab.row_count:
        tab.append_dimension("ROWS", top + height - tab.row_count)
    return table, write((tab, Area(top, left, top + 1, left + 1)), values, how, major, account)


def _last_table(tab: Tab, box: Box) -> Box | None:
    """The block of filled cells around the last filled row of the range, bounded by an empty row and column."""
    lines = tab.lines(box.clipped(tab.row_count, tab.column_count))
    if not lines:
        return None
    last = lines[-1]
    column = box.left + next(place for place, cell in enumerate(last) if cell is not None)
    row = box.top + len(lines) - 1
    table = Box(row, column, row + 1, column + 1)
    while (grown := _grown(tab, table)) != table:
        table = grown
    return table


def _grown(tab: Tab, table: Box) -> Box:
    """The block with whatever filled cells touch it: first up and down as far as they go, then a column each side."""

    def filled(rows: range, columns: range) -> bool:
        return any(tab.at(row, column) is not None for row in rows for column in columns)

    top, left, bottom, right = table
    across = range(max(left - 1, 0), right + 1)
    while top > 0 and filled(range(top - 1, top), across):
        top -= 1
    while filled(range(bottom, bottom + 1), across):
        bottom += 1
    down = range(max(top - 1, 0), bottom + 1)
    if left > 0 and filled(down, range(left - 1, left)):
        left -= 1
    if filled(down, range(right, right + 1)):
        right += 1
    return Box(top, left, bottom, right)


def clear(target: Target, account: str) -> Box:
    """Empty a range; the box that was cleared."""
    tab, area = target
    box = area.box(tab.row_count, tab.column_count)
    if not _begins_inside(tab, box):
        raise beyond_grid(tab, box)
    box = box.clipped(tab.row_count, tab.column_count)
    tab.guard(box, account)
    tab.empty(box)
    return box


def update_answer(spreadsheet: Spreadsheet, tab: Tab, box: Box, values: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """An `UpdateValuesResponse` without its `updatedData`."""
    answer: dict[str, Any] = {
        "spreadsheetId": spreadsheet.spreadsheet_id,
        "updatedRange": range_name(tab.title, box),
    }
    cells = sum(value is not None for line in values for value in line)
    if cells:
        answer |= {
            "updatedRows": box.bottom - box.top,
            "updatedColumns": box.right - box.left,
            "updatedCells": cells,
        }
    return answer


def beyond_grid(tab: Tab, box: Box) -> SheetError:
    return SheetError(
        f"Range ({range_name(tab.title, box)}) exceeds grid limits. "
        f"Max rows: {tab.row_count}, max columns: {tab.column_count}"
    )


def _begins_inside(tab: Tab, box: Box) -> bool:
    return box.top < tab.row_count and box.left < tab.column_count
