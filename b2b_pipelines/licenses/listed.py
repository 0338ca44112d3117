"""Store the rest of a complete reading of license-manager: renewals and missing records.

Set-based, in the caller's transaction. Absence from a reading deletes only renewals that a reading brought.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.vendors.license_manager import Agreement


@dataclass(frozen=True, slots=True)
class RenewalRow:
    """A renewal of one reading.

    `renewed` stays None until its plan is made, and while that plan cannot be used.
    """

    prior: UUID
    renewed: UUID | None
    effective_date: datetime | None
    processed: bool


def merge_agreement(session: Session, customer: UUID, agreement: Agreement) -> None:
    """Store license-manager's ids and name of a customer.

    An omitted name keeps its stored value.
    """
    session.execute(
        text("""
            INSERT INTO customer_agreement AS known (enterprise_customer_uuid, uuid, slug, name, purge_days)
            VALUES (:customer, :uuid, :slug, coalesce(:name, ''), :purge_days)
            ON CONFLICT (enterprise_customer_uuid) DO UPDATE SET uuid = excluded.uuid,
                slug = coalesce(excluded.slug, known.slug), name = coalesce(nullif(excluded.name, ''), known.name),
                purge_days = excluded.purge_days
        """),
        {
            "customer": customer,
            "uuid": agreement.uuid,
            "slug": agreement.slug,
            "name": agreement.name,
            "purge_days": agreement.purge_days,
        },
    )


def merge_renewals(session: Session, customer: UUID, renewals: Sequence[RenewalRow]) -> None:
    """Store the customer's listed renewals, and delete those that are not listed any more.

    A renewal that a file brought stays, unless a listed one is about the same plans.
    """
    parameters = {
        "customer": customer,
        "priors": [row.prior for row in renewals],
        "renewed": [row.renewed for row in renewals],
        "effective": [row.effective_date for row in renewals],
        "processed": [row.processed for row in renewals],
    }
    session.execute(
        text("""
            DELETE FROM plan_renewal AS known USING subscription_plan AS prior, customer_agreement AS agreement
            WHERE prior.uuid = known.prior_plan_uuid AND agreement.id = prior.customer_agreement_id
                AND agreement.enterprise_customer_uuid = :customer
                AND known.prior_plan_uuid <> ALL(CAST(:priors AS uuid[]))
                AND (known.listed OR known.renewed_plan_uuid = ANY(CAST(:renewed AS uuid[])))
        """),
        parameters,
    )
    session.execute(
        text("""
            INSERT INTO plan_renewal AS known (prior_plan_uuid, renewed_plan_uuid, effective_date, processed, listed)
            SELECT prior, renewed, effective_date, processed, true
            FROM unnest(CAST(:priors AS uuid[]), CAST(:renewed AS uuid[]), CAST(:effective AS timestamptz[]),
                CAST(:processed AS boolean[])) AS listed (prior, renewed, effective_date, processed)
            ON CONFLICT (prior_plan_uuid) DO UPDATE SET renewed_plan_uuid = excluded.renewed_plan_uuid,
                effective_date = excluded.effective_date, processed = excluded.processed, listed = true
            WHERE (known.renewed_plan_uuid, known.effective_date, known.processed, known.listed)
                IS DISTINCT FROM (excluded.renewed_plan_uuid, excluded.effective_date, excluded.processed, true)
                AND (excluded.renewed_plan_uuid IS NOT NULL OR known.listed OR known.renewed_plan_uuid IS NULL)
        """),
        parameters,
    )


def mark_seen(
    session: Session, customer: UUID, unread: Collection[UUID], not_asked: Collection[UUID], now: datetime
) -> int:
    """Mark unlisted records of the customer as unseen since `now`, and listed ones as seen.

    The reading must be complete. A license whose listing stopped after its plan expired is retired as well. The
    `unread` plans were listed, but not all of their licenses were read; of the plans `not_asked`, the revoked ones were
    not. Unassigned licenses are never listed, so their absence means nothing. Return the number of unseen licenses.
    """
    parameters = {"customer": customer, "unread": list(unread), "not_asked": list(not_asked), "now": now}
    session.execute(
        text("""
            UPDATE subscription_plan AS known
            SET unseen_since = CASE WHEN seen.yes THEN NULL ELSE coalesce(known.unseen_since, :now) END
            FROM customer_agreement AS agreement, subscription_plan AS same CROSS JOIN LATERAL (
                SELECT EXISTS (SELECT FROM staged_plan AS staged WHERE staged.uuid = same.uuid)
                    OR same.uuid = ANY(CAST(:unread AS uuid[])) AS yes
            ) AS seen
            WHERE same.uuid = known.uuid AND agreement.id = known.customer_agreement_id
                AND agreement.enterprise_customer_uuid = :customer AND seen.yes = (known.unseen_since IS NOT NULL)
        """),
        parameters,
    )
    session.execute(
        text("""
            UPDATE license AS known
            SET unseen_since = CASE WHEN seen.yes THEN NULL ELSE coalesce(known.unseen_since, :now) END,
                retired_at = CASE WHEN NOT seen.yes AND known.status IN ('assigned', 'activated')
                    AND plan.expiration_date <= coalesce(known.unseen_since, CAST(:now AS timestamptz))
                    THEN coalesce(known.retired_at, :now) ELSE known.retired_at END
            FROM customer_agreement AS agreement
            JOIN subscription_plan AS plan ON plan.customer_agreement_id = agreement.id
            JOIN license AS same ON same.plan_uuid = plan.uuid
            CROSS JOIN LATERAL (
                SELECT EXISTS (SELECT FROM staged_license AS staged WHERE staged.uuid = same.uuid) AS yes
            ) AS seen
            WHERE same.uuid = known.uuid AND agreement.enterprise_customer_uuid = :customer
                AND known.status <> 'unassigned' AND plan.uuid <> ALL(CAST(:unread AS uuid[]))
                AND NOT (plan.uuid = ANY(CAST(:not_asked AS uuid[]))
                    AND (known.status = 'revoked' OR known.retired_at IS NOT NULL))
                AND (seen.yes = (known.unseen_since IS NOT NULL)
                    OR NOT seen.yes AND known.retired_at IS NULL AND known.status IN ('assigned', 'activated')
                        AND plan.expiration_date <= known.unseen_since)
        """),
        parameters,
    )
    unseen = """
        SELECT count(*) FROM customer_agreement AS agreement
        JOIN subscription_plan AS plan ON plan.customer_agreement_id = agreement.id JOIN license ON license.plan_uuid = plan.uuid
        WHERE agreement.enterprise_customer_uuid = :customer AND license.unseen_since IS NOT NULL
    """
    return session.scalar(text(unseen), parameters) or 0


def plans_with_holders(session: Session, customer: UUID) -> set[UUID]:
    """Return the customer's plans of which a license is stored as held and seen."""
    return set(
        session.scalars(
            text("""
                SELECT DISTINCT plan.uuid FROM customer_agreement AS agreement
                JOIN subscription_plan AS plan ON plan.customer_agreement_id = agreement.id
                JOIN license ON license.plan_uuid = plan.uuid
                WHERE agreement.enterprise_customer_uuid = :customer AND license.status IN ('assigned', 'activated')
                    AND license.retired_at IS NULL AND license.unseen_since IS NULL
            """),
            {"customer": customer},
        )
    )
