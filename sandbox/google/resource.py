"""A spreadsheet as the API shows it: the `Spreadsheet` resource, with grid data where it is asked for."""

from collections.abc import Sequence
from typing import Any

from sandbox.google.a1 import Area, Box
from sandbox.google.griddata import row_data
from sandbox.google.masks import Mask, below
from sandbox.google.model import Protection, Spreadsheet, Tab
from sandbox.google.regions import Region

Ranges = Sequence[tuple[Tab, Area]]

DEFAULT_FORMAT = {
    "backgroundColor": {"red": 1, "green": 1, "blue": 1},
    "padding": {"top": 2, "right": 3, "bottom": 2, "left": 3},
    "verticalAlignment": "BOTTOM",
    "wrapStrategy": "OVERFLOW_CELL",
    "textFormat": {
        "foregroundColor": {},
        "fontFamily": "arial,sans,sans-serif",
        "fontSize": 10,
        "bold": False,
        "italic": False,
        "strikethrough": False,
        "underline": False,
    },
}


def spreadsheet_resource(
    spreadsheet: Spreadsheet, ranges: Ranges, mask: Mask | None, *, include_grid_data: bool, indent: int | None = None
) -> dict[str, Any]:
    """The spreadsheet, or the tabs that the ranges are in. The answer still is to be cut to the mask.

    Grid data come with `include_grid_data`, or when the mask names `sheets.data`; a mask of `*` names nothing.
    `indent`: how deep the resource stands in a pretty answer, None in one that is not.
    """
    tabs = [tab for tab in spreadsheet.tabs if not ranges or any(tab is of for of, _ in ranges)]
    wants_data = below(mask, "sheets", "data") if _explicit(mask) else ({} if include_grid_data else None)
    return {
        "spreadsheetId": spreadsheet.spreadsheet_id,
        "properties": {
            "title": spreadsheet.title,
            "locale": spreadsheet.locale,
            "autoRecalc": "ON_CHANGE",
            "timeZone": "America/New_York",
            "defaultFormat": DEFAULT_FORMAT,
        },
        "sheets": [_sheet(tab, ranges, wants_data, indent) for tab in tabs],
        "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{spreadsheet.spreadsheet_id}/edit",
    }


def _explicit(mask: Mask | None) -> bool:
    """Whether a mask says by name what is wanted of the sheets."""
    sheets = below(mask, "sheets")
    return bool(mask) and (sheets is None or (bool(sheets) and "*" not in sheets))


def _sheet(tab: Tab, ranges: Ranges, wants_data: Mask | None, indent: int | None) -> dict[str, Any]:
    sheet: dict[str, Any] = {"properties": sheet_properties(tab)}
    if wants_data is not None:
        areas = [area for of, area in ranges if of is tab] or [Area()]
        sheet["data"] = [
            _grid_data(
                tab,
                area.box(tab.row_count, tab.column_count).clipped(tab.row_count, tab.column_count),
                wants_data,
                indent,
            )
            for area in areas
        ]
    if tab.protections:
        sheet["protectedRanges"] = [protected_range(tab, protection) for protection in tab.protections]
    if merges := tab.regions_of("merge"):
        sheet["merges"] = [_whole_range(tab, merge) for merge in merges]
    if tables := tab.regions_of("table"):
        sheet["tables"] = [table_resource(tab, table) for table in tables]
    for found in tab.regions_of("filter"):
        sheet["basicFilter"] = {"range": _whole_range(tab, found), **found.properties}
    return sheet


def _whole_range(tab: Tab, region: Region) -> dict[str, int]:
    """A region as a `GridRange` with all of its sides, as Google answers (gspread's cassettes of merges and filters)."""
    return grid_range(tab.sheet_id, Area(*region.box(tab.row_count, tab.column_count)))


def table_resource(tab: Tab, table: Region) -> dict[str, Any]:
    """A `Table`. Source: https://developers.google.com/workspace/sheets/api/guides/tables"""
    columns = [
        {name: value for name, value in column.items() if not (name == "columnIndex" and value == 0)}
        for column in table.properties.get("columnProperties", ())
    ]
    return {
        "tableId": table.properties["tableId"],
        "name": table.properties.get("name", ""),
        "range": _whole_range(tab, table),
        "columnProperties": columns,
    }


def sheet_properties(tab: Tab) -> dict[str, Any]:
    grid = {"rowCount": tab.row_count, "columnCount": tab.column_count}
    if tab.frozen_rows:
        grid["frozenRowCount"] = tab.frozen_rows
    if tab.frozen_columns:
        grid["frozenColumnCount"] = tab.frozen_columns
    properties: dict[str, Any] = {
        "sheetId": tab.sheet_id,
        "title": tab.title,
        "index": tab.index,
        "sheetType": "GRID",
        "gridProperties": grid,
    }
    if tab.hidden:
        properties["hidden"] = True
    return properties


def protected_range(tab: Tab, protection: Protection) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "protectedRangeId": protection.protection_id,
        "range": grid_range(tab.sheet_id, protection.area),
        "requestingUserCanEdit": False,
        "editors": {"users": sorted({tab.spreadsheet.owner, *protection.editors})},
    }
    if protection.description:
        answer["description"] = protection.description
    return answer


def grid_range(sheet_id: int, area: Area) -> dict[str, int]:
    sides = {
        "startRowIndex": area.top,
        "endRowIndex": area.bottom,
        "startColumnIndex": area.left,
        "endColumnIndex": area.right,
    }
    return {"sheetId": sheet_id, **{name: side for name, side in sides.items() if side is not None}}


def _grid_data(tab: Tab, box: Box, mask: Mask, indent: int | None) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if box.top:
        data["startRow"] = box.top
    if box.left:
        data["startColumn"] = box.left
    rows = below(mask, "rowData")
    if rows is not None:
        prepared = row_data(tab, box, rows, None if indent is None else indent + 6)
        if prepared is not None:
            data["rowData"] = prepared
    if below(mask, "rowMetadata") is not None:
        data["rowMetadata"] = _row_metadata(tab, box)
    if below(mask, "columnMetadata") is not None:
        data["columnMetadata"] = [{"pixelSize": 100}] * (box.right - box.left)
    return data


def _row_metadata(tab: Tab, box: Box) -> list[dict[str, Any]]:
    """The rows' properties. Hidden ones say by what (gspread's cassettes test_hide_columns_rows, test_basic_filters)."""
    rows: list[dict[str, Any]] = [{"pixelSize": 21} for _ in range(box.top, box.bottom)]
    for region in tab.regions_of("hidden_by_filter", "hidden_by_user"):
        name = "hiddenByFilter" if region.kind == "hidden_by_filter" else "hiddenByUser"
        area = region.box(tab.row_count, tab.column_count)
        for row in range(max(area.top, box.top), min(area.bottom, box.bottom)):
            rows[row - box.top] = {name: True, **rows[row - box.top]}
    return rows
