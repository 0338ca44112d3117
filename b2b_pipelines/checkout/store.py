"""Queries for baskets: product facts, and the record of a completed checkout."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, func, insert, literal, select
from sqlalchemy.orm import Session

from b2b_pipelines.checkout.models import CheckoutOrder, Enrollment
from b2b_pipelines.checkout.rules import Item
from b2b_pipelines.contracts.models import Contract, CourseRun, Product


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """A product from the learner's point of view, and its course run."""

    item: Item
    course_run_id: int


def products(
    session: Session, product_ids: Iterable[int], learner_id: int | None, organization_id: int | None, now: datetime
) -> Mapping[int, ProductFacts]:
    """Return those of the products that exist for the caller, by id.

    A caller bound to an organization sees only products of that organization's contracts.
    """
    enrolled = exists().where(Enrollment.course_run_id == CourseRun.id, Enrollment.learner_id == literal(learner_id))
    run_open = and_(
        func.coalesce(CourseRun.enrollment_start <= now, True), func.coalesce(CourseRun.enrollment_end >= now, True)
    )
    query = (
        select(
            Product.id,
            Product.price,
            Product.active,
            CourseRun.contract_id,
            enrolled.label("enrolled"),
            CourseRun.id.label("run"),
            run_open.label("run_open"),
        )
        .join(CourseRun, CourseRun.id == Product.course_run_id)
        .where(Product.id.in_(list(product_ids)))
    )
    if organization_id is not None:
        query = query.join(Contract, Contract.id == CourseRun.contract_id).where(
            Contract.organization_id == organization_id
        )
    return {
        row.id: ProductFacts(Item(row.id, row.price, row.active, row.contract_id, row.enrolled, row.run_open), row.run)
        for row in session.execute(query)
    }


def contracts(session: Session, contract_ids: Iterable[int]) -> Sequence[Contract]:
    return session.scalars(select(Contract).where(Contract.id.in_(list(contract_ids)))).all()


def add_order(session: Session, order: CheckoutOrder, enrollments: Sequence[Mapping[str, Any]]) -> None:
    """Record an order with its enrollments. The order then has its id."""
    session.add(order)
    session.flush()
    session.execute(insert(Enrollment), [{**enrollment, "order_id": order.id} for enrollment in enrollments])
