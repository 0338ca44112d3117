"""Events as Stripe posts them, with Stripe's signature.

Sources: https://docs.stripe.com/api/events/object and https://docs.stripe.com/webhooks#verify-official-libraries
"""

import json
import time
from typing import Any

from stripe import WebhookSignature


def checkout_event(
    event_id: str, *, client_reference_id: str | None = None, kind: str = "checkout.session.completed", **session: Any
) -> dict[str, Any]:
    """Return a webhook event about a checkout session that was paid; `session` replaces or adds to its fields."""
    paid = {
        "id": f"cs_test_{event_id}",
        "object": "checkout.session",
        "amount_total": 9900,
        "client_reference_id": client_reference_id,
        "currency": "usd",
        "metadata": {},
        "mode": "subscription",
        "payment_status": "paid",
        "status": "complete",
    }
    return _event(event_id, kind, int(time.time()), {**paid, **session})


def money_back_event(event_id: str, kind: str, *, created: Any = None, **fields: Any) -> dict[str, Any]:
    """Return a webhook event of a refund, a dispute or a failed invoice; `fields` replace or add to those of its object."""
    name = {"charge.refunded": "charge", "charge.dispute.created": "dispute"}.get(kind, "invoice")
    moment = int(time.time()) if created is None else created
    return _event(event_id, kind, moment, {"id": f"{name}_{event_id}", "object": name, "currency": "usd", **fields})


def _event(event_id: str, kind: str, created: Any, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": event_id,
        "object": "event",
        "api_version": "2026-10-28.preview",
        "created": created,
        "livemode": False,
        "type": kind,
        "data": {"object": about},
    }


def thin_event(event_id: str, kind: str, session_id: str) -> dict[str, Any]:
    """Return a thin event (`v2`) about a checkout session: it names the session and carries nothing of it."""
    return {
        "id": event_id,
        "object": "v2.core.event",
        "type": kind,
        "livemode": False,
        "created": "2026-11-28T12:00:00.000Z",
        "related_object": {
            "id": session_id,
            "type": "checkout.session",
            "url": f"/v1/checkout/sessions/{session_id}",
        },
    }


def signed(event: Any, secret: str, *, at: float | None = None) -> tuple[bytes, dict[str, str]]:
    """An event as Stripe posts it: the body, and the headers with its signature of that moment (default: now)."""
    body = event if isinstance(event, str) else json.dumps(event)
    moment = int(time.time() if at is None else at)
    header = WebhookSignature.generate_signature_header(body, secret, moment)
    return body.encode(), {"Stripe-Signature": header, "Content-Type": "application/json"}
