"""Where a request of `spreadsheets.batchUpdate` works: ranges of cells, of rows or columns, and the fields it names."""

from typing import Any

from sandbox.google import masks
from sandbox.google.a1 import Area, Box
from sandbox.google.model import Dimension, SheetError, Spreadsheet, Tab

Body = dict[str, Any]


def grid_area(body: Body) -> Area:
    """The area of a `GridRange`."""
    return Area(
        body.get("startRowIndex"), body.get("startColumnIndex"), body.get("endRowIndex"), body.get("endColumnIndex")
    )


def grid_box(spreadsheet: Spreadsheet, body: Body) -> tuple[Tab, Box]:
    """The tab and box of a `GridRange`, which must lie inside of the grid."""
    tab = spreadsheet.tab_by_id(body.get("sheetId", 0))
    box = grid_area(body).box(tab.row_count, tab.column_count)
    for name, end, size, what in (
        ("endRowIndex", box.bottom, tab.row_count, "row"),
        ("endColumnIndex", box.right, tab.column_count, "column"),
    ):
        if end > size:
            raise SheetError(f"range.{name}[{end}] is after last {what} in grid[{size}]")
    if box.top >= box.bottom or box.left >= box.right:
        raise SheetError("range cannot be empty")
    return tab, box


def cell_fields(body: Body) -> masks.Mask:
    text = body.get("fields", "")
    if not text:
        raise SheetError("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    try:
        mask = masks.parse(text)
        masks.check_mask(mask, "CellData")
    except masks.BadMask as error:
        raise SheetError(f"Invalid field: {error}") from None
    return mask


def dimension_of(body: Body) -> Dimension:
    dimension = body.get("dimension")
    if dimension == "ROWS":
        return "ROWS"
    if dimension == "COLUMNS":
        return "COLUMNS"
    raise SheetError("dimension must be ROWS or COLUMNS")


def span(spreadsheet: Spreadsheet, body: Body, *, beyond: bool = False) -> tuple[Tab, Dimension, int, int]:
    """The tab, dimension, start and end of a `DimensionRange`."""
    tab = spreadsheet.tab_by_id(body.get("sheetId", 0))
    dimension = dimension_of(body)
    size = tab.size(dimension)
    start, end = body.get("startIndex", 0), body.get("endIndex", size)
    if start < 0 or end <= start:
        raise SheetError(f"range.endIndex[{end}] must be greater than range.startIndex[{start}]")
    if not beyond and end > size:
        raise SheetError(f"Cannot use {dimension.lower()} that do not exist: range.endIndex[{end}] is after {size}")
    return tab, dimension, start, end
