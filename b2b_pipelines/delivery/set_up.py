"""Report how far a contract is set up: its runs in edX, its codes, its sheet."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store
from b2b_pipelines.contracts.models import Contract, CourseRun
from b2b_pipelines.contracts.rules import EdxState
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery.attempts import note_sync
from b2b_pipelines.delivery.deliver import Delivery, is_delivered
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.errors import B2BError
from b2b_pipelines.faults import store as faults
from b2b_pipelines.plural import counted
from b2b_pipelines.sheets import history
from b2b_pipelines.sheets import store as sheet_store
from b2b_pipelines.vendors.google_sheets import GoogleSheets
from b2b_pipelines.vendors.studio import Studio

SHEET_FAULTS = ("sheet_snapshots", faults.SYNCED)
"""Beginnings of the names of faults that concern the sheet: a failed partition, and a sheet that its customer must mend."""


class State(StrEnum):
    """State of a part of the set-up."""

    DONE = "done"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the set-up, with its state and a message."""

    state: State
    message: str
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class SetUp:
    """The set-up of a contract. `runs` are `(courseware id, state, message)`."""

    contract: str
    revision: int
    runs: Sequence[tuple[str, State, str]]
    codes: Part
    sheet: Part

    @property
    def of_runs(self) -> Part:
        """The runs together."""
        return _of_runs(self.runs)

    def as_json(self) -> dict[str, Any]:
        """Return the set-up as JSON."""
        shown = [{"courseware_id": run, "state": str(state), "message": message} for run, state, message in self.runs]
        return {
            "contract": self.contract,
            "revision": self.revision,
            "runs": {**asdict(_of_runs(self.runs)), "runs": shown},
            "codes": asdict(self.codes),
            "sheet": asdict(self.sheet),
        }


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
    return [_run(run) for run in session.scalars(query)]


def _run(run: CourseRun) -> tuple[str, State, str]:
    if run.edx_state == EdxState.FAILED:
        return run.courseware_id, State.FAILED, run.edx_error or "Studio refused it"
    if run.edx_state == EdxState.PENDING:
        return run.courseware_id, State.PENDING, "not requested from Studio yet"
    return run.courseware_id, State.DONE, "in edX"


def _of_runs(runs: Sequence[tuple[str, State, str]]) -> Part:
    failed = [message for _, state, message in runs if state is State.FAILED]
    if failed:
        return Part(State.FAILED, f"{len(failed)} of {counted(len(runs), 'run')} failed: {failed[0]}")
    pending = sum(state is State.PENDING for _, state, _ in runs)
    if pending:
        verb = "is" if pending == 1 else "are"
        return Part(State.PENDING, f"{pending} of {counted(len(runs), 'run')} {verb} not in edX yet")
    return Part(State.DONE, f"{counted(len(runs), 'run')} in edX" if runs else "the contract has no course run")


def _codes(session: Session, contract: Contract) -> Part:
    lacking = codes.outstanding(session, [contract]).get(contract.slug, [])
    if lacking:
        return Part(State.PENDING, f"product {lacking[0].product_id}: {lacking[0]}")
    if not contract.requires_codes:
        return Part(State.DONE, "the contract does not require codes")
    active = reports.contract_overview(session, [contract.id])[0]["codes"]
    return Part(State.DONE, counted(active, "active code"))


def _sheet(session: Session, contract: Contract) -> Part:
    if not is_delivered(session, contract):
        message = "the contract has no sheet" if contract.sheet_url is None else "the contract does not require codes"
        return Part(State.DONE, message)
    sync = history.last_syncs(session, [contract.id]).get(contract.id)
    fault = next(
        (each for each in faults.of_partition(session, contract.slug) if each.name.startswith(SHEET_FAULTS)), None
    )
    if fault is not None and (sync is None or sync.verified_at <= fault.since):
        return Part(State.FAILED, fault.words)
    target = sheet_store.target_of(session, contract.id)
    if sync is None or target is None or target.synced_revision < contract.revision:
        return Part(State.PENDING, "the sheet was not synced since the last change")
    conflicts = f", {counted(sync.conflicts, 'conflict')} to look at" if sync.conflicts else ""
    return Part(State.DONE, f"{counted(sync.rows, 'row')}, verified {sync.verified_at:%Y-%m-%d %H:%M} UTC{conflicts}")
