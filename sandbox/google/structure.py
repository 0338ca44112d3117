"""Requests of `spreadsheets.batchUpdate` that give cells a property: merged, a checkbox, plain text, filtered, a table."""

from typing import Any

from sandbox.google.a1 import Area, Box
from sandbox.google.grid import Grid
from sandbox.google.model import SheetError, Spreadsheet, Tab
from sandbox.google.regions import Region

Body = dict[str, Any]


def merge(tab: Tab, box: Box, how: str) -> None:
    tab.merge_box(box, "MERGE_ALL" if how == "MERGE_TYPE_UNSPECIFIED" else how)


def set_validation(tab: Tab, box: Box, rule: Body | None) -> None:
    """A checkbox for a rule of type BOOLEAN; other rules are not kept, because the API does not enforce them.

    Recorded: gspread's cassette test_add_validation. Blank cells stay blank: only the browser fills in FALSE.
    """
    tab.remove_regions("checkbox", box)
    if rule and rule.get("condition", {}).get("type") == "BOOLEAN":
        tab.add_region("checkbox", Area(*box))


def repeat_cell(tab: Tab, box: Box, cell: Body) -> None:
    """`repeatCell` for the format of a number: `TEXT` is plain text, another one lifts it."""
    kind = cell.get("userEnteredFormat", {}).get("numberFormat", {}).get("type")
    if kind is None:
        return
    tab.remove_regions("plain_text", box)
    if kind == "TEXT":
        tab.add_region("plain_text", Area(*box))


def set_filter(tab: Tab, box: Box, wanted: Body) -> None:
    """A basic filter. Rows below its header whose text is among a column's `hiddenValues` are hidden.

    Recorded: gspread's cassette test_basic_filters. Source:
    https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets/other#filtercriteria
    """
    tab.clear_filter()
    properties = {name: value for name, value in wanted.items() if name != "range"}
    tab.add_region("filter", Area(*box), **properties)
    criteria = {int(column): rule for column, rule in wanted.get("criteria", {}).items()}
    for spec in wanted.get("filterSpecs", []):
        criteria[spec.get("columnIndex", 0)] = spec.get("filterCriteria", {})
    for row in range(box.top + 1, box.bottom):
        if any(tab.shown_at(row, column) in rule.get("hiddenValues", ()) for column, rule in criteria.items()):
            tab.add_region("hidden_by_filter", Area(row, None, row + 1, None))


def hide_rows(tab: Tab, start: int, end: int, *, hidden: bool) -> None:
    if hidden:
        tab.add_region("hidden_by_user", Area(start, None, end, None))
    else:
        tab.remove_regions("hidden_by_user", Box(start, 0, end, tab.column_count))


def find_table(spreadsheet: Spreadsheet, table_id: str) -> tuple[Tab, Region]:
    """The table of an id, and its tab. Raises `SheetError`."""
    for tab in spreadsheet.tabs:
        for table in tab.regions_of("table"):
            if table.properties["tableId"] == table_id:
                return tab, table
    raise SheetError(f"No table with id: {table_id}")


def rows_for_table(tab: Grid, table: Region, number: int) -> int:
    """The first row at which `appendCells` writes into a table, which is made long enough for it.

    Values go to the first rows of the table after the last filled one; where the table ends it grows, over blank cells
    or, if something stands below, into rows that are inserted.
    Source: https://developers.google.com/workspace/sheets/api/guides/tables ("Append values to a table").
    """
    box = table.box(tab.row_count, tab.column_count)
    filled = [
        row
        for row in range(box.top + 1, box.bottom)
        if any(tab.at(row, column) is not None for column in range(box.left, box.right))
    ]
    first = (filled[-1] if filled else box.top) + 1
    missing = first + number - box.bottom
    if missing > 0:
        below = tab.lines(Box(box.bottom, box.left, box.bottom + missing, box.right))
        if any(cell is not None for line in below for cell in line):
            tab.insert_dimension("ROWS", box.bottom, missing)
        elif box.bottom + missing > tab.row_count:
            tab.append_dimension("ROWS", box.bottom + missing - tab.row_count)
        table.area = Area(box.top, box.left, box.bottom + missing, box.right)
        tab.changed(regions=True)
    return first
