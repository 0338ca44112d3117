"""A plan as requests to Google: one atomic request, or several for a large fill."""

from collections.abc import Mapping, Sequence
from typing import Any

from b2b_pipelines.cells import Table
from b2b_pipelines.sheets.operations import CellRun, Plan, pieces, update_cells_bytes
from b2b_pipelines.vendors.google_sheets import (
    CountedSheets,
    TabContent,
    TabInfo,
    append_dimension,
    clear_cells,
    column_letters,
    quoted,
    update_cells,
    update_table,
)

ATOMIC_BYTES = 2_000_000
PIECE_BYTES = 2_000_000
ROWS_A_CHANGE = 500
CELLS_TYPED = 10_000


def write(
    sheets: CountedSheets, spreadsheet: str, seen: TabContent, plan: Plan, repairs: Sequence[CellRun] = ()
) -> TabContent | None:
    """Apply a plan to the tab as it was seen; return the tab after the write, or None if it must be read.

    Repairs are sent with the growth of the grid, because they concern existing cells.
    """
    tab = seen.info
    changes = _growth(plan, tab)
    changes += [update_cells(tab.sheet_id, run.row, run.column, run.values) for run in repairs]
    writes = plan.writes
    if plan.estimated_bytes > ATOMIC_BYTES:
        if changes:
            sheets.grow(spreadsheet, changes)
        *parts, last = _with_last_row_apart(pieces(plan, PIECE_BYTES))
        for part in parts:
            sheets.write_values(spreadsheet, [_range(tab, run) for run in part])
        changes, writes = [], last
    changes += [update_cells(tab.sheet_id, run.row, run.column, run.values) for run in writes]
    return sheets.update(spreadsheet, changes, tab, seen.values)


def write_cells(sheets: CountedSheets, spreadsheet: str, tab: TabInfo, runs: Sequence[CellRun]) -> None:
    """Write cells as they were entered, formulas as formulas.

    One request, or several of at most 2 MB.
    """
    rows = max((run.row + len(run.values) for run in runs), default=0) - tab.row_count
    columns = max((run.column + len(run.values[0]) for run in runs), default=0) - tab.column_count
    changes = [append_dimension(tab.sheet_id, "ROWS", rows)] if rows > 0 else []
    changes += [append_dimension(tab.sheet_id, "COLUMNS", columns)] if columns > 0 else []
    size = 0
    for run in runs:
        for start in range(0, len(run.values), ROWS_A_CHANGE):
            part = CellRun(run.row + start, run.column, run.values[start : start + ROWS_A_CHANGE])
            if changes and size + update_cells_bytes(part) > PIECE_BYTES:
                sheets.grow(spreadsheet, changes)
                changes, size = [], 0
            changes.append(update_cells(tab.sheet_id, part.row, part.column, part.values))
            size += update_cells_bytes(part)
    if changes:
        sheets.grow(spreadsheet, changes)


def type_cells(sheets: CountedSheets, spreadsheet: str, tab: TabInfo, cells: Mapping[tuple[int, int], str]) -> None:
    """Type texts into cells, by row and column, as a person does.

    A date becomes a date shown as one.
    """
    runs = [CellRun(row, column, ((text,),)) for (row, column), text in cells.items()]
    for start in range(0, len(runs), CELLS_TYPED):
        sheets.write_values(spreadsheet, [_range(tab, run) for run in runs[start : start + CELLS_TYPED]], typed=True)


def _growth(plan: Plan, tab: TabInfo) -> list[dict[str, Any]]:
    changes = []
    if plan.grow_rows:
        changes.append(append_dimension(tab.sheet_id, "ROWS", plan.grow_rows))
    if plan.grow_columns:
        changes.append(append_dimension(tab.sheet_id, "COLUMNS", plan.grow_columns))
    if plan.table:
        changes.append(update_table(tab.sheet_id, Table(plan.table.table_id, plan.table.area)))
    if plan.clear:
        area = plan.clear
        changes.append(clear_cells(tab.sheet_id, area.row, area.column, area.rows, area.columns))
    return changes


def _with_last_row_apart(parts: list[tuple[CellRun, ...]]) -> list[tuple[CellRun, ...]]:
    """Return the pieces, with the last row of the last one as a piece by itself.

    Its answer shows the result of all pieces.
    """
    *others, (*runs, run) = parts
    head = CellRun(run.row, run.column, run.values[:-1])
    tail = CellRun(run.row + len(head.values), run.column, run.values[-1:])
    before_it = (*runs, head) if head.values else tuple(runs)
    return [*others, *([before_it] if before_it else []), (tail,)]


def _range(tab: TabInfo, run: CellRun) -> dict[str, Any]:
    first = f"{column_letters(run.column + 1)}{run.row + 1}"
    last = f"{column_letters(run.column + len(run.values[0]))}{run.row + len(run.values)}"
    return {"range": f"{quoted(tab.title)}!{first}:{last}", "values": run.values}
