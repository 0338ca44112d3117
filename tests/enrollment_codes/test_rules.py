"""The table of code rules, row by row."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.enrollment_codes.rules import Orders, RedemptionType, Tally, Terms, orders_for

FREE = Decimal(0)
ONE, MANY = RedemptionType.ONE_TIME, RedemptionType.UNLIMITED


def terms(cap: int | None = None, *, requires: bool = True, price: Decimal = FREE, active: bool = True) -> Terms:
    return Terms(active, requires, cap, price)


def tally(**codes: int) -> Tally:
    return Tally(7, **codes)


def orders(**wanted: object) -> Orders:
    return Orders(7, **wanted)


@pytest.mark.parametrize(
    ("said", "there", "wanted"),
    [
        pytest.param(terms(), tally(), orders(create=1, create_as=MANY), id="no-cap-one-unlimited-code"),
        pytest.param(terms(), tally(unlimited_free=1), orders(), id="no-cap-and-it-is-there"),
        pytest.param(terms(), tally(unlimited_redeemed=1), orders(), id="a-redeemed-unlimited-code-still-admits"),
        pytest.param(terms(200), tally(), orders(create=200, create_as=ONE), id="a-code-a-seat"),
        pytest.param(
            terms(250),
            tally(one_time_free=200),
            orders(create=50, create_as=ONE),
            id="a-raised-cap-makes-the-difference",
        ),
        pytest.param(
            terms(10),
            tally(one_time_free=3, seated=4),
            orders(create=3, create_as=ONE),
            id="redeemed-codes-count",
        ),
        pytest.param(
            terms(5),
            tally(one_time_free=6, seated=2),
            orders(deactivate_newest=3),
            id="a-lowered-cap-takes-free-codes",
        ),
        pytest.param(
            terms(1),
            tally(one_time_free=1, seated=4),
            orders(deactivate_newest=1),
            id="redeemed-codes-are-not-taken-back",
        ),
        pytest.param(
            terms(10),
            tally(one_time_free=4, dormant=3),
            orders(reactivate_oldest=3, create=3, create_as=ONE),
            id="deactivated-codes-come-back-before-new-ones-are-made",
        ),
        pytest.param(
            terms(6),
            tally(one_time_free=4, dormant=3),
            orders(reactivate_oldest=2),
            id="no-more-come-back-than-are-wanted",
        ),
        pytest.param(
            terms(),
            tally(one_time_free=4, seated=2),
            orders(convert=4, convert_to=MANY),
            id="cap-removed-free-codes-become-unlimited",
        ),
        pytest.param(
            terms(),
            tally(seated=2),
            orders(create=1, create_as=MANY),
            id="cap-removed-and-nothing-free-one-is-made",
        ),
        pytest.param(
            terms(3),
            tally(unlimited_free=1),
            orders(convert=1, convert_to=ONE, create=2, create_as=ONE),
            id="cap-set-a-free-unlimited-code-counts",
        ),
        pytest.param(
            terms(5),
            tally(unlimited_redeemed=1, seated=3),
            orders(retire_unlimited=1, create=2, create_as=ONE),
            id="cap-set-redemptions-of-an-unlimited-code-count",
        ),
        pytest.param(
            terms(3),
            tally(unlimited_redeemed=1, seated=3),
            orders(retire_unlimited=1),
            id="cap-set-and-every-seat-redeemed-nothing-is-made",
        ),
        pytest.param(
            terms(2, price=Decimal(50)),
            tally(one_time_free=2, mispriced=2),
            orders(reprice_product=True, reprice_codes=2),
            id="a-new-price-reaches-product-and-free-codes",
        ),
        pytest.param(
            terms(requires=False),
            tally(one_time_free=2, unlimited_free=1, dormant=1, seated=4),
            orders(delete_unredeemed=4),
            id="sso-free-and-uncapped-deletes-what-is-unredeemed",
        ),
        pytest.param(
            terms(5, requires=False),
            tally(one_time_free=2, mispriced=2),
            orders(reprice_codes=2),
            id="sso-free-but-capped-makes-codes-free-and-none-new",
        ),
        pytest.param(terms(5, active=False), tally(mispriced=2), orders(), id="a-closed-contract-changes-nothing"),
    ],
)
def test_orders(said: Terms, there: Tally, wanted: Orders) -> None:
    assert orders_for(said, there) == wanted


def carried_out(said: Terms, there: Tally, done: Orders) -> Tally:
    """The tally after the orders, as the database would have it."""
    free, many, gone = there.one_time_free, there.unlimited_free, there.dormant
    if done.delete_unredeemed:
        return replace(there, price=said.price, one_time_free=0, unlimited_free=0, dormant=0, mispriced=0)
    if done.convert_to is ONE:
        free, many = free + many, 0
    elif done.convert_to is MANY:
        free, many = 0, many + free
    free += done.reactivate_oldest - done.deactivate_newest
    gone += done.deactivate_newest - done.reactivate_oldest
    free += done.create if done.create_as is ONE else 0
    many += done.create if done.create_as is MANY else 0
    return replace(
        there,
        price=said.price if done.reprice_product else there.price,
        one_time_free=free,
        unlimited_free=many,
        dormant=gone,
        unlimited_redeemed=0 if done.retire_unlimited else there.unlimited_redeemed,
        mispriced=there.mispriced - done.reprice_codes,
    )


small = st.integers(0, 6)
tallies = st.builds(
    Tally,
    product_id=st.just(7),
    price=st.sampled_from([FREE, Decimal(5)]),
    one_time_free=small,
    seated=small,
    unlimited_free=small,
    unlimited_redeemed=small,
    dormant=small,
    mispriced=small,
)
all_terms = st.builds(
    Terms,
    active=st.booleans(),
    requires_codes=st.booleans(),
    cap=st.none() | st.integers(1, 9),
    price=st.sampled_from([FREE, Decimal(5)]),
)


@given(all_terms, tallies)
def test_a_second_decision_orders_nothing(said: Terms, there: Tally) -> None:
    after = carried_out(said, there, orders_for(said, there))
    assert min(after.one_time_free, after.unlimited_free, after.dormant) >= 0
    assert orders_for(said, after).nothing


@given(all_terms, tallies)
def test_a_cap_ends_with_as_many_codes_as_seats_unless_more_are_redeemed(said: Terms, there: Tally) -> None:
    if not (said.active and said.requires_codes and said.cap):
        return
    after = carried_out(said, there, orders_for(said, there))
    seated = after.seated
    assert after.one_time_free + seated == max(said.cap, seated)
    assert after.unlimited_free == after.unlimited_redeemed == 0
