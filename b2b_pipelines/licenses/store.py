"""Queries on plans, licenses and what was done about them. Set-based; they decide nothing but `decide`, and do not commit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from b2b_pipelines.errors import NotFound
from b2b_pipelines.licenses.models import (
    CustomerAgreement,
    ExpiredLicense,
    License,
    LicenseEvent,
    PlanRenewal,
    RefusedAddress,
    SubscriptionPlan,
)
from b2b_pipelines.licenses.rules import HELD, Decision, EventName, LicenseStatus, Policy, Verdict

# The table of decisions, first match wins, for every expired license that somebody holds. `rules.decide` says the same
# of one license. `holder` looks people up by address and by LMS user separately, so that an index serves each.
VERDICTS = """
WITH expired AS MATERIALIZED (
    SELECT license.uuid AS license_uuid, license.plan_uuid, license.email_key, license.user_email, license.lms_user_id,
        license.renewed_to, license.unseen_since, plan.expiration_date, agreement.id AS agreement_id,
        agreement.enterprise_customer_uuid AS customer
    FROM customer_agreement AS agreement
    JOIN subscription_plan AS plan ON plan.customer_agreement_id = agreement.id
    JOIN license ON license.plan_uuid = plan.uuid
    WHERE plan.expiration_date <= :now
        AND license.status IN ('assigned', 'activated')
        AND (:include_internal OR NOT plan.for_internal_use_only)
        AND (CAST(:customer AS uuid) IS NULL OR agreement.enterprise_customer_uuid = :customer)
        AND (CAST(:plan AS uuid) IS NULL OR plan.uuid = :plan)
),
same_person AS (
    SELECT expired.license_uuid, expired.agreement_id, other.uuid, other.plan_uuid
    FROM expired JOIN license AS other ON other.email_key = expired.email_key
    WHERE expired.expiration_date < :cutoff
        AND other.uuid <> expired.license_uuid AND other.status IN ('assigned', 'activated')
    UNION ALL
    SELECT expired.license_uuid, expired.agreement_id, other.uuid, other.plan_uuid
    FROM expired JOIN license AS other ON other.lms_user_id = expired.lms_user_id
    WHERE expired.expiration_date < :cutoff
        AND other.uuid <> expired.license_uuid AND other.status IN ('assigned', 'activated')
),
holder AS (
    SELECT DISTINCT ON (same_person.license_uuid)
        same_person.license_uuid, same_person.uuid AS protector, plan.expiration_date
    FROM same_person JOIN subscription_plan AS plan ON plan.uuid = same_person.plan_uuid
    WHERE plan.customer_agreement_id = same_person.agreement_id AND plan.is_active AND plan.expiration_date >= :cutoff
    ORDER BY same_person.license_uuid, plan.expiration_date DESC, same_person.uuid
),
verdict AS (
    SELECT expired.*,
        successor.uuid AS successor, successor_plan.expiration_date AS successor_until,
        renewed_plan.uuid AS renewed_plan, renewed_plan.expiration_date AS renewed_until,
        unlinked.at AS unlinked_at, refused.at AS refused_at,
        holder.protector, holder.expiration_date AS protected_until,
        CASE
            WHEN successor.uuid IS NOT NULL THEN 'renewed'
            WHEN renewed_plan.uuid IS NOT NULL OR NOT renewal.processed THEN 'plan_renewal_pending'
            WHEN terminated.id IS NULL THEN 'terminate'
            WHEN expired.expiration_date >= :cutoff THEN 'in_grace'
            WHEN unlinked.id IS NOT NULL THEN 'already_unlinked'
            WHEN expired.email_key IS NULL THEN 'no_email'
            WHEN refused.email_key IS NOT NULL THEN 'refused'
            WHEN holder.protector IS NOT NULL THEN 'protected'
            WHEN NOT expired.customer = ANY(CAST(:unlinking AS uuid[])) THEN 'unlink_disabled'
            ELSE 'unlink'
        END AS decision
    FROM expired
    LEFT JOIN (license AS successor JOIN subscription_plan AS successor_plan ON successor_plan.uuid = successor.plan_uuid)
        ON successor.uuid = expired.renewed_to AND successor.status IN ('assigned', 'activated')
        AND successor_plan.expiration_date > :now
    LEFT JOIN plan_renewal AS renewal ON renewal.prior_plan_uuid = expired.plan_uuid
    LEFT JOIN subscription_plan AS renewed_plan
        ON renewed_plan.uuid = renewal.renewed_plan_uuid AND renewed_plan.expiration_date > :now
    LEFT JOIN license_event AS terminated ON terminated.license_uuid = expired.license_uuid
        AND terminated.event_name = 'terminated' AND terminated.plan_expiration = expired.expiration_date
    LEFT JOIN license_event AS unlinked ON unlinked.license_uuid = expired.license_uuid
        AND unlinked.event_name = 'unlinked' AND unlinked.plan_expiration = expired.expiration_date
    LEFT JOIN refused_address AS refused
        ON refused.customer_agreement_id = expired.agreement_id AND refused.email_key = expired.email_key
    LEFT JOIN holder ON holder.license_uuid = expired.license_uuid
)
SELECT license_uuid, plan_uuid, customer, expiration_date, decision, email_key, user_email, lms_user_id, unseen_since,
    CASE decision WHEN 'renewed' THEN successor WHEN 'plan_renewal_pending' THEN renewed_plan
        WHEN 'protected' THEN protector END AS witness,
    CASE decision WHEN 'renewed' THEN successor_until WHEN 'plan_renewal_pending' THEN renewed_until
        WHEN 'already_unlinked' THEN unlinked_at WHEN 'refused' THEN refused_at
        WHEN 'protected' THEN protected_until END AS moment,
    count(*) OVER () AS total
