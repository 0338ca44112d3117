"""Remember how a sync that a person started ended: a refusal of the sheet lasts as a fault until a sync succeeds."""

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError, PermanentError
from b2b_pipelines.faults import service
from b2b_pipelines.faults.rules import SYNCED, Finished, Seen, Subject
from b2b_pipelines.privacy import masked_text
from b2b_pipelines.vendors.google_sheets import SheetProtected, SheetUnshared, SheetViewOnly

NAMES_THE_ACCOUNT = (SheetUnshared, SheetViewOnly, SheetProtected)
"""Refusals whose only address is the one of the installation's Google account."""
OF_THE_ACCOUNT = {"google_refused", "sign_in_refused"}
"""Codes of errors that no contract can mend. Runs report them once for all contracts."""
BY_HAND = "sheet sync by hand"


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
