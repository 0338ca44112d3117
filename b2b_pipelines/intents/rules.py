"""State transitions of checkout intents, with their reasons. Pure.

`TRANSITIONS` is the whole table; `docs/checkout-intents.md` draws it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from b2b_pipelines.errors import Conflict, InvalidInput


class IntentState(StrEnum):
    """The state of an attempt to buy. `fulfilled` is final."""

    CREATED = "created"
    PAID = "paid"
    FULFILLED = "fulfilled"
    EXPIRED = "expired"
    ERRORED_STRIPE_CHECKOUT = "errored_stripe_checkout"
    ERRORED_PROVISIONING = "errored_provisioning"
    ERRORED_FULFILLMENT_STALLED = "errored_fulfillment_stalled"


ERRORED = frozenset(
    (
        IntentState.ERRORED_STRIPE_CHECKOUT,
        IntentState.ERRORED_PROVISIONING,
        IntentState.ERRORED_FULFILLMENT_STALLED,
    )
)
ACTIVE = frozenset((IntentState.CREATED, IntentState.PAID, *ERRORED))
"""States that hold a place: the product for the learner, the enterprise's slug and name for everyone."""


class Trigger(StrEnum):
    """A trigger of a transition, in the wording of the state diagram."""

    PAYMENT = "the money came"
    PAYMENT_WITHOUT_PLACE = "the money came, the place was taken"
    PAYMENT_PENDING = "a slow payment began"
    PAYMENT_FAILED = "the slow payment failed"
    SESSION_EXPIRED = "Stripe's session expired"
    RESERVATION_ENDED = "the reservation ended"
    STALLED = "nothing was provisioned in time"
    REPORTED_FULFILLED = "provisioning reported success"
    REPORTED_ERRORED = "provisioning reported a failure"


@dataclass(frozen=True, slots=True)
class Transition:
    """A step from one state to another, and its trigger."""

    before: IntentState
    trigger: Trigger
    after: IntentState


def _transitions() -> tuple[Transition, ...]:
    created, paid, expired = IntentState.CREATED, IntentState.PAID, IntentState.EXPIRED
    errored = sorted(ERRORED)
    return (
        Transition(created, Trigger.PAYMENT, paid),
        Transition(created, Trigger.PAYMENT_PENDING, created),
        Transition(created, Trigger.PAYMENT_FAILED, IntentState.ERRORED_STRIPE_CHECKOUT),
        Transition(created, Trigger.SESSION_EXPIRED, expired),
        Transition(created, Trigger.RESERVATION_ENDED, expired),
        Transition(expired, Trigger.PAYMENT, paid),
        Transition(expired, Trigger.PAYMENT_WITHOUT_PLACE, IntentState.ERRORED_PROVISIONING),
        Transition(expired, Trigger.PAYMENT_PENDING, created),
        Transition(expired, Trigger.PAYMENT_FAILED, IntentState.ERRORED_STRIPE_CHECKOUT),
        Transition(paid, Trigger.REPORTED_FULFILLED, IntentState.FULFILLED),
        *(Transition(paid, Trigger.REPORTED_ERRORED, state) for state in errored),
        Transition(paid, Trigger.STALLED, IntentState.ERRORED_FULFILLMENT_STALLED),
        *(Transition(state, Trigger.PAYMENT, paid) for state in errored),
        *(Transition(state, Trigger.REPORTED_FULFILLED, IntentState.FULFILLED) for state in errored),
    )


TRANSITIONS = _transitions()
"""Every transition. `expired` skips `created` when a late fact arrives after the reservation ended."""


class Effect(StrEnum):
    """The effect of an event."""

    PAID = "paid"
    PLACE_TAKEN = "place_taken"
    PAID_AGAIN = "paid_again"
    ALREADY_PAID = "already_paid"
    PENDING = "pending"
    PENDING_PLACE_TAKEN = "pending_place_taken"
    PAYMENT_FAILED = "payment_failed"
    SESSION_EXPIRED = "session_expired"
    OLD_SESSION_EXPIRED = "old_session_expired"
    MONEY_BACK = "money_back"
    ALREADY_KNOWN = "already_known"
    NOT_PAID = "not_paid"
    UNUSABLE = "unusable"
    UNKNOWN_INTENT = "unknown_intent"
    OTHER_TYPE = "other_type"


def step(state: IntentState, trigger: Trigger) -> IntentState | None:
    """Return the state to which the trigger leads, or None when it moves nothing.

    Not for `REPORTED_ERRORED`, which leads to the reported state.
    """
    return next((each.after for each in TRANSITIONS if (each.before, each.trigger) == (state, trigger)), None)


def errored_state(value: str) -> IntentState:
    """Return the errored state of that name. Raises `InvalidInput`."""
    if value in ERRORED:
        return IntentState(value)
    raise InvalidInput(f"the state must be one of {', '.join(sorted(ERRORED))}")


def require_step(now: IntentState, then: IntentState, trigger: Trigger) -> bool:
    """Return whether the step is still to be made; False when it was made already.

    Raises `Conflict` when it may not be made.
    """
    if now == then:
        return False
    if Transition(now, trigger, then) not in TRANSITIONS:
        raise Conflict(f"the intent is {now}, and {then} cannot follow that")
    return True


def differences(
    terms: Mapping[str, Any], offered: Sequence[Mapping[str, Any]], stripe_product_id: str, quantity: int
) -> list[str]:
    """Return how a session's terms differ from the intent's, one text for each difference.

    `offered` are the published prices of the intent's product, each with `product`, `unit_amount` (minor units) and
    `currency`; without any, amount and currency are not compared. The amount is the one before discounts and taxes.
    """
    found = []
    products = set(terms.get("products") or ())
    ours = {stripe_product_id, *(price["product"] for price in offered)} - {""}
    if stripe_product_id and products and not products & ours:
        found.append(f"product {', '.join(sorted(products))}, expected {stripe_product_id}")
    currency, amount = terms.get("currency"), terms.get("amount")
    currencies = {price["currency"] for price in offered}
    amounts = {price["unit_amount"] * quantity for price in offered if price["unit_amount"] is not None}
    if currency and currencies and currency not in currencies:
        found.append(f"currency {currency}, expected {' or '.join(sorted(currencies))}")
    elif amount is not None and amounts and amount not in amounts:
        found.append(f"amount {amount}, expected {' or '.join(map(str, sorted(amounts)))} (minor units)")
    return found
