"""Queries on checkout intents and Stripe's events.

Set-based; they neither decide nor commit.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg2.errors import UniqueViolation
from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from b2b_pipelines.contracts.models import Learner
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.intents.facts import SessionStatus
from b2b_pipelines.intents.models import CheckoutIntent, CheckoutSession, StripeEvent
from b2b_pipelines.intents.rules import ACTIVE, IntentState

PLACES = {
    "uq_checkout_intent_place_of_learner": "the learner has another intent for the product",
    "uq_checkout_intent_place_of_slug": "the enterprise slug is reserved",
    "uq_checkout_intent_place_of_name": "the enterprise name is reserved",
}

_NEWEST_FIRST = (
    select(CheckoutIntent)
    .join(CheckoutIntent.learner)
    .options(joinedload(CheckoutIntent.learner))
    .order_by(CheckoutIntent.created_at.desc(), CheckoutIntent.uuid)
)


def place_in(error: IntegrityError) -> str:
    """Return which place the database reports as taken. Any other violation is raised."""
    constraint = error.orig.diag.constraint_name if isinstance(error.orig, UniqueViolation) else None
    if constraint not in PLACES:
        raise error
    return PLACES[constraint]


def intent(session: Session, uuid: UUID, *, lock: bool = False) -> CheckoutIntent | None:
    """Return the intent with its learner.

    With `lock`, changes to it wait until the transaction ends.
    """
    query = select(CheckoutIntent).where(CheckoutIntent.uuid == uuid).options(joinedload(CheckoutIntent.learner))
    if lock:
        query = query.with_for_update(of=CheckoutIntent).execution_options(populate_existing=True)
    return session.scalars(query).first()


def place_of_learner(session: Session, learner_id: int, stripe_product_id: str) -> CheckoutIntent | None:
    """Return the active intent of a learner for a product, locked."""
    query = (
        select(CheckoutIntent)
        .where(
            CheckoutIntent.learner_id == learner_id,
            CheckoutIntent.stripe_product_id == stripe_product_id,
            CheckoutIntent.state.in_(ACTIVE),
            ~CheckoutIntent.lost_place,
        )
        .options(joinedload(CheckoutIntent.learner))
        .with_for_update(of=CheckoutIntent)
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).first()


def add(session: Session, values: Mapping[str, Any]) -> UUID | None:
    """Add an intent unless one of its places is held by another; its uuid, or None."""
    statement = insert(CheckoutIntent).values(uuid=uuid4(), **values).on_conflict_do_nothing()
    return session.scalar(statement.returning(CheckoutIntent.uuid))


def for_user(
    session: Session, email: str, now: datetime, stripe_product_id: str | None, enterprise_slug: str | None
) -> CheckoutIntent | None:
    """Return the learner's newest intent that is paid, pending, or within its reservation.

    None filters nothing; a `stripe_product_id` of `""` is the Teams plan.
    """
    query = _NEWEST_FIRST.where(
        func.lower(Learner.email) == func.lower(email),
        or_(
            CheckoutIntent.state == IntentState.PAID,
            and_(
                CheckoutIntent.state == IntentState.CREATED,
                or_(CheckoutIntent.expires_at > now, CheckoutIntent.pending_since.is_not(None)),
            ),
        ),
        true() if stripe_product_id is None else CheckoutIntent.stripe_product_id == stripe_product_id,
        true() if not enterprise_slug else _same(CheckoutIntent.enterprise_slug, enterprise_slug),
    )
    return session.scalars(query.limit(1)).first()


def page(
    session: Session,
    *,
    learner: str | None = None,
    stripe_product_id: str | None = None,
    state: IntentState | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[int, Sequence[CheckoutIntent]]:
    """Return the number of matching intents, and a page of them, newest first."""
    where = [
        true() if learner is None else func.lower(Learner.email) == func.lower(learner),
        true() if stripe_product_id is None else CheckoutIntent.stripe_product_id == stripe_product_id,
        true() if state is None else CheckoutIntent.state == state,
    ]
    count = session.scalar(select(func.count(CheckoutIntent.uuid)).join(CheckoutIntent.learner).where(*where)) or 0
    return count, session.scalars(_NEWEST_FIRST.where(*where).limit(limit).offset(offset)).all()


def counts(session: Session) -> dict[str, int]:
    """Return the number of intents in each state."""
    rows = session.execute(select(CheckoutIntent.state, func.count()).group_by(CheckoutIntent.state)).all()
    return {str(state): number for state, number in sorted(rows)}


def expire(session: Session, now: datetime, *in_the_way: ColumnElement[bool]) -> int:
    """Let reservations that have ended expire, all or those in the way, and return their number.

    A pending payment holds its place. Both conditions are part of the UPDATE itself: a payment that arrives meanwhile
    is not overwritten.
    """
    statement = (
        update(CheckoutIntent)
        .where(
            CheckoutIntent.state == IntentState.CREATED,
            CheckoutIntent.expires_at <= now,
            CheckoutIntent.pending_since.is_(None),
            *in_the_way,
        )
        .values(state=IntentState.EXPIRED, state_changed_at=now)
        .execution_options(synchronize_session=False)
    )
    return len(session.execute(statement.returning(CheckoutIntent.uuid)).all())


def holding_places_of(
    learner_id: int, stripe_product_id: str, enterprise_slug: str, enterprise_name: str
) -> ColumnElement[bool]:
    """Return the condition that an intent holds one of those places."""
    places = [and_(CheckoutIntent.learner_id == learner_id, CheckoutIntent.stripe_product_id == stripe_product_id)]
    if enterprise_slug:
        places += [
            _same(CheckoutIntent.enterprise_slug, enterprise_slug),
            _same(CheckoutIntent.enterprise_name, enterprise_name),
        ]
    return or_(*places)


def stall(session: Session, now: datetime, paid_before: datetime, reason: str) -> list[UUID]:
    """Mark intents as stalled that were paid before that moment and did not change since.

    Return them.
    """
    statement = (
        update(CheckoutIntent)
        .where(CheckoutIntent.state == IntentState.PAID, CheckoutIntent.state_changed_at <= paid_before)
        .values(state=IntentState.ERRORED_FULFILLMENT_STALLED, state_changed_at=now, last_error=reason)
        .execution_options(synchronize_session=False)
    )
    return list(session.scalars(statement.returning(CheckoutIntent.uuid)))


def overdue(session: Session, now: datetime, pending_before: datetime) -> Sequence[CheckoutSession]:
    """Return the sessions whose payment is pending since before that moment.

    Each is returned once, and marked.
    """
    statement = (
        update(CheckoutSession)
        .where(
            CheckoutSession.status == SessionStatus.PENDING,
            CheckoutSession.overdue_alerted_at.is_(None),
            CheckoutSession.pending_since < pending_before,
            CheckoutSession.intent_uuid.is_not(None),
        )
        .values(overdue_alerted_at=now)
        .execution_options(synchronize_session=False)
    )
    return session.scalars(statement.returning(CheckoutSession)).all()


def record_event(session: Session, event_id: str, kind: str, now: datetime, effect: str) -> bool:
    """Note that an event came; False when it had come before."""
    statement = insert(StripeEvent).values(id=event_id, type=kind, received_at=now, effect=effect)
    return session.scalar(statement.on_conflict_do_nothing().returning(StripeEvent.id)) is not None


def note_effect(session: Session, event_id: str, effect: str, intent_uuid: UUID | None, **values: Any) -> None:
    """Record the effect of an event."""
    session.execute(
        update(StripeEvent)
        .where(StripeEvent.id == event_id)
        .values(effect=effect, intent_uuid=intent_uuid, **values)
        .execution_options(synchronize_session=False)
    )


def lock_facts(session: Session, session_id: str | None, links: Sequence[str]) -> None:
    """Lock that checkout session and its payments.

    Related events wait until this transaction ends.
    """
    for name in sorted({*links, *([f"session:{session_id}"] if session_id else [])}):
        transaction_lock(session, "stripe fact", name)


def checkout_session(session: Session, session_id: str) -> CheckoutSession | None:
    return session.get(CheckoutSession, session_id, populate_existing=True)


def has_other_payment(session: Session, intent_uuid: UUID, session_id: str) -> bool:
    """Return whether another session paid for the intent."""
    paid = exists().where(
        CheckoutSession.intent_uuid == intent_uuid,
        CheckoutSession.status == SessionStatus.PAID,
        CheckoutSession.id != session_id,
    )
    return bool(session.scalar(select(paid)))


def linked_sessions(session: Session, links: Sequence[str]) -> Sequence[CheckoutSession]:
    """Return the sessions of intents that share a link: paid ones first, then the newest."""
    return session.scalars(
        select(CheckoutSession)
        .where(CheckoutSession.intent_uuid.is_not(None), CheckoutSession.links.overlap(_texts(links)))
        .order_by((CheckoutSession.status == SessionStatus.PAID).desc(), CheckoutSession.updated_at.desc())
        .execution_options(populate_existing=True)
    ).all()


def unmatched_money_back(session: Session, links: Sequence[str]) -> Sequence[StripeEvent]:
    """Return unmatched refunds, disputes and failed invoices that share a link, oldest first."""
    return session.scalars(
        select(StripeEvent)
        .where(
            StripeEvent.intent_uuid.is_(None),
            StripeEvent.money_back.is_not(None),
            StripeEvent.links.overlap(_texts(links)),
        )
        .order_by(StripeEvent.received_at, StripeEvent.id)
    ).all()


def _texts(values: Sequence[str]) -> Any:
    return cast(list(values), ARRAY(Text))


def _same(column: Any, value: str) -> ColumnElement[bool]:
    return func.lower(column) == func.lower(value)
