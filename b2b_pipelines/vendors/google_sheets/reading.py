"""What Google's answers say about tabs and the cells in them."""

from collections.abc import Mapping
from typing import Any

from b2b_pipelines.vendors.google_sheets.tabs import Cell, TabContent, TabInfo

VALUES = "sheets(properties,data(startRow,startColumn,rowData.values.effectiveValue))"


def tab_info(properties: Mapping[str, Any]) -> TabInfo:
    grid = properties["gridProperties"]
    return TabInfo(
        sheet_id=int(properties.get("sheetId", 0)),
        title=str(properties.get("title", "")),
        index=int(properties.get("index", 0)),
        row_count=int(grid.get("rowCount", 0)),
        column_count=int(grid.get("columnCount", 0)),
    )


def content(spreadsheet: Mapping[str, Any]) -> TabContent | None:
    """The one tab of a spreadsheet that came with its values; None if it came without, or not from the first cell on."""
    for sheet in spreadsheet.get("sheets", []):
        data = sheet.get("data", [])
        if len(data) == 1 and not data[0].get("startRow", 0) and not data[0].get("startColumn", 0):
            rows = [
                without_trailing_blanks([_value(cell) for cell in row.get("values", [])])
                for row in data[0].get("rowData", [])
            ]
            while rows and not rows[-1]:  # Google lists rows to the end of the grid when they are formatted
                rows.pop()
            return TabContent(tab_info(sheet["properties"]), rows)
    return None


def _value(cell: Mapping[str, Any]) -> Cell:
    held: Mapping[str, Any] = cell.get("effectiveValue", {})
    for kind in ("stringValue", "numberValue", "boolValue"):
        if kind in held:
            found: Cell = held[kind]
            return found
    return str(held["errorValue"].get("message", "#ERROR!")) if "errorValue" in held else ""


def without_trailing_blanks(row: list[Cell]) -> list[Cell]:
    end = len(row)
    while end and row[end - 1] == "":
        end -= 1
    return row[:end]
