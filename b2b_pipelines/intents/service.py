"""Use cases on checkout intents: reserve, find, change, report, clean up.

`payments` receives Stripe's events.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from b2b_pipelines.academies import store as academy_store
from b2b_pipelines.alerts import outbox
from b2b_pipelines.errors import Conflict, InvalidInput, NotFound, Refused
from b2b_pipelines.intents import alerts, store
from b2b_pipelines.intents.models import CheckoutIntent
from b2b_pipelines.intents.rules import ERRORED, IntentState, Trigger, errored_state, require_step
from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners.service import Person

ATTEMPTS = 3
STALLED = "paid, and nothing was provisioned in time"
PENDING_FOR = timedelta(days=14)
LARGEST_TERMS = 64 * 1024
"""Bytes of `terms_metadata` as JSON, merged."""


class PlaceTaken(Conflict):
    """Another intent holds the slug or the name. The error does not name its owner."""

    code: ClassVar[str] = "enterprise_reserved"


class IntentErrored(Refused):
    """The learner's last attempt to buy this product was paid, or its debit failed, and went wrong.

    A person must settle it first.
    """

    code: ClassVar[str] = "intent_errored"


@dataclass(frozen=True, slots=True)
class Wish:
    """A learner's order. None keeps the stored value of an open intent."""

    learner: Person
    stripe_product_id: str = ""
    enterprise_name: str = ""
    enterprise_slug: str = ""
    quantity: int | None = None
    country: str | None = None
    terms_metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The result of the upkeep: expired reservations, stalled intents, overdue payments."""

    expired: int
    stalled: list[UUID]
    overdue: int


def reserve(session: Session, wish: Wish, now: datetime, reservation: timedelta) -> tuple[CheckoutIntent, bool]:
    """Return the learner's open intent for the product, and whether it is new.

    An open one is updated, its terms merged and its reservation renewed; a paid one is returned unchanged. Raises
    `InvalidInput` for a name without a slug or the other way round, `IntentErrored` when the last attempt went wrong,
    `PlaceTaken` for a slug or name that another intent holds. Of any number of concurrent calls, one makes the intent.
    """
    if bool(wish.enterprise_name) != bool(wish.enterprise_slug):
        raise InvalidInput("enterprise_name and enterprise_slug come together: give both or neither")
    terms = _merged_terms({}, wish.terms_metadata)
    learner = learners.ensure(session, wish.learner)
    places = store.holding_places_of(learner.id, wish.stripe_product_id, wish.enterprise_slug, wish.enterprise_name)
    store.expire(session, now, places)
    for _ in range(ATTEMPTS):
        found = store.place_of_learner(session, learner.id, wish.stripe_product_id)
        if found is not None:
            return _renewed(session, found, wish, now, reservation), False
        offered = academy_store.offered_prices(session, wish.stripe_product_id)
        values = _values(wish, learner.id, now, now + reservation)
        made = store.add(session, {**values, "terms_metadata": terms, "offered_prices": offered})
        if made is not None:
            return find(session, made), True
    raise PlaceTaken("The enterprise slug or name is reserved.")


def find(session: Session, uuid: UUID, *, lock: bool = False) -> CheckoutIntent:
    """Return the intent. With `lock`, changes to it wait until the transaction ends. Raises `NotFound`."""
    found = store.intent(session, uuid, lock=lock)
    if found is None:
        raise NotFound(f"checkout intent {uuid} is not known: `b2b intents list` lists the known ones")
    return found


def amend(
    session: Session, uuid: UUID, *, country: str | None = None, terms_metadata: Mapping[str, Any] | None = None
) -> CheckoutIntent:
    """Change the fields that a learner may change in any state; terms are merged."""
    intent = find(session, uuid, lock=True)
    if country is not None:
        intent.country = country
    if terms_metadata:
        intent.terms_metadata = _merged_terms(intent.terms_metadata, terms_metadata)
    return intent


def fulfill(session: Session, uuid: UUID, now: datetime) -> CheckoutIntent:
    """Mark the purchase as provisioned.

    Idempotent; raises `Conflict` for an intent that is not paid or errored.
    """
    intent = find(session, uuid, lock=True)
    if require_step(intent.state, IntentState.FULFILLED, Trigger.REPORTED_FULFILLED):
        intent.move(IntentState.FULFILLED, now)
    return intent


def fail(session: Session, uuid: UUID, state: str, reason: str, now: datetime) -> CheckoutIntent:
    """Mark a paid intent as failed, with the reason.

    Raises `InvalidInput` for a state that is not an error, `Conflict` for an intent that cannot go there.
    """
    errored = errored_state(state)
    intent = find(session, uuid, lock=True)
    if require_step(intent.state, errored, Trigger.REPORTED_ERRORED):
        intent.move(errored, now)
        intent.last_error = reason
    return intent


def clean_up(session: Session, now: datetime, stalled_after: timedelta) -> Upkeep:
    """Expire ended reservations, mark stalled intents, and alert about overdue payments.

    A paid intent stalls when it was not provisioned in time. A payment is overdue after `PENDING_FOR`, and alerts once.
    """
    overdue = store.overdue(session, now, now - PENDING_FOR)
    outbox.keep(session, [alerts.overdue(each) for each in overdue])
    expired = store.expire(session, now)
    return Upkeep(expired, store.stall(session, now, now - stalled_after, STALLED), len(overdue))


def _renewed(
    session: Session, intent: CheckoutIntent, wish: Wish, now: datetime, reservation: timedelta
) -> CheckoutIntent:
    if intent.state == IntentState.PAID:
        return intent
    if intent.state in ERRORED:
        raise IntentErrored("The last attempt to buy this went wrong: it must be settled first.")
    try:
        with session.begin_nested():
            intent.expires_at, intent.renewed_at = now + reservation, now
            intent.terms_metadata = _merged_terms(intent.terms_metadata, wish.terms_metadata)
            if wish.country is not None:
                intent.country = wish.country
            if intent.pending_since is None:  # else it is being paid for as it is
                if wish.enterprise_slug:
                    intent.enterprise_name, intent.enterprise_slug = wish.enterprise_name, wish.enterprise_slug
                if wish.quantity is not None:
                    intent.quantity = wish.quantity
                intent.offered_prices = academy_store.offered_prices(session, intent.stripe_product_id)
            session.flush()
    except IntegrityError as error:
        store.place_in(error)
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
        "expires_at": expires_at,
        "state_changed_at": now,
        "created_at": now,
    }


def _merged_terms(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the terms merged. Raises `InvalidInput` when they are larger than `LARGEST_TERMS`."""
    merged = {**stored, **given}
    size = len(json.dumps(merged, ensure_ascii=False).encode()) if merged else 0
    if size > LARGEST_TERMS:
        raise InvalidInput(f"terms_metadata would be {size} bytes long in all: at most {LARGEST_TERMS} are kept")
    return merged
