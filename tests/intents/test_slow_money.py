"""A company pays by bank debit: three days between the session and the money, with the upkeep at work and a rival waiting."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.intents.test_intents import ACME, clean_up, end_reservation, told

UNPAID = {"payment_status": "unpaid", "mode": "payment"}
EVERY = timedelta(minutes=5)
DAYS = timedelta(days=3)


def wait_three_days(database, intents, now):
    """The upkeep every five minutes, at simulated times; a rival asks for the slug after each. Return both counts."""
    upkeeps = rivals = 0
    until = now + DAYS
    while now < until:
        now += EVERY
        done = clean_up(database, now=now)
        assert (done.expired, done.stalled, done.overdue) == (0, [], 0)
        upkeeps += 1
        if upkeeps % 12 == 0:  # every hour
            assert intents.post("rival@example.com", **ACME).status_code == 422
            rivals += 1
    return upkeeps, rivals


@pytest.mark.long
@pytest.mark.parametrize("ends_well", [True, False], ids=["succeeded", "failed"])
def test_a_bank_debit_over_three_days_holds_its_place_until_its_last_word(
    intents, stripe, database, webhook, ends_well
):
    made = intents.make(quantity=25, **ACME)
    assert stripe.session("completed", made, **UNPAID) == "pending"
    end_reservation(database, made)
    assert wait_three_days(database, intents, datetime.now(UTC)) == (864, 72)
    held = intents.get(made)
    assert (held["state"], held["stripe_checkout_session_id"], held["payment"]) == ("created", "cs_1", None)
    current = intents.client.get("/api/v1/checkout-intents/current/", params={"learner": "jane@example.com"})
    assert current.json()["uuid"] == made["uuid"]
    if ends_well:
        assert stripe.session("async_payment_succeeded", made, payment_status="paid", mode="payment") == "paid"
        assert intents.get(made)["state"] == "paid"
        assert webhook.posted == []
    else:
        assert stripe.session("async_payment_failed", made, **UNPAID) == "payment_failed"
        failed = intents.get(made)
        assert (failed["state"], failed["last_error"]) == (
            "errored_stripe_checkout",
            "the payment of session cs_1 failed",
        )
        (alert,) = told(webhook)
        assert (alert["event"], alert["intent"]) == ("payment_payment_failed", made["uuid"])
    assert intents.get(made)["pending_since"] is None
    assert intents.post("rival@example.com", **ACME).status_code == 422


def test_while_it_is_on_its_way_terms_are_merged_and_what_is_paid_for_stays(intents, stripe):
    made = intents.make(quantity=25, terms_metadata={"a": 1}, **ACME)
    stripe.session("completed", made, **UNPAID)
    again = intents.post(
        quantity=1, country="DE", terms_metadata={"b": 2}, enterprise_name="Other", enterprise_slug="other"
    )
    assert again.status_code == 200
    got = again.json()
    assert (got["quantity"], got["enterprise_slug"], got["country"]) == (25, "acme", "DE")
    assert got["terms_metadata"] == {"a": 1, "b": 2}


def test_a_failed_debit_that_another_session_makes_good_is_paid(intents, stripe):
    made = intents.make()
    stripe.session("completed", made, "cs_1", **UNPAID)
    stripe.session("async_payment_failed", made, "cs_1", **UNPAID)
    assert stripe.session("completed", made, "cs_2") == "paid"
    assert intents.get(made)["state"] == "paid"


def test_a_card_while_the_debit_is_on_its_way_pays_and_the_debit_that_comes_too_is_told(intents, stripe, webhook):
    made = intents.make()
    stripe.session("completed", made, "cs_1", **UNPAID)
    assert stripe.session("completed", made, "cs_2") == "paid"
    assert intents.get(made)["payment"]["session"] == "cs_2"
    assert webhook.posted == []
    assert stripe.session("async_payment_succeeded", made, "cs_1") == "paid_again"
    (alert,) = told(webhook)
    assert (alert["event"], alert["session"]) == ("payment_paid_again", "cs_1")
