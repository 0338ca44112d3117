"""What checkout intents decide: which state follows which, and what a payment does. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from b2b_pipelines.errors import Conflict, InvalidInput


class IntentState(StrEnum):
    """Where an attempt to buy stands. `fulfilled` is final."""

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

FOLLOWS: dict[IntentState, frozenset[IntentState]] = {
    IntentState.CREATED: frozenset((IntentState.PAID, IntentState.EXPIRED)),
    IntentState.PAID: frozenset((IntentState.FULFILLED, *ERRORED)),
    IntentState.EXPIRED: frozenset((IntentState.CREATED, IntentState.PAID)),
    IntentState.FULFILLED: frozenset(),
    **dict.fromkeys(ERRORED, frozenset((IntentState.FULFILLED, IntentState.PAID))),
}
"""Which states may follow a state. A late payment whose place is taken goes from `expired` past `paid` to
`errored_provisioning` in one step."""


class Effect(StrEnum):
    """What an event did."""

    PAID = "paid"
    PLACE_TAKEN = "place_taken"
    PAID_AGAIN = "paid_again"
    ALREADY_PAID = "already_paid"
    NOT_PAID = "not_paid"
    UNKNOWN_INTENT = "unknown_intent"
    OTHER_TYPE = "other_type"


@dataclass(frozen=True, slots=True)
class Payment:
    """What a completed checkout session says. `names` are the uuids that may be the intent's, the preferred one first."""

    session_id: str
    paid: bool
    names: tuple[UUID, ...]
    amount_total: int | None
    currency: str | None


class SessionMalformed(InvalidInput):
    """A checkout session's id or currency holds characters that no such thing has, and that cannot be kept."""

    code = "invalid_event"


def errored_state(said: str) -> IntentState:
    """The errored state that a word means. Raises `InvalidInput`."""
    if said in ERRORED:
        return IntentState(said)
    raise InvalidInput(f"the state must be one of {', '.join(sorted(ERRORED))}")


def require_step(now: IntentState, then: IntentState) -> bool:
    """Whether there is a step to make: False when it was made already. Raises `Conflict` when it may not be."""
    if now == then:
        return False
    if then not in FOLLOWS[now]:
        raise Conflict(f"the intent is {now}, and {then} cannot follow that")
    return True


def payment_in(event: Mapping[str, Any]) -> Payment | None:
    """The payment that a `checkout.session.completed` event tells of; None for any other event.

    Raises `SessionMalformed`.
    """
    data = event.get("data")
    session = data.get("object") if isinstance(data, Mapping) else None
    if event.get("type") != "checkout.session.completed" or not isinstance(session, Mapping):
        return None
    metadata = session.get("metadata")
    in_metadata = metadata.get("checkout_intent_uuid") if isinstance(metadata, Mapping) else None
    named = (_uuid(session.get("client_reference_id")), _uuid(in_metadata))
    amount = session.get("amount_total")
    return Payment(
        session_id=(_plain(session.get("id")) or "")[:255],
        paid=session.get("payment_status") in ("paid", "no_payment_required"),
        names=tuple(uuid for uuid in named if uuid is not None),
        amount_total=amount if isinstance(amount, int) else None,
        currency=_plain(session.get("currency")),
    )


def _uuid(said: object) -> UUID | None:
    try:
        return UUID(said) if isinstance(said, str) else None
    except ValueError:
        return None


def _plain(said: object) -> str | None:
    """A text as it is; None for anything else."""
    if not isinstance(said, str):
        return None
    if not said.isprintable():
        raise SessionMalformed("The checkout session's id or currency is no plain text.")
    return said


def effect_on(state: IntentState, stored_session: str, payment: Payment) -> Effect:
    """What a payment does to an intent that is there: `paid` asks for its place, which may turn out to be taken."""
    if IntentState.PAID in FOLLOWS[state]:
        return Effect.PAID
    return Effect.ALREADY_PAID if stored_session == payment.session_id else Effect.PAID_AGAIN
