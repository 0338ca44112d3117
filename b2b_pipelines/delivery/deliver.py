"""Deliver a contract: its runs, its codes, the check of the codes, its sheet.

Free of Dagster.

Everything but the sheet is one transaction. A contract without changes costs four transactions in all, because a sync
needs one to read, one to decide and one to store its result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import reruns, store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.reruns import RerunReport
from b2b_pipelines.contracts.rules import EdxState
from b2b_pipelines.db.engine import Database
from b2b_pipelines.enrollment_codes import pages, reports
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.enrollment_codes.pages import Seats
from b2b_pipelines.enrollment_codes.rules import Orders
from b2b_pipelines.enrollment_codes.service import CodeChange
from b2b_pipelines.errors import Refused
from b2b_pipelines.sheets import service as sheets
from b2b_pipelines.sheets import store as sheet_store
from b2b_pipelines.sheets.service import SyncResult
from b2b_pipelines.vendors.google_sheets import GoogleSheets
from b2b_pipelines.vendors.studio import Studio

NOT_SYNCED = "the contract has no sheet, does not require codes, or the customer's own cells were restored"


class CodesDiffer(Refused):
    """The codes differ from the contract's terms, so its sheet is not written."""

    code = "codes_differ"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A contract after its products and codes were updated.

    `runs` are `(courseware id, state in edX)`, `orders` the findings of the check of the codes, `redeemed_twice` the
    ids of one-time codes that several learners redeemed. `delivered` means that the contract has a sheet to sync.
    """

    contract: Contract
    products_made: int
    runs: Sequence[tuple[str, str]]
    asked: RerunReport
    codes: CodeChange
    orders: Sequence[Orders]
    redeemed_twice: Sequence[int]
    stats: Mapping[str, Any]
    seats: Seats
    attached_by_day: Sequence[tuple[date, int]]
    delivered: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """The result of a delivery. `sheet` is None when there is no sheet to sync."""

    prepared: Prepared
    sheet: SyncResult | None


@dataclass
class Delivery:
    """One delivery of one contract, in two steps. A caller may act between them.

    `sheets` is called for a client only when a sheet must be synced, so contracts without a sheet need no credentials.
    With `ask` every new target that holds something waits for consent.
    """

    database: Database
    slug: str
    sheets: Callable[[], GoogleSheets]
    studio: Studio | None = None
    run_id: str | None = None
    ask: bool = False
    _prepared: Prepared | None = field(init=False, default=None)
    _synced: SyncResult | None = field(init=False, default=None)

    def prepare(self) -> Prepared:
        """Create missing products and codes, check the codes, and ask Studio for missing runs.

        A second call returns the same result without any work. Raises `NotFound`. Errors of Studio are part of the
        result.
        """
        if self._prepared is None:
            with self.database.session() as session:
                contract = store.contract(session, self.slug, lock=True)
                runs = store.runs_with_products(session, contract.id)
                made = 0 if all(run.has_product for run in runs) else store.add_products(session, contract)
                change, orders = codes.ensure_and_check(session, contract)
                store.mark_materialized(session, contract)
                is_waiting = any(run.edx_state in (EdxState.PENDING, EdxState.FAILED) for run in runs)
                waiting = reruns.waiting(session, contract.id) if is_waiting else ()
                self._prepared = _looked_at(session, contract, runs, made=made, change=change, orders=orders)
            if waiting:
                self._prepared = self._asked(self._prepared, waiting)
        return self._prepared

    def sync(self) -> SyncResult | None:
        """Sync the sheet. Return None when there is no sheet to sync.

        Raises `CodesDiffer` and the errors of `sheets.service.sync`.
        """
        prepared = self.prepare()
        if prepared.orders:
            raise CodesDiffer(f"the codes of {self.slug} differ from its terms: run `b2b_codes validate --fix`")
        if not prepared.delivered:
            return None
        self._synced = sheets.sync(
            self.database, self.sheets(), self.slug, run_id=self.run_id, ask=self.ask, contract=prepared.contract
        )
        return self._synced

    def conflicts(self) -> Sequence[Mapping[str, Any]]:
        """Return the conflicts of the sync as `kind`, `row`, `code`.

        Before a sync, those of the last snapshot.
        """
        if self._synced is not None:
            return [conflict._asdict() for conflict in self._synced.conflicts]
        with self.database.session() as session:
            contract = store.contract(session, self.slug)
            snapshot = sheet_store.last_snapshot(session, contract.id)
            return snapshot.conflicts if snapshot else []

    def seats_after(self, result: SyncResult | None) -> Seats:
        """Return the contract's seats after the sync, which may have handed out codes."""
        prepared = self.prepare()
        if result is None or not result.changed:
            return prepared.seats
        with self.database.session() as session:
            return pages.seats(session, [prepared.contract.id])[prepared.contract.id]

    def _asked(self, prepared: Prepared, waiting: Sequence[reruns.Waiting]) -> Prepared:
        report = reruns.ask(self.database, self.studio, waiting)
        states = dict(prepared.runs) | dict.fromkeys(report.created, "created") | dict.fromkeys(report.failed, "failed")
        return replace(prepared, runs=list(states.items()), asked=report)


def deliver(
    database: Database,
    slug: str,
    *,
    sheets: Callable[[], GoogleSheets],
    studio: Studio | None = None,
    run_id: str | None = None,
    ask: bool = False,
) -> Delivered:
    """Update a contract's runs, codes and sheet. Idempotent.

    Raises `NotFound`, `CodesDiffer`, and the errors of `sheets.service.sync`; everything before the error is kept.
    """
    delivery = Delivery(database, slug, sheets, studio, run_id, ask)
    return Delivered(delivery.prepare(), delivery.sync())


def _looked_at(
    session: Session,
    contract: Contract,
    runs: Sequence[store.RunState],
    *,
    made: int,
    change: CodeChange,
    orders: Sequence[Orders],
) -> Prepared:
    return Prepared(
        contract=contract,
        products_made=made,
        runs=[(run.courseware_id, str(run.edx_state)) for run in runs],
        asked=RerunReport(),
        codes=change,
        orders=orders,
        redeemed_twice=reports.codes_redeemed_by_several(session, contract),
        stats=reports.code_stats(session, contract),
        seats=pages.seats(session, [contract.id])[contract.id],
        attached_by_day=reports.attached_by_day(session, contract),
        delivered=is_delivered(session, contract),
    )


def is_delivered(session: Session, contract: Contract) -> bool:
    """Return whether a contract's codes go to a sheet, or its sheet needs one last update."""
    return contract.sheet_url is not None and bool(sheet_store.delivered(session, [contract.slug]))
