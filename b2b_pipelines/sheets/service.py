"""Plan and sync the sheet of a contract, and find the snapshots of earlier syncs."""

import os
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import refuse_office_file, spreadsheet_id
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import exclusive
from b2b_pipelines.errors import B2BError
from b2b_pipelines.sheets import store
from b2b_pipelines.sheets.kept import no_snapshot
from b2b_pipelines.sheets.layout import HEADERS
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.restore import restore
from b2b_pipelines.sheets.results import Contended, LayoutIsLost, NotDelivered, SyncResult
from b2b_pipelines.sheets.sync import Order, Sync
from b2b_pipelines.sheets.targets import TabMissing, tab_meant, tab_missing
from b2b_pipelines.sheets.truth import written_of
from b2b_pipelines.vendors.google_sheets import GoogleSheets, GoogleUnavailable, Requests, SheetUnshared

__all__ = [
    "Contended",
    "LayoutIsLost",
    "NotDelivered",
    "SyncResult",
    "TabMissing",
    "find_snapshot",
    "plan",
    "preview",
    "restore",
    "resume",
    "sync",
    "try_address",
    "written_of",
]

LOCK_WAIT_SECONDS = 60.0


def plan(
    database: Database, sheets: GoogleSheets, reference: str, *, rebuild: bool = False, ask: bool = False
) -> SyncResult:
    """Return the result that a sync, or a rebuild, would have now.

    Reads the sheet and writes nothing.
    """
    work = Sync(database, sheets.counting(Requests()), reference, order=Order(rebuild=rebuild, ask=ask))
    work.look()
    return work.result(work.decide())


def sync(
    database: Database,
    sheets: GoogleSheets,
    reference: str,
    *,
    run_id: str | None = None,
    rebuild: bool = False,
    replace: bool = False,
    ask: bool = False,
    wait: float = LOCK_WAIT_SECONDS,
    contract: Contract | None = None,
) -> SyncResult:
    """Update the sheet of a contract to its codes: one read and, if anything differs, one write.

    Waits `wait` seconds for another sync of the spreadsheet, and for the turn of the first read before that: a sync that
    held the spreadsheet meanwhile would keep an urgent one from it. `rebuild` rewrites our columns at A-F, beside the
    customer's notes. `replace` is the consent to replace the contents of a new target; with `ask`, every new target
    with contents needs it, else only a target whose tab the contract does not name. A caller that has loaded the
    contract, and knows that it is delivered, passes it as `contract`. Raises `NotDelivered`, `TabMissing`, `Conflict`
    (the tab is another contract's), `TargetNotEmpty`, `TargetTaken`, `SheetMerged`, `LayoutIsLost`, `CellNotKept`,
    `Contended`, `Busy` and the errors of `vendors.google_sheets`; the next sync continues a write that was cut short.
    """
    order = Order(rebuild=rebuild, replace=replace, ask=ask)
    work = Sync(database, sheets.counting(Requests()), reference, run_id=run_id, order=order, loaded=contract)
    holder = f"b2b sheet sync {work.slug}"[:40] + f" (process {os.getpid()})"
    try:
        work.sheets.take_turn("read")
        with exclusive(database.engine, "spreadsheet", work.spreadsheet, holder=holder, wait=wait) as lock:
            work.look()
            work.claim()
            return work.carry_out(lock)
    except GoogleUnavailable as error:
        advice = f"the next refresh of all sheets tries again; to try sooner, use `b2b sheet sync {work.slug}` in a few minutes"
        raise error.advising(advice) from error


def preview(database: Database, sheets: GoogleSheets, reference: str, *, ask: bool = False) -> dict[str, Any]:
    """Return facts about a new sheet: whether it opens, its tab, and the cells to replace.

    A refusal of the sheet or of Google does not raise: its message is in the answer.
    """
    counted = sheets.counting(Requests())
    answer: dict[str, Any] = {"shared": False, "title": None, "tab": None, "replaced": None, "share_with": None}
    try:
        with database.session() as session:
            contract = contract_store.contract(session, reference)
        info = counted.open(spreadsheet_id(contract.sheet_url or ""))
        answer |= {"shared": True, "title": info.title}
        tab = tab_meant(info, contract.sheet_url or "", contract.sheet_tab)
        if tab is None:
            raise tab_missing(contract.sheet_url or "", contract.sheet_tab, info)
        answer["tab"] = tab.title
        if not contract.requires_codes:
            return answer | {"message": "the contract does not require codes: nothing is written"}
        planned = plan(database, sheets, reference, ask=ask)
        answer |= {"tab": planned.target.tab, "replaced": planned.replaced, "needs_consent": planned.needs_consent}
    except SheetUnshared as error:
        answer |= {"share_with": sheets.account.share_with, "message": error.message, "error": error.code}
    except B2BError as error:
        answer |= {"message": error.message, "error": error.code}
    return answer


def try_address(database: Database, sheets: GoogleSheets, address: str, tab: str | None) -> dict[str, Any]:
    """Return what a sheet's address leads to before a contract has it: `title`, `tab`, and the `rows` that A-F hold.

    `taken_by` is the contract that has the tab. Never raises for what the address or Google refuses: `message` says it,
    and `share_with` names the account to share the sheet with. One or two reads, and nothing is written.
    """
    answer: dict[str, Any] = {"shared": False, "title": None, "tab": None, "rows": None, "taken_by": None}
    answer |= {"share_with": None, "message": None}
    counted = sheets.counting(Requests())
    try:
        refuse_office_file(address)
        info = counted.open(spreadsheet_id(address))
        answer |= {"shared": True, "title": info.title}
        meant = tab_meant(info, address, tab)
        if meant is None:
            raise tab_missing(address, tab, info)
        content = counted.read(info.spreadsheet_id, meant.title, meant.sheet_id)
        values = content.values if content else []
        rows = sum(any(cell not in (None, "") for cell in row[: len(HEADERS)]) for row in values)
        answer |= {"tab": meant.title, "rows": rows}
        with database.session() as session:
            target = store.claimed_by(session, info.spreadsheet_id, meant.sheet_id)
            other = session.get(Contract, target.contract_id) if target else None
            answer["taken_by"] = other.name if other and other.sheet_url else None
    except SheetUnshared as error:
        answer |= {"share_with": sheets.account.share_with, "message": error.message}
    except B2BError as error:
        answer["message"] = error.message
    return answer


def resume(session: Session, reference: str) -> None:
    """Let syncs write again after a restore, because the contract was given the sheet again."""
    store.resume(session, contract_store.contract(session, reference).id)


def find_snapshot(
    session: Session, reference: str, number: int | None = None, *, before: bool = False
) -> SheetSnapshot:
    """Return the last snapshot, the one of that id, or A-F before they were replaced.

    Raises `NotFound`.
    """
    contract = contract_store.contract(session, reference)
    if before:
        found = next(iter(store.before(session, contract.id)), None)
    elif number is not None:
        found = store.snapshot(session, contract.id, number)
    else:
        found = store.last_snapshot(session, contract.id)
    if found is None:
        raise no_snapshot(contract.slug, number, before=before)
    return found
