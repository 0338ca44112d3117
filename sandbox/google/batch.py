"""`spreadsheets.batchUpdate`: one function for each kind of request, tried in order and applied together or not at all.

Source: https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets/request
"""

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.google import formatting, masks, structure
from sandbox.google import resource as shape
from sandbox.google.a1 import Box
from sandbox.google.cells import Cell, Formula, raw
from sandbox.google.model import Dimension, SheetError, Spreadsheet, Tab
from sandbox.google.places import Body, cell_fields, dimension_of, grid_area, grid_box, span

Reply = dict[str, Any]

CELL_FIELDS = frozenset(masks.schemas()["CellData"]["properties"])
VALUE_FIELDS = frozenset(("stringValue", "numberValue", "boolValue", "formulaValue", "errorValue"))


def apply(spreadsheet: Spreadsheet, requests: Sequence[Body], account: str) -> list[Reply]:
    """Apply requests in order; a reply for each. Raises `SheetError`; the caller undoes what was applied until then."""
    if not requests:
        raise SheetError("Must specify at least one request.")
    replies = []
    for place, request in enumerate(requests):
        if len(request) != 1:
            raise SheetError(f"Invalid requests[{place}]: No request set.")
        kind, body = next(iter(request.items()))
        if kind not in KINDS:
            raise SheetError(f"Invalid requests[{place}].{kind}: this stand-in of Google Sheets does not know {kind}.")
        try:
            replies.append(KINDS[kind](spreadsheet, body, account))
        except SheetError as error:
            raise SheetError(f"Invalid requests[{place}].{kind}: {error}") from None
    return replies


