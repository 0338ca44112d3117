"""Messages about payments that a person must look at.

They hold ids and amounts, and no e-mail address.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from b2b_pipelines.intents.models import CheckoutSession
from b2b_pipelines.intents.rules import Effect

DIFFERS, OVERDUE = "differs", "overdue"
SUBJECTS: Mapping[str, str] = {
    Effect.PLACE_TAKEN: "payment for a checkout intent whose place is taken",
    Effect.PAID_AGAIN: "checkout intent paid twice",
    Effect.PENDING_PLACE_TAKEN: "slow payment for a checkout intent whose place is taken",
    Effect.PAYMENT_FAILED: "slow payment failed",
    Effect.MONEY_BACK: "money goes back or did not come",
    Effect.UNUSABLE: "Stripe event cannot be used",
    DIFFERS: "checkout session differs from its intent",
    OVERDUE: "slow payment pending for more than 14 days",
}


def payment_alert(
    kind: str,
    reason: str,
    *,
    intent: UUID | None,
    session: str | None,
    amount: int | None = None,
    currency: str | None = None,
) -> dict[str, Any]:
    """Return a message, its amount in minor units. `event` is `payment_` and the kind."""
    subject = SUBJECTS[kind]
    return {
        "event": f"payment_{kind}",
        "text": f"{subject}: {reason} (intent {intent or 'unknown'}, session {session or 'unknown'})",
        "subject": subject,
        "reason": reason,
        "intent": str(intent) if intent else None,
        "session": session,
        "amount_total": amount,
        "currency": currency,
    }


def session_alert(kind: str, reason: str, session: CheckoutSession) -> dict[str, Any]:
    """Return a message about a checkout session, with its amount."""
    return payment_alert(
        kind,
        reason,
        intent=session.intent_uuid,
        session=session.id,
        amount=session.terms.get("amount_total"),
        currency=session.terms.get("currency"),
    )


def overdue(session: CheckoutSession) -> dict[str, Any]:
    """Return the message about a payment that is pending for too long."""
    since = f"{session.pending_since:%Y-%m-%d}" if session.pending_since else "an unknown day"
    return session_alert(OVERDUE, f"pending since {since}: look at the payment in Stripe", session)
