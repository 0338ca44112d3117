"""Every field of Stripe's Price object, as the installed package has it: shown, irrelevant, or refused with its reason."""

from enum import StrEnum
from typing import Any, ClassVar, get_origin

import pytest
import stripe

from b2b_pipelines.academies.prices import (
    PRICE_FIELDS,
    PRODUCT_FIELDS,
    RECURRING_FIELDS,
    outcome_of,
    unknown_fields,
)


class Meaning(StrEnum):
    """The meaning of a field for a shown price. Some values of a field that decides make it unsupported or inactive."""

    SHOWN = "shown"
    IRRELEVANT = "irrelevant"
    DECIDES = "decides"


SHOWN, IRRELEVANT, DECIDES = Meaning.SHOWN, Meaning.IRRELEVANT, Meaning.DECIDES
PRICE = {
    "id": "price_1",
    "active": True,
    "billing_scheme": "per_unit",
    "created": 1,
    "currency": "usd",
    "lookup_key": "data_monthly",
    "product": {"id": "prod_1", "object": "product", "active": True, "name": "Data"},
    "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed", "meter": None},
    "type": "recurring",
    "unit_amount": 9900,
    "unit_amount_decimal": "9900",
}

# field: its meaning, and for each interesting value the state of the price (None: what is shown then).
OF_PRICE: dict[str, tuple[Meaning, list[tuple[Any, str | None]]]] = {
    "id": (SHOWN, [("price_2", None), (None, "unsupported: incomplete")]),
    "object": (IRRELEVANT, [("price", None)]),
    "active": (DECIDES, [(False, "inactive"), (None, "inactive"), ("true", "inactive")]),
    "billing_scheme": (DECIDES, [("tiered", "unsupported: tiered"), ("new", "unsupported: new")]),
    "created": (IRRELEVANT, [(2, None)]),
    "currency": (SHOWN, [("EUR", None), (None, "unsupported: incomplete")]),
    "currency_options": (IRRELEVANT, [({"eur": {"unit_amount": 8900}}, None)]),
    "custom_unit_amount": (
        DECIDES,
        [(None, None), ({"minimum": 100}, "unsupported: custom_unit_amount"), ({}, "unsupported: custom_unit_amount")],
    ),
    "deleted": (DECIDES, [(True, "inactive: the price is deleted")]),
    "livemode": (IRRELEVANT, [(True, None), (False, None)]),
    "lookup_key": (SHOWN, [("data_yearly", None)]),
    "metadata": (IRRELEVANT, [({"a": "b"}, None)]),
    "nickname": (IRRELEVANT, [("Monthly", None)]),
    "product": (SHOWN, [("prod_2", None), (None, "unsupported: incomplete")]),
    "recurring": (DECIDES, [(None, "unsupported: one_time")]),
    "tax_behavior": (IRRELEVANT, [("inclusive", None), ("exclusive", None), ("unspecified", None)]),
    "tiers": (DECIDES, [(None, None), ([], None), ([{"up_to": 1, "unit_amount": 9900}], "unsupported: tiered")]),
    "tiers_mode": (DECIDES, [(None, None), ("graduated", "unsupported: tiered"), ("volume", "unsupported: tiered")]),
    "transform_quantity": (
        DECIDES,
        [(None, None), ({"divide_by": 10, "round": "up"}, "unsupported: transform_quantity")],
    ),
    "type": (DECIDES, [("one_time", "unsupported: one_time"), ("new", "unsupported: new")]),
    "unit_amount": (SHOWN, [(100, None), (-100, "unsupported: negative amount"), ("100", "unsupported: no amount")]),
    "unit_amount_decimal": (SHOWN, [("9900", None)]),
}
OF_RECURRING: dict[str, tuple[Meaning, list[tuple[Any, str | None]]]] = {
    "interval": (SHOWN, [("year", None), ("decade", "unsupported: interval"), (None, "unsupported: incomplete")]),
    "interval_count": (SHOWN, [(3, None), (0.5, "unsupported: incomplete"), (-1, "unsupported: incomplete")]),
    "meter": (DECIDES, [(None, None), ("mtr_1", "unsupported: metered")]),
    "trial_period_days": (IRRELEVANT, [(14, None)]),
    "usage_type": (DECIDES, [("metered", "unsupported: metered"), ("new", "unsupported: new")]),
}
OF_PRODUCT: dict[str, tuple[Meaning, list[tuple[Any, str | None]]]] = {
    "id": (SHOWN, [("prod_2", None), (None, "unsupported: incomplete")]),
    "object": (IRRELEVANT, [("product", None)]),
    "active": (DECIDES, [(False, "inactive: the product is archived")]),
    "created": (IRRELEVANT, [(2, None)]),
    "default_price": (IRRELEVANT, [("price_9", None)]),
    "deleted": (DECIDES, [(True, "inactive: the product is deleted")]),
    "description": (IRRELEVANT, [("Courses", None)]),
    "images": (IRRELEVANT, [(["https://example.com/a.png"], None)]),
    "livemode": (IRRELEVANT, [(True, None)]),
    "marketing_features": (IRRELEVANT, [([{"name": "x"}], None)]),
    "metadata": (IRRELEVANT, [({"a": "b"}, None)]),
    "name": (IRRELEVANT, [("Other", None)]),
    "package_dimensions": (IRRELEVANT, [({"height": 1.0}, None)]),
    "shippable": (IRRELEVANT, [(True, None)]),
    "statement_descriptor": (IRRELEVANT, [("DATA", None)]),
    "tax_code": (IRRELEVANT, [("txcd_1", None)]),
    "tax_details": (IRRELEVANT, [({"tax_code": "txcd_1"}, None)]),
    "type": (IRRELEVANT, [("service", None), ("good", None)]),
    "unit_label": (IRRELEVANT, [("seat", None)]),
    "updated": (IRRELEVANT, [(2, None)]),
    "url": (IRRELEVANT, [("https://example.com", None)]),
}


