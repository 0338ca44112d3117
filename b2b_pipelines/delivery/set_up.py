"""Report how far a contract is set up: its runs in edX, its codes, its sheet."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.rows import rows_of
from b2b_pipelines.delivery.attempts import note_sync
from b2b_pipelines.delivery.deliver import Delivery
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.errors import B2BError
from b2b_pipelines.set_up_facts import set_up_of
from b2b_pipelines.set_up_state import Part, SetUp, State
from b2b_pipelines.vendors.google_sheets import GoogleSheets
from b2b_pipelines.vendors.studio import Studio


def of(session: Session, contract: Contract) -> SetUp:
    """Return the set-up of the contract."""
    return set_up_of(rows_of(session), reports.contract_overview(session, contract.id))


def retry(
    database: Database,
    slug: str,
    *,
    sheets: Callable[[], GoogleSheets],
    studio: Studio | None,
    ask: bool = False,
    alert: bool = False,
) -> SetUp:
    """Deliver the contract and return its set-up.

    Errors are part of the result, except `NotFound`, which is raised. With `alert` messages are made about a fault that
    begins or ends.
    """
    delivery = Delivery(database, slug, sheets, studio, ask=ask)
    delivery.prepare()
    failed: B2BError | None = None
    try:
        synced = delivery.sync()
    except B2BError as error:
        failed, synced = error, None
    if failed is not None or synced is not None:
        note_sync(database, slug, failed, alert=alert)
    with database.session() as session:
        reached = of(session, store.contract(session, slug))
    return reached if failed is None else replace(reached, sheet=Part(State.FAILED, failed.message, failed.code))
