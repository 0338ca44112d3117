"""The table of decisions as one statement for any number of licenses.

First match wins, for every expired license that is assigned or activated. `trusted` are plans with the end that a
decision trusts: while a plan is on hold, the later date from which it was moved. `holder` looks people up by address and
by LMS user separately, so that an index serves each. A test compares the statement with `tests/licenses/reference.py`,
which decides about one license in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from b2b_pipelines.licenses.facts import OVERDUE, Policy
from b2b_pipelines.licenses.rules import Decision, Verdict

if TYPE_CHECKING:  # a command that lists decisions needs none of it, and it takes a third of a second to import
    from sqlalchemy.orm import Session

# The given licenses, and all others of the same people: the closure over addresses and LMS users.
PEOPLE = """
person AS (
    SELECT uuid, person_key, lms_user_id FROM license WHERE uuid = ANY(CAST(:licenses AS uuid[]))
    UNION
    SELECT other.uuid, other.person_key, other.lms_user_id
    FROM person CROSS JOIN LATERAL (
        SELECT uuid, person_key, lms_user_id FROM license WHERE license.person_key = person.person_key
        UNION ALL
        SELECT uuid, person_key, lms_user_id FROM license WHERE license.lms_user_id = person.lms_user_id
    ) AS other
),
"""

# Other licenses of the holders of those past their grace, by the address or by the LMS user.
SAME_PERSON = """
    SELECT expired.license_uuid, expired.agreement_id, other.uuid, other.plan_uuid,
        coalesce(other.retired_at, other.unseen_since) AS lost_at
    FROM expired JOIN license AS other ON other.{key} = expired.{key}
    WHERE expired.expiration_date < :cutoff
        AND other.uuid <> expired.license_uuid AND other.status IN ('assigned', 'activated')
        AND coalesce(coalesce(other.retired_at, other.unseen_since) > :hold_cutoff, true)
