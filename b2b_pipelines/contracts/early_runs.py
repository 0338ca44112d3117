"""Find courses whose runs end before their contract.

A contract's new dates never move its runs.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import rules
from b2b_pipelines.contracts.models import Contract, CourseRun


def runs_ending_early(session: Session, contracts: Sequence[Contract]) -> Mapping[str, list[str]]:
    """Return the courseware ids of runs that end before their contract, by contract slug.

    Only the run of a course that ends last counts: after `--rerun` the course is served to the end. Inactive contracts
    and contracts whose runs all reach the end are absent.
    """
    active = {contract.id: contract for contract in contracts if contract.active}
    last_of_each_course = (
        select(CourseRun)
        .where(CourseRun.contract_id.in_(active))
        .ext(distinct_on(CourseRun.contract_id, CourseRun.course_id))
        .order_by(CourseRun.contract_id, CourseRun.course_id, CourseRun.end.desc().nulls_first(), CourseRun.id)
    )
    early: dict[str, list[str]] = {}
    for run in session.scalars(last_of_each_course):
        contract = active[run.contract_id or 0]
        if rules.ends_early(run.end, contract.ends_on):
            early.setdefault(contract.slug, []).append(run.courseware_id)
    return early


def early_note(slug: str, runs: Sequence[str]) -> str:
    """Return a sentence that names the number of these runs and the command to run."""
    subject = "1 run ends" if len(runs) == 1 else f"{len(runs)} runs end"
    return (
        f"{subject} before the contract {slug} does, because dates of runs are never changed: "
        f"`b2b_contract courseware {slug} COURSE --rerun` makes a further run"
    )
