"""One sync of one contract: read its tab, decide, write once, verify, remember.

The steps lie in several short transactions, because between them Google is asked; a lock on the spreadsheet keeps a
second sync out meanwhile. Nothing here relies on what an earlier sync believed: the tab is read each time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import spreadsheet_id
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import Held
from b2b_pipelines.sheets import store, targets
from b2b_pipelines.sheets.astray import is_as_meant, repairs, with_cells, withdrawal
from b2b_pipelines.sheets.layout import (
    HEADERS,
    CodeRow,
    HeldRow,
    Layout,
    Tab,
    Written,
    codes_within,
    find_layout,
    holds_our_codes,
    is_blank,
    normal,
    present_codes,
)
from b2b_pipelines.sheets.links import link
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.plan import CellRun, Plan, pieces, plan_new_target, plan_update
from b2b_pipelines.sheets.results import (
    Contended,
    LayoutIsLost,
    NotDelivered,
    SheetChanged,
    SyncResult,
    Target,
    content_hash,
)
from b2b_pipelines.vendors.google_sheets import (
    CountedSheets,
    GoogleUnavailable,
    TabContent,
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
LONG_WAIT_SECONDS = 2.0
"""When pacing holds up a write for longer, somebody may have edited since the tab was read: it is read again."""
TRIES = 5


@dataclass
class Sync:
    """One sync, from looking at the tab to remembering what it then held.

    `seen` is what the tab held when it was last read or written; `written` what the last sync left behind (its
    `snapshot`), or this one by now, and `strangers` those of its rows that held no code of ours. `new`: the tab is not
    the one that was last written.
    """

    database: Database
    sheets: CountedSheets
    said: str
    run_id: str | None = None
    rebuild: bool = False
    loaded: Contract | None = None
    contract: Contract = field(init=False)
    seen: TabContent = field(init=False)
    claimed: bool = field(init=False, default=False)
    snapshot: SheetSnapshot | None = field(init=False, default=None)
    written: Written | None = field(init=False, default=None)
    strangers: set[int] = field(init=False, default_factory=set)
    new: bool = field(init=False, default=False)
    revision: int = field(init=False, default=0)
    kept_before: bool = field(init=False, default=False)
    first: Plan | None = field(init=False, default=None)
    applied: list[Plan] = field(init=False, default_factory=list)
    unsettled: Plan | None = field(init=False, default=None)
    repairs: tuple[CellRun, ...] = field(init=False, default=())
    failures: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.loaded is not None:
            self.contract = self.loaded
            return
        with self.database.session() as session:
            contract = contract_store.contract(session, self.said)
            if contract.sheet_url is None:
                raise NotDelivered(f"{contract.slug} has no sheet: give it one with `b2b_contract modify … --sheet`")
            if not contract.requires_codes and not store.delivered(session, [contract.slug]):
                raise NotDelivered(
                    f"{contract.slug} does not require codes (it is sso and free): its sheet is left as it is"
                )
        self.contract = contract

    @property
    def slug(self) -> str:
        return self.contract.slug

    @property
    def spreadsheet(self) -> str:
        return spreadsheet_id(self.contract.sheet_url or "")

    def contract_now(self, session: Session) -> Contract:
        """The contract, if it still names the sheet and tab that it named at first. Raises `SheetChanged`."""
        if store.revision_of(session, self.contract.id) == self.contract.revision:
            return self.contract
        now = contract_store.contract(session, self.slug)
        if (now.sheet_url, now.sheet_tab) != (self.contract.sheet_url, self.contract.sheet_tab):
            raise SheetChanged(f"{self.slug} was given another sheet or tab while its sheet was synced: try again")
        return now

    def look(self) -> None:
        """Find the tab, what is in it, and what we know of it. Raises `Conflict` if it is another contract's."""
        with self.database.session() as session:
            target = store.target_of(session, self.contract.id)
            snapshot = store.last_snapshot(session, self.contract.id)
        self.seen = targets.read_tab(self.sheets, self.contract, target)
        self.claimed = targets.is_claimed(self.contract, target, self.seen.info)
        if not self.claimed:
            targets.refuse_if_taken(self.database, self.sheets, self.contract, self.seen.info)
        if snapshot is not None and targets.is_of(snapshot, self.spreadsheet, self.seen.info):
            self.snapshot, self.written = snapshot, written_of(snapshot)
            self.strangers = {found["row"] for found in snapshot.conflicts if found["kind"] == "unknown_code"}
        self.new = self.snapshot is None

    def claim(self) -> None:
        """Make the tab the contract's."""
        if not self.claimed:
            with self.database.session() as session:
                targets.claim(session, self.contract_now(session), self.seen.info)

    @property
    def tab(self) -> Tab:
        return Tab(self.seen.values, self.seen.info.row_count, self.seen.info.column_count)

    def decide(self) -> Plan:
        """The plan for what the tab holds now and what is true now."""
        tab = self.tab
        with self.database.session() as session:
            contract = self.contract_now(session)
            self.revision = contract.revision
            known = store.codes_among(session, contract, _codes_in(tab))
            if self.rebuild or (self.new and not holds_our_codes(tab, known, self.written)):
                anew = plan_new_target(_truth(store.wanted(session, contract, ()), {}), tab)
                if not _shows(tab, anew):
                    return anew
            layout = find_layout(tab, known, self.written)
            present = present_codes(tab, layout) if isinstance(layout, Layout) else set()
            wanted = _truth(store.wanted(session, contract, present), self.gone(session, known, present))
        return plan_update(wanted, tab, layout, self.written)

    def gone(self, session: Session, known: Iterable[str], present: set[str]) -> Mapping[str, CodeRow]:
        """Codes that stand in the tab and were deleted since we wrote them: invalid since we first found them so."""
        alive = {normal(code) for code in known}
        missing = present - alive
        rows = [
            row
            for row in (self.written.rows if self.written else ())
            if normal(row.code) in missing and row.row not in self.strangers
        ]
        if not rows:
            return {}
        rows.sort(key=lambda row: row.is_exact)  # what stands by itself counts most
        now = _shown(contract_store.transaction_time(session))
        return {normal(row.code): _deleted(row, now) for row in rows}

    def carry_out(self, lock: Held) -> SyncResult:
        """Write what is missing until the tab holds it: once, unless somebody edits meanwhile or Google fails."""
        plan = self.decide()
        while self.repairs or not plan.is_empty:
            if len(self.applied) > REPLANS:
                raise Contended(f"the sheet of {self.slug} is being edited while it is written: try again in a minute")
            if self.sheets.take_turn_to_write() > LONG_WAIT_SECONDS and not self.repairs:
                self.seen = targets.read_again(self.sheets, self.spreadsheet, self.seen.info)
                plan = self.decide()
                continue
            self.first = self.first or plan
            self.keep_before(plan)
            lock.confirm()
            self.attempt(plan)
            plan = self.decide()
        if self.unsettled is not None:  # it had been applied after all
            self.settle(self.unsettled)
        if plan.kind == "layout_lost":
            raise LayoutIsLost(self.result(plan))
        return self.remember(plan)

    def attempt(self, plan: Plan) -> None:
        """Write, once. Whatever becomes of it, what the tab holds afterwards has been seen.

        After a failure nobody knows whether it was applied: the plan of what is there then tells.
        """
        before, put_back, held = self.tab, self.repairs, None
        try:
            held = self.write(plan)
        except (GoogleUnavailable, TabMoved) as error:
            self.unsettled = plan
            self.failures += 1
            if self.failures == TRIES:
                raise
            if isinstance(error, GoogleUnavailable):
                self.sheets.back_off("write", self.failures, error)
        else:
            self.settle(plan)
            put_back = ()
        self.seen = held or targets.read_again(self.sheets, self.spreadsheet, self.seen.info)
        self.repairs = put_back or self.hit(before, plan)
        if self.repairs:
            mended = [list(row) for row in with_cells(self.tab, self.repairs).values]
            self.seen = TabContent(self.seen.info, mended)

    def hit(self, before: Tab, plan: Plan) -> tuple[CellRun, ...]:
        """What is to be put back after a write, because somebody moved or cleared rows or columns under it."""
        if is_as_meant(before, plan, self.tab):
            return ()
        with self.database.session() as session:
            known = store.codes_among(session, self.contract, _codes_in(self.tab))
        layout = find_layout(self.tab, known, plan.written)
        return repairs(before, plan, self.tab, layout) if isinstance(layout, Layout) else withdrawal(plan, self.tab)

    def settle(self, plan: Plan) -> None:
        """After a write that was applied: the target is no longer new, and what was planned is what was written."""
        self.applied.append(plan)
        self.unsettled = None
        self.new = self.rebuild = False
        self.written = plan.written
        self.strangers = {found.row for found in plan.conflicts if found.kind == "unknown_code"}

    def write(self, plan: Plan) -> TabContent | None:
        """Apply a plan; the tab as it then is, or None if that has to be read."""
        tab = self.seen.info
        changes = _growth(plan, tab)
        changes += [update_cells(tab.sheet_id, run.row, run.column, run.values) for run in self.repairs]
        writes = plan.writes
        if plan.estimated_bytes > ATOMIC_BYTES:
            if changes:
                self.sheets.grow(self.spreadsheet, changes)
            *parts, last = _with_last_row_apart(pieces(plan, PIECE_BYTES))
            for part in parts:
                self.sheets.write_values(self.spreadsheet, [_range(tab, run) for run in part])
            changes, writes = [], last
        changes += [update_cells(tab.sheet_id, run.row, run.column, run.values) for run in writes]
        return self.sheets.update(self.spreadsheet, changes, tab)

    def keep_before(self, plan: Plan) -> None:
        """Keep what A-F hold before a new target replaces them, formulas as formulas. Once: what a second try finds there
        is ours."""
        if plan.kind != "new" or self.kept_before or all(is_blank(row[: len(HEADERS)]) for row in self.seen.values):
            return
        rows = [row[: len(HEADERS)] for row in self.sheets.entered(self.spreadsheet, self.seen.info.title)]
        with self.database.session() as session:
            store.keep_before(session, self.new_snapshot("before", rows=rows, row_count=len(rows)))
        self.kept_before = True

    def remember(self, plan: Plan) -> SyncResult:
        """Note what the tab holds: a new snapshot if something was written, else the last one, verified again."""
        result = self.result(plan)
        held = plan.written
        assert held is not None
        contents: dict[str, Any] = {
            "title": self.seen.info.title,
            "columns": list(held.columns),
            "column_count": held.column_count,
            "rows": [[row.row, row.code, list(row.cells)] for row in held.rows],
            "row_count": len(held.rows),
            "conflicts": [conflict._asdict() for conflict in plan.conflicts],
            "content_hash": result.content_hash,
        }
        with self.database.session() as session:
            if self.applied or self.snapshot is None:
                counts = {"updated": result.updated, "appended": result.appended, "unchanged": result.unchanged}
                session.add(self.new_snapshot("after", **contents, **counts))
            else:
                last = self.snapshot
                changed = {key: value for key, value in contents.items() if getattr(last, key) != value}
                store.verify_snapshot(session, last.id, changed)
            store.locate(session, self.contract.id, result.target.key, plan.row_by_code)
            store.mark_synced(session, self.contract.id, self.revision, wrote=bool(self.applied))
            store.forget_old(session)
        return result

    def new_snapshot(self, kind: str, **values: Any) -> SheetSnapshot:
        common: dict[str, Any] = {
            "title": self.seen.info.title,
            "columns": list(range(len(HEADERS))),
            "column_count": len(HEADERS),
            "conflicts": [],
            "content_hash": "",
            "reads": self.sheets.requests.reads,
            "writes": self.sheets.requests.writes,
        }
        return SheetSnapshot(
            contract_id=self.contract.id,
            kind=kind,
            spreadsheet_id=self.spreadsheet,
            sheet_id=self.seen.info.sheet_id,
            run_id=self.run_id,
            **common | values,
        )

    def result(self, last: Plan) -> SyncResult:
        """What was done; of a sync that applied nothing, what `last` would do.

        A write that failed half-way was planned again for the rest: then the first plan says how much it was.
        """
        first = self.first or last
        updated = max(first.updated, sum(plan.updated for plan in self.applied))
        appended = max(first.appended, sum(plan.appended for plan in self.applied))
        return SyncResult(
            contract=self.slug,
            target=Target(
                self.spreadsheet,
                self.seen.info.sheet_id,
                self.seen.info.title,
                first.kind == "new",
                link(self.contract.sheet_url or self.spreadsheet),
            ),
            header=first.header or any(plan.header for plan in self.applied),
            updated=updated,
            appended=appended,
            unchanged=max(last.unchanged - updated - appended, 0) if self.applied else last.unchanged,
            conflicts=last.conflicts,
            requests=self.sheets.requests,
            content_hash=content_hash(last.written),
            rows=len(last.written.rows) if last.written else 0,
        )


