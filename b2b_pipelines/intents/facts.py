"""Facts in Stripe's events: about a checkout session, or about money that goes back. Pure.

Each event type states a fact. Facts of one session add up to a status that does not depend on their order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from b2b_pipelines.errors import InvalidInput

COMPLETED = "checkout.session.completed"
PAID_WORDS = ("paid", "no_payment_required")
LONGEST_ID = 255
LAST_SECOND = 253_402_300_799
"""The last second of the year 9999."""


class SessionStatus(StrEnum):
    """The status of a session's money.

    A later member outranks an earlier one in any order of events.
    """

    SETUP = "setup"
    EXPIRED = "expired"
    PENDING = "pending"
    FAILED = "failed"
    PAID = "paid"


RANK = {status: rank for rank, status in enumerate(SessionStatus)}
STATUS_OF_TYPE = {
    "checkout.session.async_payment_succeeded": SessionStatus.PAID,
    "checkout.session.async_payment_failed": SessionStatus.FAILED,
    "checkout.session.expired": SessionStatus.EXPIRED,
}
SESSION_TYPES = frozenset((COMPLETED, *STATUS_OF_TYPE))
MONEY_BACK_TYPES = frozenset(("charge.refunded", "charge.dispute.created", "invoice.payment_failed"))


@dataclass(frozen=True, slots=True)
class SessionFact:
    """The facts of an event about a checkout session.

    `names` are the uuids that may be the intent's, the preferred one first. `links` are ids by kind: `payment_intent`,
    `subscription`, `customer`. `terms` hold `amount` (minor units, before discounts and taxes), `amount_total`,
    `currency` and `products`. `paid_anyway`: the session expired or failed, and is marked as paid. `opened` is the time
    when the session was made; None for a value that is not a time.
    """

    session_id: str
    status: SessionStatus
    names: tuple[UUID, ...]
    links: Mapping[str, str]
    terms: Mapping[str, Any]
    paid_anyway: bool
    opened: datetime | None = None
    in_metadata: UUID | None = None
    """The uuid in `metadata.checkout_intent_uuid`."""


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """A refund, a dispute or a failed invoice.

    `entry` is stored with the intent, its amount in minor units.
    """

    entry: Mapping[str, Any]
    links: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unusable:
    """An event about a checkout session that cannot be used, and why.

    `about_us` is certain where it cannot be checked.
    """

    reason: str
    session_id: str | None
    names: tuple[UUID, ...]
    about_us: bool


class SessionMalformed(InvalidInput):
    """An id or currency holds characters that no such thing has, and that cannot be kept."""

    code = "invalid_event"


def read_event(event: Mapping[str, Any], now: datetime) -> SessionFact | MoneyBack | Unusable | None:
    """Return the facts of an event.

    None if it concerns neither sessions nor money that goes back. Raises `SessionMalformed`.
    """
    kind = str(event.get("type"))
    if _is_thin(event):
        return _thin(event, kind)
    data = event.get("data")
    subject = data.get("object") if isinstance(data, Mapping) else None
    if kind in SESSION_TYPES:
        return _session_fact(kind, subject)
    if kind in MONEY_BACK_TYPES and isinstance(subject, Mapping):
        return _money_back(kind, event, subject, now)
    if isinstance(subject, Mapping) and (
        subject.get("object") == "checkout.session" or kind.startswith("checkout.session.")
    ):
        return Unusable(f"events of type {kind} are not understood", _text(subject.get("id")), _names(subject), False)
    return None


def later(one: SessionStatus, other: SessionStatus) -> SessionStatus:
    """Return the status that two facts about a session add up to."""
    return max(one, other, key=RANK.__getitem__)


def leads_to(event: Mapping[str, str], session: Mapping[str, str]) -> int:
    """Return how surely an event's links match a session's.

    3 by payment intent, 2 by subscription, 1 by customer. 0 without a match. A customer counts only where the event is
    not about another payment or subscription.
    """

    def same(kind: str) -> bool:
        return kind in event and event[kind] == session.get(kind)

    def differs(kind: str) -> bool:
        return kind in event and kind in session and event[kind] != session[kind]

    if same("payment_intent"):
        return 3
    if same("subscription"):
        return 2
    elsewhere = "subscription" in event and "payment_intent" in session and "subscription" not in session
    return int(same("customer") and not differs("payment_intent") and not differs("subscription") and not elsewhere)


def as_texts(links: Mapping[str, str]) -> list[str]:
    """Return links as they are stored: `kind:id`, sorted."""
    return sorted(f"{kind}:{value}" for kind, value in links.items())


def as_links(texts: Sequence[str]) -> dict[str, str]:
    """Return stored links by kind."""
    return dict(text.split(":", 1) for text in texts)


def _is_thin(event: Mapping[str, Any]) -> bool:
    """Return whether the event is thin.

    Source: https://docs.stripe.com/event-destinations#thin-events
    """
    return str(event.get("object", "")).startswith("v2.") or "related_object" in event or "data" not in event


def _thin(event: Mapping[str, Any], kind: str) -> Unusable | None:
    related = event.get("related_object")
    related = related if isinstance(related, Mapping) else {}
    names_session = related.get("type") == "checkout.session" or "checkout.session." in kind
    if not names_session:
        return None
    reason = "it is a thin event: have Stripe send snapshot events to this endpoint"
    return Unusable(reason, _text(related.get("id")), (), True)


def _session_fact(kind: str, session: object) -> SessionFact | Unusable:
    if not isinstance(session, Mapping):
        return Unusable("it carries no checkout session", None, (), True)
    session_id, names = _plain(session.get("id")), _names(session)
    if not session_id:
        return Unusable("its checkout session has no id", None, names, True)
    status = _status(kind, session)
    if status is None:
        words = f"mode {_shown(session.get('mode'))} with payment_status {_shown(session.get('payment_status'))}"
        return Unusable(f"a session of {words} is not understood", session_id, names, False)
    return SessionFact(
        session_id=session_id,
        status=status,
        names=names,
        links=_links(session),
        terms=_terms(session),
        paid_anyway=status in (SessionStatus.EXPIRED, SessionStatus.FAILED) and session.get("payment_status") == "paid",
        opened=_moment(session.get("created")),
        in_metadata=_in_metadata(session),
    )


def _status(kind: str, session: Mapping[str, Any]) -> SessionStatus | None:
    """Return the status in a session event; None for a value that Stripe does not document."""
    mode, payment = session.get("mode"), session.get("payment_status")
    if mode == "setup":
        return None if payment == "paid" else SessionStatus.SETUP
    if kind != COMPLETED:
        return STATUS_OF_TYPE[kind]
    if mode not in ("payment", "subscription") and not (mode is None and payment == "paid"):
        return None
    if payment in PAID_WORDS:
        return SessionStatus.PAID
    return SessionStatus.PENDING if payment == "unpaid" else None


def _terms(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return the amounts, currency and products of a session, as far as it has them.

    Prices that Stripe converted count in the currency of the price (`currency_conversion`).
    """
    converted = session.get("currency_conversion")
    source = converted if isinstance(converted, Mapping) else session
    total, subtotal = _amount(source.get("amount_total")), _amount(source.get("amount_subtotal"))
    currency = _plain(source.get("source_currency") or source.get("currency"))
    terms = {
        "amount_total": _amount(session.get("amount_total")),
        "amount": total if subtotal is None else subtotal,
        "currency": currency.lower() if currency else None,
        "products": sorted(_products(session)),
    }
    return {name: value for name, value in terms.items() if value not in (None, [])}


