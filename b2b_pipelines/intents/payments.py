"""Stripe's verified events.

Each takes effect once, and facts of one session add up in any order. Events that share a session or a payment wait for
each other (advisory locks), then lock the intent's row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from b2b_pipelines.academies import store as academy_store
from b2b_pipelines.alerts import outbox
from b2b_pipelines.intents import store
from b2b_pipelines.intents.alerts import DIFFERS, payment_alert, session_alert
from b2b_pipelines.intents.facts import (
    MoneyBack,
    SessionFact,
    SessionStatus,
    Unusable,
    as_links,
    as_texts,
    later,
    leads_to,
    read_event,
)
from b2b_pipelines.intents.models import CheckoutIntent, CheckoutSession
from b2b_pipelines.intents.rules import ERRORED, Effect, IntentState, Trigger, differences, step

BY_CUSTOMER = 1
ROUNDED = timedelta(seconds=5)
"""How much earlier than the reservation a session of it can seem to be opened: Stripe cuts times to seconds."""


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """The effect of an event, and its intent. Without an effect the event is a repetition."""

    effect: Effect | None
    intent: UUID | None = None


def receive_event(session: Session, event: Mapping[str, Any], now: datetime) -> EventOutcome:
    """Apply a verified event of Stripe, once for each event id, in this transaction.

    Alerts are kept in the same transaction and sent later (`outbox.send`). Raises `SessionMalformed`.
    """
    fact = read_event(event, now)
    if not store.record_event(session, event["id"], event["type"], now, Effect.OTHER_TYPE):
        return EventOutcome(None)
    noted: dict[str, Any] = {}
    if isinstance(fact, SessionFact):
        outcome = _receive_session(session, fact, now)
        noted = {"payment": {"session": fact.session_id, "status": str(fact.status), **fact.terms}}
    elif isinstance(fact, MoneyBack):
        outcome = _receive_money_back(session, fact)
        noted = {"links": as_texts(fact.links), "money_back": dict(fact.entry)}
    elif isinstance(fact, Unusable):
        outcome = _receive_unusable(session, event["type"], fact)
    else:
        return EventOutcome(Effect.OTHER_TYPE)
    store.note_effect(session, event["id"], str(outcome.effect), outcome.intent, **noted)
    return outcome


def _receive_session(session: Session, fact: SessionFact, now: datetime) -> EventOutcome:
    stored = store.checkout_session(session, fact.session_id)
    links = {*as_texts(fact.links), *(stored.links if stored else ())}
    store.lock_facts(session, fact.session_id, sorted(links))
    known = store.checkout_session(session, fact.session_id)
    before = known.status if known else None
    if known is None:
        known = CheckoutSession(id=fact.session_id, status=fact.status, links=[], terms={}, differences=[])
        session.add(known)
    _merge(known, fact, now)
    bound = known.intent_uuid is not None
    intent = store.intent(session, known.intent_uuid, lock=True) if known.intent_uuid else _named(session, fact.names)
    if intent is None:
        _alert_unknown_intent(session, known, fact)
        return EventOutcome(Effect.UNKNOWN_INTENT)
    known.intent_uuid = intent.uuid
    session.flush()
    _compare(session, intent, known)
    if bound and known.status == before:
        effect = Effect.ALREADY_PAID if before == SessionStatus.PAID else Effect.ALREADY_KNOWN
    else:
        effect = _apply(session, intent, known, fact, now)
    _alert_contradictions(session, intent, known, fact)
    _collect_money_back(session, intent, known)
    return EventOutcome(effect, intent.uuid)


def _merge(known: CheckoutSession, fact: SessionFact, now: datetime) -> None:
    """Add an event's facts to the stored facts of its session."""
    known.status = later(SessionStatus(known.status), fact.status)
    known.links = as_texts({**as_links(known.links), **fact.links})
    known.terms = {**known.terms, **fact.terms}
    known.updated_at = now
    if known.status == SessionStatus.PENDING and known.pending_since is None:
        known.pending_since = now


def _named(session: Session, names: Sequence[UUID]) -> CheckoutIntent | None:
    """Return the intent that a session names, locked: the preferred name that exists."""
    found = (store.intent(session, uuid, lock=True) for uuid in names)
    return next((intent for intent in found if intent is not None), None)


def _compare(session: Session, intent: CheckoutIntent, known: CheckoutSession) -> None:
    """Record how the session differs from its intent, and alert about new differences."""
    if known.status not in (SessionStatus.PAID, SessionStatus.PENDING):
        return
    product = intent.stripe_product_id
    offered = intent.offered_prices or academy_store.offered_prices(session, product)
    found = differences(known.terms, offered, product, intent.quantity)
    if not product:
        sold = [each for each in known.terms.get("products", ()) if academy_store.offered_prices(session, each)]
        found += [f"product {each}, expected the Teams plan" for each in sold]
    if set(found) - set(known.differences):
        outbox.keep(session, [session_alert(DIFFERS, "; ".join(found), known)])
    known.differences = found


