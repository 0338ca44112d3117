"""Snapshots: what our columns held after a sync, and what A-F held before we replaced them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.cells import Cell, Formula, Value, entered, is_blank, shown
from b2b_pipelines.sheets import store
from b2b_pipelines.sheets.layout import HEADERS
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.operations import Plan
from b2b_pipelines.sheets.results import SyncResult
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


def keep_before(session: Session, work: Work) -> None:
    """Keep what A-F hold now, unless they are blank, or the newest snapshot is just that."""
    values = [row[:WIDTH] for row in work.seen.values]
    while values and is_blank(values[-1]):
        values.pop()
    if values:
        texts = work.seen.texts or []
        rows = [
            _without_blanks([_kept(cell, _text(texts, y, x)) for x, cell in enumerate(row)])
            for y, row in enumerate(values)
        ]
        store.keep_before(session, _snapshot(work, "before", rows=rows, row_count=len(rows)))


def remember(session: Session, work: Work, plan: Plan, result: SyncResult, last: SheetSnapshot | None) -> None:
    """Note what our columns hold: as a new snapshot, or as the `last` one, verified again."""
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
    """What A-F held, cell by cell, to be entered again."""
    return [[_entered_again(cell) for cell in row] for row in snapshot.rows]


def texts_kept(snapshot: SheetSnapshot) -> list[list[Value]]:
    """What A-F held, as a person would type it in again: formulas as formulas, dates as dates."""
    return [[_typed_again(cell) for cell in row] for row in snapshot.rows]


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


def _typed_again(kept: Any) -> Value:
    match kept:
        case {"formula": text} | {"shown": text} | {"text": text}:
            found: Value = text
            return found
    value: Value = "" if kept is None else kept
    return value


def _text(texts: Sequence[Sequence[str]], row: int, column: int) -> str:
    return texts[row][column] if row < len(texts) and column < len(texts[row]) else ""


def _without_blanks(row: list[Any]) -> list[Any]:
    while row and row[-1] == "":
        row.pop()
    return row
