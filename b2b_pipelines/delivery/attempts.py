"""Syncs and restores that a person starts: a refusal of the sheet lasts as a fault until a sync succeeds."""

from b2b_pipelines.contracts import store
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery.history import Action, Actor, record
from b2b_pipelines.errors import B2BError, PermanentError
from b2b_pipelines.faults import service
from b2b_pipelines.faults.rules import SYNCED, Finished, Seen, Subject
from b2b_pipelines.privacy import masked_text
from b2b_pipelines.sheets import service as sheets
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.refusals import TargetNotEmpty
from b2b_pipelines.sheets.restore import Restored
from b2b_pipelines.sheets.results import SyncResult
from b2b_pipelines.vendors.google_sheets import GoogleSheets, SheetProtected, SheetUnshared, SheetViewOnly

NAMES_THE_ACCOUNT = (SheetUnshared, SheetViewOnly, SheetProtected)
"""Refusals whose only address is the one of the installation's Google account."""
OF_THE_ACCOUNT = {"google_refused", "sign_in_refused"}
"""Codes of errors that no contract can mend. Runs report them once for all contracts."""
BY_HAND = "sheet sync by hand"


def sync_by_hand(
    database: Database,
    client: GoogleSheets,
    reference: str,
    by: Actor,
    *,
    rebuild: bool = False,
    replace: bool = False,
    ask: bool = False,
    alert: bool = False,
) -> SyncResult:
    """Sync a contract's sheet for a person, and note how it ended. A rebuild is added to the contract's history.

    Raises as `sheets.service.sync`. A question for consent is not a fault: the person answers it.
    """
    with database.session() as session:
        slug = store.contract(session, reference).slug
    try:
        done = sheets.sync(database, client, slug, rebuild=rebuild, replace=replace, ask=ask)
    except TargetNotEmpty:
        raise
    except B2BError as error:
        note_sync(database, slug, error, alert=alert)
        raise
    note_sync(database, slug, alert=alert)
    if rebuild:
        _add_to_history(database, slug, Action.SHEET_REBUILT, by)
    return done


def restore_by_hand(
    database: Database, client: GoogleSheets, reference: str, snapshot: SheetSnapshot, by: Actor
) -> Restored:
    """Restore a snapshot for a person, and add that to the contract's history. Raises as `sheets.service.restore`."""
    done = sheets.restore(database, client, reference, snapshot)
    _add_to_history(database, reference, Action.SHEET_RESTORED, by)
    return done


def _add_to_history(database: Database, reference: str, action: Action, by: Actor) -> None:
    with database.session() as session:
        record(session, store.contract(session, reference), action, by, {})


def note_sync(database: Database, slug: str, error: B2BError | None = None, *, alert: bool = False) -> None:
    """Store the end of a sync under the check that runs report, so that the next run repeats no alert.

    Errors that pass by themselves, and those that concern every contract, are left to the runs.
    """
    if error is not None and (not isinstance(error, PermanentError) or error.code in OF_THE_ACCOUNT):
        return
    words = ""
    if error is not None:
        words = error.message if isinstance(error, NAMES_THE_ACCOUNT) else masked_text(error.message)
    seen = Seen(Subject("check", SYNCED, slug), error is None, words)
    service.record_run(database, Finished("", BY_HAND, failed=error is not None, seen=(seen,)), alert=alert)
