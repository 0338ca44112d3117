"""List courses and programs that contracts can be given, and a contract's runs."""

from collections.abc import Sequence

from sqlalchemy import exists, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from b2b_pipelines.contracts.models import ContractCourseware, Course, CourseRun, Product, Program
from b2b_pipelines.contracts.rules import SOURCE_TAG, EdxState
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports.pages import Row, Slice, page


def courses(session: Session, asked: Slice, *, search: str | None = None) -> tuple[int, Sequence[Row]]:
    """Return the number of courses, and a page of them by readable id.

    Each has `has_source_run`: whether there is a run to copy.
    """
    copied_from = exists().where(
        CourseRun.course_id == Course.id,
        CourseRun.source_run_id.is_(None),
        or_(CourseRun.contract_id.is_(None), CourseRun.is_source, CourseRun.run_tag == SOURCE_TAG),
    )
    query = select(Course.id, Course.readable_id, Course.title, copied_from.label("has_source_run"))
    if search:
        texts = (Course.readable_id, Course.title)
        query = query.where(or_(*(text.ilike(containing(search)) for text in texts)))
    return page(session, query.order_by(Course.readable_id), asked)


def programs(session: Session, asked: Slice, *, search: str | None = None) -> tuple[int, Sequence[Row]]:
    """Return the number of programs, and a page of them by readable id.

    Each has its requirements tree.
    """
    query = select(Program.id, Program.readable_id, Program.title, Program.requirements)
    if search:
        texts = (Program.readable_id, Program.title)
        query = query.where(or_(*(text.ilike(containing(search)) for text in texts)))
    return page(session, query.order_by(Program.readable_id), asked)


def runs(
    session: Session, contract_id: int, asked: Slice, *, edx_state: EdxState | None = None
) -> tuple[int, Sequence[Row]]:
    """Return the number of a contract's runs, and a page of them in id order.

    Each has its newest product.
    """
    newest = aliased(
        Product,
        select(Product)
        .ext(distinct_on(Product.course_run_id))
        .order_by(Product.course_run_id, Product.active.desc(), Product.id.desc())
        .subquery(),
    )
    query = (
        select(
            CourseRun.courseware_id,
            Course.readable_id.label("course"),
            CourseRun.run_tag,
            CourseRun.title,
            CourseRun.start,
            CourseRun.end,
            CourseRun.enrollment_start,
            CourseRun.enrollment_end,
            CourseRun.edx_state,
            CourseRun.edx_error,
            newest.id.label("product_id"),
            newest.price,
        )
        .join(Course, Course.id == CourseRun.course_id)
        .outerjoin(newest, newest.course_run_id == CourseRun.id)
        .where(CourseRun.contract_id == contract_id)
        .order_by(CourseRun.id)
    )
    if edx_state is not None:
        query = query.where(CourseRun.edx_state == edx_state)
    return page(session, query, asked)


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
