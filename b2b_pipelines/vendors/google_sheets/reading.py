"""Read Google's answers about tabs and their cells.

Tabs may be large: rows are decoded one by one from the bytes of the answer, into types and not into dictionaries.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from b2b_pipelines.cells import Area, Cell, Formula, Spilled, Table, Value
from b2b_pipelines.vendors.google_sheets.tabs import TabContent, TabInfo

CELLS = "userEnteredValue,effectiveValue"


def tab_mask(*, with_texts: bool = False) -> str:
    """Return the field mask of a tab with its cells.

    `with_texts` adds how they are shown: dates as dates.
    """
    texts = ",formattedValue" if with_texts else ""
    return f"sheets(properties,merges,tables(tableId,range),data(startRow,startColumn,rowData.values({CELLS}{texts})))"


class _Error(msgspec.Struct, gc=False):
    type: str = ""
    message: str = ""


class _Value(msgspec.Struct, gc=False, rename="camel"):
    string_value: str | None = None
    number_value: int | float | None = None
    bool_value: bool | None = None
    formula_value: str | None = None
    error_value: _Error | None = None


class _CellData(msgspec.Struct, gc=False, rename="camel"):
    user_entered_value: _Value | None = None
    effective_value: _Value | None = None
    formatted_value: str | None = None


class _RowData(msgspec.Struct, gc=False):
    values: list[_CellData] = []


class _GridData(msgspec.Struct, gc=False, rename="camel"):
    start_row: int = 0
    start_column: int = 0
    row_data: list[msgspec.Raw] = []


class _Range(msgspec.Struct, gc=False, rename="camel"):
    start_row_index: int = 0
    end_row_index: int | None = None
    start_column_index: int = 0
    end_column_index: int | None = None


class _Table(msgspec.Struct, gc=False, rename="camel"):
    table_id: str = ""
    range: _Range = msgspec.field(default_factory=_Range)


class _Grid(msgspec.Struct, gc=False, rename="camel"):
    row_count: int = 0
    column_count: int = 0


class _Properties(msgspec.Struct, gc=False, rename="camel"):
    sheet_id: int = 0
    title: str = ""
    index: int = 0
    grid_properties: _Grid | None = None


class Sheet(msgspec.Struct, gc=False):
    """A tab as Google describes it; `data`: None when the answer omits the cells."""

    properties: _Properties
    data: list[_GridData] | None = None
    merges: list[_Range] = []
    tables: list[_Table] = []

    @property
    def info(self) -> TabInfo | None:
        """Return the tab, or None for a chart and the like, which have no grid."""
        grid = self.properties.grid_properties
        if grid is None:
            return None
        properties = self.properties
        return TabInfo(properties.sheet_id, properties.title, properties.index, grid.row_count, grid.column_count)


class _Title(msgspec.Struct, gc=False):
    title: str = ""


class Answer(msgspec.Struct, gc=False):
    """A `Spreadsheet` of the API, as far as it is asked for."""

    sheets: list[Sheet] = []
    properties: _Title = msgspec.field(default_factory=_Title)


class Updated(msgspec.Struct, gc=False, rename="camel"):
    """The answer to a `batchUpdate`."""

    updated_spreadsheet: Answer = msgspec.field(default_factory=Answer)


_read_row = msgspec.json.Decoder(_RowData).decode
read_spreadsheet = msgspec.json.Decoder(Answer).decode
read_update = msgspec.json.Decoder(Updated).decode


def content(answer: Answer, text_columns: int = 0, before: Sequence[Sequence[Cell]] = ()) -> TabContent | None:
    """Return the one tab that came with its cells.

    None if it came without, or not from the first cell on. With `text_columns` the content has the texts that so many
    columns show. Texts that stand in their place in `before` already are shared with it, to save memory.
    """
    for sheet in answer.sheets:
        info, data = sheet.info, sheet.data or []
        if info is not None and len(data) == 1 and not data[0].start_row and not data[0].start_column:
            values, texts = _rows(data[0].row_data, text_columns, before)
            while values and not values[-1]:  # Google lists rows to the end of the grid when they are formatted
                values.pop()
            return TabContent(
                info,
                values,
                merges=tuple(_area(each, info) for each in sheet.merges),
                tables=tuple(Table(each.table_id, _area(each.range, info)) for each in sheet.tables if each.table_id),
                texts=texts,
            )
    return None


def as_entered(row: Sequence[Any]) -> list[Cell]:
    """Return a row that was read as formulas and constants, without the values of the formulas."""
    cells: list[Cell] = [
        Formula(cell) if isinstance(cell, str) and cell.startswith("=") and len(cell) > 1 else cell for cell in row
    ]
    return without_trailing_blanks(cells)


def without_trailing_blanks(row: list[Cell]) -> list[Cell]:
    """Return a row without the blank cells at its end."""
    end = len(row)
    while end and row[end - 1] == "":
        end -= 1
    return row if end == len(row) else row[:end]


def _cell(cell: _CellData) -> Cell:
    entered, effective = cell.user_entered_value, cell.effective_value
    if entered is None:
        return "" if effective is None else Spilled(_value(effective))
    if entered.formula_value is not None:
        return Formula(entered.formula_value, "" if effective is None else _value(effective))
    return _value(entered)


def _value(value: _Value) -> Value:
    if value.string_value is not None:
        return value.string_value
    if value.number_value is not None:
        return value.number_value
    if value.bool_value is not None:
        return value.bool_value
    return "" if value.error_value is None else value.error_value.message or "#ERROR!"


def _rows(
    rows: Sequence[msgspec.Raw], text_columns: int, before: Sequence[Sequence[Cell]]
) -> tuple[list[list[Cell]], list[list[str]] | None]:
    """Return the entered cells of each row, and the texts of its first columns.

    Rows are decoded one by one, to save memory.
    """
    values: list[list[Cell]] = []
    texts: list[list[str]] = []
    for index, raw in enumerate(rows):
        row = _read_row(raw)
        cells = without_trailing_blanks([_cell(cell) for cell in row.values])
        values.append(_shared(cells, before[index]) if index < len(before) else cells)
        if text_columns:
            texts.append([cell.formatted_value or "" for cell in row.values[:text_columns]])
    return values, texts if text_columns else None


def _shared(row: list[Cell], before: Sequence[Cell]) -> list[Cell]:
    """Return the row with the equal texts of the earlier one in place of its own."""
    same = [then if type(then) is str and then == now else now for now, then in zip(row, before, strict=False)]
    return same + row[len(same) :]


def _area(area: _Range, info: TabInfo) -> Area:
    return Area(
        area.start_row_index,
        area.start_column_index,
        info.row_count if area.end_row_index is None else area.end_row_index,
        info.column_count if area.end_column_index is None else area.end_column_index,
    )
