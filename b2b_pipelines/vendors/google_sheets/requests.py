"""The changes of a batch, and names of tabs in A1 notation."""

from collections.abc import Sequence
from typing import Any, Literal

from b2b_pipelines.cells import Area, Cell, Formula, Spilled, Table, column_letters

__all__ = ["append_dimension", "clear_cells", "column_letters", "quoted", "update_cells", "update_table"]


def update_cells(sheet_id: int, row: int, column: int, values: Sequence[Sequence[Cell]]) -> dict[str, Any]:
    """Return the change that writes a rectangle.

    Text is written as text, numbers as numbers, `""` or None as empty.
    """
    return {
        "updateCells": {
            "start": {"sheetId": sheet_id, "rowIndex": row, "columnIndex": column},
            "rows": [{"values": [_cell(value) for value in cells]} for cells in values],
            "fields": "userEnteredValue",
        }
    }


def clear_cells(sheet_id: int, row: int, column: int, rows: int, columns: int) -> dict[str, Any]:
    """Return the change that empties a rectangle and leaves its formatting."""
    area = Area(row, column, row + rows, column + columns)
    return {"updateCells": {"range": _grid_range(sheet_id, area), "fields": "userEnteredValue"}}


def append_dimension(sheet_id: int, dimension: Literal["ROWS", "COLUMNS"], length: int) -> dict[str, Any]:
    """Return the change that makes a grid larger.

    Applied twice it grows twice, which loses nothing.
    """
    return {"appendDimension": {"sheetId": sheet_id, "dimension": dimension, "length": length}}


def update_table(sheet_id: int, table: Table) -> dict[str, Any]:
    """Return the change that gives a Google Table another range."""
    changed = {"tableId": table.table_id, "range": _grid_range(sheet_id, table.area)}
    return {"updateTable": {"table": changed, "fields": "range"}}


def quoted(title: str) -> str:
    """Return a tab's title quoted for A1 notation."""
    return "'" + title.replace("'", "''") + "'"


def _grid_range(sheet_id: int, area: Area) -> dict[str, int]:
    return {
        "sheetId": sheet_id,
        "startRowIndex": area.top,
        "endRowIndex": area.bottom,
        "startColumnIndex": area.left,
        "endColumnIndex": area.right,
    }


def _cell(value: Cell) -> dict[str, Any]:
    if value is None or value == "" or isinstance(value, Spilled):
        return {}
    if isinstance(value, Formula):
        return {"userEnteredValue": {"formulaValue": value.text}}
    kinds = {str: "stringValue", bool: "boolValue"}
    return {"userEnteredValue": {kinds.get(type(value), "numberValue"): value}}
