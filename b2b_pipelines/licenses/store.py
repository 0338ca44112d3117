"""Queries on plans, licenses and the record of their processing.

Set-based; they do not commit.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from b2b_pipelines.errors import NotFound
from b2b_pipelines.licenses.facts import HELD, OVERDUE, EventName, LicenseStatus, Policy
from b2b_pipelines.licenses.models import (
    CustomerAgreement,
    ExpiredLicense,
    License,
    LicenseEvent,
    PlanRenewal,
    RefusedAddress,
    SubscriptionPlan,
)
from b2b_pipelines.licenses.rules import Verdict
from b2b_pipelines.licenses.statements import CUSTOMERS

PURGED_AFTER = 90
"""Days; license-manager's default for an agreement that omits it."""


def _is_of(customer: UUID) -> ColumnElement[bool]:
    """Return the condition that a plan belongs to the customer."""
    agreement = select(CustomerAgreement.id).where(CustomerAgreement.enterprise_customer_uuid == customer)
    return SubscriptionPlan.customer_agreement_id == agreement.scalar_subquery()


def agreements(session: Session, customer: UUID | None = None) -> Sequence[CustomerAgreement]:
    """Return all customers, or the requested one. Raises `NotFound`."""
    query = select(CustomerAgreement).order_by(CustomerAgreement.enterprise_customer_uuid)
    if customer is None:
        return session.scalars(query).all()
    found = session.scalars(query.where(CustomerAgreement.enterprise_customer_uuid == customer)).all()
    if not found:
        raise NotFound(f"customer {customer} is not known: `b2b licenses customers` lists the known ones")
    return found


def customers(session: Session) -> Sequence[UUID]:
    """Return the enterprise customers."""
    return session.scalars(select(CustomerAgreement.enterprise_customer_uuid)).all()


def names(session: Session, customers: Collection[UUID]) -> dict[UUID, str]:
    """Return the names of known customers, as people are shown them."""
    query = select(CustomerAgreement).where(CustomerAgreement.enterprise_customer_uuid.in_(customers))
    return {each.enterprise_customer_uuid: each.shown_name for each in session.scalars(query)}


def name_of(session: Session, customer: UUID) -> str:
    """Return the name of a customer; the UUID of an unknown one."""
    return names(session, [customer]).get(customer, str(customer))


def customer_counts(session: Session) -> Sequence[Row[Any]]:
    """Return one row per customer, with counts as of the transaction.

    The columns are `customer, name, slug, plans, licenses, expired_plans, unseen`.
    """
    return session.execute(text(CUSTOMERS)).all()


def renewals(session: Session, customer: UUID) -> dict[UUID, UUID]:
    """Return the customer's renewed plans: prior → renewed."""
    rows = session.execute(
        select(PlanRenewal.prior_plan_uuid, PlanRenewal.renewed_plan_uuid)
        .join(SubscriptionPlan, SubscriptionPlan.uuid == PlanRenewal.prior_plan_uuid)
        .where(_is_of(customer), PlanRenewal.renewed_plan_uuid.is_not(None))
    )
    return {prior: renewed for prior, renewed in rows if renewed}


def record_events(session: Session, name: EventName, verdicts: Iterable[Verdict], *, run_id: str, at: datetime) -> None:
    """Record an action on these licenses, each for its plan's expiration."""
    rows = [
        {
            "license_uuid": verdict.license_uuid,
            "event_name": name,
            "plan_expiration": verdict.expiration_date,
            "run_id": run_id,
            "at": at,
        }
        for verdict in verdicts
    ]
    if rows:
        session.execute(insert(LicenseEvent).on_conflict_do_nothing(), rows)


def record_processed(session: Session, plan: UUID, expiration: datetime, at: datetime) -> None:
    """Record that the enrollments of all the plan's licenses were ended, for this expiration."""
    session.execute(
        update(SubscriptionPlan)
        .where(SubscriptionPlan.uuid == plan, SubscriptionPlan.expiration_date == expiration)
        .values(processed_for=expiration, processed_at=at)
    )


