"""List courses and programs that contracts can be given, and a contract's runs."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import ContractCourseware, Course, Program
from b2b_pipelines.contracts.rules import SOURCE_TAG, EdxState
from b2b_pipelines.db.rows import Row
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports import listings
from b2b_pipelines.reports.pages import Slice, page


def courses(session: Session, asked: Slice, *, search: str | None = None) -> tuple[int, Sequence[Row]]:
    """Return the number of courses, and a page of them by readable id.

    Each has `has_source_run`: whether there is a run to copy.
    """
    return page(session, listings.COURSES, asked, pattern=containing(search), source_tag=SOURCE_TAG)


def programs(session: Session, asked: Slice, *, search: str | None = None) -> tuple[int, Sequence[Row]]:
    """Return the number of programs, and a page of them by readable id.

    Each has its requirements tree.
    """
    return page(session, listings.PROGRAMS, asked, pattern=containing(search))


def runs(
    session: Session, contract_id: int, asked: Slice, *, edx_state: EdxState | None = None
) -> tuple[int, Sequence[Row]]:
    """Return the number of a contract's runs, and a page of them in id order.

    Each has its newest product.
    """
    return page(session, listings.RUNS, asked, contract=contract_id, edx_state=edx_state)


def given(session: Session, contract_id: int) -> Sequence[str]:
    """Return the readable ids of the courses, programs and runs that a contract was given."""
    query = select(ContractCourseware.readable_id).where(ContractCourseware.contract_id == contract_id)
    return session.scalars(query.order_by(ContractCourseware.readable_id)).all()


def offered(session: Session, most: int) -> Sequence[tuple[str, str]]:
    """Return the readable ids and titles of programs and courses, at most so many of each."""
    found: list[tuple[str, str]] = []
    for model in (Program, Course):
        query = select(model.readable_id, model.title).order_by(model.title, model.readable_id).limit(most)
        found += [(row.readable_id, row.title) for row in session.execute(query)]
    return found
