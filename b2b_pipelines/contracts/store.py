"""Queries on organizations, contracts and their courseware.

Set-based; they neither decide nor commit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import (
    Contract,
    ContractCourseware,
    Course,
    CourseRun,
    Organization,
    Product,
    Program,
)
from b2b_pipelines.contracts.rules import EdxState
from b2b_pipelines.errors import NotFound

CURRENT_CHANGE = text("pg_current_xact_id()::text::bigint")


def organization(session: Session, reference: str) -> Organization | None:
    """Return the organization with that name or org key; surrounding blanks are ignored.

    An exact name comes first, then an exact org key, then either without case.
    """
    word = reference.strip()
    same = func.lower(word)
    candidates = session.scalars(
        select(Organization)
        .where(or_(func.lower(Organization.name) == same, func.lower(Organization.org_key) == same))
        .order_by((Organization.name == word).desc(), (Organization.org_key == word).desc(), Organization.id)
        .limit(1)
    )
    return candidates.first()


def contract(session: Session, reference: str | int, *, lock: bool = False) -> Contract:
    """Return the contract with that slug or id. Raises `NotFound`.

    With `lock`, other changes to the contract wait until the transaction ends.
    """
    query = select(Contract).where(names_contract(reference))
    if lock:
        query = query.with_for_update(of=Contract, key_share=True).execution_options(populate_existing=True)
    contract = session.scalars(query.order_by((Contract.slug == str(reference)).desc()).limit(1)).first()
    if contract is None:
        raise NotFound(f"no contract {reference}: `b2b_list contracts` lists ids and slugs")
    return contract


def names_contract(reference: str | int) -> ColumnElement[bool]:
    """Return the SQL condition that a contract has this id or slug."""
    if isinstance(reference, int):
        return Contract.id == reference
    by_slug = Contract.slug == reference
    return (
        or_(by_slug, Contract.id == int(reference))
        if reference.isascii() and reference.isdecimal() and len(reference) < 19
        else by_slug
    )


def contract_of(session: Session, slug: str, organization_id: int | None) -> Contract | None:
    """Return the contract with a slug, or None. With an organization, a contract of another one is not returned."""
    query = select(Contract).where(Contract.slug == slug)
    if organization_id is not None:
        query = query.where(Contract.organization_id == organization_id)
    return session.scalars(query).first()


def every_contract(session: Session) -> Sequence[Contract]:
    """Return all contracts, in the order of creation."""
    return session.scalars(select(Contract).order_by(Contract.id)).all()


def touch(session: Session, contract: Contract) -> None:
    """Record that the contract changed in a way that can matter downstream."""
    session.flush()
    session.execute(
        update(Contract)
        .where(Contract.id == contract.id)
        .values(revision=Contract.revision + 1, change_id=CURRENT_CHANGE)
    )
    session.refresh(contract)


def mark_materialized(session: Session, contract: Contract) -> None:
    """Record that the assets have updated runs and codes up to the contract's present revision."""
    contract.materialized_revision = contract.revision


def every_slug(session: Session) -> Sequence[str]:
    """Return the slug of every contract, in the order of creation."""
    return session.scalars(select(Contract.slug).order_by(Contract.id)).all()


def organizations_of(session: Session, slugs: Iterable[str]) -> Sequence[str]:
    """Return the names of the organizations that own these contracts, in alphabetical order."""
    names = select(Organization.name).join(Contract, Contract.organization_id == Organization.id)
    return session.scalars(names.where(Contract.slug.in_(slugs)).distinct().order_by(Organization.name)).all()


def slugs_like(session: Session, model: type[Organization] | type[Contract], slug: str) -> Sequence[str]:
    return session.scalars(
        select(model.slug).where(or_(model.slug == slug, model.slug.startswith(f"{slug}-", autoescape=True)))
    ).all()


def slugs_named(session: Session, organization_id: int, name: str, *, but_for: int) -> Sequence[str]:
    """Return the slugs of an organization's contracts with that name, ignoring case.

    The contract `but_for` is left out.
    """
    return session.scalars(
        select(Contract.slug)
        .where(Contract.organization_id == organization_id, func.lower(Contract.name) == func.lower(name))
        .where(Contract.id != but_for)
        .order_by(Contract.id)
    ).all()


def contracts_with_sheet(session: Session, spreadsheet: str) -> Sequence[Contract]:
    """Return the contracts whose sheet URL contains that spreadsheet id."""
    return session.scalars(select(Contract).where(Contract.sheet_url.contains(spreadsheet, autoescape=True))).all()


def courses(session: Session, readable_ids: Iterable[str]) -> dict[str, Course]:
    found = session.scalars(select(Course).where(Course.readable_id.in_(list(readable_ids))))
    return {course.readable_id: course for course in found}


def program_requirements(session: Session) -> dict[str, Any]:
    """Return the requirements tree of every program, by readable id."""
    return {
        row.readable_id: row.requirements for row in session.execute(select(Program.readable_id, Program.requirements))
    }