def _apply(
    session: Session, intent: CheckoutIntent, known: CheckoutSession, fact: SessionFact, now: datetime
) -> Effect:
    """Let a session's new status move its intent."""
    match SessionStatus(known.status):
        case SessionStatus.PAID:
            return _pay(session, intent, known, now)
        case SessionStatus.PENDING:
            return _hold(session, intent, known, now)
        case SessionStatus.FAILED:
            return _fail(session, intent, known, now)
        case SessionStatus.EXPIRED:
            if _is_replaced(intent, fact):
                return Effect.OLD_SESSION_EXPIRED
            if intent.pending_since is None and (state := step(intent.state, Trigger.SESSION_EXPIRED)):
                intent.move(state, now)
            return Effect.SESSION_EXPIRED
        case SessionStatus.SETUP:
            return Effect.NOT_PAID


def _is_replaced(intent: CheckoutIntent, fact: SessionFact) -> bool:
    """Return whether the learner has renewed the reservation since the session was opened.

    The shop then opens another session, and only that one can end the reservation.
    """
    if intent.renewed_at is None or fact.opened is None:
        return False
    return fact.opened < intent.renewed_at - ROUNDED


def _pay(session: Session, intent: CheckoutIntent, known: CheckoutSession, now: datetime) -> Effect:
    again = store.has_other_payment(session, intent.uuid, known.id)
    if step(intent.state, Trigger.PAYMENT) is None:
        if not again:  # fulfilled before any money came
            _note_payment(intent, known, now)
        _report_second_payment(session, intent, known, f"the intent is {intent.state} already")
        return Effect.PAID_AGAIN
    taken = _take_place(session, intent, IntentState.PAID, now)
    _note_payment(intent, known, now)
    if again:
        _report_second_payment(session, intent, known, "another session paid for it before")
    if taken is None:
        return Effect.PAID
    intent.last_error, intent.lost_place = f"paid when its place was taken: {taken}", True
    if intent.state not in ERRORED:
        intent.move(IntentState.ERRORED_PROVISIONING, now)
    outbox.keep(session, [session_alert(Effect.PLACE_TAKEN, taken, known)])
    return Effect.PLACE_TAKEN


def _report_second_payment(session: Session, intent: CheckoutIntent, known: CheckoutSession, why: str) -> None:
    intent.last_error = f"paid again by session {known.id}"
    reason = f"{why}: a payment may have to be returned"
    outbox.keep(session, [session_alert(Effect.PAID_AGAIN, reason, known)])


def _hold(session: Session, intent: CheckoutIntent, known: CheckoutSession, now: datetime) -> Effect:
    """Let a pending payment hold the intent's place, as far as the intent waits for a payment."""
    if step(intent.state, Trigger.PAYMENT_PENDING) is None:
        return Effect.PENDING
    if taken := _take_place(session, intent, IntentState.CREATED, now):
        reason = f"{taken}: cancel the payment in Stripe, or expect it without a place"
        intent.last_error = f"session {known.id} is being paid when its place is taken: {taken}"
        outbox.keep(session, [session_alert(Effect.PENDING_PLACE_TAKEN, reason, known)])
        return Effect.PENDING_PLACE_TAKEN
    intent.pending_since = intent.pending_since or now
    intent.stripe_checkout_session_id = known.id
    return Effect.PENDING


def _fail(session: Session, intent: CheckoutIntent, known: CheckoutSession, now: datetime) -> Effect:
    reason = "no money came: agree with the customer how they pay"
    state = step(intent.state, Trigger.PAYMENT_FAILED)
    if state is not None and (taken := _take_place(session, intent, state, now)) is not None:
        reason = f"{reason}; {taken}, so the intent stays {intent.state}"
    elif state is not None:
        intent.stripe_checkout_session_id, intent.last_error = known.id, f"the payment of session {known.id} failed"
    outbox.keep(session, [session_alert(Effect.PAYMENT_FAILED, reason, known)])
    return Effect.PAYMENT_FAILED


def _take_place(session: Session, intent: CheckoutIntent, state: IntentState, now: datetime) -> str | None:
    """Move the intent to a state that holds its place.

    If the place is taken, return the obstacle and change nothing.
    """
    if intent.state == state:
        return None
    store.expire(session, now, _others_in_the_way(intent))
    try:
        with session.begin_nested():
            intent.move(state, now)
            intent.lost_place = False
            session.flush()
    except IntegrityError as error:
        return store.place_in(error)
    return None