def record_refusals(
    session: Session, customer: UUID, messages: Mapping[str, str], *, run_id: str, at: datetime
) -> None:
    """Record the addresses that the LMS refused alone, with its messages."""
    if not messages:
        return
    agreement = agreements(session, customer)[0]
    rows = [
        {"customer_agreement_id": agreement.id, "email_key": key, "words": message, "run_id": run_id, "at": at}
        for key, message in messages.items()
    ]
    session.execute(insert(RefusedAddress).on_conflict_do_nothing(), rows)


def replace_decisions(session: Session, customer: UUID, policy: Policy, verdicts: Iterable[Verdict]) -> None:
    """Store these as the last decisions about the customer's licenses."""
    agreement = agreements(session, customer)[0]
    session.execute(delete(ExpiredLicense).where(ExpiredLicense.customer_agreement_id == agreement.id))
    rows = [
        {
            "license_uuid": verdict.license_uuid,
            "customer_agreement_id": agreement.id,
            "plan_uuid": verdict.plan_uuid,
            "decision": verdict.decision,
            "reason": verdict.reason(policy),
            "decided_at": policy.now,
        }
        for verdict in verdicts
    ]
    if rows:
        session.execute(insert(ExpiredLicense), rows)


def unlinked_too_early(session: Session, customer: UUID) -> Sequence[UUID]:
    """Return the licenses that were unlinked before their enrollments were ended.

    The result should be empty.
    """
    unlinked, terminated = aliased(LicenseEvent), aliased(LicenseEvent)
    ended_before = exists().where(
        terminated.license_uuid == unlinked.license_uuid,
        terminated.event_name == EventName.TERMINATED,
        terminated.plan_expiration == unlinked.plan_expiration,
        terminated.at <= unlinked.at,
    )
    return session.scalars(
        select(unlinked.license_uuid)
        .join(License, License.uuid == unlinked.license_uuid)
        .join(SubscriptionPlan, SubscriptionPlan.uuid == License.plan_uuid)
        .where(
            _is_of(customer),
            unlinked.event_name == EventName.UNLINKED,
            ~ended_before,
        )
        .order_by(unlinked.license_uuid)
    ).all()


def recently_unlinked(
    session: Session, customer: UUID, limit: int, now: datetime
) -> Sequence[tuple[UUID, str, int | None]]:
    """Return licenses unlinked within a day before `now`, latest first.

    Each has the address used and the LMS user. People who hold a license that has not expired are left out: such a
    learner may rightly be linked again.
    """
    other, other_plan = aliased(License), aliased(SubscriptionPlan)
    holds_another = (
        exists()
        .where(or_(other.person_key == License.person_key, other.lms_user_id == License.lms_user_id))
        .where(other.status.in_(HELD), other.retired_at.is_(None), other.unseen_since.is_(None))
        .where(other_plan.uuid == other.plan_uuid, other_plan.expiration_date > now)
        .where(other_plan.customer_agreement_id == SubscriptionPlan.customer_agreement_id)
    )
    rows = session.execute(
        select(License.uuid, License.user_email, License.lms_user_id)
        .join(LicenseEvent, LicenseEvent.license_uuid == License.uuid)
        .join(SubscriptionPlan, SubscriptionPlan.uuid == License.plan_uuid)
        .where(
            _is_of(customer),
            LicenseEvent.event_name == EventName.UNLINKED,
            LicenseEvent.at > now - timedelta(days=1),
            License.email_key.is_not(None),
            ~holds_another,
        )
        .order_by(LicenseEvent.at.desc(), License.uuid)
        .limit(limit)
    )
    return [(uuid, address.strip(), user) for uuid, address, user in rows if address]


@dataclass(frozen=True)
class Content:
    """A customer's stored data, in numbers: equal values mean the same plans and licenses."""

    plans: int
    licenses: int
    checksum: int