def _update_cells(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    fields, rows = cell_fields(body), _rows(body)
    if "start" in body:
        start = body["start"]
        tab = spreadsheet.tab_by_id(start.get("sheetId", 0))
        bounds = tab.box._replace(top=start.get("rowIndex", 0), left=start.get("columnIndex", 0))
    elif "range" in body:
        tab, bounds = grid_box(spreadsheet, body["range"])
    else:
        raise SheetError("Either 'start' or 'range' must be set.")
    width = max((len(row.get("values", ())) for row in rows), default=0)
    written = Box(bounds.top, bounds.left, bounds.top + len(rows), bounds.left + width)
    _stay_within(written, bounds)
    if "userEnteredValue" not in fields and "*" not in fields:
        return {}
    if "range" in body:
        tab.guard(bounds, account)
        hides = tab.spreadsheet.hypotheses.hidden_rows == "skip"
        for row in range(bounds.top, bounds.bottom):
            given = len(rows[row - bounds.top].get("values", ())) if row < written.bottom else 0
            if not (hides and tab.region_at("hidden_by_filter", row, bounds.left)):
                tab.empty(Box(row, bounds.left + given, row + 1, bounds.right))
    tab.guard(written, account)
    _put_rows(tab, written.top, written.left, rows)
    return {}


def _stay_within(written: Box, bounds: Box) -> None:
    last_row, last_column = bounds.bottom - 1, bounds.right - 1
    if written.bottom > bounds.bottom:
        row = max(written.top, bounds.bottom)
        raise SheetError(f"Attempting to write row: {row}, beyond the last requested row of: {last_row}")
    if written.right > bounds.right:
        column = max(written.left, bounds.right)
        raise SheetError(f"Attempting to write column: {column}, beyond the last requested column of: {last_column}")


def _append_cells(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    fields = cell_fields(body)
    rows = _rows(body)
    width = max((len(row.get("values", ())) for row in rows), default=0)
    if "tableId" in body:
        tab, table = structure.find_table(spreadsheet, body["tableId"])
        left = table.area.left or 0
        tab.guard(table.box(tab.row_count, tab.column_count), account)
        top = structure.rows_for_table(tab, table, len(rows))
        _put_rows(tab, top, left, rows)
        return {}
    tab = spreadsheet.tab_by_id(body.get("sheetId", 0))
    top = tab.used()[0]
    tab.guard(Box(top, 0, top + len(rows), max(width, 1)), account)
    tab.resize(max(tab.row_count, top + len(rows)), max(tab.column_count, width))
    if "userEnteredValue" in fields or "*" in fields:
        _put_rows(tab, top, 0, rows)
    return {}


def _rows(body: Body) -> list[Body]:
    rows: list[Body] = body.get("rows", [])
    for place, row in enumerate(rows if isinstance(rows, list) else [rows]):
        if not isinstance(row, dict) or not row.keys() <= {"values"} or not isinstance(row.get("values", []), list):
            raise SheetError(f"Invalid value at 'rows[{place}]' (RowData)")
    return rows


def _put_rows(tab: Tab, top: int, left: int, rows: Sequence[Body]) -> None:
    for row, line in enumerate(rows, top):
        for column, cell in enumerate(line.get("values", ()), left):
            tab.write(row, column, cell_of(cell))


def cell_of(body: Body) -> Cell | None:
    """Return the content that a `CellData` enters: its `userEnteredValue`, text always as text."""
    if not isinstance(body, dict) or not body.keys() <= CELL_FIELDS:
        raise SheetError(f"Invalid CellData: {body!r}")
    value = body.get("userEnteredValue")
    if not value:
        return None
    if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= VALUE_FIELDS:
        raise SheetError("Invalid userEnteredValue: exactly one of stringValue, numberValue, boolValue, formulaValue")
    kind, given = next(iter(value.items()))
    if kind == "stringValue" and isinstance(given, str):
        return given or None
    if kind == "formulaValue":
        if not isinstance(given, str) or not given.startswith("="):
            raise SheetError(f"Invalid formulaValue: {given!r}. Formulas must begin with =.")
        return Formula(given)
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if (kind == "boolValue" and isinstance(given, bool)) or (kind == "numberValue" and is_number):
        return raw(given)
    raise SheetError(f"Invalid value at '{kind}': {given!r}")


def _stripe(tab: Tab, dimension: Dimension, start: int, end: int) -> Box:
    return Box(start, 0, end, tab.column_count) if dimension == "ROWS" else Box(0, start, tab.row_count, end)


def _append_dimension(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab = spreadsheet.tab_by_id(body.get("sheetId", 0))
    length = body.get("length", 0)
    if length < 1:
        raise SheetError(f"length must be greater than 0: {length}")
    tab.append_dimension(dimension_of(body), length)
    return {}


def _insert_dimension(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, dimension, start, end = span(spreadsheet, body.get("range", {}), beyond=True)
    size = tab.size(dimension)
    if start > size or (start == size and not body.get("inheritFromBefore")):
        raise SheetError(
            f"range.startIndex[{start}] must be less than the grid size[{size}] if inheritFromBefore is false."
        )
    tab.guard(_stripe(tab, dimension, start, start + 1), account)
    tab.insert_dimension(dimension, start, end - start)
    return {}


def _delete_dimension(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, dimension, start, end = span(spreadsheet, body.get("range", {}))
    tab.guard(_stripe(tab, dimension, start, end), account)
    tab.delete_dimension(dimension, start, end)
    return {}


def _move_dimension(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, dimension, start, end = span(spreadsheet, body.get("source", {}))
    destination = body.get("destinationIndex", 0)
    if destination > tab.size(dimension):
        raise SheetError(f"destinationIndex[{destination}] is after the grid size[{tab.size(dimension)}]")
    tab.guard(_stripe(tab, dimension, min(start, destination), max(end, destination)), account)
    tab.move_dimension(dimension, start, end, destination)
    return {}


def _sort_range(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, box = grid_box(spreadsheet, body.get("range", {}))
    specs = body.get("sortSpecs", [])
    if not specs:
        raise SheetError("At least one sortSpec must be specified.")
    tab.guard(box, account)
    tab.sort_box(box, [(spec.get("dimensionIndex", 0), spec.get("sortOrder") == "DESCENDING") for spec in specs])
    return {}


def _update_sheet_properties(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    properties = body.get("properties", {})
    tab = spreadsheet.tab_by_id(properties.get("sheetId", 0))
    if not body.get("fields"):
        raise SheetError("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    try:
        mask = masks.parse(body["fields"])
        masks.check_mask(mask, "SheetProperties")
    except masks.BadMask as error:
        raise SheetError(f"Invalid field: {error}") from None
    everything = "*" in mask
    if everything or "title" in mask:
        spreadsheet.retitle(tab, properties.get("title", tab.title if everything else ""))
    if (everything and "index" in properties) or "index" in mask:
        spreadsheet.tabs.remove(tab)
        spreadsheet.tabs.insert(properties.get("index", 0), tab)
    if everything or "hidden" in mask:
        tab.hidden = properties.get("hidden", False)
    if everything or "gridProperties" in mask:
        _update_grid(tab, properties.get("gridProperties", {}), masks.below(mask, "gridProperties") or {}, account)
    return {}


def _update_grid(tab: Tab, grid: Body, mask: masks.Mask, account: str) -> None:
    def wanted(name: str) -> bool:
        return name in grid if not mask or "*" in mask else name in mask

    rows = grid.get("rowCount", 0) if wanted("rowCount") else tab.row_count
    columns = grid.get("columnCount", 0) if wanted("columnCount") else tab.column_count
    if rows < tab.row_count:
        tab.guard(Box(rows, 0, tab.row_count, tab.column_count), account)
    if columns < tab.column_count:
        tab.guard(Box(0, columns, tab.row_count, tab.column_count), account)
    tab.resize(rows, columns)
    if wanted("frozenRowCount"):
        tab.frozen_rows = grid.get("frozenRowCount", 0)
    if wanted("frozenColumnCount"):
        tab.frozen_columns = grid.get("frozenColumnCount", 0)


def _update_spreadsheet_properties(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    title = body.get("properties", {}).get("title")
    if title:
        spreadsheet.title = title
    return {}


def add_tab(spreadsheet: Spreadsheet, properties: Body) -> Tab:
    """Add a tab as `SheetProperties` describe it."""
    grid = properties.get("gridProperties", {})
    tab = spreadsheet.new_tab(
        properties.get("title"),
        sheet_id=properties.get("sheetId"),
        row_count=grid.get("rowCount", 1000),
        column_count=grid.get("columnCount", 26),
        index=properties.get("index"),
    )
    tab.frozen_rows, tab.frozen_columns = grid.get("frozenRowCount", 0), grid.get("frozenColumnCount", 0)
    tab.hidden = properties.get("hidden", False)
    return tab


def _add_sheet(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    return {"addSheet": {"properties": shape.sheet_properties(add_tab(spreadsheet, body.get("properties", {})))}}


def _delete_sheet(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab = spreadsheet.tab_by_id(body.get("sheetId", 0))
    tab.guard(tab.box, account)
    spreadsheet.remove_tab(tab)
    return {}


def _add_protected_range(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    wanted = body.get("protectedRange", {})
    tab = spreadsheet.tab_by_id(wanted.get("range", {}).get("sheetId", 0))
    editors = {account, *wanted.get("editors", {}).get("users", ())}
    protection = tab.add_protection(grid_area(wanted.get("range", {})), editors, wanted.get("description", ""))
    return {"addProtectedRange": {"protectedRange": shape.protected_range(tab, protection)}}


def _delete_protected_range(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    wanted = body.get("protectedRangeId", 0)
    for tab in spreadsheet.tabs:
        for protection in tab.protections:
            if protection.protection_id == wanted:
                if account != spreadsheet.owner and account not in protection.editors:
                    raise SheetError("You do not have permission to remove this protection.")
                tab.protections.remove(protection)
                return {}
    raise SheetError(f"No protected range with id: {wanted}")


KINDS: dict[str, Callable[[Spreadsheet, Body, str], Reply]] = {
    "updateCells": _update_cells,
    "appendCells": _append_cells,
    "appendDimension": _append_dimension,
    "insertDimension": _insert_dimension,
    "deleteDimension": _delete_dimension,
    "moveDimension": _move_dimension,
    "sortRange": _sort_range,
    "updateSheetProperties": _update_sheet_properties,
    "updateSpreadsheetProperties": _update_spreadsheet_properties,
    "addSheet": _add_sheet,
    "deleteSheet": _delete_sheet,
    **formatting.KINDS,
    "addProtectedRange": _add_protected_range,
    "deleteProtectedRange": _delete_protected_range,
}