def _others_in_the_way(intent: CheckoutIntent) -> Any:
    return (CheckoutIntent.uuid != intent.uuid) & store.holding_places_of(
        intent.learner_id, intent.stripe_product_id, intent.enterprise_slug, intent.enterprise_name
    )


def _note_payment(intent: CheckoutIntent, known: CheckoutSession, now: datetime) -> None:
    intent.stripe_checkout_session_id = known.id
    intent.payment = {
        "session": known.id,
        "amount_total": known.terms.get("amount_total"),
        "currency": known.terms.get("currency"),
        "products": known.terms.get("products", []),
        "differences": known.differences,
        "at": now.isoformat(),
    }


def _alert_unknown_intent(session: Session, known: CheckoutSession, fact: SessionFact) -> None:
    """Alert about money for an intent that does not exist.

    Only `metadata.checkout_intent_uuid` is certainly meant for an intent: other shops of the account set
    `client_reference_id` too.
    """
    if fact.in_metadata is not None and fact.status in (SessionStatus.PAID, SessionStatus.PENDING):
        reason = f"its session names the intent {fact.in_metadata}, which does not exist: look at it in Stripe"
        outbox.keep(session, [session_alert(Effect.UNUSABLE, reason, known)])


def _alert_contradictions(session: Session, intent: CheckoutIntent, known: CheckoutSession, fact: SessionFact) -> None:
    """Alert about a session that names two intents, or that both failed and was paid."""
    reasons = []
    named = {uuid: store.intent(session, uuid) for uuid in fact.names[:1] if uuid != intent.uuid}
    reasons += [f"its session names the intent {uuid} too" for uuid, other in named.items() if other is not None]
    if fact.paid_anyway or (fact.status is SessionStatus.FAILED and known.status == SessionStatus.PAID):
        reasons.append(f"its session {fact.status}, and was paid as well")
    outbox.keep(
        session, [session_alert(Effect.UNUSABLE, f"{reason}: look at it in Stripe", known) for reason in reasons]
    )


def _receive_money_back(session: Session, fact: MoneyBack) -> EventOutcome:
    links = as_texts(fact.links)
    store.lock_facts(session, None, links)
    candidates = store.linked_sessions(session, links) if links else ()
    ranked = sorted(candidates, key=lambda each: leads_to(fact.links, as_links(each.links)), reverse=True)
    if not ranked or not leads_to(fact.links, as_links(ranked[0].links)) or ranked[0].intent_uuid is None:
        return EventOutcome(Effect.UNKNOWN_INTENT)
    intent = store.intent(session, ranked[0].intent_uuid, lock=True)
    assert intent is not None
    return EventOutcome(_note_money_back(session, intent, ranked[0].id, fact.entry), intent.uuid)


def _collect_money_back(session: Session, intent: CheckoutIntent, known: CheckoutSession) -> None:
    """Record money that went back before the event of its session came.

    This is a refund, a dispute or a failed invoice. By the customer alone, only those count that came after the intent
    was made.
    """
    ours = as_links(known.links)
    for event in store.unmatched_money_back(session, known.links) if known.links else ():
        strength = leads_to(as_links(event.links), ours)
        if strength > BY_CUSTOMER or (strength == BY_CUSTOMER and event.received_at >= intent.created_at):
            effect = _note_money_back(session, intent, known.id, event.money_back or {})
            store.note_effect(session, event.id, str(effect), intent.uuid)


def _note_money_back(session: Session, intent: CheckoutIntent, session_id: str, entry: Mapping[str, Any]) -> Effect:
    """Record the entry on the intent, and alert; the same fact of another event changes nothing."""
    known = [{name: value for name, value in each.items() if name != "time"} for each in intent.money_back]
    if {name: value for name, value in entry.items() if name != "time"} in known:
        return Effect.ALREADY_KNOWN
    intent.money_back = [*intent.money_back, dict(entry)]
    amount, currency = entry["amount"], entry["currency"]
    reason = f"{entry['type']} of {amount} {currency} (minor units)"
    message = payment_alert(
        Effect.MONEY_BACK, reason, intent=intent.uuid, session=session_id, amount=amount, currency=currency
    )
    outbox.keep(session, [message])
    return Effect.MONEY_BACK


def _receive_unusable(session: Session, kind: str, fact: Unusable) -> EventOutcome:
    known = store.checkout_session(session, fact.session_id) if fact.session_id else None
    named = _named(session, fact.names)
    uuid = known.intent_uuid if known and known.intent_uuid else named.uuid if named else None
    if uuid is None and not fact.about_us:
        return EventOutcome(Effect.OTHER_TYPE)
    message = payment_alert(Effect.UNUSABLE, f"{kind}: {fact.reason}", intent=uuid, session=fact.session_id)
    outbox.keep(session, [message])
    return EventOutcome(Effect.UNUSABLE, uuid)
