"""Report how far a contract is set up: its runs in edX, its codes, its sheet."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store
from b2b_pipelines.contracts.models import Contract, CourseRun
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery.attempts import note_sync
from b2b_pipelines.delivery.deliver import Delivery, is_delivered
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.errors import B2BError
from b2b_pipelines.faults import store as faults
from b2b_pipelines.faults.rules import SYNCED
from b2b_pipelines.set_up_state import Part, SetUp, SheetFacts, State, codes_part, run_state, sheet_part
from b2b_pipelines.sheets import history
from b2b_pipelines.sheets import store as sheet_store
from b2b_pipelines.vendors.google_sheets import GoogleSheets
from b2b_pipelines.vendors.studio import Studio

__all__ = ["Part", "SetUp", "State", "of", "retry"]

SHEET_FAULTS = ("sheet_snapshots", SYNCED)
"""Beginnings of the names of faults that concern the sheet: a failed partition, and a sheet that its customer must mend."""


def of(session: Session, contract: Contract) -> SetUp:
    """Return the set-up of the contract."""
    return SetUp(
        contract.slug, contract.revision, _runs(session, contract), _codes(session, contract), _sheet(session, contract)
    )


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


def _runs(session: Session, contract: Contract) -> Sequence[tuple[str, State, str]]:
    query = select(CourseRun).where(CourseRun.contract_id == contract.id).order_by(CourseRun.id)
    return [run_state(run.courseware_id, run.edx_state, run.edx_error) for run in session.scalars(query)]


def _codes(session: Session, contract: Contract) -> Part:
    lacking = codes.outstanding(session, [contract]).get(contract.slug, [])
    if lacking or not contract.requires_codes:
        return codes_part(lacking, requires_codes=contract.requires_codes, active=0)
    active = reports.contract_overview(session, [contract.id])[0]["codes"]
    return codes_part(lacking, requires_codes=True, active=active)


def _sheet(session: Session, contract: Contract) -> Part:
    has_sheet = contract.sheet_url is not None
    if not is_delivered(session, contract):
        return sheet_part(SheetFacts(has_sheet, delivered=False, revision=contract.revision))
    sync = history.last_syncs(session, [contract.id]).get(contract.id)
    fault = next(
        (each for each in faults.of_partition(session, contract.slug) if each.name.startswith(SHEET_FAULTS)), None
    )
    target = sheet_store.target_of(session, contract.id)
    return sheet_part(
        SheetFacts(
            has_sheet,
            delivered=True,
            revision=contract.revision,
            synced_revision=target.synced_revision if target else None,
            verified_at=sync.verified_at if sync else None,
            rows=sync.rows if sync else 0,
            conflicts=sync.conflicts if sync else 0,
            fault=fault.words if fault else None,
            since=fault.since if fault else None,
        )
    )