"""

VERDICTS = """
WITH RECURSIVE {people}
expired AS MATERIALIZED (
    SELECT license.uuid AS license_uuid, license.plan_uuid, license.email_key, license.person_key, license.user_email,
        license.lms_user_id, license.renewed_to, license.unseen_since, license.retired_at, plan.expiration_date,
        plan.held_since, plan.held_from, plan.renewal_gone_at, agreement.id AS agreement_id,
        agreement.enterprise_customer_uuid AS customer
    FROM customer_agreement AS agreement
    JOIN subscription_plan AS plan ON plan.customer_agreement_id = agreement.id
    JOIN license ON license.plan_uuid = plan.uuid
    WHERE plan.expiration_date <= :now
        AND license.status IN ('assigned', 'activated')
        AND (:include_internal OR NOT (
            plan.for_internal_use_only
            OR coalesce(plan.plan_type <> '' AND lower(plan.plan_type) = ANY(CAST(:internal_types AS text[])), false)))
        AND (CAST(:customer AS uuid) IS NULL OR agreement.enterprise_customer_uuid = :customer)
        AND (CAST(:plan AS uuid) IS NULL OR plan.uuid = :plan)
        {narrowed}
),
trusted AS NOT MATERIALIZED (
    SELECT uuid, customer_agreement_id, is_active, CASE WHEN held_since > :hold_cutoff
        THEN greatest(expiration_date, held_from) ELSE expiration_date END AS until
    FROM subscription_plan
),
renewal AS (
    SELECT known.prior_plan_uuid, known.renewed_plan_uuid, NOT known.processed AS pending,
        coalesce(renewed.until > :now, false) AS current, renewed.until
    FROM plan_renewal AS known JOIN subscription_plan AS prior ON prior.uuid = known.prior_plan_uuid
    LEFT JOIN trusted AS renewed ON renewed.uuid = known.renewed_plan_uuid
    WHERE (renewed.uuid IS NULL OR renewed.is_active)
        AND (known.processed OR coalesce(known.effective_date, prior.expiration_date) > :overdue)
),
chain AS (
    SELECT prior_plan_uuid AS plan_uuid, renewed_plan_uuid, pending, current, until FROM renewal
    WHERE prior_plan_uuid IN (SELECT plan_uuid FROM expired)
    UNION
    SELECT chain.plan_uuid, renewal.renewed_plan_uuid, renewal.pending, renewal.current, renewal.until
    FROM chain JOIN renewal ON renewal.prior_plan_uuid = chain.renewed_plan_uuid
    WHERE NOT chain.pending AND NOT chain.current
),
renewing AS (
    SELECT plan_uuid, CASE WHEN current THEN renewed_plan_uuid END AS renewed_plan, CASE WHEN current THEN until END AS until
    FROM chain WHERE pending OR current
),
same_person AS ({same_person}),
holder AS (
    SELECT DISTINCT ON (same_person.license_uuid)
        same_person.license_uuid, same_person.uuid AS protector, plan.until, same_person.lost_at AS missing_since
    FROM same_person JOIN trusted AS plan ON plan.uuid = same_person.plan_uuid
    WHERE plan.customer_agreement_id = same_person.agreement_id AND plan.is_active AND plan.until >= :cutoff
    ORDER BY same_person.license_uuid, same_person.lost_at DESC NULLS FIRST, plan.until DESC, same_person.uuid
),
verdict AS (
    SELECT expired.*,
        successor.uuid AS successor, successor_plan.until AS successor_until,
        renewing.renewed_plan, renewing.until AS renewed_until,
        terminated.at AS terminated_at, unlinked.at AS unlinked_at, refused.at AS refused_at,
        holder.protector, holder.until AS protected_until, holder.missing_since,
        CASE WHEN expired.renewal_gone_at > terminated.at THEN expired.renewal_gone_at END AS gone_at,
        CASE
            WHEN expired.held_since > :hold_cutoff THEN 'held'
            WHEN successor.uuid IS NOT NULL THEN 'renewed'
            WHEN renewing.plan_uuid IS NOT NULL THEN 'plan_renewal_pending'
            WHEN terminated.id IS NULL THEN 'terminate'
            WHEN expired.expiration_date >= :cutoff
                OR greatest(terminated.at, expired.renewal_gone_at) > :hold_cutoff THEN 'in_grace'
            WHEN unlinked.id IS NOT NULL THEN 'already_unlinked'
            WHEN expired.email_key IS NULL THEN 'no_email'
            WHEN refused.email_key IS NOT NULL THEN 'refused'
            WHEN holder.protector IS NOT NULL AND holder.missing_since IS NULL THEN 'protected'
            WHEN NOT expired.customer = ANY(CAST(:unlinking AS uuid[])) THEN 'unlink_disabled'
            ELSE 'unlink'
        END AS decision
    FROM expired
    LEFT JOIN (license AS successor JOIN trusted AS successor_plan ON successor_plan.uuid = successor.plan_uuid)
        ON successor.uuid = expired.renewed_to AND successor.status IN ('assigned', 'activated')
        AND successor.retired_at IS NULL AND successor.unseen_since IS NULL AND successor_plan.until > :now
    LEFT JOIN renewing ON renewing.plan_uuid = expired.plan_uuid
    LEFT JOIN license_event AS terminated ON terminated.license_uuid = expired.license_uuid
        AND terminated.event_name = 'terminated' AND terminated.plan_expiration = expired.expiration_date
    LEFT JOIN license_event AS unlinked ON unlinked.license_uuid = expired.license_uuid
        AND unlinked.event_name = 'unlinked' AND unlinked.plan_expiration = expired.expiration_date
    LEFT JOIN refused_address AS refused
        ON refused.customer_agreement_id = expired.agreement_id AND refused.email_key = expired.email_key
    LEFT JOIN holder ON holder.license_uuid = expired.license_uuid
)
SELECT license_uuid, plan_uuid, customer, expiration_date, decision, email_key, user_email, lms_user_id, unseen_since,
    retired_at IS NOT NULL AS retired,
    CASE decision WHEN 'renewed' THEN successor WHEN 'plan_renewal_pending' THEN renewed_plan
        WHEN 'protected' THEN protector END AS witness,
    CASE decision WHEN 'held' THEN held_from WHEN 'renewed' THEN successor_until
        WHEN 'plan_renewal_pending' THEN renewed_until WHEN 'already_unlinked' THEN unlinked_at
        WHEN 'refused' THEN refused_at WHEN 'protected' THEN protected_until
        WHEN 'in_grace' THEN CASE WHEN gone_at > :hold_cutoff THEN gone_at END END AS moment,
    CASE decision WHEN 'held' THEN held_since WHEN 'in_grace' THEN
        CASE WHEN coalesce(gone_at, terminated_at) > :hold_cutoff THEN coalesce(gone_at, terminated_at) END END AS since,
    CASE decision WHEN 'unlink' THEN missing_since END AS missing_since,
    count(*) OVER () AS total