def program_exists(session: Session, readable_id: str) -> bool:
    return bool(session.scalar(select(exists().where(Program.readable_id == readable_id))))


def runs_of_courses(session: Session, course_ids: Iterable[int]) -> Sequence[CourseRun]:
    """Return every run of those courses, with or without a contract, in id order."""
    return session.scalars(
        select(CourseRun).where(CourseRun.course_id.in_(list(course_ids))).order_by(CourseRun.id)
    ).all()


def runs_keyed_by(session: Session, org: Organization) -> Sequence[str]:
    """Return the courseware ids of all runs with that organization's key in edX."""
    key = f"course-v1:{org.org_key_prefix}{org.org_key}+"
    return session.scalars(
        select(CourseRun.courseware_id).where(CourseRun.courseware_id.startswith(key, autoescape=True))
    ).all()


def run(session: Session, courseware_id: str) -> CourseRun | None:
    return session.scalars(
        select(CourseRun).where(CourseRun.courseware_id == courseware_id).with_for_update(key_share=True)
    ).first()


def runs_of_contract(session: Session, contract_id: int) -> Sequence[CourseRun]:
    return session.scalars(select(CourseRun).where(CourseRun.contract_id == contract_id).order_by(CourseRun.id)).all()


@dataclass(frozen=True, slots=True)
class RunState:
    """A run of a contract: its state in edX, and whether it ever had a product."""

    courseware_id: str
    edx_state: EdxState | None
    has_product: bool


def runs_with_products(session: Session, contract_id: int) -> Sequence[RunState]:
    """Return the runs of a contract in id order. One query."""
    return [RunState(*row) for row in session.execute(_RUN_STATES, {"contract": contract_id})]


_RUN_STATES = text("""
    SELECT courseware_id, edx_state, EXISTS (SELECT FROM product WHERE product.course_run_id = course_run.id)
    FROM course_run WHERE contract_id = :contract ORDER BY id
""")


def add_products(session: Session, contract: Contract) -> int:
    """Create a product at the contract's price for every run that never had one.

    Return their number.
    """
    lacking = (
        select(CourseRun.id, func.coalesce(contract.price, 0), CourseRun.courseware_id)
        .where(CourseRun.contract_id == contract.id, ~exists().where(Product.course_run_id == CourseRun.id))
        .order_by(CourseRun.id)
    )
    statement = insert(Product).from_select(["course_run_id", "price", "description"], lacking)
    return len(session.execute(statement.returning(Product.id)).all())


def add_product(session: Session, run: CourseRun, contract: Contract) -> None:
    """Set the active product of an assigned run to the contract's price, or create one."""
    session.flush()
    price = contract.price or 0
    changed = session.execute(
        update(Product).where(Product.course_run_id == run.id, Product.active).values(price=price).returning(Product.id)
    )
    if not changed.all():
        session.add(Product(course_run_id=run.id, price=price, description=run.courseware_id))


def release_runs(session: Session, contract: Contract, runs: Sequence[CourseRun]) -> list[int]:
    """Take runs from their contract, record whose they were, and deactivate their products.

    Return the products' ids.
    """
    ids = [run.id for run in runs]
    for released in runs:
        released.contract_id, released.released_from_id, released.released_at = None, contract.id, func.now()
    session.flush()
    statement = update(Product).where(Product.course_run_id.in_(ids), Product.active).values(active=False)
    return list(session.scalars(statement.returning(Product.id)))


def reinstate_products(session: Session, runs: Sequence[CourseRun], price: Decimal) -> list[int]:
    """Reactivate the newest product of each run without an active one, at that price.

    Return the products' ids.
    """
    if not runs:
        return []
    newest = (
        select(func.max(Product.id))
        .where(Product.course_run_id.in_([run.id for run in runs]))
        .group_by(Product.course_run_id)
        .having(~func.bool_or(Product.active))
    )
    statement = update(Product).where(Product.id.in_(newest)).values(active=True, price=price)
    return list(session.scalars(statement.returning(Product.id)))


def link(session: Session, contract: Contract, readable_id: str) -> None:
    session.execute(
        upsert(ContractCourseware).values(contract_id=contract.id, readable_id=readable_id).on_conflict_do_nothing()
    )


def unlink(session: Session, contract: Contract, readable_ids: Iterable[str]) -> bool:
    """Delete these links of the contract. Return whether there was any."""
    links = select(ContractCourseware).where(
        ContractCourseware.contract_id == contract.id, ContractCourseware.readable_id.in_(list(readable_ids))
    )
    found = session.scalars(links).all()
    for item in found:
        session.delete(item)
    return bool(found)


def linked(session: Session, contract: Contract) -> Sequence[str]:
    """Return the readable ids given to the contract, in the order in which they were given."""
    return session.scalars(
        select(ContractCourseware.readable_id)
        .where(ContractCourseware.contract_id == contract.id)
        .order_by(ContractCourseware.id)
    ).all()


def transaction_time(session: Session) -> datetime:
    """Return the database's time, which is the same throughout the transaction."""
    return session.execute(select(func.now())).scalar_one()
