"""The outcome of a Stripe price."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.academies.prices import (
    INACTIVE,
    MISSING,
    NO_DIGITS,
    PRICED,
    THREE_DIGITS,
    currency_digits,
    major_units,
    outcome_of,
)


def stripe_price(**fields):
    return {
        "id": "price_1",
        "active": True,
        "billing_scheme": "per_unit",
        "created": 1,
        "currency": "USD",
        "lookup_key": "data_monthly",
        "product": {"id": "prod_1", "name": "Data"},
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
        "unit_amount": 9900,
        "unit_amount_decimal": "9900",
        **fields,
    }


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        pytest.param("9900", "usd", "99.00", id="two-digits"),
        pytest.param("9900", "JPY", "9900", id="no-digits"),
        pytest.param("9900", "kwd", "9.900", id="three-digits"),
        pytest.param("500", "UGX", "5.00", id="ugx-has-two-at-stripe"),
        pytest.param("500", "isk", "5.00", id="isk-has-two-at-stripe"),
        pytest.param("0", "usd", "0.00", id="free"),
        pytest.param("0", "jpy", "0", id="free-without-digits"),
        pytest.param("5", "usd", "0.05", id="less-than-one"),
        pytest.param("0.5", "usd", "0.005", id="half-a-cent"),
        pytest.param("12.50", "usd", "0.125", id="no-needless-zeros"),
        pytest.param("0.5", "jpy", "0.5", id="half-a-yen"),
        pytest.param("0.000000000001", "usd", "0.00000000000001", id="twelve-decimals-without-exponent"),
        pytest.param("1E+6", "usd", "10000.00", id="said-with-an-exponent"),
        pytest.param("99999999999900", "usd", "999999999999.00", id="large"),
    ],
)
def test_major_units(minor, currency, shown):
    assert major_units(Decimal(minor), currency) == shown


def test_the_currencies_without_digits_and_with_three_are_stripes():
    assert " ".join(sorted(NO_DIGITS)).upper() == "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
    assert " ".join(sorted(THREE_DIGITS)).upper() == "BHD JOD KWD OMR TND"


@given(st.integers(0, 10**15), st.sampled_from(["usd", "eur", "isk", "ugx", *sorted(NO_DIGITS), *sorted(THREE_DIGITS)]))
def test_major_units_have_the_digits_of_the_currency_and_lose_nothing(minor, currency):
    shown = major_units(Decimal(minor), currency)
    digits = currency_digits(currency)
    assert len(shown.partition(".")[2]) == digits
    assert Decimal(shown).scaleb(digits) == minor


@given(st.decimals(0, 10**9, places=12))
def test_amounts_finer_than_a_cent_lose_nothing(minor):
    assert Decimal(major_units(minor, "usd")) == minor.scaleb(-2)


def test_a_supported_price_is_published_with_what_a_shop_needs():
    outcome = outcome_of([stripe_price()])
    assert outcome.state == PRICED
    assert outcome.price == {
        "id": "price_1",
        "product": "prod_1",
        "lookup_key": "data_monthly",
        "currency": "usd",
        "unit_amount": 9900,
        "unit_amount_decimal": "99.00",
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
    }


def test_a_sub_cent_price_has_no_whole_amount_and_says_the_decimal_in_major_units():
    outcome = outcome_of([stripe_price(unit_amount=None, unit_amount_decimal=Decimal("0.5"))])
    assert outcome.price is not None
    assert (outcome.price["unit_amount"], outcome.price["unit_amount_decimal"]) == (None, "0.005")


@pytest.mark.parametrize(
    ("price", "state"),
    [
        pytest.param({"active": False}, INACTIVE, id="inactive"),
        pytest.param({"active": False, "billing_scheme": "tiered"}, INACTIVE, id="inactive-and-tiered"),
        pytest.param({"billing_scheme": "tiered", "unit_amount": None}, "unsupported: tiered", id="tiered"),
        pytest.param({"recurring": None, "type": "one_time"}, "unsupported: one_time", id="one-time"),
        pytest.param(
            {"recurring": {"interval": "month", "usage_type": "metered"}}, "unsupported: metered", id="metered"
        ),
        pytest.param({"unit_amount": None, "unit_amount_decimal": None}, "unsupported: no amount", id="no-amount"),
        pytest.param({"unit_amount": None, "unit_amount_decimal": "NaN"}, "unsupported: no amount", id="not-a-number"),
        pytest.param({"unit_amount": "9900"}, "unsupported: no amount", id="amount-in-text"),
        pytest.param({"unit_amount": True}, "unsupported: no amount", id="amount-is-a-boolean"),
        pytest.param({"currency": None}, "unsupported: incomplete", id="no-currency"),
        pytest.param({"recurring": {"usage_type": "licensed"}}, "unsupported: incomplete", id="no-interval"),
    ],
)
def test_an_unsupported_price_says_why(price, state):
    outcome = outcome_of([stripe_price(**price)])
    assert (outcome.state, outcome.price) == (state, None)


def test_a_key_that_stripe_does_not_know_is_missing():
    assert outcome_of([]).state == MISSING


def test_an_active_price_wins_over_an_inactive_one_and_the_newest_of_several():
    prices = [
        stripe_price(id="price_old", created=1),
        stripe_price(id="price_new", created=2),
        stripe_price(id="price_gone", created=3, active=False),
    ]
    for order in (prices, prices[::-1]):
        outcome = outcome_of(order)
        assert outcome.price is not None
        assert outcome.price["id"] == "price_new"


def test_a_product_that_was_not_expanded_is_its_id():
    outcome = outcome_of([stripe_price(product="prod_9")])
    assert outcome.price is not None
    assert outcome.price["product"] == "prod_9"
