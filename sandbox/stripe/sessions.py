"""Checkout sessions of the Stripe stand-in. Each act on a session posts one signed event to the product.

Paid at once, or by bank debit (`complete`, `unpaid`, then a second event): https://docs.stripe.com/checkout/fulfillment
`status` and `payment_status`: https://docs.stripe.com/api/checkout/sessions/object
Expired sessions, refunds and disputes: https://docs.stripe.com/api/events/types
An event may come more than once: https://docs.stripe.com/webhooks
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from sandbox.stripe.events import checkout_event, money_back_event, signed

WEBHOOK_SECRET = "whsec_sandbox"
"""The secret that signs events, unless another one is set."""
EVENTS_URL = "http://127.0.0.1:8000/api/v1/stripe/events/"
"""The product's address for events when `b2b api` runs with its defaults."""
PATIENCE = 20.0


class EventNotTaken(ValueError):
    """The product did not accept an event. The message has its address and its answer."""


@dataclass
class Session:
    """A checkout session. `events` are those that were posted; the effect of one that the product refused is None."""

    id: str
    client_reference_id: str | None = None
    amount_total: int = 9900
    currency: str = "usd"
    mode: str = "subscription"
    metadata: dict[str, str] = field(default_factory=dict)
    payment_status: str = "unpaid"
    status: str = "open"
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def payment_intent(self) -> str:
        return f"pi_{self.id.removeprefix('cs_')}"

    def about(self, kind: str) -> dict[str, Any]:
        """Return an event with the present state of this session."""
        shown = {name: value for name, value in asdict(self).items() if name != "events"}
        return checkout_event(_event_id(), kind=kind, payment_intent=self.payment_intent, **shown)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "payment_intent": self.payment_intent, "acts": list(ACTS)}


def _pay(session: Session) -> dict[str, Any]:
    session.status, session.payment_status = "complete", "paid"
    return session.about("checkout.session.completed")


def _pay_by_bank(session: Session) -> dict[str, Any]:
    session.status, session.payment_status = "complete", "unpaid"
    return session.about("checkout.session.completed")


def _bank_pays(session: Session) -> dict[str, Any]:
    session.payment_status = "paid"
    return session.about("checkout.session.async_payment_succeeded")


def _bank_fails(session: Session) -> dict[str, Any]:
    return session.about("checkout.session.async_payment_failed")


def _expire(session: Session) -> dict[str, Any]:
    session.status = "expired"
    return session.about("checkout.session.expired")


def _refund(session: Session) -> dict[str, Any]:
    money = {"amount_refunded": session.amount_total, "currency": session.currency}
    return money_back_event(_event_id(), "charge.refunded", payment_intent=session.payment_intent, **money)


def _dispute(session: Session) -> dict[str, Any]:
    money = {"amount": session.amount_total, "currency": session.currency}
    return money_back_event(_event_id(), "charge.dispute.created", payment_intent=session.payment_intent, **money)


def _send_again(session: Session) -> dict[str, Any]:
    if not session.events:
        raise ValueError("no event of this session was sent yet")
    event: dict[str, Any] = session.events[-1]["event"]
    return event


ACTS: Mapping[str, Callable[[Session], dict[str, Any]]] = {
    "pay": _pay,
    "pay-by-bank": _pay_by_bank,
    "bank-pays": _bank_pays,
    "bank-fails": _bank_fails,
    "expire": _expire,
    "refund": _refund,
    "dispute": _dispute,
    "send-again": _send_again,
}


class Till:
    """The sessions, and the address to which their events are posted."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.url, self.secret = EVENTS_URL, WEBHOOK_SECRET

    def open(self, client_reference_id: str | None = None, **fields: Any) -> Session:
        """Open a session for a checkout intent."""
        session = Session(f"cs_test_{uuid.uuid4().hex}", client_reference_id, **fields)
        self.sessions[session.id] = session
        return session

    def act(self, session_id: str, act: str) -> dict[str, Any]:
        """Do something with a session and post its event; return the product's answer.

        Raises `KeyError` for an unknown session or act, and `EventNotTaken`.
        """
        session = self.sessions[session_id]
        event = ACTS[act](session)
        sent: dict[str, Any] = {"type": event["type"], "at": time.time(), "effect": None, "event": event}
        session.events.append(sent)
        answer = self.post(event)
        sent["effect"] = answer["effect"]
        return answer

    def post(self, event: dict[str, Any]) -> dict[str, Any]:
        """Post an event, signed, to the product. Raises `EventNotTaken`."""
        body, headers = signed(event, self.secret)
        try:
            answer = httpx.post(self.url, content=body, headers=headers, timeout=PATIENCE)
        except httpx.HTTPError as error:
            raise EventNotTaken(f"{self.url} does not answer ({type(error).__name__}): start `b2b api`") from None
        if not answer.is_success:
            raise EventNotTaken(f"{self.url} answered {answer.status_code}: {answer.text[:200]}")
        found: dict[str, Any] = answer.json()
        return found

    def dump(self) -> Any:
        return {"url": self.url, "secret": self.secret, "sessions": [asdict(each) for each in self.sessions.values()]}

    def load(self, state: Any) -> None:
        self.url, self.secret = state["url"], state["secret"]
        self.sessions = {each["id"]: Session(**each) for each in state["sessions"]}


def _event_id() -> str:
    return f"evt_{uuid.uuid4().hex[:16]}"
