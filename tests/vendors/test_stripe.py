"""The Stripe client against the stand-in, over real HTTP."""

import time
from collections.abc import Iterator

import pytest
from stripe import HTTPClient

from b2b_pipelines.vendors.stripe import (
    EventMalformed,
    EventRefused,
    Stripe,
    StripeRefused,
    StripeUnavailable,
    verified_event,
)
from sandbox.server import Sandbox
from sandbox.stripe import checkout_event, signed

SECRET = "whsec_test"


@pytest.fixture
def client(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stripe]:
    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(HTTPClient, "MAX_DELAY", 0.02)
    with Stripe("sk_test_1", base_url=sandbox.stripe.url, timeout=2) as client:
        yield client


def requests(sandbox):
    return sandbox.log.counts(vendor="stripe")["read"]


def test_prices_are_found_by_lookup_key_inactive_ones_too_with_their_product(sandbox, client):
    good = sandbox.stripe.price("data", 9900)
    gone = sandbox.stripe.price("data", 100, active=False)
    sandbox.stripe.price("other")
    found = {price["id"]: price for price in client.prices(["data", "unknown"])}
    assert set(found) == {good["id"], gone["id"]}
    assert found[good["id"]]["product"]["id"] == good["product"]
    assert found[good["id"]]["unit_amount"] == 9900
    assert found[gone["id"]]["active"] is False


def test_25_lookup_keys_are_three_calls_of_at_most_ten(sandbox, client):
    keys = [f"key_{number:02}" for number in range(25)]
    for key in keys:
        sandbox.stripe.price(key)
    assert sorted(price["lookup_key"] for price in client.prices(keys)) == keys
    assert requests(sandbox) == 3
    assert [len(asked["lookup_keys"]) for asked in sandbox.stripe.asked] == [10, 10, 5]
    assert all("active" not in asked and asked["limit"] == ["100"] for asked in sandbox.stripe.asked)


def test_a_key_with_more_prices_than_a_page_holds_is_read_to_the_end(sandbox, client):
    for _ in range(150):
        sandbox.stripe.price("data", active=False)
    assert len(client.prices(["data"])) == 150
    assert requests(sandbox) == 2


def test_no_lookup_key_asks_nothing(sandbox, client):
    assert client.prices([]) == []
    assert requests(sandbox) == 0


def test_amounts_finer_than_a_cent_come_through(sandbox, client):
    sandbox.stripe.price("data", None, unit_amount_decimal="0.5")
    (price,) = client.prices(["data"])
    assert price["unit_amount"] is None
    assert str(price["unit_amount_decimal"]) == "0.5"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_what_passes_is_tried_three_times_and_then_told(sandbox, client, status):
    sandbox.faults.answer(status, times=2, vendor="stripe")
    sandbox.stripe.price("data")
    assert len(client.prices(["data"])) == 1
    sandbox.faults.answer(status, times=3, vendor="stripe")
    with pytest.raises(StripeUnavailable, match=str(status)):
        client.prices(["data"])
    assert requests(sandbox) == 6


def test_a_cut_connection_is_tried_three_times(sandbox, client):
    sandbox.faults.cut("before", times=3, vendor="stripe")
    with pytest.raises(StripeUnavailable, match="could not be reached, tried 3 times"):
        client.prices(["data"])
    assert requests(sandbox) == 3


