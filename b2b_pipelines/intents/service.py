"""What is done with checkout intents: reserve, find, move on by events and reports, clean up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from psycopg2.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from b2b_pipelines.alerts import outbox
from b2b_pipelines.errors import Conflict, InvalidInput, NotFound, Refused
from b2b_pipelines.intents import store
from b2b_pipelines.intents.models import CheckoutIntent
from b2b_pipelines.intents.rules import (
    ERRORED,
    Effect,
    IntentState,
    Payment,
    effect_on,
    errored_state,
    payment_in,
    require_step,
)
from b2b_pipelines.learners.service import Person
from b2b_pipelines.learners.store import ensure_learner

ATTEMPTS = 3
STALLED = "paid, and nothing was provisioned in time"
PLACES = {
    "uq_checkout_intent_place_of_learner": "the learner has another intent for the product",
    "uq_checkout_intent_place_of_slug": "the enterprise slug is reserved",
    "uq_checkout_intent_place_of_name": "the enterprise name is reserved",
}


class PlaceTaken(Conflict):
    """The slug or the name is reserved by an intent of somebody: it is not said whose."""

    code: ClassVar[str] = "enterprise_reserved"


class IntentErrored(Refused):
    """The learner's attempt to buy this product was paid and went wrong: people must see to it first."""

    code: ClassVar[str] = "intent_errored"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a learner wants to buy. None leaves what is known of an open intent as it is."""

    learner: Person
    stripe_product_id: str = ""
    enterprise_name: str = ""
    enterprise_slug: str = ""
    quantity: int | None = None
    country: str | None = None
    terms_metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """What an event did, to which intent. No effect: it had come before, and did nothing now."""

    effect: Effect | None
    intent: UUID | None = None


def reserve(session: Session, wish: Wish, now: datetime, reservation: timedelta) -> tuple[CheckoutIntent, bool]:
    """The learner's open intent for the product, and whether it is new.

    An open one is updated, its terms merged and its reservation renewed; a paid one comes back as it is. Raises
    `InvalidInput` for a name without a slug or the other way round, `IntentErrored` when the last attempt went wrong,
    `PlaceTaken` for a slug or name that another intent holds. Of any number of calls at once, one makes the intent.
    """
    if bool(wish.enterprise_name) != bool(wish.enterprise_slug):
        raise InvalidInput("enterprise_name and enterprise_slug come together: give both or neither")
    learner = ensure_learner(session, wish.learner.email, wish.learner.name, wish.learner.lms_user_id)
    places = store.holding_places_of(learner.id, wish.stripe_product_id, wish.enterprise_slug, wish.enterprise_name)
    store.expire(session, now, places)
    for _ in range(ATTEMPTS):
        found = store.place_of_learner(session, learner.id, wish.stripe_product_id)
        if found is not None:
            return _renewed(session, found, wish, now + reservation), False
        made = store.add(session, _values(wish, learner.id, now, now + reservation))
        if made is not None:
            return _known(session, made), True
    raise PlaceTaken("The enterprise slug or name is reserved.")


def for_user(
    session: Session,
    email: str,
    now: datetime,
    *,
    stripe_product_id: str | None = None,
    enterprise_slug: str | None = None,
) -> CheckoutIntent | None:
    """The learner's newest intent that is created (and not past its reservation) or paid.

    `stripe_product_id` of `""` is the Teams plan; None is any product.
    """
    return store.newest(session, email, now, stripe_product_id, enterprise_slug)


def find(session: Session, uuid: UUID) -> CheckoutIntent:
    """The intent. Raises `NotFound`."""
    return _known(session, uuid)


def amend(
    session: Session, uuid: UUID, *, country: str | None = None, terms_metadata: Mapping[str, Any] | None = None
) -> CheckoutIntent:
    """Change what a learner may change of an intent in any state; terms are merged."""
    intent = _known(session, uuid, lock=True)
    if country is not None:
        intent.country = country
    if terms_metadata:
        intent.terms_metadata = {**intent.terms_metadata, **terms_metadata}
    return intent


def fulfill(session: Session, uuid: UUID, now: datetime) -> CheckoutIntent:
    """Note that what was bought is there. Again is no change; raises `Conflict` for one that is not paid or errored."""
    intent = _known(session, uuid, lock=True)
    if require_step(intent.state, IntentState.FULFILLED):
        _move(intent, IntentState.FULFILLED, now)
    return intent


def fail(session: Session, uuid: UUID, state: str, reason: str, now: datetime) -> CheckoutIntent:
    """Note that a paid intent went wrong, and how. Raises `InvalidInput` for a state that is no error, `Conflict` for an
    intent that cannot go there."""
    errored = errored_state(state)
    intent = _known(session, uuid, lock=True)
    if require_step(intent.state, errored):
        _move(intent, errored, now)
        intent.last_error = reason
    return intent


def receive_event(session: Session, event: Mapping[str, Any], now: datetime) -> EventOutcome:
    """Let a verified event of Stripe have its effect, once for each event id, in this transaction.

    What people must see to is kept for telling them (`outbox.send`).
    """
    payment = payment_in(event)
    if not store.record_event(session, event["id"], event["type"], now, Effect.OTHER_TYPE):
        return EventOutcome(None)
    if payment is None:
        return EventOutcome(Effect.OTHER_TYPE)
    intent = _named(session, payment)
    outcome = _received(session, intent, payment, now)
    store.note_effect(session, event["id"], str(outcome.effect), outcome.intent, _note(payment, now))
    return outcome


def clean_up(session: Session, now: datetime, stalled_after: timedelta) -> tuple[int, list[UUID]]:
    """Let reservations that have ended expire, and mark what was paid too long ago as stalled: how many, and which."""
    return store.expire(session, now), store.stall(session, now, now - stalled_after, STALLED)


def _received(session: Session, intent: CheckoutIntent | None, payment: Payment, now: datetime) -> EventOutcome:
    if intent is None:
        return EventOutcome(Effect.UNKNOWN_INTENT)
    if not payment.paid:
        return EventOutcome(Effect.NOT_PAID, intent.uuid)
    effect = effect_on(intent.state, intent.stripe_checkout_session_id, payment)
    if effect is Effect.PAID_AGAIN:
        reason = (
            f"the intent is {intent.state} already, by another session: one of the payments may have to be returned"
        )
        outbox.keep(session, [_alert(effect, "checkout intent paid twice", intent, payment, reason)])
    if effect is not Effect.PAID:
        return EventOutcome(effect, intent.uuid)
    store.expire(session, now, _others_in_the_way(intent))
    taken = _pay(session, intent, payment, now)
    if taken is None:
        return EventOutcome(Effect.PAID, intent.uuid)
    intent.stripe_checkout_session_id, intent.payment = payment.session_id, _note(payment, now)
    intent.last_error, intent.lost_place = f"paid when its place was taken: {taken}", True
    if intent.state not in ERRORED:
        _move(intent, IntentState.ERRORED_PROVISIONING, now)
    session.flush()
    subject = "payment for a checkout intent whose place is taken"
    outbox.keep(session, [_alert(Effect.PLACE_TAKEN, subject, intent, payment, taken)])
    return EventOutcome(Effect.PLACE_TAKEN, intent.uuid)


def _pay(session: Session, intent: CheckoutIntent, payment: Payment, now: datetime) -> str | None:
    """Move the intent to paid, which takes its place; what stands in the way, if the place is taken."""
    try:
        with session.begin_nested():
            _move(intent, IntentState.PAID, now)
            intent.lost_place = False
            intent.stripe_checkout_session_id, intent.payment = payment.session_id, _note(payment, now)
            session.flush()
    except IntegrityError as error:
        return _place_in(error)
    return None


def _place_in(error: IntegrityError) -> str:
    """Which place the database says is taken. Any other violation is raised."""
    constraint = error.orig.diag.constraint_name if isinstance(error.orig, UniqueViolation) else None
    if constraint not in PLACES:
        raise error
    return PLACES[constraint]


def _others_in_the_way(intent: CheckoutIntent) -> Any:
    return (CheckoutIntent.uuid != intent.uuid) & store.holding_places_of(
        intent.learner_id, intent.stripe_product_id, intent.enterprise_slug, intent.enterprise_name
    )


def _named(session: Session, payment: Payment) -> CheckoutIntent | None:
    """The intent that a payment names, locked: the preferred name that there is an intent for."""
    for uuid in payment.names:
        if (found := store.intent(session, uuid, lock=True)) is not None:
            return found
    return None


def _renewed(session: Session, intent: CheckoutIntent, wish: Wish, expires_at: datetime) -> CheckoutIntent:
    if intent.state == IntentState.PAID:
        return intent
    if intent.state in ERRORED:
        raise IntentErrored("The last attempt to buy this was paid and went wrong: it must be settled first.")
    try:
        with session.begin_nested():
            intent.expires_at = expires_at
            intent.terms_metadata = {**intent.terms_metadata, **wish.terms_metadata}
            if wish.enterprise_slug:
                intent.enterprise_name, intent.enterprise_slug = wish.enterprise_name, wish.enterprise_slug
            if wish.quantity is not None:
                intent.quantity = wish.quantity
            if wish.country is not None:
                intent.country = wish.country
            session.flush()
    except IntegrityError as error:
        _place_in(error)
        raise PlaceTaken("The enterprise slug or name is reserved.") from None
    return intent


def _values(wish: Wish, learner_id: int, now: datetime, expires_at: datetime) -> dict[str, Any]:
    return {
        "learner_id": learner_id,
        "state": IntentState.CREATED,
        "stripe_product_id": wish.stripe_product_id,
        "enterprise_name": wish.enterprise_name,
        "enterprise_slug": wish.enterprise_slug,
        "quantity": wish.quantity or 1,
        "country": wish.country or "",
        "terms_metadata": dict(wish.terms_metadata),
        "expires_at": expires_at,
        "state_changed_at": now,
    }


def _known(session: Session, uuid: UUID, *, lock: bool = False) -> CheckoutIntent:
    found = store.intent(session, uuid, lock=lock)
    if found is None:
        raise NotFound(f"no checkout intent {uuid}: `b2b intents list` shows those there are")
    return found


def _move(intent: CheckoutIntent, state: IntentState, now: datetime) -> None:
    intent.state, intent.state_changed_at = state, now


def _note(payment: Payment, now: datetime) -> dict[str, Any]:
    """A payment as it is kept with what it paid for."""
    return {
        "session": payment.session_id,
        "amount_total": payment.amount_total,
        "currency": payment.currency,
        "at": now.isoformat(),
    }


def _alert(effect: Effect, subject: str, intent: CheckoutIntent, payment: Payment, reason: str) -> dict[str, Any]:
    return {
        "event": f"payment_{effect}",
        "text": f"{subject}: {reason} (intent {intent.uuid}, session {payment.session_id})",
        "subject": subject,
        "reason": reason,
        "intent": str(intent.uuid),
        "session": payment.session_id,
        "amount_total": payment.amount_total,
        "currency": payment.currency,
    }
