"""Restore a snapshot: the codes' columns, or the contents of A-F before their replacement.

Both touch only our six columns, and keep a snapshot of the cells before, so that a restore can be undone.
"""

import os
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.cells import Cell, Formula, entered
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import exclusive
from b2b_pipelines.sheets import refusals, snapshots, store, targets
from b2b_pipelines.sheets.columns import find_layout, holds_our_codes
from b2b_pipelines.sheets.layout import HEADERS, CodeRow, HeldRow, Layout, Tab, normal
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.operations import Change, Conflict, Plan, runs_of
from b2b_pipelines.sheets.results import Contended, SyncResult
from b2b_pipelines.sheets.room import Covered
from b2b_pipelines.sheets.sync import REPLANS, Sync
from b2b_pipelines.sheets.truth import as_code_row, codes_in, written_of
from b2b_pipelines.sheets.writing import type_cells, write_cells
from b2b_pipelines.vendors.google_sheets import GoogleSheets, GoogleUnavailable, Requests, TabMoved

TRIES = 5


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore or its dry run.

    It has the cells and rows written, and the sync-like result of the tab. `pauses`: no sync writes to the tab
    afterwards, because the customer's own cells are in it again.
    """

    snapshot: SheetSnapshot
    cells: int
    rows: int
    result: SyncResult
    pauses: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the document that `b2b sheet restore` prints."""
        result = self.result.as_json()
        return {
            "contract": result["contract"],
            "target": result["target"],
            "snapshot": self.snapshot.id,
            "kind": self.snapshot.kind,
            "taken_at": self.snapshot.taken_at,
            "cells": self.cells,
            "rows": self.rows,
            "rows_added": result["rows_added"],
            "conflicts": result["conflicts"],
            "reads": result["reads"],
            "writes": result["writes"],
        }


def restore(
    database: Database,
    sheets: GoogleSheets,
    reference: str,
    snapshot: SheetSnapshot,
    *,
    dry_run: bool = False,
    wait: float = 60.0,
) -> Restored:
    """Restore the contents of a snapshot of the contract, in the tab of the snapshot.

    Raises `TargetMoved` if the contract has another tab by now, and the errors of `service.sync`.
    """
    kind = BeforeRestore if snapshot.kind == "before" else AfterRestore
    work = kind(database, sheets.counting(Requests()), reference, snapshot=snapshot)
    if dry_run:
        work.look()
        return work.planned()
    holder = f"b2b sheet restore {work.slug}"[:40] + f" (process {os.getpid()})"
    with exclusive(database.engine, "spreadsheet", work.spreadsheet, holder=holder, wait=wait) as lock:
        work.look()
        work.claim()
        return work.put_back(lock)


@dataclass
class AfterRestore(Sync):
    """Restores status cells and missing codes from a snapshot, in the current rows of the codes."""

    snapshot: SheetSnapshot | None = None
    source: SheetSnapshot = field(init=False)
    present_kept: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        assert self.snapshot is not None
        self.source, self.snapshot = self.snapshot, None
        super().__post_init__()

    def check(self, session: Session, contract: Contract) -> None:
        """Allow the restore of a contract that does not require codes any more."""

    def look(self) -> None:
        super().look()
        if not targets.is_of(self.source, self.spreadsheet, self.seen.info):
            raise refusals.another_target(self.contract, self.source)
        self.new = False

    def take_over(self, *_: Any) -> Plan | None:
        """Return None, because a restore never takes a tab over."""
        return None

    def wanted(self, *_: Any) -> list[CodeRow]:
        return [as_code_row(row) for row in self.codes_then()]

    def codes_then(self) -> list[HeldRow]:
        """Return a row of the snapshot for each code of ours, without cells that only look like codes.

        Of the rows of a code that stood twice, the first without merged cells: a covered cell reads as blank.
        """
        strangers, merged = (
            {found["row"] for found in self.source.conflicts if found["kind"] == kind}
            for kind in ("unknown_code", "merged")
        )
        rows = [row for row in written_of(self.source).rows if row.is_exact and row.row not in strangers]
        first: dict[str, HeldRow] = {}
        for row in sorted(rows, key=lambda row: (row.row in merged, row.row)):
            first.setdefault(normal(row.code), row)
        return sorted(first.values(), key=lambda row: row.row)

    def needs_consent(self, plan: Plan) -> bool:
        return False

    def consent(self, plan: Plan) -> None:
        """Consent, because the person who restores agreed."""

    def keep_before(self, plan: Plan) -> None:
        """Keep our columns as a snapshot, so that the restore can be undone."""
        if self.present_kept or plan.layout is None:
            return
        self.present_kept = True
        layout, tab = plan.layout, self.tab
        with self.database.session() as session:
            known = {normal(code): code for code in store.codes_among(session, self.contract, codes_in(tab))}
            known |= {normal(row.code): row.code for row in self.codes_then()}
            rows = snapshots.held_rows(tab, layout, known)
            last = store.last_snapshot(session, self.contract.id)
            if last is None or written_of(last).rows != rows:
                snapshots.keep_present(session, self.work, layout, tab, rows)

    @property
    def work(self) -> snapshots.Work:
        return snapshots.Work(
            self.contract.id, self.spreadsheet, self.seen, self.sheets.requests, self.run_id, "restore"
        )

    def remember(self, plan: Plan) -> SyncResult:
        """Store the state of the tab; codes that the snapshot did not have yet are not conflicts."""
        tab, layout = self.tab, plan.layout
        with self.database.session() as session:
            ours = {normal(code) for code in store.codes_among(session, self.contract, codes_in(tab))}
        conflicts = tuple(
            each
            for each in plan.conflicts
            if each.kind != "unknown_code" or not layout or normal(tab.cell(each.row - 1, layout.code)) not in ours
        )
        return super().remember(replace(plan, conflicts=conflicts))

    def planned(self) -> Restored:
        """Return the result that the restore would have."""
        plan = self.decide()
        return self.restored(self.result(plan), [plan])

    def put_back(self, lock: Any) -> Restored:
        """Restore as a sync writes: verified, and planned again if a person edits meanwhile."""
        result = self.carry_out(lock, self.agreed_plan())
        return self.restored(result, self.applied)

    def restored(self, result: SyncResult, plans: list[Plan]) -> Restored:
        rows = {run.row + y for plan in plans for run in plan.writes for y in range(len(run.values))}
        cells = sum(len(run.values) * len(run.values[0]) for plan in plans for run in plan.writes)
        known = {normal(row.code) for row in written_of(self.source).rows}
        conflicts = tuple(each for each in result.conflicts if _concerns(each, known))
        return Restored(self.source, cells, len(rows), _with_conflicts(result, conflicts))


