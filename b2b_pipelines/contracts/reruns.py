"""Create contract runs in edX: clones of the source runs, with the contract's dates.

Every run keeps its own state (`pending`, `created`, `failed` with the error), written as soon as Studio has answered.
`created` means that the clone and the change of its dates both succeeded. The next call retries a failed run. A failure
rolls back nothing in the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.orm import Session, aliased

from b2b_pipelines.contracts.models import Contract, CourseRun
from b2b_pipelines.contracts.rules import EdxState
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError
from b2b_pipelines.vendors.http.client import Patience
from b2b_pipelines.vendors.http.errors import VendorUnavailable
from b2b_pipelines.vendors.studio import RunRequest, Studio

ONCE = Patience(attempts=1)


@dataclass(frozen=True, slots=True)
class RerunReport:
    """Results for a contract's runs that edX did not have.

    The values are courseware ids, with the error of each failed one.
    """

    created: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A contract run that edX does not have yet, and the request for Studio."""

    id: int
    courseware_id: str
    request: RunRequest


def ask(database: Database, studio: Studio | None, runs: Sequence[Waiting]) -> RerunReport:
    """Ask Studio for these runs, and store each answer.

    Without Studio the runs keep their state. A failed run does not stop the others. Once Studio is found to be down,
    each remaining run is tried once. Errors of Studio are in the report.
    """
    if studio is None:
        return RerunReport(pending=[run.courseware_id for run in runs])
    report, patience = RerunReport(), None
    for run in runs:
        error = _ask(studio, run.request, patience)
        if isinstance(error, VendorUnavailable):
            patience = ONCE
        with database.session() as session:
            _note(session, run.id, error)
        if error is None:
            report.created.append(run.courseware_id)
        else:
            report.failed[run.courseware_id] = error.message
    return report


def contracts_waiting(session: Session) -> Sequence[str]:
    """Return the slugs of contracts with a run that is `pending` or `failed` in edX."""
    return session.scalars(
        select(Contract.slug)
        .join(CourseRun, CourseRun.contract_id == Contract.id)
        .where(CourseRun.edx_state.in_([EdxState.PENDING, EdxState.FAILED]))
        .distinct()
        .order_by(Contract.slug)
    ).all()


def waiting(session: Session, contract_id: int) -> Sequence[Waiting]:
    """Return the runs of a contract that are `pending` or `failed` in edX."""
    source = aliased(CourseRun)
    rows = session.execute(
        select(CourseRun, source.courseware_id)
        .join(source, source.id == CourseRun.source_run_id)
        .where(CourseRun.contract_id == contract_id, CourseRun.edx_state.in_([EdxState.PENDING, EdxState.FAILED]))
        .order_by(CourseRun.id)
    )
    return [Waiting(run.id, run.courseware_id, _request(run, source_id)) for run, source_id in rows]


def _request(run: CourseRun, source: str) -> RunRequest:
    return RunRequest(
        source,
        key=run.courseware_id,
        title=run.title,
        start=run.start,
        end=run.end,
        enrollment_start=run.enrollment_start,
        enrollment_end=run.enrollment_end,
    )


def _ask(studio: Studio, request: RunRequest, patience: Patience | None) -> B2BError | None:
    """Return the error when Studio did not create the run as requested; None when it did."""
    try:
        studio.make_run(request, patience=patience)
    except B2BError as error:
        return error
    return None


def _note(session: Session, run_id: int, error: B2BError | None) -> None:
    state = EdxState.CREATED if error is None else EdxState.FAILED
    session.execute(
        update(CourseRun)
        .where(CourseRun.id == run_id, CourseRun.edx_state != EdxState.CREATED)
        .values(edx_state=state, edx_error=None if error is None else error.message)
    )
