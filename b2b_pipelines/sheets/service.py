"""The sync of a contract's codes with its customer's sheet: read, decide, write once, verify, remember.

The steps of a sync lie in several short transactions, because between them Google is asked; a lock on the spreadsheet
keeps a second sync out meanwhile. Nothing here relies on what an earlier sync believed: the tab is read each time.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import same_tab, spreadsheet_id
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import exclusive
from b2b_pipelines.errors import Conflict as Refusal
from b2b_pipelines.errors import NotFound, PermanentError, Refused, TransientError
from b2b_pipelines.sheets import store
from b2b_pipelines.sheets.layout import (
    HEADERS,
    Cell,
    CodeRow,
    HeldRow,
    Layout,
    Tab,
    Written,
    codes_within,
    find_layout,
    holds_our_codes,
    normal,
    present_codes,
)
from b2b_pipelines.sheets.models import SheetSnapshot, SheetTarget
from b2b_pipelines.sheets.plan import CellRun, Conflict, Plan, pieces, plan_new_target, plan_update
from b2b_pipelines.vendors.google_sheets import (
    CountedSheets,
    GoogleSheets,
    GoogleUnavailable,
    Requests,
    SpreadsheetInfo,
    TabInfo,
    TabMoved,
    append_dimension,
    clear_cells,
    column_letters,
    quoted,
    update_cells,
)

ATOMIC_BYTES = 2_000_000
PIECE_BYTES = 2_000_000
REPLANS = 2
TRIES = 5
LOCK_WAIT_SECONDS = 60.0
TAB_HELP = "name the tab with `b2b_contract modify … --tab`"


class TabMissing(PermanentError):
    """The spreadsheet has no such tab; the message lists those it has."""

    code = "tab_missing"


class LayoutIsLost(PermanentError):
    """Our columns cannot be found in the tab. Carries the `result` of the sync, which wrote nothing."""

    code = "layout_lost"

    def __init__(self, message: str, result: "SyncResult") -> None:
        super().__init__(message)
        self.result = result


class Contended(TransientError):
    """Somebody edits the sheet faster than it can be written."""

    code = "contended"


class NotDelivered(Refused):
    """The contract has no sheet, or does not require codes."""

    code = "not_delivered"


@dataclass(frozen=True, slots=True)
class Target:
    """The tab that a contract's codes go to. `sheet_id` is Google's number for the tab."""

    spreadsheet_id: str
    sheet_id: int
    tab: str
    new: bool

    @property
    def url(self) -> str:
        return f"https://docs.google.com/spreadsheets/d/{self.spreadsheet_id}/edit#gid={self.sheet_id}"

    @property
    def key(self) -> str:
        """What the codes' locations are noted with."""
        return f"{self.spreadsheet_id}#{self.sheet_id}"


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did, or a plan would do. Counts are rows; `reads` and `writes` are requests made."""

    contract: str
    target: Target
    header: bool
    updated: int
    appended: int
    unchanged: int
    conflicts: tuple[Conflict, ...]
    requests: Requests
    content_hash: str
    rows: int

    @property
    def changed(self) -> bool:
        return bool(self.updated or self.appended or self.header)

    def as_json(self) -> dict[str, Any]:
        """The document that `b2b sheet plan` and `b2b sheet sync` print."""
        return {
            "contract": self.contract,
            "target": {
                "spreadsheet_id": self.target.spreadsheet_id,
                "sheet_id": self.target.sheet_id,
                "tab": self.target.tab,
                "url": self.target.url,
                "new": self.target.new,
            },
            "header": self.header,
            "updated": self.updated,
            "appended": self.appended,
            "unchanged": self.unchanged,
            "conflicts": [conflict._asdict() for conflict in self.conflicts],
            "reads": self.requests.reads,
            "writes": self.requests.writes,
        }


def plan(database: Database, sheets: GoogleSheets, said: str) -> SyncResult:
    """What a sync would write now. Reads the sheet and writes nothing, neither there nor here."""
    work = _Sync(database, sheets.counting(Requests()), said)
    work.look()
    return work.result(work.decide(work.read()))


def sync(
    database: Database, sheets: GoogleSheets, said: str, *, run_id: str | None = None, rebuild: bool = False
) -> SyncResult:
    """Bring the sheet of a contract in line with its codes, at the price of at most two reads and one write.

    Waits up to a minute for another sync of the spreadsheet. With `rebuild` the tab's A-F are written anew, as for a new
    target. Raises `NotDelivered`, `TabMissing`, `LayoutIsLost`, `Contended`, `Busy` and what `vendors.google_sheets`
    raises; whatever was written until then is found and continued by the next sync.
    """
    work = _Sync(database, sheets.counting(Requests()), said, run_id=run_id, rebuild=rebuild)
    holder = f"b2b sheet sync {work.slug}"[:40] + f" (process {os.getpid()})"
    with exclusive(database.engine, "spreadsheet", work.spreadsheet_id, holder=holder, wait=LOCK_WAIT_SECONDS):
        work.look()
        work.claim()
        return work.carry_out()


@dataclass
class _Sync:
    """One sync of one contract, from looking at the spreadsheet to remembering what it then held."""

    database: Database
    sheets: CountedSheets
    said: str
    run_id: str | None = None
    rebuild: bool = False
    slug: str = field(init=False)
    spreadsheet_id: str = field(init=False)
    url: str = field(init=False)
    tab: str = field(init=False)
    info: TabInfo = field(init=False)
    written: Written | None = field(init=False, default=None)
    revision: int = field(init=False, default=0)
    new: bool = field(init=False, default=False)
    kept_before: bool = field(init=False, default=False)
    applied: list[Plan] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        with self.database.session() as session:
            contract = self.contract(session)
            self.slug = contract.slug
            self.spreadsheet_id = spreadsheet_id(contract.sheet_url or "")
            self.url, self.tab = contract.sheet_url or "", contract.sheet_tab

    def contract(self, session: Session) -> Contract:
        """The contract, if its codes are delivered in a sheet. Raises `NotDelivered`."""
        contract = contract_store.contract(session, self.said)
        if contract.sheet_url is None:
            raise NotDelivered(f"{contract.slug} has no sheet: give it one with `b2b_contract modify … --sheet`")
        if not store.delivered(session, [contract.slug]):
            raise NotDelivered(f"{contract.slug} does not require codes (sso and free): its sheet is left as it is")
        return contract

    def look(self) -> None:
        """Find the tab, and what we know of it."""
        spreadsheet = self.sheets.open(self.spreadsheet_id)
        with self.database.session() as session:
            contract = self.contract(session)
            target = store.target_of(session, contract.id)
            self.info = _tab_meant(spreadsheet, contract, target)
            self.new = self.rebuild or not _is_written(target, self.spreadsheet_id, self.info.sheet_id)
            snapshot = None if self.new else store.last_snapshot(session, contract.id)
            self.written = None if snapshot is None else written_of(snapshot)

    def claim(self) -> None:
        """Make the tab ours. Raises `Refusal`, naming the contract that has it."""
        try:
            with self.database.session() as session:
                contract = self.contract(session)
                target = store.target_of(session, contract.id)
                keep = target is not None and _is_written(target, self.spreadsheet_id, self.info.sheet_id)
                store.claim(
                    session,
                    {
                        "contract_id": contract.id,
                        "spreadsheet_id": self.spreadsheet_id,
                        "sheet_id": self.info.sheet_id,
                        "title": self.info.title,
                        "requested_url": self.url,
                        "requested_tab": self.tab,
                        "written_at": target.written_at if keep and target else None,
                        "synced_revision": target.synced_revision if keep and target else 0,
                    },
                )
        except IntegrityError:
            with self.database.session() as session:
                other = store.claimed_by(session, self.spreadsheet_id, self.info.sheet_id)
                name = contract_store.contract(session, str(other.contract_id)).slug if other else "another contract"
            raise Refusal(f"the tab {self.info.title!r} belongs to the contract {name}: {TAB_HELP}") from None

    def read(self) -> Tab:
        return Tab(self.sheets.read(self.spreadsheet_id, self.info), self.info.row_count, self.info.column_count)

    def decide(self, tab: Tab) -> Plan:
        """The plan for what the tab holds now and what is true now."""
        with self.database.session() as session:
            contract = self.contract(session)
            self.revision = contract.revision
            known = [*store.codes_among(session, contract, _codes_in(tab))]
            if self.rebuild or (self.new and not holds_our_codes(tab, known, self.written)):
                return plan_new_target(_truth(store.wanted(session, contract, ()), {}), tab)
            layout = find_layout(tab, known, self.written)
            present = present_codes(tab, layout) if isinstance(layout, Layout) else set()
            wanted = _truth(store.wanted(session, contract, present), self.gone(session, contract, present))
        return plan_update(wanted, tab, layout, self.written)

    def gone(self, session: Session, contract: Contract, present: set[str]) -> Mapping[str, CodeRow]:
        """Codes that stand in the tab and were deleted since we wrote them: invalid since we first found them so."""
        if self.written is None:
            return {}
        held = {normal(row.code): row for row in self.written.rows if normal(row.code) in present}
        alive = {normal(code) for code in store.codes_among(session, contract, held.keys())}
        now = _shown(contract_store.transaction_time(session))
        return {name: _deleted(row, now) for name, row in held.items() if name not in alive}

    def carry_out(self) -> SyncResult:
        """Write what is missing until the tab holds it: once, unless somebody edits meanwhile or Google fails."""
        tab = self.read()
        plan = self.decide(tab)
        unsettled: Plan | None = None
        failures = 0
        while not plan.is_empty:
            if len(self.applied) > REPLANS:
                raise Contended(f"the sheet of {self.slug} is being edited while it is written: try again in a minute")
            self.keep_before(plan, tab)
            try:
                after = self.write(plan, tab)
            except (GoogleUnavailable, TabMoved) as error:
                failures += 1
                if failures == TRIES:
                    raise
                if isinstance(error, GoogleUnavailable):
                    self.sheets.back_off("write", failures, error)
                self.look_again()
                unsettled, after = plan, None
            else:
                self.settle(plan)
                unsettled = None
            tab = self.read() if after is None else after
            plan = self.decide(tab)
        if unsettled is not None:  # it had been applied after all
            self.settle(unsettled)
        if plan.kind == "layout_lost":
            raise LayoutIsLost(
                f"our columns cannot be found in the tab {self.info.title!r}: put the header back,"
                f" or write the tab anew with `b2b sheet rebuild {self.slug}`",
                self.result(plan),
            )
        return self.remember(plan)

    def look_again(self) -> None:
        """After a failed write: the tab may have been renamed or resized."""
        spreadsheet = self.sheets.open(self.spreadsheet_id)
        found = next((tab for tab in spreadsheet.tabs if tab.sheet_id == self.info.sheet_id), None)
        if found is None:
            raise _tab_missing(self.info.title, spreadsheet)
        self.info = found

    def settle(self, plan: Plan) -> None:
        """After a write that was applied: the target is no longer new, and what was planned is what was written."""
        self.applied.append(plan)
        self.new = self.rebuild = False
        self.written = plan.written

    def write(self, plan: Plan, tab: Tab) -> Tab | None:
        """Apply a plan; what the tab then holds, or None if that has to be read."""
        grown = TabInfo(
            self.info.sheet_id,
            self.info.title,
            self.info.index,
            tab.row_count + plan.grow_rows,
            tab.column_count + plan.grow_columns,
        )
        changes = _growth(plan, grown)
        if plan.estimated_bytes <= ATOMIC_BYTES:
            changes += [update_cells(grown.sheet_id, run.row, run.column, run.values) for run in plan.writes]
            values = self.sheets.update(self.spreadsheet_id, changes, grown)
        else:
            values = self.write_in_pieces(plan, tab, grown, changes)
        self.info = grown
        return None if values is None else Tab(values, grown.row_count, grown.column_count)

    def write_in_pieces(
        self, plan: Plan, tab: Tab, grown: TabInfo, changes: list[dict[str, Any]]
    ) -> list[list[Cell]] | None:
        """A fill too large for one request: growth first, then values, the header before all others."""
        held = [list(row) for row in tab.values]
        if changes:
            answered = self.sheets.update(self.spreadsheet_id, changes, grown)
            if answered is None:
                return None
            held = answered
        for part in pieces(plan, PIECE_BYTES):
            ranges = [
                {
                    "range": f"{quoted(grown.title)}!{column_letters(run.column + 1)}{run.row + 1}:"
                    f"{column_letters(run.column + len(run.values[0]))}{run.row + len(run.values)}",
                    "values": run.values,
                }
                for run in part
            ]
            answers = self.sheets.write_values(self.spreadsheet_id, ranges)
            if len(answers) != len(part) or not all(name for name, _ in answers):
                return None
            for run, (_, values) in zip(part, answers, strict=True):
                _lay_over(held, run, values)
        return held

    def keep_before(self, plan: Plan, tab: Tab) -> None:
        """Keep what A-F hold before a new target replaces them. Once: what a second try finds there is ours."""
        if plan.kind != "new" or tab.is_blank or self.kept_before:
            return
        rows = [list(row[: len(HEADERS)]) for row in tab.values]
        with self.database.session() as session:
            contract = contract_store.contract(session, self.slug)
            store.forget_old(session)
            session.add(self.snapshot(contract.id, "before", rows=rows, row_count=len(rows)))
        self.kept_before = True

    def remember(self, plan: Plan) -> SyncResult:
        """Note what the tab holds: a new snapshot if something was written, else the last one, verified again."""
        result = self.result(plan)
        held = plan.written
        assert held is not None
        contents: dict[str, Any] = {
            "title": self.info.title,
            "columns": list(held.columns),
            "column_count": held.column_count,
            "rows": [[row.row, row.code, list(row.cells)] for row in held.rows],
            "row_count": len(held.rows),
            "conflicts": [conflict._asdict() for conflict in plan.conflicts],
            "content_hash": result.content_hash,
        }
        with self.database.session() as session:
            contract = contract_store.contract(session, self.slug)
            latest = None if self.applied else store.last_snapshot(session, contract.id)
            if latest is None or (latest.spreadsheet_id, latest.sheet_id) != (self.spreadsheet_id, self.info.sheet_id):
                counts = {"updated": result.updated, "appended": result.appended, "unchanged": result.unchanged}
                session.add(self.snapshot(contract.id, "after", **contents, **counts))
            else:
                for key, value in contents.items():
                    if getattr(latest, key) != value:
                        setattr(latest, key, value)
                latest.verified_at = contract_store.transaction_time(session)
            places = {code: row for row, code in (plan.rows_after or {}).items()}
            store.locate(session, contract.id, result.target.key, places)
            store.mark_synced(session, contract.id, self.revision, wrote=bool(self.applied))
        return result

    def snapshot(self, contract_id: int, kind: str, **values: Any) -> SheetSnapshot:
        common: dict[str, Any] = {
            "title": self.info.title,
            "columns": list(range(len(HEADERS))),
            "column_count": len(HEADERS),
            "conflicts": [],
            "content_hash": "",
            "reads": self.sheets.requests.reads,
            "writes": self.sheets.requests.writes,
        }
        return SheetSnapshot(
            contract_id=contract_id,
            kind=kind,
            spreadsheet_id=self.spreadsheet_id,
            sheet_id=self.info.sheet_id,
            run_id=self.run_id,
            **common | values,
        )

    def result(self, last: Plan) -> SyncResult:
        """What was applied, or of a sync that applied nothing what `last` would do."""
        done = self.applied or [last]
        updated, appended = sum(plan.updated for plan in done), sum(plan.appended for plan in done)
        return SyncResult(
            contract=self.slug,
            target=Target(self.spreadsheet_id, self.info.sheet_id, self.info.title, done[0].kind == "new"),
            header=any(plan.header for plan in done),
            updated=updated,
            appended=appended,
            unchanged=max(last.unchanged - updated - appended, 0) if self.applied else last.unchanged,
            conflicts=last.conflicts,
            requests=self.sheets.requests,
            content_hash=content_hash(last.written),
            rows=len(last.written.rows) if last.written else 0,
        )


def find_snapshot(session: Session, said: str, number: int | None = None, *, before: bool = False) -> SheetSnapshot:
    """The last snapshot of a contract, the one of that id, or what A-F held before we replaced it. Raises `NotFound`."""
    contract = contract_store.contract(session, said)
    if before:
        found = store.before(session, contract.id)
        missing = "nothing was replaced in the last 30 days"
    elif number is not None:
        found = store.snapshot(session, contract.id, number)
        missing = f"it has no snapshot {number}: `b2b sheet history {contract.slug}` lists them"
    else:
        found = store.last_snapshot(session, contract.id)
        missing = "its sheet was never synced"
    if found is None:
        raise NotFound(f"nothing to show of {contract.slug}: {missing}")
    return found


def written_of(snapshot: SheetSnapshot) -> Written:
    """What a snapshot says that our columns held."""
    rows = tuple(HeldRow(row, code, tuple(cells)) for row, code, cells in snapshot.rows)
    return Written(tuple(snapshot.columns), snapshot.column_count, rows)


def content_hash(written: Written | None) -> str:
    """The same for the same codes with the same status, wherever in the tab they stand."""
    rows = sorted([row.code, *row.cells[1:]] for row in (written.rows if written else ()))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _tab_meant(spreadsheet: SpreadsheetInfo, contract: Contract, target: SheetTarget | None) -> TabInfo:
    """The tab that the contract means: the one it was found to mean as long as it says the same, whatever its title is
    by now; else the one with that title; else, for a whole number, the one at that place. Raises `TabMissing`."""
    said = contract.sheet_tab
    if (
        target is not None
        and target.spreadsheet_id == spreadsheet.spreadsheet_id
        and (target.requested_url, target.requested_tab) == (contract.sheet_url, said)
    ):
        remembered = next((tab for tab in spreadsheet.tabs if tab.sheet_id == target.sheet_id), None)
        if remembered is not None:
            return remembered
    titled = next((tab for tab in spreadsheet.tabs if same_tab(tab.title, said)), None)
    if titled is not None:
        return titled
    if said.strip().isdecimal():
        placed = next((tab for tab in spreadsheet.tabs if tab.index == int(said)), None)
        if placed is not None:
            return placed
    raise _tab_missing(said, spreadsheet)


def _tab_missing(said: str, spreadsheet: SpreadsheetInfo) -> TabMissing:
    there = ", ".join(repr(tab.title) for tab in spreadsheet.tabs) or "no tab with cells"
    return TabMissing(f"the spreadsheet has no tab {said!r}, but {there}: {TAB_HELP}")


def _is_written(target: SheetTarget | None, spreadsheet: str, sheet_id: int) -> bool:
    """Whether that tab is the one last written."""
    return (
        target is not None
        and target.written_at is not None
        and (target.spreadsheet_id, target.sheet_id) == (spreadsheet, sheet_id)
    )


def _codes_in(tab: Tab) -> set[str]:
    """Everything in the tab that has the form of a code, in lower case."""
    texts = {cell.casefold() for row in tab.values for cell in row if isinstance(cell, str) and len(cell) >= 36}
    return {code for text in texts for code in codes_within(text)}


def _truth(wanted: list[store.WantedCode], gone: Mapping[str, CodeRow]) -> list[CodeRow]:
    rows = [
        CodeRow(
            code=code.code,
            use_type=code.redemption_type,
            total_redemptions=code.total_redemptions,
            invalidated_on=_shown(code.invalidated_at),
            redeemed_by=code.email or "",
            redeemed_on=_shown(code.redeemed_at),
        )
        for code in wanted
    ]
    return rows + list(gone.values())


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _deleted(row: HeldRow, now: str) -> CodeRow:
    _, use_type, total, invalidated_on, redeemed_by, redeemed_on = row.cells
    return CodeRow(
        code=row.code,
        use_type=str(use_type or ""),
        total_redemptions=total if isinstance(total, int) else 0,
        invalidated_on=str(invalidated_on or "") or now,
        redeemed_by=str(redeemed_by or ""),
        redeemed_on=str(redeemed_on or ""),
    )


def _growth(plan: Plan, grown: TabInfo) -> list[dict[str, Any]]:
    changes = []
    if plan.grow_rows:
        changes.append(append_dimension(grown.sheet_id, "ROWS", plan.grow_rows))
    if plan.grow_columns:
        changes.append(append_dimension(grown.sheet_id, "COLUMNS", plan.grow_columns))
    if plan.clear:
        area = plan.clear
        changes.append(clear_cells(grown.sheet_id, area.row, area.column, area.rows, area.columns))
    return changes


def _lay_over(held: list[list[Cell]], run: CellRun, values: list[list[Cell]]) -> None:
    """Put what Google says it holds in a rectangle over what was there before."""
    rows, columns = len(run.values), len(run.values[0])
    held.extend([] for _ in range(run.row + rows - len(held)))
    for offset in range(rows):
        given = values[offset] if offset < len(values) else []
        line = held[run.row + offset]
        line.extend([""] * (run.column + columns - len(line)))
        line[run.column : run.column + columns] = [*given, *[""] * (columns - len(given))]