FROM verdict
WHERE CAST(:decision AS text) IS NULL OR decision = :decision
ORDER BY customer, expiration_date, plan_uuid, license_uuid
LIMIT :limit OFFSET :offset
"""

VERDICT_FIELDS = [field.name for field in fields(Verdict)]


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict with fields for its executor only.

    `address` is the stored address, and `email_key` is the key by which it is compared. `unseen_since` is the time when
    license-manager stopped listing the license.
    """

    verdict: Verdict
    address: str | None
    email_key: str | None
    lms_user_id: int | None
    unseen_since: datetime | None

    def as_row(self, policy: Policy) -> dict[str, Any]:
        """Return the fields that command and API show, without the address."""
        return {
            "license_uuid": self.verdict.license_uuid,
            "plan_uuid": self.verdict.plan_uuid,
            "decision": self.verdict.decision,
            "reason": self.verdict.reason(policy),
            "customer": self.verdict.customer,
            "expiration_date": self.verdict.expiration_date,
            "no_longer_seen_since": self.unseen_since,
        }


@dataclass(frozen=True)
class Page:
    """A page of decisions, and the number of all of them.

    The order is customer, expiration, plan and license.
    """

    decided: Sequence[Decided]
    total: int


def decide(
    session: Session,
    policy: Policy,
    *,
    customer: UUID | None = None,
    plan: UUID | None = None,
    licenses: Sequence[UUID] | None = None,
    decision: Decision | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> Page:
    """Return the decision about every expired license, in one statement.

    Narrowed down to a customer, a plan, `licenses` with all others of the same people, or a decision; and to a page.
    """
    from sqlalchemy import text

    given = parameters(policy, customer=customer, plan=plan, decision=decision, limit=limit, offset=offset)
    narrowing = {} if licenses is None else {"licenses": list(licenses)}
    rows = session.execute(text(statement(of_people=licenses is not None)), given | narrowing).mappings().all()
    decided = decided_in(rows)
    if not rows and offset:
        return Page([], decide(session, policy, customer=customer, plan=plan, decision=decision, limit=1).total)
    return Page(decided, rows[0]["total"] if rows else 0)


def statement(*, of_people: bool = False) -> str:
    """Return the statement that decides; `of_people` narrows it to `:licenses` and all others of the same people."""
    return VERDICTS.format(
        people=PEOPLE if of_people else "",
        same_person="UNION ALL".join(SAME_PERSON.format(key=key) for key in ("person_key", "lms_user_id")),
        narrowed="AND license.uuid IN (SELECT uuid FROM person)" if of_people else "",
    )


def decided_in(rows: Iterable[Mapping[Any, Any]]) -> list[Decided]:
    """Return the decisions in the rows of the statement."""
    return [
        Decided(
            Verdict(**{name: row[name] for name in VERDICT_FIELDS} | {"decision": Decision(row["decision"])}),
            address=row["user_email"],
            email_key=row["email_key"],
            lms_user_id=row["lms_user_id"],
            unseen_since=row["unseen_since"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many licenses, and people by their addresses, of a customer have one decision with the same dates."""

    customer: UUID
    decision: Decision
    expiration_date: datetime
    since: datetime | None
    licenses: int
    people: int

    def unlinked_on(self, policy: Policy) -> datetime | None:
        """Return when people in their grace period are unlinked if nothing changes; None for other decisions."""
        if self.decision != Decision.IN_GRACE:
            return None
        ends = self.expiration_date + policy.grace
        return max(ends, self.since + policy.hold) if self.since else ends


TALLIES = """
SELECT customer, decision, expiration_date, date_trunc('day', since, 'UTC') AS since, count(*) AS licenses,
       count(DISTINCT email_key) AS people
FROM ({verdicts}) AS decided
GROUP BY 1, 2, 3, 4 ORDER BY 1, 3, 2
"""


def tallies(session: Session, policy: Policy) -> Sequence[Tally]:
    """Return the decisions about every expired license, counted. One query."""
    from sqlalchemy import text

    counting = text(TALLIES.format(verdicts=statement()))
    rows = session.execute(counting, parameters(policy)).all()
    return [
        Tally(row.customer, Decision(row.decision), row.expiration_date, row.since, row.licenses, row.people)
        for row in rows
    ]


def parameters(policy: Policy, **narrowing: Any) -> dict[str, Any]:
    """Return the parameters of the statement: the policy's, and those of `customer, plan, decision, limit, offset`."""
    return {
        "now": policy.now,
        "cutoff": policy.cutoff,
        "hold_cutoff": policy.hold_cutoff,
        "overdue": policy.now - OVERDUE,
        "include_internal": policy.include_internal,
        "internal_types": sorted(policy.internal_plan_types),
        "unlinking": list(policy.unlinking),
        "customer": None,
        "plan": None,
        "decision": None,
        "limit": None,
        "offset": 0,
        **narrowing,
    }