def written_of(snapshot: SheetSnapshot) -> Written:
    """What a snapshot says that our columns held."""
    rows = tuple(HeldRow(row, code, tuple(cells)) for row, code, cells in snapshot.rows)
    return Written(tuple(snapshot.columns), snapshot.column_count, rows)


def _codes_in(tab: Tab) -> set[str]:
    """Everything in the tab that has the form of a code, in lower case."""
    texts = {cell.casefold() for row in tab.values for cell in row if isinstance(cell, str) and len(cell) >= 36}
    return {code for text in texts for code in codes_within(text)}


def _shows(tab: Tab, anew: Plan) -> bool:
    """Whether A-F hold exactly what the plan of a new target would write: it was applied already."""
    block = anew.writes[0].values
    rows = max(len(block), len(tab.values))
    wanted = [block[row] if row < len(block) else ("",) * len(HEADERS) for row in range(rows)]
    return all(
        tuple(tab.cell(row, column) for column in range(len(HEADERS))) == cells for row, cells in enumerate(wanted)
    )


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


def _growth(plan: Plan, tab: TabInfo) -> list[dict[str, Any]]:
    changes = []
    if plan.grow_rows:
        changes.append(append_dimension(tab.sheet_id, "ROWS", plan.grow_rows))
    if plan.grow_columns:
        changes.append(append_dimension(tab.sheet_id, "COLUMNS", plan.grow_columns))
    if plan.clear:
        area = plan.clear
        changes.append(clear_cells(tab.sheet_id, area.row, area.column, area.rows, area.columns))
    return changes


def _with_last_row_apart(parts: list[tuple[CellRun, ...]]) -> list[tuple[CellRun, ...]]:
    """The pieces, and the last row of the last one as a piece by itself: its answer shows what became of them all."""
    *others, (*runs, run) = parts
    head = CellRun(run.row, run.column, run.values[:-1])
    tail = CellRun(run.row + len(head.values), run.column, run.values[-1:])
    before_it = (*runs, head) if head.values else tuple(runs)
    return [*others, *([before_it] if before_it else []), (tail,)]


def _range(tab: TabInfo, run: CellRun) -> dict[str, Any]:
    first = f"{column_letters(run.column + 1)}{run.row + 1}"
    last = f"{column_letters(run.column + len(run.values[0]))}{run.row + len(run.values)}"
    return {"range": f"{quoted(tab.title)}!{first}:{last}", "values": run.values}