@dataclass
class BeforeRestore(AfterRestore):
    """Restores A-F as entered before they were replaced, and drops the target."""

    columns: tuple[int, ...] = field(init=False, default=tuple(range(len(HEADERS))))

    def look(self) -> None:
        super().look()
        tab = self.tab
        with self.database.session() as session:
            known = store.codes_among(session, self.contract, codes_in(tab))
        layout = find_layout(tab, known, self.written)
        found = layout.columns if isinstance(layout, Layout) and layout.has_header else tuple(self.source.columns)
        self.columns = tuple(sorted(found))

    def changes(self) -> list[Change]:
        """Return the cells of our columns that differ from the snapshot."""
        kept, tab = snapshots.cells_kept(self.source), self.tab
        covered = Covered(tab, self.columns)
        changes: list[Change] = []
        for row in range(max(len(kept), len(tab.values))):
            then = kept[row] if row < len(kept) else []
            cells = [
                (column, entered(then[place] if place < len(then) else ""))
                for place, column in enumerate(self.columns)
                if not _equal(tab.cell(row, column), then[place] if place < len(then) else "")
                and column not in covered.columns_of(row)
            ]
            if cells:
                changes.append((row, tuple(c for c, _ in cells), tuple(v for _, v in cells)))
        return changes

    def planned(self) -> Restored:
        return self.outcome(self.changes())

    def put_back(self, lock: Any) -> Restored:
        done = changes = self.changes()
        for attempt in range(1, TRIES + 1):
            if not changes:
                break
            if attempt > REPLANS + 1:
                raise Contended(f"the sheet of {self.slug} is being edited while it is written: try again in a minute")
            if attempt == 1:
                self.keep_what_stands()
            lock.confirm()
            self.send(changes, attempt)
            self.seen = targets.read_again(self.sheets, self.spreadsheet, self.seen)
            changes = self.changes()
        self.forget_target()
        return self.outcome(done)

    def send(self, changes: list[Change], attempt: int) -> None:
        """Write once. After a failure, read the tab and write the difference again.

        Dates and the like are typed in first, because the cell may have lost its format; where that leads to another
        number, the number is written.
        """
        typed = {}
        if attempt == 1:
            kept = {(y, self.columns[x]): text for (y, x), text in snapshots.typed_kept(self.source).items()}
            changed = {(row, column) for row, columns, _ in changes for column in columns}
            typed = {place: text for place, text in kept.items() if place in changed}
        try:
            write_cells(self.sheets, self.spreadsheet, self.seen.info, tuple(runs_of(changes)))
            if typed:
                type_cells(self.sheets, self.spreadsheet, self.seen.info, typed)
        except GoogleUnavailable as error:
            self.sheets.back_off("write", attempt, error)
        except TabMoved:
            return

    def keep_what_stands(self) -> None:
        with self.database.session() as session:
            snapshots.keep_before(session, self.work, self.columns)

    def forget_target(self) -> None:
        """Stop further syncs to the tab, unless the restored cells are our own columns."""
        with self.database.session() as session:
            if self.is_of_ours(session):
                store.resume(session, self.contract.id)
            else:
                store.mark_restored(session, self.contract.id)
                store.locate(session, self.contract.id, "", {})

    def is_of_ours(self, session: Session) -> bool:
        """Return whether the snapshot has our own columns: it was kept by an earlier restore."""
        kept = snapshots.cells_kept(self.source)
        tab = Tab(kept, len(kept), len(HEADERS))
        return holds_our_codes(tab, store.codes_among(session, self.contract, codes_in(tab)))

    def outcome(self, changes: list[Change]) -> Restored:
        empty = Plan("update", None, None)
        cells = sum(len(columns) for _, columns, _ in changes)
        with self.database.session() as session:
            pauses = not self.is_of_ours(session)
        return Restored(self.source, cells, len(changes), self.result(empty), pauses)


def _equal(held: Cell, kept: Cell) -> bool:
    one, other = entered(held), entered(kept)
    if isinstance(one, Formula) or isinstance(other, Formula):
        return one == other
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _concerns(conflict: Conflict, codes: set[str]) -> bool:
    return conflict.kind != "unknown_code" or normal(conflict.code) in codes


def _with_conflicts(result: SyncResult, conflicts: tuple[Conflict, ...]) -> SyncResult:
    return replace(result, conflicts=conflicts)