FROM verdict
WHERE CAST(:decision AS text) IS NULL OR decision = :decision
ORDER BY customer, expiration_date, plan_uuid, license_uuid
LIMIT :limit OFFSET :offset
"""


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict with what only those may see who act on it: `address` is as it came, `email_key` as it is sent.

    `unseen_since` is when license-manager stopped listing the license.
    """

    verdict: Verdict
    address: str | None
    email_key: str | None
    lms_user_id: int | None
    unseen_since: datetime | None


@dataclass(frozen=True)
class Page:
    """Some of the decisions, in the order of customer, expiration, plan and license, and how many there are in all."""

    decided: Sequence[Decided]
    total: int


def decide(
    session: Session,
    policy: Policy,
    *,
    customer: UUID | None = None,
    plan: UUID | None = None,
    decision: Decision | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> Page:
    """The decision about every expired license, in one statement however many there are.

    Narrowed down to a customer, a plan or a decision, and to a page of those.
    """
    rows = session.execute(
        text(VERDICTS),
        {
            "now": policy.now,
            "cutoff": policy.cutoff,
            "include_internal": policy.include_internal,
            "unlinking": list(policy.unlinking),
            "customer": customer,
            "plan": plan,
            "decision": decision,
            "limit": limit,
            "offset": offset,
        },
    ).all()
    decided = [
        Decided(
            Verdict(
                license_uuid=row.license_uuid,
                plan_uuid=row.plan_uuid,
                customer=row.customer,
                expiration_date=row.expiration_date,
                decision=Decision(row.decision),
                witness=row.witness,
                moment=row.moment,
            ),
            row.user_email,
            row.email_key,
            row.lms_user_id,
            row.unseen_since,
        )
        for row in rows
    ]
    if not rows and offset:
        return Page([], decide(session, policy, customer=customer, plan=plan, decision=decision, limit=1).total)
    return Page(decided, rows[0].total if rows else 0)


def agreements(session: Session, customer: UUID | None = None) -> Sequence[CustomerAgreement]:
    """The customers there are, or the one that is asked for. Raises `NotFound`."""
    query = select(CustomerAgreement).order_by(CustomerAgreement.enterprise_customer_uuid)
    if customer is None:
        return session.scalars(query).all()
    found = session.scalars(query.where(CustomerAgreement.enterprise_customer_uuid == customer)).all()
    if not found:
        raise NotFound(f"no customer {customer}: `b2b licenses customers` shows those there are")
    return found


def customers(session: Session) -> Sequence[UUID]:
    """The enterprise customers there are."""
    return session.scalars(select(CustomerAgreement.enterprise_customer_uuid)).all()


def customer_counts(session: Session) -> Sequence[Row[Any]]:
    """A row a customer: `customer, name, slug, plans, licenses, expired_plans, unseen`; expired as of the transaction."""
    plans = (
        select(
            SubscriptionPlan.customer_agreement_id.label("agreement_id"),
            func.count().label("plans"),
            func.count().filter(SubscriptionPlan.expiration_date <= func.now()).label("expired_plans"),
        )
        .group_by(SubscriptionPlan.customer_agreement_id)
        .subquery()
    )
    licenses = (
        select(
            SubscriptionPlan.customer_agreement_id.label("agreement_id"),
            func.count().label("licenses"),
            func.count(License.unseen_since).label("unseen"),
        )
        .join(License, License.plan_uuid == SubscriptionPlan.uuid)
        .group_by(SubscriptionPlan.customer_agreement_id)
        .subquery()
    )
    return session.execute(
        select(
            CustomerAgreement.enterprise_customer_uuid.label("customer"),
            CustomerAgreement.name,
            CustomerAgreement.slug,
            func.coalesce(plans.c.plans, 0).label("plans"),
            func.coalesce(plans.c.expired_plans, 0).label("expired_plans"),
            func.coalesce(licenses.c.licenses, 0).label("licenses"),
            func.coalesce(licenses.c.unseen, 0).label("unseen"),
        )
        .outerjoin(plans, plans.c.agreement_id == CustomerAgreement.id)
        .outerjoin(licenses, licenses.c.agreement_id == CustomerAgreement.id)
        .order_by(CustomerAgreement.name, CustomerAgreement.enterprise_customer_uuid)
    ).all()


def renewals(session: Session, customer: UUID) -> dict[UUID, UUID]:
    """The customer's plans that are continued by another one: prior → renewed."""
    rows = session.execute(
        select(PlanRenewal.prior_plan_uuid, PlanRenewal.renewed_plan_uuid)
        .join(SubscriptionPlan, SubscriptionPlan.uuid == PlanRenewal.prior_plan_uuid)
        .join(CustomerAgreement, CustomerAgreement.id == SubscriptionPlan.customer_agreement_id)
        .where(CustomerAgreement.enterprise_customer_uuid == customer, PlanRenewal.renewed_plan_uuid.is_not(None))
    )
    return {prior: renewed for prior, renewed in rows if renewed}


def record_events(session: Session, name: EventName, verdicts: Iterable[Verdict], *, run_id: str) -> int:
    """Note what was done about these licenses, for the expiration it was done for; how many were not noted before."""
    rows = [
        {
            "license_uuid": verdict.license_uuid,
            "event_name": name,
            "plan_expiration": verdict.expiration_date,
            "run_id": run_id,
        }
        for verdict in verdicts
    ]
    inserted = insert(LicenseEvent).on_conflict_do_nothing().returning(LicenseEvent.id)
    return len(session.scalars(inserted, rows).all()) if rows else 0


def record_processed(session: Session, plan: UUID, expiration: datetime) -> None:
    """Note that the enrollments of all the plan's licenses were ended, for this expiration."""
    session.execute(
        update(SubscriptionPlan)
        .where(SubscriptionPlan.uuid == plan, SubscriptionPlan.expiration_date == expiration)
        .values(processed_for=expiration, processed_at=func.now())
    )


def record_refusals(session: Session, customer: UUID, words: Mapping[str, str], *, run_id: str) -> None:
    """Note the addresses that the LMS refused alone, with its words."""
    if not words:
        return
    agreement = agreements(session, customer)[0]
    rows = [
        {"customer_agreement_id": agreement.id, "email_key": key, "words": said, "run_id": run_id}
        for key, said in words.items()
    ]
    session.execute(insert(RefusedAddress).on_conflict_do_nothing(), rows)


def replace_decisions(session: Session, customer: UUID, policy: Policy, verdicts: Iterable[Verdict]) -> None:
    """Keep these as what was last decided about the customer's licenses."""
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
    """The licenses that were unlinked without, or before, their enrollments being ended. There should be none."""
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
        .join(CustomerAgreement, CustomerAgreement.id == SubscriptionPlan.customer_agreement_id)
        .where(
            CustomerAgreement.enterprise_customer_uuid == customer,
            unlinked.event_name == EventName.UNLINKED,
            ~ended_before,
        )
        .order_by(unlinked.license_uuid)
    ).all()


