"""`spreadsheets.batchUpdate`: one function for each kind of request, tried in order and applied together or not at all.

Source: https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets/request
"""

from collections.abc import Callable, Sequence
from typing import Any

from b2b_pipelines.sandbox.google import masks, structure
from b2b_pipelines.sandbox.google import resource as shape
from b2b_pipelines.sandbox.google.a1 import Area, Box
from b2b_pipelines.sandbox.google.cells import Cell, Formula, raw
from b2b_pipelines.sandbox.google.model import Dimension, SheetError, Spreadsheet, Tab

Body = dict[str, Any]
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


def _update_cells(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    fields, rows = _fields(body), _rows(body)
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
    fields = _fields(body)
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


def _fields(body: Body) -> masks.Mask:
    text = body.get("fields", "")
    if not text:
        raise SheetError("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    try:
        mask = masks.parse(text)
        masks.check_mask(mask, "CellData")
    except masks.BadMask as error:
        raise SheetError(f"Invalid field: {error}") from None
    return mask


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
    """What a `CellData` puts into its cell: its `userEnteredValue`, text as text whatever it looks like."""
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


def _dimension(body: Body) -> Dimension:
    dimension = body.get("dimension")
    if dimension == "ROWS":
        return "ROWS"
    if dimension == "COLUMNS":
        return "COLUMNS"
    raise SheetError("dimension must be ROWS or COLUMNS")


def _span(spreadsheet: Spreadsheet, body: Body, *, beyond: bool = False) -> tuple[Tab, Dimension, int, int]:
    """The tab, dimension, start and end of a `DimensionRange`."""
    tab = spreadsheet.tab_by_id(body.get("sheetId", 0))
    dimension = _dimension(body)
    size = tab.size(dimension)
    start, end = body.get("startIndex", 0), body.get("endIndex", size)
    if start < 0 or end <= start:
        raise SheetError(f"range.endIndex[{end}] must be greater than range.startIndex[{start}]")
    if not beyond and end > size:
        raise SheetError(f"Cannot use {dimension.lower()} that do not exist: range.endIndex[{end}] is after {size}")
    return tab, dimension, start, end


def _stripe(tab: Tab, dimension: Dimension, start: int, end: int) -> Box:
    return Box(start, 0, end, tab.column_count) if dimension == "ROWS" else Box(0, start, tab.row_count, end)


def _append_dimension(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab = spreadsheet.tab_by_id(body.get("sheetId", 0))
    length = body.get("length", 0)
    if length < 1:
        raise SheetError(f"length must be greater than 0: {length}")
    tab.append_dimension(_dimension(body), length)
    return {}


def _insert_dimension(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, dimension, start, end = _span(spreadsheet, body.get("range", {}), beyond=True)
    size = tab.size(dimension)
    if start > size or (start == size and not body.get("inheritFromBefore")):
        raise SheetError(
            f"range.startIndex[{start}] must be less than the grid size[{size}] if inheritFromBefore is false."
        )
    tab.guard(_stripe(tab, dimension, start, start + 1), account)
    tab.insert_dimension(dimension, start, end - start)
    return {}


def _delete_dimension(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, dimension, start, end = _span(spreadsheet, body.get("range", {}))
    tab.guard(_stripe(tab, dimension, start, end), account)
    tab.delete_dimension(dimension, start, end)
    return {}


def _move_dimension(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, dimension, start, end = _span(spreadsheet, body.get("source", {}))
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


def _merge_cells(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, box = grid_box(spreadsheet, body.get("range", {}))
    tab.guard(box, account)
    structure.merge(tab, box, body.get("mergeType", "MERGE_ALL"))
    return {}


def _unmerge_cells(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    structure.unmerge(*grid_box(spreadsheet, body.get("range", {})))
    return {}


def _set_data_validation(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    structure.set_validation(*grid_box(spreadsheet, body.get("range", {})), body.get("rule"))
    return {}


def _repeat_cell(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    _fields(body)
    structure.repeat_cell(*grid_box(spreadsheet, body.get("range", {})), body.get("cell", {}))
    return {}


def _set_basic_filter(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    wanted = body.get("filter", {})
    structure.set_filter(*grid_box(spreadsheet, wanted.get("range", {})), wanted)
    return {}


def _clear_basic_filter(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    structure.clear_filter(spreadsheet.tab_by_id(body.get("sheetId", 0)))
    return {}


def _update_dimension_properties(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, dimension, start, end = _span(spreadsheet, body.get("range", {}))
    if dimension == "ROWS" and "hiddenByUser" in masks.parse(body.get("fields") or "*"):
        structure.hide_rows(tab, start, end, hidden=body.get("properties", {}).get("hiddenByUser", False))
    return {}


def _duplicate_sheet(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    copy = spreadsheet.duplicate(
        spreadsheet.tab_by_id(body.get("sourceSheetId", 0)),
        body.get("newSheetName"),
        sheet_id=body.get("newSheetId"),
        index=body.get("insertSheetIndex", 0),
    )
    return {"duplicateSheet": {"properties": shape.sheet_properties(copy)}}


def _add_table(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    wanted = body.get("table", {})
    tab, box = grid_box(spreadsheet, wanted.get("range", {}))
    described = {item.get("columnIndex", 0) + box.left: item for item in wanted.get("columnProperties", [])}
    types = {column: item.get("columnType", "TEXT") for column, item in described.items()}
    for column, item in described.items():
        if item.get("columnName") and tab.at(box.top, column) is None:
            tab.put(box.top, column, item["columnName"])
    table_id = tab.add_table(box, wanted.get("name") or "Table1", types, wanted.get("tableId"))
    return {"addTable": {"table": shape.table_resource(tab, structure.find_table(spreadsheet, table_id)[1])}}


def _update_table(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    """Change a table's range or name, as the mask says; its rows may become more or fewer, and its columns too."""
    wanted, mask = body.get("table", {}), masks.parse(body.get("fields") or "")
    tab, table = structure.find_table(spreadsheet, wanted.get("tableId", ""))
    if "range" in mask or "*" in mask:
        other, box = grid_box(spreadsheet, wanted.get("range", {}))
        if other is not tab:
            raise SheetError("A table cannot be moved to another sheet.")
        table.area = Area(*box)
        tab.changed(regions=True)
    for name in ("name", "columnProperties"):
        if name in mask or ("*" in mask and name in wanted):
            table.properties[name] = wanted.get(name)
    return {}


def _delete_table(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    """Delete a table with all that is in it."""
    tab, table = structure.find_table(spreadsheet, body.get("tableId", ""))
    tab.empty(table.box(tab.row_count, tab.column_count))
    tab.regions.remove(table)
    tab.changed(regions=True)
    return {}


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
    "mergeCells": _merge_cells,
    "unmergeCells": _unmerge_cells,
    "setDataValidation": _set_data_validation,
    "repeatCell": _repeat_cell,
    "setBasicFilter": _set_basic_filter,
    "clearBasicFilter": _clear_basic_filter,
    "updateDimensionProperties": _update_dimension_properties,
    "duplicateSheet": _duplicate_sheet,
    "addTable": _add_table,
    "updateTable": _update_table,
    "deleteTable": _delete_table,
    "addProtectedRange": _add_protected_range,
    "deleteProtectedRange": _delete_protected_range,
}