def test_a_server_that_is_not_there_is_unavailable(sandbox, monkeypatch):
    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(HTTPClient, "MAX_DELAY", 0.02)
    with Stripe("sk_test_1", base_url="http://127.0.0.1:9", timeout=2) as client, pytest.raises(StripeUnavailable):
        client.prices(["data"])


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_at_once_without_showing_it(sandbox, client, status):
    body = {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_1"}}
    sandbox.faults.answer(status, body, times=9, vendor="stripe")
    with pytest.raises(StripeRefused, match="B2B_STRIPE_API_KEY") as refusal:
        client.prices(["data"])
    assert requests(sandbox) == 1
    assert "sk_test_1" not in refusal.value.message


def test_stripe_may_say_that_asking_again_is_no_use(sandbox, client):
    sandbox.faults.answer(429, times=1, vendor="stripe", headers={"Stripe-Should-Retry": "false"})
    with pytest.raises(StripeUnavailable, match="429"):
        client.prices(["data"])
    assert requests(sandbox) == 1


@pytest.mark.parametrize("body", ["<html>", {"object": "list"}, [], {"object": "list", "data": [1], "has_more": False}])
def test_an_answer_that_is_no_list_of_prices_is_never_read_as_an_empty_one(sandbox, client, body):
    sandbox.faults.answer(200, body, times=9, vendor="stripe")
    with pytest.raises(StripeRefused, match="not a list of prices"):
        client.prices(["data"])


class TestEvents:
    def test_a_signed_event_is_read(self):
        body, headers = signed(checkout_event("evt_1"), SECRET)
        assert verified_event(body, headers["Stripe-Signature"], SECRET)["id"] == "evt_1"

    def test_an_old_event_that_is_delivered_again_is_read(self):
        body, headers = signed(checkout_event("evt_1") | {"created": 1}, SECRET)
        assert verified_event(body, headers["Stripe-Signature"], SECRET)["created"] == 1

    @pytest.mark.parametrize(
        "spoil",
        [
            pytest.param(lambda body, header: (body + b" ", header), id="changed-body"),
            pytest.param(lambda body, header: (body, None), id="no-signature"),
            pytest.param(lambda body, header: (body, "nonsense"), id="nonsense"),
            pytest.param(lambda body, header: (body, header[:-1] + ("0" if header[-1] != "0" else "1")), id="forged"),
            pytest.param(lambda body, header: (b"\xff\xfe", header), id="no-text"),
            pytest.param(lambda body, header: (body, f"{header.partition(',')[0]},v1=\xe9"), id="no-ascii"),
        ],
    )
    def test_what_stripe_did_not_sign_is_refused(self, spoil):
        body, headers = signed(checkout_event("evt_1"), SECRET)
        with pytest.raises(EventRefused):
            verified_event(*spoil(body, headers["Stripe-Signature"]), SECRET)

    def test_another_secret_is_refused(self):
        body, headers = signed(checkout_event("evt_1"), "whsec_other")
        with pytest.raises(EventRefused):
            verified_event(body, headers["Stripe-Signature"], SECRET)

    def test_a_signature_older_than_five_minutes_is_refused(self):
        body, headers = signed(checkout_event("evt_1"), SECRET, at=time.time() - 360)
        with pytest.raises(EventRefused):
            verified_event(body, headers["Stripe-Signature"], SECRET)
        body, headers = signed(checkout_event("evt_1"), SECRET, at=time.time() - 240)
        assert verified_event(body, headers["Stripe-Signature"], SECRET)["id"] == "evt_1"

    def test_a_signature_from_more_than_five_minutes_ahead_is_refused(self):
        body, headers = signed(checkout_event("evt_1"), SECRET, at=time.time() + 360)
        with pytest.raises(EventRefused, match="future"):
            verified_event(body, headers["Stripe-Signature"], SECRET)
        body, headers = signed(checkout_event("evt_1"), SECRET, at=time.time() + 240)
        assert verified_event(body, headers["Stripe-Signature"], SECRET)["id"] == "evt_1"

    @pytest.mark.parametrize("offset", [0, 360])
    def test_of_several_times_in_a_header_the_one_that_was_signed_counts(self, offset):
        body, headers = signed(checkout_event("evt_1"), SECRET, at=time.time() + offset)
        header = f"{headers['Stripe-Signature']},t={int(time.time()) + 360 - offset},v0=x"
        if offset:
            with pytest.raises(EventRefused, match="future"):
                verified_event(body, header, SECRET)
        else:
            assert verified_event(body, header, SECRET)["id"] == "evt_1"

    @pytest.mark.parametrize(
        "event",
        [
            "[1]",
            "7",
            "{",
            '{"id": 1, "type": "x"}',
            '{"id": "x"}',
            "null",
            '{"id": "", "type": "x"}',
            pytest.param(f'{{"id": "{"x" * 256}", "type": "x"}}', id="long-id"),
            pytest.param(f'{{"id": "x", "type": "{"x" * 256}"}}', id="long-type"),
            '{"id": "\\u0000", "type": "x"}',
            '{"id": "x", "type": "\\ud800"}',
            pytest.param("[" * 100_000 + "]" * 100_000, id="deep"),
        ],
    )
    def test_a_signed_body_that_is_no_event_is_refused(self, event):
        body, headers = signed(event, SECRET)
        with pytest.raises(EventMalformed):
            verified_event(body, headers["Stripe-Signature"], SECRET)
        with pytest.raises(EventRefused):
            verified_event(body, headers["Stripe-Signature"], "whsec_other")