def recently_unlinked(session: Session, customer: UUID, limit: int) -> Sequence[tuple[UUID, str]]:
    """Licenses unlinked within a day, with the address it was done by, latest first. Who holds a license that has not
    expired is left out: such a learner may rightly be linked again."""
    other, other_plan = aliased(License), aliased(SubscriptionPlan)
    holds_another = (
        exists()
        .where(other.email_key == License.email_key, other.status.in_(HELD))
        .where(other_plan.uuid == other.plan_uuid, other_plan.expiration_date > func.now())
        .where(other_plan.customer_agreement_id == SubscriptionPlan.customer_agreement_id)
    )
    rows = session.execute(
        select(License.uuid, License.email_key)
        .join(LicenseEvent, LicenseEvent.license_uuid == License.uuid)
        .join(SubscriptionPlan, SubscriptionPlan.uuid == License.plan_uuid)
        .join(CustomerAgreement, CustomerAgreement.id == SubscriptionPlan.customer_agreement_id)
        .where(
            CustomerAgreement.enterprise_customer_uuid == customer,
            LicenseEvent.event_name == EventName.UNLINKED,
            LicenseEvent.at > func.now() - timedelta(days=1),
            License.email_key.is_not(None),
            ~holds_another,
        )
        .order_by(LicenseEvent.at.desc(), License.uuid)
        .limit(limit)
    )
    return [(uuid, key) for uuid, key in rows if key]


