"""A contract's codes and its customer's sheet: what a sync would do, a sync, and what earlier ones left behind."""

import os

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import exclusive
from b2b_pipelines.errors import NotFound
from b2b_pipelines.sheets import store
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.results import Contended, LayoutIsLost, NotDelivered, SyncResult
from b2b_pipelines.sheets.sync import Sync, written_of
from b2b_pipelines.sheets.targets import TabMissing
from b2b_pipelines.vendors.google_sheets import GoogleSheets, Requests

__all__ = [
    "Contended",
    "LayoutIsLost",
    "NotDelivered",
    "SyncResult",
    "TabMissing",
    "find_snapshot",
    "plan",
    "sync",
    "written_of",
]

LOCK_WAIT_SECONDS = 60.0


def plan(database: Database, sheets: GoogleSheets, said: str) -> SyncResult:
    """What a sync would write now. Reads the sheet and writes nothing, neither there nor here."""
    work = Sync(database, sheets.counting(Requests()), said)
    work.look()
    return work.result(work.decide())


def sync(
    database: Database,
    sheets: GoogleSheets,
    said: str,
    *,
    run_id: str | None = None,
    rebuild: bool = False,
    wait: float = LOCK_WAIT_SECONDS,
    contract: Contract | None = None,
) -> SyncResult:
    """Bring the sheet of a contract in line with its codes: one read and, if anything is to be changed, one write.

    Waits `wait` seconds for another sync of the spreadsheet. With `rebuild` the tab's A-F are written anew, as for a new
    target. A caller that has loaded the contract, and knows that it is delivered, passes it as `contract`. Raises
    `NotDelivered`, `TabMissing`, `Conflict` (the tab is another contract's), `LayoutIsLost`, `Contended`, `Busy`
    and what `vendors.google_sheets` raises; whatever was written until then is found and continued by the next
    sync.
    """
    work = Sync(database, sheets.counting(Requests()), said, run_id=run_id, rebuild=rebuild, loaded=contract)
    holder = f"b2b sheet sync {work.slug}"[:40] + f" (process {os.getpid()})"
    with exclusive(database.engine, "spreadsheet", work.spreadsheet, holder=holder, wait=wait) as lock:
        work.look()
        work.claim()
        return work.carry_out(lock)


def find_snapshot(session: Session, said: str, number: int | None = None, *, before: bool = False) -> SheetSnapshot:
    """The last snapshot of a contract, the one of that id, or what A-F held before we replaced it. Raises `NotFound`."""
    contract = contract_store.contract(session, said)
    if before:
        found = next(iter(store.before(session, contract.id)), None)
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
