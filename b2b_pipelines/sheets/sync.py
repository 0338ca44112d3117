"""One sync of one contract: read its tab, decide, write once, verify, store a snapshot.

The steps use several short transactions, because requests to Google lie between them; a lock on the spreadsheet keeps a
second sync out meanwhile. A sync does not rely on an earlier one: it reads the tab each time.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import spreadsheet_id
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import Held
from b2b_pipelines.sheets import refusals, snapshots, store, targets
from b2b_pipelines.sheets.columns import find_layout, holds_our_codes
from b2b_pipelines.sheets.displaced import differing, is_as_meant, repairs, with_cells, withdrawal
from b2b_pipelines.sheets.layout import HEADERS, CodeRow, Layout, Tab, Written, normal, present_codes
from b2b_pipelines.sheets.links import link
from b2b_pipelines.sheets.models import SheetSnapshot, SheetTarget
from b2b_pipelines.sheets.operations import CellRun, Plan
from b2b_pipelines.sheets.plan import plan_update
from b2b_pipelines.sheets.results import Contended, LayoutIsLost, NotDelivered, SheetChanged, SyncResult, Target
from b2b_pipelines.sheets.results import sync_result as as_result
from b2b_pipelines.sheets.takeover import plan_new_target, plan_rebuild
from b2b_pipelines.sheets.truth import codes_in, gone, moment_shown, shows, truth, written_of
from b2b_pipelines.sheets.writing import write
from b2b_pipelines.vendors.google_sheets import CountedSheets, GoogleUnavailable, TabContent, TabMoved

REPLANS = 2
LONG_WAIT_SECONDS = 2.0
"""A write that pacing delays for longer is planned on a second read, because a person may have edited."""
TRIES = 5


@dataclass(frozen=True, slots=True)
class Order:
    """The options of a sync.

    `rebuild`: rewrite our columns from scratch. `replace`: a person agreed to replace the contents of a new target.
    `ask`: without that consent, a new target with contents is not replaced, whether the contract names its tab or not.
    """

    rebuild: bool = False
    replace: bool = False
    ask: bool = False

    @property
    def agreed(self) -> bool:
        return self.rebuild or self.replace


@dataclass
class Sync:
    """One sync, from looking at the tab to storing a snapshot of it.

    `seen` is the tab at the last read or write. `written` is the state after the last write, of an earlier sync (its
    `snapshot`) or of this one, and `strangers` are its rows without a code of ours. `new`: the tab differs from the one
    that was last written.
    """

    database: Database
    sheets: CountedSheets
    reference: str
    run_id: str | None = None
    loaded: Contract | None = None
    order: Order = Order()
    contract: Contract = field(init=False)
    seen: TabContent = field(init=False)
    target: SheetTarget | None = field(init=False, default=None)
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
    not_kept: list[tuple[int, int]] = field(init=False, default_factory=list)
    failures: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.loaded is not None:
            self.contract = self.loaded
            return
        with self.database.session() as session:
            contract = contract_store.contract(session, self.reference)
            if contract.sheet_url is None:
                raise NotDelivered(f"{contract.slug} has no sheet: give it one with `b2b_contract modify … --sheet`")
            self.check(session, contract)
        self.contract = contract

    def check(self, session: Session, contract: Contract) -> None:
        """Raise `NotDelivered` for a contract that needs no sync.

        It does not require codes, and its sheet already shows that.
        """
        if not contract.requires_codes and not store.delivered(session, [contract.slug]):
            raise NotDelivered(
                f"{contract.slug} does not require codes (it is sso and free): its sheet is left as it is"
            )

    @property
    def slug(self) -> str:
        return self.contract.slug

    @property
    def spreadsheet(self) -> str:
        return spreadsheet_id(self.contract.sheet_url or "")

    def contract_now(self, session: Session) -> Contract:
        """Return the contract, if it still names the first sheet and tab. Raises `SheetChanged`."""
        if store.revision_of(session, self.contract.id) == self.contract.revision:
            return self.contract
        now = contract_store.contract(session, self.slug)
        if (now.sheet_url, now.sheet_tab) != (self.contract.sheet_url, self.contract.sheet_tab):
            raise SheetChanged(f"{self.slug} was given another sheet or tab while its sheet was synced: try again")
        return now

    def look(self) -> None:
        """Find the tab, its contents and its history. Raises `Conflict` if it is another contract's."""
        with self.database.session() as session:
            self.target = store.target_of(session, self.contract.id)
            snapshot = store.last_snapshot(session, self.contract.id)
            if snapshot is not None and store.restored_since(session, snapshot):
                snapshot = None
        known = snapshot is not None and targets.still_says_so(self.contract, self.target)
        texts = len(HEADERS) if not known or self.order.agreed else 0
        self.seen = targets.read_tab(self.sheets, self.contract, self.target, text_columns=texts)
        self.claimed = targets.is_claimed(self.contract, self.target, self.seen.info)
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
        seen = self.seen
        return Tab(seen.values, seen.info.row_count, seen.info.column_count, seen.merges, seen.tables)

    @property
    def is_restored(self) -> bool:
        """Return whether the customer's own cells were restored, without new consent since."""
        target = self.target
        return (
            target is not None
            and target.restored_at is not None
            and targets.is_of(target, self.spreadsheet, self.seen.info)
            and targets.still_says_so(self.contract, target)
            and not self.order.agreed
        )

    def decide(self) -> Plan:
        """Return the plan for the current tab and the current state of the codes.

        Raises `TargetTaken` and `SheetMerged`; consent to replace a tab is checked just before the write.
        """
        tab = self.tab
        with self.database.session() as session:
            contract = self.contract_now(session)
            self.revision = contract.revision
            codes = codes_in(tab)
            known = store.codes_among(session, contract, codes)
            plan = self.take_over(session, contract, tab, known, codes)
            if plan is not None:
                if plan.merged is not None:
                    raise refusals.sheet_merged(self.seen.info.title, plan.merged)
                return plan
            layout = find_layout(tab, known, self.written)
            present = present_codes(tab, layout) if isinstance(layout, Layout) else set()
            wanted = self.wanted(session, contract, present, known)
        return plan_update(wanted, tab, layout, self.written)

    def take_over(
        self, session: Session, contract: Contract, tab: Tab, known: Collection[str], codes: set[str]
    ) -> Plan | None:
        """Return the plan for a tab that is rebuilt or new.

        None for one that is updated or up to date.
        """
        if self.order.rebuild and not self.applied:
            plan = plan_rebuild(self.wanted(session, contract, codes, known), tab)
            return None if plan.is_empty else plan
        if not self.new or holds_our_codes(tab, known, self.written):
            return None
        refusals.refuse_other_installations(session, contract, self.spreadsheet, self.seen.info, tab)
        plan = plan_new_target(self.wanted(session, contract, set(), known), tab)
        return None if shows(tab, plan) else plan

    def wanted(self, session: Session, contract: Contract, present: set[str], known: Collection[str]) -> list[CodeRow]:
        """Return the rows that the tab should show, given the codes `present` in it."""
        missing = present - {normal(code) for code in known}
        now = moment_shown(contract_store.transaction_time(session))
        return truth(store.wanted(session, contract, present), gone(self.written, self.strangers, missing, now))

    def needs_consent(self, plan: Plan) -> bool:
        """Return whether a plan replaces cells of the customer's without consent."""
        foreign = self.is_restored or (plan.kind == "new" and plan.replaced > 0 and not self.order.agreed)
        return foreign and (self.is_restored or self.order.ask or not refusals.is_named(self.contract))

    def consent(self, plan: Plan) -> None:
        """Raise `TargetNotEmpty` if a plan needs consent."""
        if self.is_restored:
            raise refusals.target_restored(self.contract, self.seen.info.title)
        if self.needs_consent(plan):
            tabs = targets.titles_of(self.sheets.open(self.spreadsheet))
            raise refusals.target_not_empty(self.contract, self.seen.info.title, plan.replaced, tabs)

    def carry_out(self, lock: Held) -> SyncResult:
        """Write until the tab holds everything.

        This is one write, unless a person edits meanwhile or Google fails.
        """
        plan = self.decide()
        self.consent(plan)
        while self.repairs or not plan.is_empty:
            if len(self.applied) > REPLANS:
                raise Contended(f"the sheet of {self.slug} is being edited while it is written: try again in a minute")
            if self.sheets.take_turn("write") > LONG_WAIT_SECONDS and not self.repairs:
                self.seen = targets.read_again(self.sheets, self.spreadsheet, self.seen)
                plan = self.decide()
                self.consent(plan)
                continue
            self.first = self.first or plan
            self.keep_before(plan)
            lock.confirm()
            self.attempt(plan)
            plan = self.decide()
        if self.unsettled is not None:  # it had been applied after all
            self.settle(self.unsettled)
        if plan.kind == "layout_lost":
            raise LayoutIsLost(self.result(plan), plan.lost)
        return self.remember(plan)

    def attempt(self, plan: Plan) -> None:
        """Write once; read the tab afterwards, even after a failure.

        A failure leaves open whether the write was applied: a plan of the tab then shows it.
        """
        before, put_back, held, failed = self.tab, self.repairs, None, False
        try:
            held = write(self.sheets, self.spreadsheet, self.seen, plan, self.repairs)
        except (GoogleUnavailable, TabMoved) as error:
            self.unsettled, failed = plan, True
            self.failures += 1
            if self.failures == TRIES:
                raise
            if isinstance(error, GoogleUnavailable):
                self.sheets.back_off("write", self.failures, error)
        else:
            self.settle(plan)
            put_back = ()
        self.seen = held or targets.read_again(self.sheets, self.spreadsheet, self.seen)
        if not failed:
            self.refuse_what_is_not_kept(before, plan)
        self.repairs = put_back or self.hit(before, plan)
        if self.repairs:
            mended = [list(row) for row in with_cells(self.tab, self.repairs).values]
            self.seen = replace(self.seen, values=mended)

    def refuse_what_is_not_kept(self, before: Tab, plan: Plan) -> None:
        """Raise `CellNotKept` if cells lost their written values twice while nothing else changed."""
        if plan.clear or self.repairs:
            return
        cells = differing(before, plan, self.tab)
        written = {
            (run.row + y, run.column + x)
            for run in plan.writes
            for y, values in enumerate(run.values)
            for x in range(len(values))
        }
        alone = cells if cells and written.issuperset(cells) else []
        if alone and self.not_kept:
            raise refusals.cell_not_kept(alone)
        self.not_kept = alone

    def hit(self, before: Tab, plan: Plan) -> tuple[CellRun, ...]:
        """Return the cells to restore because rows or columns moved or were cleared under a write."""
        if is_as_meant(before, plan, self.tab):
            return ()
        with self.database.session() as session:
            known = store.codes_among(session, self.contract, codes_in(self.tab))
        layout = find_layout(self.tab, known, plan.written, believe_headers=True)
        if isinstance(layout, Layout):
            return repairs(before, plan, self.tab, layout)
        if plan.layout is not None:  # rows were inserted above the header, and the write is over its texts
            put_back = repairs(before, plan, self.tab, plan.layout)
            mended = with_cells(self.tab, put_back)
            if isinstance(find_layout(mended, known, plan.written, believe_headers=True), Layout):
                return put_back
        return withdrawal(plan, self.tab)

    def settle(self, plan: Plan) -> None:
        """Record an applied write.

        The target is not new any more, and the planned cells count as written.
        """
        self.applied.append(plan)
        self.unsettled = None
        self.new = False
        self.written = plan.written
        self.strangers = {found.row for found in plan.conflicts if found.kind == "unknown_code"}

    def keep_before(self, plan: Plan) -> None:
        """Keep the contents of A-F before they are replaced, as entered.

        Only once per sync, because a second try would keep cells that this product wrote.
        """
        if plan.kind == "new" and not self.kept_before:
            with self.database.session() as session:
                snapshots.keep_before(session, self.work)
            self.kept_before = True

    @property
    def work(self) -> snapshots.Work:
        """Return the sync's own entries of a snapshot."""
        cause = "rebuild" if self.order.rebuild else "sync"
        return snapshots.Work(self.contract.id, self.spreadsheet, self.seen, self.sheets.requests, self.run_id, cause)

    def remember(self, plan: Plan) -> SyncResult:
        """Store the state of the tab.

        A write adds a new snapshot; otherwise the last one is verified again.
        """
        result = self.result(plan)
        with self.database.session() as session:
            snapshots.remember(session, self.work, plan, result, None if self.applied else self.snapshot)
            store.locate(session, self.contract.id, result.target.key, plan.row_by_code)
            store.mark_synced(session, self.contract.id, self.revision, wrote=bool(self.applied))
            store.forget_old(session)
        return result

    def result(self, last: Plan) -> SyncResult:
        """Return the result of the applied plans.

        If there are none, the result that `last` would have.
        """
        first = self.first or last
        page = link(self.contract.sheet_url or self.spreadsheet)
        info = self.seen.info
        target = Target(self.spreadsheet, info.sheet_id, info.title, first.kind == "new", page)
        waits = not self.applied and self.needs_consent(last)
        return as_result(
            self.slug, target, self.sheets.requests, first=first, applied=self.applied, last=last, needs_consent=waits
        )