def fingerprint(session: Session, customer: UUID) -> Content:
    """Return the customer's plans and licenses, counted and hashed by the database."""
    row = session.execute(
        text("""
            WITH plan AS (
                SELECT plan.* FROM subscription_plan AS plan
                JOIN customer_agreement AS agreement ON agreement.id = plan.customer_agreement_id
                WHERE agreement.enterprise_customer_uuid = :customer
            )
            SELECT (SELECT count(*) FROM plan) AS plans,
                (SELECT coalesce(sum(hashtextextended(plan::text, 0)::numeric), 0) FROM plan) AS plans_sum,
                count(license.uuid) AS licenses,
                coalesce(sum(hashtextextended(license::text, 0)::numeric), 0) AS licenses_sum
            FROM license WHERE plan_uuid IN (SELECT uuid FROM plan)
        """),
        {"customer": customer},
    ).one()
    return Content(row.plans, row.licenses, int(row.plans_sum + row.licenses_sum))


def events_recorded(session: Session, customer: UUID, name: EventName) -> int:
    """Return the number of times that this was done to the customer's licenses."""
    return session.execute(
        select(func.count())
        .select_from(LicenseEvent)
        .join(License, License.uuid == LicenseEvent.license_uuid)
        .join(SubscriptionPlan, SubscriptionPlan.uuid == License.plan_uuid)
        .where(_is_of(customer), LicenseEvent.event_name == name)
    ).scalar_one()


def counted(session: Session, customer: UUID) -> dict[UUID, tuple[int, int]]:
    """Return stored and counted assigned licenses, by plan of the customer.

    License-manager counted the second number. Plans that license-manager has not counted, or no longer lists, are left
    out. A retired license counts if it was held.
    """
    known = License.unseen_since.is_(None) & (License.status != LicenseStatus.UNASSIGNED)
    rows = session.execute(
        select(
            SubscriptionPlan.uuid,
            func.count(License.uuid).filter(known).label("known"),
            SubscriptionPlan.licenses_counted.label("counted"),
        )
        .outerjoin(License, License.plan_uuid == SubscriptionPlan.uuid)
        .where(
            _is_of(customer),
            SubscriptionPlan.unseen_since.is_(None),
            SubscriptionPlan.licenses_counted.is_not(None),
        )
        .group_by(SubscriptionPlan.uuid)
    )
    return {row.uuid: (row.known, row.counted) for row in rows}


def with_unknown_holders(session: Session, customer: UUID, policy: Policy) -> Sequence[UUID]:
    """Return the customer's plans that can protect a learner, and of which fewer licenses are stored than counted.

    The holders of the others are unknown: any learner may be one of them.
    """
    short = [plan for plan, (known, counted_upstream) in counted(session, customer).items() if known < counted_upstream]
    if not short:
        return []
    held = and_(SubscriptionPlan.held_since > policy.hold_cutoff, SubscriptionPlan.held_from >= policy.cutoff)
    protects = or_(SubscriptionPlan.expiration_date >= policy.cutoff, held)
    return session.scalars(
        select(SubscriptionPlan.uuid)
        .where(SubscriptionPlan.uuid.in_(short), SubscriptionPlan.is_active, protects)
        .order_by(SubscriptionPlan.uuid)
    ).all()


def overdue_renewals(session: Session, customer: UUID, now: datetime) -> Sequence[UUID]:
    """Return the customer's expired plans whose renewal is overdue at `now`.

    An overdue renewal holds nothing any longer.
    """
    rows = session.execute(
        select(SubscriptionPlan.uuid)
        .join(PlanRenewal, PlanRenewal.prior_plan_uuid == SubscriptionPlan.uuid)
        .where(
            _is_of(customer),
            ~PlanRenewal.processed,
            SubscriptionPlan.expiration_date <= now,
            func.coalesce(PlanRenewal.effective_date, SubscriptionPlan.expiration_date) <= now - OVERDUE,
        )
        .order_by(SubscriptionPlan.uuid)
    )
    return [row.uuid for row in rows]


def purge_days(session: Session, customers: Collection[UUID] | None = None) -> dict[UUID, int]:
    """Return the days until license-manager erases holders of expired licenses.

    They are given by listed customer.
    """
    query = select(CustomerAgreement.enterprise_customer_uuid, CustomerAgreement.purge_days).where(
        CustomerAgreement.uuid.is_not(None)
    )
    if customers is not None:
        query = query.where(CustomerAgreement.enterprise_customer_uuid.in_(customers))
    return {row.enterprise_customer_uuid: row.purge_days or PURGED_AFTER for row in session.execute(query)}
