"""Plans for a taken-over tab.

A new target is replaced; a rebuilt one keeps codes beside their notes. Pure: nothing here reads, writes or knows the
time.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import count

from b2b_pipelines.cells import Area, Cell, Value, entered, is_blank, is_blank_cell, is_prepared, shown
from b2b_pipelines.sheets.layout import HEADERS, CodeRow, HeldRow, Layout, Tab, Written, codes_within, same, typed
from b2b_pipelines.sheets.operations import CellRange, CellRun, Plan, in_order, runs_of
from b2b_pipelines.sheets.room import Covered, grown_table

WIDTH = len(HEADERS)
CODE_LENGTH = 36
FIRST_CELLS = 3
"""The most cells of the customer's to name when they are replaced."""


def plan_new_target(wanted: Sequence[CodeRow], tab: Tab) -> Plan:
    """Plan the header in row 1 and the codes below it, in place of the contents of A–F.

    G and beyond are not touched. All of A–F is cleared before the first row is written, so that a fill that is cut
    short leaves no old cells between our rows.
    """
    block = (HEADERS, *(row.cells for row in wanted))
    layout = Layout(tuple(range(WIDTH)), has_header=True)
    width = max(tab.column_count, WIDTH)
    foreign = _foreign_rows(tab, set(block))
    return Plan(
        kind="new",
        layout=layout,
        written=Written(
            layout.columns, width, tuple(HeldRow(n, r.code, r.cells) for n, r in enumerate(wanted, start=2))
        ),
        writes=(CellRun(0, 0, block),),
        clear=None
        if all(is_blank(row[:WIDTH]) for row in tab.values)
        else CellRange(0, 0, tab.row_count, min(tab.column_count, WIDTH)),
        grow_rows=max(0, len(block) - tab.row_count),
        grow_columns=width - tab.column_count,
        appended=len(wanted),
        header=True,
        rows_after={n: row.code for n, row in enumerate(wanted, start=2)},
        replaced=len(foreign),
        replaced_cells=_first_cells(foreign),
        rows_added=tuple(range(2, len(wanted) + 2)),
        merged=_merge_in(tab, range(len(block))),
        table=grown_table(tab, layout, range(1, len(block))),
    )


def plan_rebuild(wanted: Sequence[CodeRow], tab: Tab) -> Plan:
    """Plan our columns at A-F from scratch, but keep the row of every code that the tab has.

    The customer's notes therefore stay beside their codes. The other codes follow below the last of those, in rows
    without a note. All other contents of A-F are emptied. A tab that is up to date is left alone.
    """
    layout = Layout(tuple(range(WIDTH)), has_header=True)
    truth = {typed(row.code): row for row in wanted}
    kept = _rows_of_codes(tab, truth.keys())
    covered = Covered(tab, layout.columns)
    rows = {row: truth[code] for row, code in kept.items() if not covered.columns_of(row)}
    placed = {row.code for row in rows.values()}
    free = (
        row
        for row in count(max(rows, default=0) + 1)
        if not covered.columns_of(row)
        and (row >= len(tab.values) or all(is_prepared(cell) for cell in tab.values[row][WIDTH:]))
    )
    added = dict(zip(free, (row for row in wanted if row.code not in placed), strict=False))
    rows |= added
    target: dict[int, tuple[Value, ...]] = {0: HEADERS, **{index: row.cells for index, row in rows.items()}}
    used = {index for index, row in enumerate(tab.values) if not is_blank(row[:WIDTH])}
    changes = [
        (index, layout.columns, cells)
        for index in sorted(used | target.keys())
        if not _holds(tab, index, cells := target.get(index, ("",) * WIDTH))
    ]
    held = tuple(HeldRow(index + 1, row.code, row.cells) for index, row in sorted(rows.items()))
    width = max(tab.column_count, WIDTH)
    differing = {index for index, _, _ in changes}
    appended, updated = len(differing & added.keys()), len(differing & rows.keys() - added.keys())
    foreign = _foreign_rows(tab, {HEADERS, *(row.cells for row in wanted)}, but=kept)
    return Plan(
        kind="new",
        layout=layout,
        written=Written(layout.columns, width, held),
        writes=in_order(runs_of(changes), 0),
        grow_rows=max(0, max(target) + 1 - tab.row_count),
        grow_columns=width - tab.column_count,
        updated=updated,
        appended=appended,
        unchanged=len(rows) - updated - appended,
        header=bool(changes),
        rows_after={row.row: row.code for row in held},
        replaced=len(foreign),
        replaced_cells=_first_cells(foreign),
        rows_added=tuple(index + 1 for index in added),
        merged=_merge_in(tab, [0]),
        table=grown_table(tab, layout, added),
    )


def _foreign_rows(
    tab: Tab, ours: Collection[tuple[Value, ...]], but: Mapping[int, str] | None = None
) -> list[Sequence[Cell]]:
    """Return the cells of A-F in the rows with contents that this product does not write."""
    rows = (
        row[:WIDTH] for index, row in enumerate(tab.values) if index not in (but or {}) and not is_blank(row[:WIDTH])
    )
    return [row for row in rows if (*map(entered, row), *[""] * (WIDTH - len(row))) not in ours]


def _first_cells(rows: Iterable[Sequence[Cell]]) -> tuple[str, ...]:
    texts = (str(shown(cell)) for row in rows for cell in row if not is_blank_cell(cell))
    return tuple(text for text, _ in zip(texts, range(FIRST_CELLS), strict=False))


def _merge_in(tab: Tab, rows: Iterable[int]) -> Area | None:
    """Return the first merge that covers one of the cells A-F in those rows."""
    wanted = set(rows)
    for area in tab.merges:
        within = (row for row in range(area.top, min(area.bottom, max(wanted) + 1)) if row in wanted)
        if any(area.covers(row, column) for row in within for column in range(area.left, min(area.right, WIDTH))):
            return area
    return None


def _rows_of_codes(tab: Tab, codes: Collection[str]) -> dict[int, str]:
    """Return the rows below row 1 that hold a code in any cell, each code and each row once."""
    rows: dict[int, str] = {}
    placed: set[str] = set()
    for index, row in enumerate(tab.values):
        texts = [typed(cell) for cell in row if isinstance(cell, str) and len(cell) >= CODE_LENGTH] if index else []
        for code in (code for text in texts for code in codes_within(text)):
            if code in codes and code not in placed and index not in rows:
                rows[index] = code
                placed.add(code)
    return rows


def _holds(tab: Tab, row: int, cells: Sequence[Value]) -> bool:
    return all(same(tab.cell(row, column), cell) for column, cell in enumerate(cells))
