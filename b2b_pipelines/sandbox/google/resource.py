"""A spreadsheet as the API shows it: the `Spreadsheet` resource, with grid data where it is asked for."""

from collections.abc import Sequence
from typing import Any

from b2b_pipelines.sandbox.google.a1 import Area, Box
from b2b_pipelines.sandbox.google.cells import Cell, Formula, Scalar
from b2b_pipelines.sandbox.google.masks import Cut, Mask, below, pick
from b2b_pipelines.sandbox.google.model import Line, Protection, Spreadsheet, Tab

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
ERRORS = {
    "#DIV/0!": "DIVIDE_BY_ZERO",
    "#VALUE!": "VALUE",
    "#REF!": "REF",
    "#NAME?": "NAME",
    "#N/A": "N_A",
    "#NUM!": "NUM",
}


def spreadsheet_resource(
    spreadsheet: Spreadsheet, ranges: Ranges, mask: Mask | None, *, include_grid_data: bool
) -> dict[str, Any]:
    """The spreadsheet, or the tabs that the ranges are in. The answer still is to be cut to the mask.

    Grid data come with `include_grid_data`, or when the mask names `sheets.data`; a mask of `*` names nothing.
    """
    tabs = [tab for tab in spreadsheet.tabs if not ranges or any(tab is of for of, _ in ranges)]
    wants_data = below(mask, "sheets", "data") if _explicit(mask) else ({} if include_grid_data else None)
    return {
        "spreadsheetId": spreadsheet.spreadsheet_id,
        "properties": {
            "title": spreadsheet.title,
            "locale": "en_US",
            "autoRecalc": "ON_CHANGE",
            "timeZone": "America/New_York",
            "defaultFormat": DEFAULT_FORMAT,
        },
        "sheets": [_sheet(tab, ranges, wants_data) for tab in tabs],
        "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{spreadsheet.spreadsheet_id}/edit",
    }


def _explicit(mask: Mask | None) -> bool:
    """Whether a mask says by name what is wanted of the sheets."""
    sheets = below(mask, "sheets")
    return bool(mask) and (sheets is None or (bool(sheets) and "*" not in sheets))


def _sheet(tab: Tab, ranges: Ranges, wants_data: Mask | None) -> dict[str, Any]:
    sheet: dict[str, Any] = {"properties": sheet_properties(tab)}
    if wants_data is not None:
        areas = [area for of, area in ranges if of is tab] or [Area()]
        sheet["data"] = [
            _grid_data(
                tab, area.box(tab.row_count, tab.column_count).clipped(tab.row_count, tab.column_count), wants_data
            )
            for area in areas
        ]
    if tab.protections:
        sheet["protectedRanges"] = [protected_range(tab, protection) for protection in tab.protections]
    return sheet


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


def _grid_data(tab: Tab, box: Box, mask: Mask) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if box.top:
        data["startRow"] = box.top
    if box.left:
        data["startColumn"] = box.left
    values = below(mask, "rowData", "values")
    if below(mask, "rowData") is not None and (lines := tab.lines(box)):
        data["rowData"] = Cut(_row_data(tab, line, values) for line in lines)
    if below(mask, "rowMetadata") is not None:
        data["rowMetadata"] = [{"pixelSize": 21}] * (box.bottom - box.top)
    if below(mask, "columnMetadata") is not None:
        data["columnMetadata"] = [{"pixelSize": 100}] * (box.right - box.left)
    return data


def _row_data(tab: Tab, line: Line, mask: Mask | None) -> dict[str, Any]:
    if not line or mask is None:
        return {}
    if mask == {"userEnteredValue": {}}:
        return {"values": [_entered(tab, cell) for cell in line]}
    return {"values": [pick(_cell_data(tab, cell), mask) for cell in line]}


def _entered(tab: Tab, cell: Cell | None) -> dict[str, Any]:
    if isinstance(cell, str):
        return {"userEnteredValue": {"stringValue": cell}}
    if cell is None:
        return {}
    if isinstance(cell, Formula):
        return {"userEnteredValue": {"formulaValue": cell.text}}
    return {"userEnteredValue": extended_value(tab.computed(cell))}


def _cell_data(tab: Tab, cell: Cell | None) -> dict[str, Any]:
    if cell is None:
        return {}
    data = _entered(tab, cell)
    data["effectiveValue"] = extended_value(tab.computed(cell), computed=isinstance(cell, Formula))
    if shown := tab.shown_as(cell):
        data["formattedValue"] = shown
    return data


def extended_value(value: Scalar | None, *, computed: bool = False) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        if computed and value in ERRORS:
            return {"errorValue": {"type": ERRORS[value], "message": value}}
        return {"stringValue": value}
    return {"numberValue": value}