@dataclass(frozen=True)
class Content:
    """What is known of a customer, in numbers: two that are equal mean the same plans and licenses."""

    plans: int
    licenses: int
    checksum: int


def fingerprint(session: Session, customer: UUID) -> Content:
    """The customer's plans and licenses, counted and hashed by the database."""
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
    """How often this was done to the customer's licenses."""
    return session.execute(
        select(func.count())
        .select_from(LicenseEvent)
        .join(License, License.uuid == LicenseEvent.license_uuid)
        .join(SubscriptionPlan, SubscriptionPlan.uuid == License.plan_uuid)
        .join(CustomerAgreement, CustomerAgreement.id == SubscriptionPlan.customer_agreement_id)
        .where(CustomerAgreement.enterprise_customer_uuid == customer, LicenseEvent.event_name == name)
    ).scalar_one()


def given_out(session: Session, customer: UUID) -> dict[UUID, int]:
    """By plan of the customer that license-manager lists: how many licenses it lists of it, as far as we know."""
    listed = License.unseen_since.is_(None) & (License.status != LicenseStatus.UNASSIGNED)
    rows = session.execute(
        select(SubscriptionPlan.uuid, func.count(License.uuid).filter(listed).label("licenses"))
        .join(CustomerAgreement, CustomerAgreement.id == SubscriptionPlan.customer_agreement_id)
        .outerjoin(License, License.plan_uuid == SubscriptionPlan.uuid)
        .where(CustomerAgreement.enterprise_customer_uuid == customer, SubscriptionPlan.unseen_since.is_(None))
        .group_by(SubscriptionPlan.uuid)
    )
    return {row.uuid: row.licenses for row in rows}
