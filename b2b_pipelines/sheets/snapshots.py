"""Snapshots: our columns after a sync, and A-F before they were replaced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.cells import Cell, Formula, Value, entered, is_blank, shown
from b2b_pipelines.sheets import store
from b2b_pipelines.sheets.layout import HEADERS, HeldRow, Layout, Tab, Written, normal
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.operations import Conflict, Plan
from b2b_pipelines.sheets.results import SyncResult, content_hash
from b2b_pipelines.sheets.room import Covered
from b2b_pipelines.vendors.google_sheets import Requests, TabContent

WIDTH = len(HEADERS)


@dataclass(frozen=True, slots=True)
class Work:
    """The sync, rebuild or restore that a snapshot is of, and the tab as it was last seen."""

    contract_id: int
    spreadsheet_id: str
    seen: TabContent
    requests: Requests
    run_id: str | None
    cause: str


def keep_before(session: Session, work: Work, columns: tuple[int, ...] = tuple(range(WIDTH))) -> None:
    """Keep the cells of A-F, or of `columns`.

    Blank cells, and cells equal to the newest snapshot, are not kept.
    """
    values = [[row[column] if column < len(row) else "" for column in columns] for row in work.seen.values]
    while values and is_blank(values[-1]):
        values.pop()
    if values:
        texts = work.seen.texts or []
        rows = [
            _without_blanks([_kept(cell, _text(texts, y, column)) for column, cell in zip(columns, row, strict=True)])
            for y, row in enumerate(values)
        ]
        store.keep_before(session, _snapshot(work, "before", rows=rows, row_count=len(rows), columns=list(columns)))


def held_rows(tab: Tab, layout: Layout, codes: Mapping[str, str]) -> tuple[HeldRow, ...]:
    """Return the rows of a tab with just one of those codes in a cell.

    They have the contents of our columns.
    """
    return tuple(
        HeldRow(index + 1, code, tuple(shown(tab.cell(index, column)) for column in layout.columns))
        for index, row in enumerate(tab.values)
        if len(row) > layout.code and (code := codes.get(normal(row[layout.code])))
    )


def keep_present(session: Session, work: Work, layout: Layout, tab: Tab, rows: Sequence[HeldRow]) -> None:
    """Keep the contents of our columns as a snapshot, before they are restored.

    Rows with merged cells are marked, because a covered cell reads as blank.
    """
    held = Written(layout.columns, tab.column_count, tuple(rows))
    covered = Covered(tab, layout.columns)
    merged = [Conflict("merged", row.row, row.code) for row in rows if covered.columns_of(row.row - 1)]
    contents = {
        "columns": list(layout.columns),
        "column_count": tab.column_count,
        "rows": [[row.row, row.code, list(row.cells)] for row in rows],
        "row_count": len(rows),
        "conflicts": [conflict._asdict() for conflict in merged],
        "content_hash": content_hash(held),
        "unchanged": len(rows),
    }
    session.add(_snapshot(work, "after", **contents))


def remember(session: Session, work: Work, plan: Plan, result: SyncResult, last: SheetSnapshot | None) -> None:
    """Store the contents of our columns as a new snapshot, or verify the `last` one again."""
    held = plan.written
    assert held is not None
    contents: dict[str, Any] = {
        "title": work.seen.info.title,
        "columns": list(held.columns),
        "column_count": held.column_count,
        "rows": [[row.row, row.code, list(row.cells)] for row in held.rows],
        "row_count": len(held.rows),
        "conflicts": [conflict._asdict() for conflict in plan.conflicts],
        "content_hash": result.content_hash,
    }
    if last is None:
        counts = {"updated": result.updated, "appended": result.appended, "unchanged": result.unchanged}
        session.add(_snapshot(work, "after", **contents, **counts))
    else:
        changed = {key: value for key, value in contents.items() if getattr(last, key) != value}
        store.verify_snapshot(session, last.id, changed)


def cells_kept(snapshot: SheetSnapshot) -> list[list[Cell]]:
    """Return the kept cells of A-F, cell by cell, to enter again."""
    return [[_entered_again(cell) for cell in row] for row in snapshot.rows]


def typed_kept(snapshot: SheetSnapshot) -> dict[tuple[int, int], str]:
    """Return numbers shown as something else, such as dates, as texts.

    The key is the row and the place in the row.
    """
    return {
        (y, x): str(cell["shown"])
        for y, row in enumerate(snapshot.rows)
        for x, cell in enumerate(row)
        if isinstance(cell, dict) and "shown" in cell
    }


def _snapshot(work: Work, kind: str, **values: Any) -> SheetSnapshot:
    common: dict[str, Any] = {
        "title": work.seen.info.title,
        "columns": list(range(WIDTH)),
        "column_count": WIDTH,
        "conflicts": [],
        "content_hash": "",
        "reads": work.requests.reads,
        "writes": work.requests.writes,
    }
    return SheetSnapshot(
        contract_id=work.contract_id,
        kind=kind,
        spreadsheet_id=work.spreadsheet_id,
        sheet_id=work.seen.info.sheet_id,
        run_id=work.run_id,
        cause=work.cause,
        **common | values,
    )


def _kept(cell: Cell, text: str) -> Value | dict[str, Value]:
    if isinstance(cell, Formula):
        return {"formula": cell.text}
    value = shown(entered(cell))
    if isinstance(value, str) and value.startswith("="):
        return {"text": value}
    if isinstance(value, int | float) and not isinstance(value, bool) and text and text != str(value):
        return {"number": value, "shown": text}
    return value


def _entered_again(kept: Any) -> Cell:
    match kept:
        case {"formula": str(formula)}:
            return Formula(formula)
        case {"text": text} | {"number": text}:
            cell: Cell = text
            return cell
        case str(formula) if formula.startswith("=") and len(formula) > 1:  # kept before formulas were marked
            return Formula(formula)
    found: Cell = kept
    return found


def _text(texts: Sequence[Sequence[str]], row: int, column: int) -> str:
    return texts[row][column] if row < len(texts) and column < len(texts[row]) else ""


def _without_blanks(row: list[Any]) -> list[Any]:
    while row and row[-1] == "":
        row.pop()
    return row
