"""The changes of a batch, and names of cells in A1 notation."""

from collections.abc import Sequence
from typing import Any, Literal

from b2b_pipelines.vendors.google_sheets.tabs import Cell


def update_cells(sheet_id: int, row: int, column: int, values: Sequence[Sequence[Cell]]) -> dict[str, Any]:
    """The change that writes a rectangle, text as text and numbers as numbers; `""` or None empties a cell."""
    return {
        "updateCells": {
            "start": {"sheetId": sheet_id, "rowIndex": row, "columnIndex": column},
            "rows": [{"values": [_cell(value) for value in cells]} for cells in values],
            "fields": "userEnteredValue",
        }
    }


def clear_cells(sheet_id: int, row: int, column: int, rows: int, columns: int) -> dict[str, Any]:
    """The change that empties a rectangle and leaves its formatting."""
    return {
        "updateCells": {
            "range": {
                "sheetId": sheet_id,
                "startRowIndex": row,
                "endRowIndex": row + rows,
                "startColumnIndex": column,
                "endColumnIndex": column + columns,
            },
            "fields": "userEnteredValue",
        }
    }


def append_dimension(sheet_id: int, dimension: Literal["ROWS", "COLUMNS"], length: int) -> dict[str, Any]:
    """The change that makes a grid larger. Applied twice it grows twice, which loses nothing."""
    return {"appendDimension": {"sheetId": sheet_id, "dimension": dimension, "length": length}}


def quoted(title: str) -> str:
    """A tab's title as A1 notation wants it."""
    return "'" + title.replace("'", "''") + "'"


def column_letters(number: int) -> str:
    """The letters of a column, counted from 1: A, …, Z, AA, …"""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _cell(value: Cell) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    kinds = {str: "stringValue", bool: "boolValue"}
    return {"userEnteredValue": {kinds.get(type(value), "numberValue"): value}}
