"""Which state follows which, and what a payment does."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.errors import Conflict, InvalidInput
from b2b_pipelines.intents.rules import (
    ACTIVE,
    ERRORED,
    FOLLOWS,
    Effect,
    IntentState,
    Payment,
    effect_on,
    errored_state,
    payment_in,
    require_step,
)
from b2b_pipelines.sandbox.stripe import checkout_event

ONE, TWO = str(UUID(int=1)), str(UUID(int=2))
states = st.sampled_from(IntentState)


def test_the_states_and_what_may_follow_them():
    created, paid, expired, fulfilled = (IntentState(name) for name in ("created", "paid", "expired", "fulfilled"))
    assert {
        created: {paid, expired},
        paid: {fulfilled, *ERRORED},
        expired: {created, paid},
        fulfilled: set(),
        **{state: {fulfilled, paid} for state in ERRORED},
    } == FOLLOWS
    assert set(FOLLOWS) == set(IntentState)
    assert {created, paid, *ERRORED} == ACTIVE


@given(states, states)
def test_a_step_is_made_refused_or_already_made(now, then):
    if now == then:
        assert require_step(now, then) is False
    elif then in FOLLOWS[now]:
        assert require_step(now, then) is True
    else:
        with pytest.raises(Conflict):
            require_step(now, then)


def test_fulfilled_is_final():
    for state in IntentState:
        if state != IntentState.FULFILLED:
            with pytest.raises(Conflict):
                require_step(IntentState.FULFILLED, state)


def test_errored_states_by_name():
    assert {errored_state(str(state)) for state in ERRORED} == ERRORED
    for other in ("paid", "created", "errored", ""):
        with pytest.raises(InvalidInput, match="errored_provisioning"):
            errored_state(other)


@pytest.mark.parametrize(
    ("session", "paid"),
    [("paid", True), ("no_payment_required", True), ("unpaid", False), (None, False), ("Paid", False)],
)
def test_what_counts_as_paid(session, paid):
    payment = payment_in(checkout_event("evt_1", payment_status=session))
    assert payment is not None
    assert payment.paid is paid


@pytest.mark.parametrize(
    ("reference", "metadata", "names"),
    [
        pytest.param(ONE, {"checkout_intent_uuid": TWO}, [ONE, TWO], id="the-reference-before-the-metadata"),
        pytest.param(None, {"checkout_intent_uuid": TWO}, [TWO], id="metadata-alone"),
        pytest.param("cart-7", {"checkout_intent_uuid": TWO}, [TWO], id="a-reference-that-is-none"),
        pytest.param(7, [], [], id="nonsense"),
        pytest.param(None, None, [], id="nothing"),
    ],
)
def test_which_intent_a_payment_names(reference, metadata, names):
    payment = payment_in(checkout_event("evt_1", client_reference_id=reference, metadata=metadata))
    assert payment is not None
    assert [str(name) for name in payment.names] == names


@pytest.mark.parametrize(
    "event",
    [
        checkout_event("evt_1", kind="checkout.session.expired"),
        {"type": "checkout.session.completed"},
        {"type": "checkout.session.completed", "data": 7},
        {"type": "checkout.session.completed", "data": {"object": []}},
    ],
)
def test_other_events_tell_of_no_payment(event):
    assert payment_in(event) is None


@given(states, st.sampled_from(["", "cs_1", "cs_2"]))
def test_a_payment_asks_for_its_place_wherever_paid_may_follow(state, stored):
    effect = effect_on(state, stored, Payment("cs_1", True, (), 1, "usd"))
    if IntentState.PAID in FOLLOWS[state]:
        assert effect is Effect.PAID
    else:
        assert effect is (Effect.ALREADY_PAID if stored == "cs_1" else Effect.PAID_AGAIN)