def fields_of(kind: type) -> set[str]:
    return {name for name, hint in kind.__annotations__.items() if get_origin(hint) is not ClassVar}


def cases(prefix, table):
    return [
        pytest.param(name, value, state, id=f"{prefix}{name}={value!r:.40}")
        for name, (_, values) in table.items()
        for value, state in values
    ]


@pytest.mark.parametrize(
    ("kind", "table", "in_code"),
    [
        (stripe.Price, OF_PRICE, PRICE_FIELDS),
        (stripe.Price.Recurring, OF_RECURRING, RECURRING_FIELDS),
        (stripe.Product, OF_PRODUCT, PRODUCT_FIELDS),
    ],
    ids=["price", "recurring", "product"],
)
def test_every_field_of_the_installed_package_is_in_the_table_and_in_the_code(kind, table, in_code):
    """A later version of the package that adds a field fails here: decide what it means for a shown price."""
    assert fields_of(kind) == set(table)
    assert in_code == set(table)


def test_what_an_irrelevant_field_holds_refuses_nothing():
    for table in (OF_PRICE, OF_RECURRING, OF_PRODUCT):
        for meaning, values in table.values():
            if meaning is IRRELEVANT:
                assert {state for _, state in values} == {None}
            if meaning is DECIDES:
                assert {state for _, state in values} - {None}


@pytest.mark.parametrize(("name", "value", "state"), cases("", OF_PRICE))
def test_a_field_of_the_price(name, value, state):
    check(PRICE | {name: value}, name, state, shown=OF_PRICE[name][0])


@pytest.mark.parametrize(("name", "value", "state"), cases("recurring.", OF_RECURRING))
def test_a_field_of_its_recurrence(name, value, state):
    check(PRICE | {"recurring": PRICE["recurring"] | {name: value}}, name, state, shown=OF_RECURRING[name][0])


@pytest.mark.parametrize(("name", "value", "state"), cases("product.", OF_PRODUCT))
def test_a_field_of_its_product(name, value, state):
    check(PRICE | {"product": PRICE["product"] | {name: value}}, name, state, shown=OF_PRODUCT[name][0])


def check(price, name, state, *, shown):
    outcome, usual = outcome_of([price]), outcome_of([PRICE])
    assert outcome.state == (state or "priced")
    assert (outcome.price is None) is (state is not None)
    if state is None and shown is not SHOWN:
        assert outcome.price == usual.price
    assert unknown_fields([price]) == []


def test_an_active_price_of_an_active_product_wins_over_that_of_an_archived_one():
    archived = PRICE | {"id": "price_9", "created": 9, "product": PRICE["product"] | {"active": False}}
    for prices in ([archived, PRICE], [PRICE, archived]):
        outcome = outcome_of(prices)
        assert outcome.price is not None
        assert outcome.price["id"] == "price_1"


def test_a_field_of_a_later_version_is_noted_and_refuses_nothing():
    price = PRICE | {
        "surge": {"factor": 2},
        "recurring": PRICE["recurring"] | {"anchor": 1},
        "product": PRICE["product"] | {"region": "EU"},
    }
    assert outcome_of([price]).state == "priced"
    assert unknown_fields([price, PRICE]) == ["price.recurring.anchor", "price.surge", "product.region"]
