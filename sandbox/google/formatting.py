"""The kinds of request in a batch that give cells a property; what they do is in `structure.py`."""

from collections.abc import Callable
from typing import Any

from sandbox.google import masks, structure
from sandbox.google import resource as shape
from sandbox.google.a1 import Area
from sandbox.google.model import SheetError, Spreadsheet
from sandbox.google.places import Body, cell_fields, grid_box, span

Reply = dict[str, Any]


def _merge_cells(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, box = grid_box(spreadsheet, body.get("range", {}))
    tab.guard(box, account)
    structure.merge(tab, box, body.get("mergeType", "MERGE_ALL"))
    return {}


def _unmerge_cells(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, box = grid_box(spreadsheet, body.get("range", {}))
    tab.unmerge_box(box)
    return {}


def _set_data_validation(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    structure.set_validation(*grid_box(spreadsheet, body.get("range", {})), body.get("rule"))
    return {}


def _repeat_cell(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    cell_fields(body)
    structure.repeat_cell(*grid_box(spreadsheet, body.get("range", {})), body.get("cell", {}))
    return {}


def _set_basic_filter(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    wanted = body.get("filter", {})
    structure.set_filter(*grid_box(spreadsheet, wanted.get("range", {})), wanted)
    return {}


def _clear_basic_filter(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    spreadsheet.tab_by_id(body.get("sheetId", 0)).clear_filter()
    return {}


def _update_dimension_properties(spreadsheet: Spreadsheet, body: Body, account: str) -> Reply:
    tab, dimension, start, end = span(spreadsheet, body.get("range", {}))
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
}
