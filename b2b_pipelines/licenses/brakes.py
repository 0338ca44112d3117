"""Brakes on licenses: holds, retired licenses and clock checks.

They keep a wrong date or a wrong clock from costing learners their accounts. Set-based, in the caller's transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.errors import NotFound, TransientError
from b2b_pipelines.licenses.expirations import moved_into_the_past
from b2b_pipelines.licenses.facts import Hold

MOST_SKEW = timedelta(minutes=5)
"""How far the clocks of a process and of its database may be apart."""
NAMED = 20
"""The most plans that a message names; further plans are counted."""


class ClockSkewed(TransientError):
    """The clocks of this process and of the database differ.

    No time can be trusted, so nothing is done.
    """

    code = "clock_skewed"


@dataclass(frozen=True, slots=True)
class HeldPlan:
    """A plan whose expiration date was moved into the past, and the end of its hold."""

    plan: UUID
    customer: UUID
    moved_from: datetime
    moved_to: datetime
    until: datetime

    def __str__(self) -> str:
        return (
            f"plan {self.plan} of customer {self.customer}: its expiration date was moved from "
            f"{self.moved_from.isoformat()} to {self.moved_to.isoformat()}; held until {self.until.isoformat()}, "
            f"or until `b2b licenses confirm {self.plan}`"
        )


def process_clock() -> datetime:
    """Return the time by the clock of this process, in UTC."""
    return datetime.now(UTC)


def clock_skew(session: Session) -> timedelta:
    """Return how far the clock of this process is ahead of the database's.

    Zero within five minutes.
    """
    skew = process_clock() - session.execute(text("SELECT clock_timestamp()")).scalar_one()
    return skew if abs(skew) > MOST_SKEW else timedelta(0)


def require_right_clock(session: Session) -> None:
    """Raise `ClockSkewed` when process and database clock differ by more than five minutes."""
    if skew := clock_skew(session):
        direction = "ahead of" if skew > timedelta(0) else "behind"
        raise ClockSkewed(
            f"the clock of this process is {abs(skew).total_seconds():.0f} seconds {direction} the database's: nothing is "
            "terminated or unlinked. Set the clock of the machine that is wrong, then run this again"
        )


def hold_moved_plans(session: Session, now: datetime, length: timedelta) -> list[HeldPlan]:
    """Hold the staged plans whose expiration date moved into the past.

    The holds of corrected plans end. Call it before the staged plans are merged. Returns the plans whose hold begins,
    each once.
    """
    rows = session.execute(
        text("""
            SELECT staged.uuid, staged.expiration_date, known.expiration_date AS known, known.held_since, known.held_from,
                agreement.enterprise_customer_uuid AS customer
            FROM staged_plan AS staged JOIN subscription_plan AS known USING (uuid)
            JOIN customer_agreement AS agreement ON agreement.id = known.customer_agreement_id
            WHERE staged.expiration_date <> known.expiration_date
            ORDER BY customer, staged.uuid
        """)
    ).all()
    holds = {
        row.uuid: moved_into_the_past(row.known, _hold(row.held_from, row.held_since), row.expiration_date, now, length)
        for row in rows
    }
    session.execute(
        text("""
            UPDATE subscription_plan AS known SET held_since = moved.since, held_from = moved.moved_from
            FROM unnest(CAST(:plans AS uuid[]), CAST(:since AS timestamptz[]), CAST(:moved_from AS timestamptz[]))
                AS moved (uuid, since, moved_from)
            WHERE known.uuid = moved.uuid
        """),
        {
            "plans": list(holds),
            "since": [hold.since if hold else None for hold in holds.values()],
            "moved_from": [hold.moved_from if hold else None for hold in holds.values()],
        },
    )
    return [
        HeldPlan(row.uuid, row.customer, hold.moved_from, row.expiration_date, now + length)
        for row in rows
        if (hold := holds[row.uuid])
    ]


def alert_messages(held: Sequence[HeldPlan]) -> list[dict[str, Any]]:
    """Return the one alert about the plans whose hold begins; none without such plans."""
    if not held:
        return []
    more = f"; and {len(held) - NAMED} more" if len(held) > NAMED else ""
    return [
        {
            "event": "plans_held",
            "text": "; ".join(map(str, held[:NAMED])) + more,
            "count": len(held),
            "plans": [
                {
                    "plan": str(each.plan),
                    "customer": str(each.customer),
                    "from": each.moved_from.isoformat(),
                    "to": each.moved_to.isoformat(),
                    "held_until": each.until.isoformat(),
                }
                for each in held[:NAMED]
            ],
        }
    ]


def customer_of(session: Session, plan: UUID) -> UUID:
    """Return the customer of a plan. Raises `NotFound`."""
    customer: UUID | None = session.scalar(
        text("""
            SELECT agreement.enterprise_customer_uuid FROM subscription_plan AS plan
            JOIN customer_agreement AS agreement ON agreement.id = plan.customer_agreement_id WHERE plan.uuid = :plan
        """),
        {"plan": plan},
    )
    if customer is None:
        raise NotFound(f"plan {plan} is not known: `b2b licenses expired` shows the plans of expired licenses")
    return customer


def held_plans(session: Session, now: datetime, length: timedelta) -> list[HeldPlan]:
    """Return the plans that are held at `now`, the oldest hold first."""
    rows = session.execute(
        text("""
            SELECT plan.uuid, plan.held_since, plan.held_from, plan.expiration_date,
                agreement.enterprise_customer_uuid AS customer
            FROM subscription_plan AS plan JOIN customer_agreement AS agreement ON agreement.id = plan.customer_agreement_id
            WHERE plan.held_since > :begun ORDER BY plan.held_since, plan.uuid
        """),
        {"begun": now - length},
    )
    return [
        HeldPlan(row.uuid, row.customer, row.held_from, row.expiration_date, row.held_since + length) for row in rows
    ]


def end_hold(session: Session, plan: UUID, now: datetime, length: timedelta) -> HeldPlan | None:
    """End the hold of a plan. Return the ended hold, or None when the plan is not held at `now`."""
    held = next((each for each in held_plans(session, now, length) if each.plan == plan), None)
    session.execute(
        text("UPDATE subscription_plan SET held_since = NULL, held_from = NULL WHERE uuid = :plan"), {"plan": plan}
    )
    return held


def note_expired_plans(session: Session, now: datetime) -> None:
    """Record the plans that have expired at `now`, by their stored date or the staged one, and those whose date moves.

    Call it before the staged plans are merged.
    """
    session.execute(
        text("""
            CREATE TEMPORARY TABLE plan_moved ON COMMIT DROP AS
            SELECT uuid FROM subscription_plan AS known JOIN staged_plan AS staged USING (uuid)
            WHERE staged.expiration_date <> known.expiration_date
        """)
    )
    session.execute(
        text("""
            CREATE TEMPORARY TABLE plan_over ON COMMIT DROP AS
            SELECT known.uuid FROM subscription_plan AS known LEFT JOIN staged_plan AS staged USING (uuid)
            WHERE least(known.expiration_date, staged.expiration_date) <= CAST(:now AS timestamptz)
                AND (staged.uuid IS NOT NULL
                    OR known.uuid IN (SELECT held.plan_uuid FROM license AS held JOIN staged_license AS staged USING (uuid)
                    WHERE staged.status IN ('revoked', 'unassigned') AND staged.email_key IS NULL))
        """),
        {"now": now},
    )


def note_renewals(session: Session) -> None:
    """Record the renewals that are stored, before an import or a reading changes them."""
    session.execute(
        text("""
            CREATE TEMPORARY TABLE renewal_before ON COMMIT DROP AS
            SELECT known.prior_plan_uuid AS prior, known.renewed_plan_uuid AS renewed, coalesce(plan.is_active, true) AS active
            FROM plan_renewal AS known LEFT JOIN subscription_plan AS plan ON plan.uuid = known.renewed_plan_uuid
        """)
    )


def mark_lost_renewals(session: Session, now: datetime) -> None:
    """Mark the plans whose renewal is gone since `note_renewals`, as of `now`.

    The renewal is deleted, leads to another plan, or leads to a plan that is no longer active. The plans that are renewed
    through such a plan are marked too. Their learners are not unlinked for a while, because the renewal may come back.
    """
    session.execute(
        text("""
            WITH RECURSIVE lost AS (
                SELECT before.prior AS plan FROM renewal_before AS before
                LEFT JOIN plan_renewal AS known ON known.prior_plan_uuid = before.prior
                LEFT JOIN subscription_plan AS renewed ON renewed.uuid = known.renewed_plan_uuid
                WHERE known.prior_plan_uuid IS NULL
                    OR before.renewed <> coalesce(known.renewed_plan_uuid, before.prior)
                    OR before.active AND NOT renewed.is_active
                UNION
                SELECT before.prior FROM renewal_before AS before JOIN lost ON lost.plan = before.renewed
            )
            UPDATE subscription_plan AS plan SET renewal_gone_at = :now FROM lost WHERE plan.uuid = lost.plan
        """),
        {"now": now},
    )


def keep_retired(session: Session, now: datetime) -> None:
    """Keep the holders of staged licenses that license-manager retired (`retire_old_licenses`).

    Such a license was held when last seen, its plan is over, and it comes back without a holder. It stays as it is
    stored, and is marked as retired.
    """
    session.execute(
        text("""
            UPDATE staged_license AS staged SET retired_at = coalesce(known.retired_at, :now), status = known.status,
                user_email = known.user_email, email_key = known.email_key, person_key = known.person_key,
                lms_user_id = known.lms_user_id
            FROM license AS known
            WHERE known.uuid = staged.uuid AND known.status IN ('assigned', 'activated')
                AND staged.status IN ('revoked', 'unassigned') AND staged.email_key IS NULL
                AND (known.retired_at IS NOT NULL OR known.plan_uuid IN (SELECT uuid FROM plan_over))
        """),
        {"now": now},
    )


def restart_retired(session: Session, now: datetime) -> None:
    """Let the retired licenses of plans whose date moved count as retired since `now`.

    A date that moves later makes a plan current again. Its retired licenses protect no other, and a wrong date must not
    cost their holders the accounts at once.
    """
    session.execute(
        text(
            "UPDATE license SET retired_at = :now WHERE retired_at IS NOT NULL AND plan_uuid IN (SELECT uuid FROM plan_moved)"
        ),
        {"now": now},
    )


def forget_retired(session: Session, customer: UUID) -> None:
    """Erase the address and holder of the customer's retired licenses that are unlinked."""
    session.execute(
        text("""
            UPDATE license SET user_email = NULL, email_key = NULL, person_key = NULL, lms_user_id = NULL
            FROM subscription_plan AS plan JOIN customer_agreement AS agreement ON agreement.id = plan.customer_agreement_id
            WHERE plan.uuid = license.plan_uuid AND agreement.enterprise_customer_uuid = :customer
                AND license.retired_at IS NOT NULL
                AND (license.user_email IS NOT NULL OR license.lms_user_id IS NOT NULL)
                AND EXISTS (
                    SELECT FROM license_event AS unlinked
                    WHERE unlinked.license_uuid = license.uuid AND unlinked.event_name = 'unlinked'
                        AND unlinked.plan_expiration = plan.expiration_date
                )
        """),
        {"customer": customer},
    )


def _hold(moved_from: datetime | None, since: datetime | None) -> Hold | None:
    return Hold(moved_from, since) if moved_from and since else None