def _products(session: Mapping[str, Any]) -> set[str]:
    items, metadata = session.get("line_items"), session.get("metadata")
    rows = items.get("data") if isinstance(items, Mapping) else None
    prices = [row.get("price") for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    named = [price.get("product") for price in prices if isinstance(price, Mapping)]
    if isinstance(metadata, Mapping):
        named.append(metadata.get("stripe_product_id"))
    return {found for found in map(_id, named) if found}


def _links(subject: Mapping[str, Any]) -> dict[str, str]:
    ids = {kind: _id(subject.get(kind)) for kind in ("payment_intent", "subscription", "customer")}
    return {kind: value for kind, value in ids.items() if value}


def _money_back(kind: str, event: Mapping[str, Any], subject: Mapping[str, Any], now: datetime) -> MoneyBack:
    """Return the refund, dispute or failed invoice of an event.

    Source: https://docs.stripe.com/api/events/types, the objects `charge`, `dispute` and `invoice`.
    """
    links = _links(subject)
    charge, parent = subject.get("charge"), subject.get("parent")
    if isinstance(charge, Mapping):
        links = _links(charge) | links
    if isinstance(parent, Mapping) and isinstance(details := parent.get("subscription_details"), Mapping):
        links = _links(details) | links
    currency = _plain(subject.get("currency"))
    entry = {
        "type": kind,
        "amount": _amount_back(kind, event, subject),
        "currency": currency.lower() if currency else None,
        "time": _time(event.get("created"), now).isoformat(),
        "object": _id(subject.get("id")),
    }
    if kind == "invoice.payment_failed":
        entry["attempt"] = _amount(subject.get("attempt_count"))
    if kind == "charge.refunded":
        entry["refunded_in_all"] = _amount(subject.get("amount_refunded"))
    return MoneyBack(entry, links)


def _amount_back(kind: str, event: Mapping[str, Any], subject: Mapping[str, Any]) -> int | None:
    """Return the amount of one refund if the event has the earlier sum, else of all refunds."""
    if kind == "invoice.payment_failed":
        return _first_amount(subject, "amount_remaining", "amount_due")
    amount = _first_amount(subject, "amount_refunded", "amount")
    previous = event["data"].get("previous_attributes")
    before = _amount(previous.get("amount_refunded")) if isinstance(previous, Mapping) else None
    return amount if amount is None or before is None else amount - before


def _first_amount(subject: Mapping[str, Any], *names: str) -> int | None:
    return next((found for name in names if (found := _amount(subject.get(name))) is not None), None)


def _amount(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(value: object, now: datetime) -> datetime:
    """Return the time of an event; `now` for a value that is not a time in the past."""
    moment = _moment(value)
    return moment if moment is not None and moment < now else now


def _moment(value: object) -> datetime | None:
    """Return a time that Stripe gives in seconds since 1970; None for a value that is not one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LAST_SECOND:
        return datetime.fromtimestamp(value, UTC)
    return None


def _names(subject: Mapping[str, Any]) -> tuple[UUID, ...]:
    named = (_uuid(subject.get("client_reference_id")), _in_metadata(subject))
    return tuple(uuid for uuid in named if uuid is not None)


def _in_metadata(subject: Mapping[str, Any]) -> UUID | None:
    metadata = subject.get("metadata")
    return _uuid(metadata.get("checkout_intent_uuid")) if isinstance(metadata, Mapping) else None


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _id(value: object) -> str | None:
    """Return an id, given directly or within its object; None for a value that is not an id."""
    return _text(value.get("id") if isinstance(value, Mapping) else value) or None


def _plain(value: object) -> str | None:
    """Return a text unchanged; None for anything else."""
    if isinstance(value, str) and _text(value) is None:
        raise SessionMalformed("An id or currency in the event is not plain text of at most 255 characters.")
    return _text(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_ID else None


def _shown(value: object) -> str:
    """Return a short word of Stripe's in quotes; the type of any other value."""
    return f"'{value}'" if isinstance(value, str) and value.isidentifier() and len(value) < 40 else type(value).__name__
