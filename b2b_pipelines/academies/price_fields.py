"""The meaning of every field of Stripe's Price and Product objects for a shown price. Pure.

A price is shown only when `unit_amount` is the buyer's payment for each interval. The tables hold every field of the
pinned API version (that of the package `stripe`); a test fails when a later version adds one.
Source: https://docs.stripe.com/api/prices/object, https://docs.stripe.com/api/products/object
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any


class Meaning(StrEnum):
    """The meaning of a field for a shown price."""

    SHOWN = "shown"
    IRRELEVANT = "irrelevant"
    """The field affects neither the buyers nor the meaning of the amount."""
    DECIDES = "decides"
    """Some values of the field make the price `unsupported` or `inactive`."""


PRICE: Mapping[str, Meaning] = {
    "id": Meaning.SHOWN,
    "object": Meaning.IRRELEVANT,
    "active": Meaning.DECIDES,
    "billing_scheme": Meaning.DECIDES,
    "created": Meaning.IRRELEVANT,
    "currency": Meaning.SHOWN,
    "currency_options": Meaning.IRRELEVANT,  # amounts in further currencies; the price in `currency` stays
    "custom_unit_amount": Meaning.DECIDES,
    "deleted": Meaning.DECIDES,
    "livemode": Meaning.IRRELEVANT,  # a key sees the prices of one mode only
    "lookup_key": Meaning.SHOWN,
    "metadata": Meaning.IRRELEVANT,
    "nickname": Meaning.IRRELEVANT,
    "product": Meaning.SHOWN,
    "recurring": Meaning.DECIDES,
    "tax_behavior": Meaning.IRRELEVANT,  # taxes are not part of the shown price, whether included or added
    "tiers": Meaning.DECIDES,
    "tiers_mode": Meaning.DECIDES,
    "transform_quantity": Meaning.DECIDES,
    "type": Meaning.DECIDES,
    "unit_amount": Meaning.SHOWN,
    "unit_amount_decimal": Meaning.SHOWN,
}
RECURRING: Mapping[str, Meaning] = {
    "interval": Meaning.SHOWN,
    "interval_count": Meaning.SHOWN,
    "meter": Meaning.DECIDES,
    "trial_period_days": Meaning.IRRELEVANT,  # the amount after the trial is the same
    "usage_type": Meaning.DECIDES,
}
PRODUCT: Mapping[str, Meaning] = {
    "id": Meaning.SHOWN,
    "object": Meaning.IRRELEVANT,
    "active": Meaning.DECIDES,
    "created": Meaning.IRRELEVANT,
    "default_price": Meaning.IRRELEVANT,  # the price is found by its lookup key
    "deleted": Meaning.DECIDES,
    "description": Meaning.IRRELEVANT,
    "images": Meaning.IRRELEVANT,
    "livemode": Meaning.IRRELEVANT,
    "marketing_features": Meaning.IRRELEVANT,
    "metadata": Meaning.IRRELEVANT,
    "name": Meaning.IRRELEVANT,
    "package_dimensions": Meaning.IRRELEVANT,
    "shippable": Meaning.IRRELEVANT,
    "statement_descriptor": Meaning.IRRELEVANT,
    "tax_code": Meaning.IRRELEVANT,
    "tax_details": Meaning.IRRELEVANT,
    "type": Meaning.IRRELEVANT,
    "unit_label": Meaning.IRRELEVANT,
    "updated": Meaning.IRRELEVANT,
    "url": Meaning.IRRELEVANT,
}

UNSUPPORTED_WHEN_SET: Mapping[str, str] = {
    "tiers_mode": "tiered",
    "tiers": "tiered",
    "custom_unit_amount": "custom_unit_amount",  # the buyer chooses the amount
    "transform_quantity": "transform_quantity",  # the amount is for a package of units
}
"""Fields that change the meaning of `unit_amount` when set, each with the name for such a price."""

INTERVALS = frozenset(("day", "week", "month", "year"))


def fields_beyond(price: Mapping[str, Any]) -> Iterator[str]:
    """Yield the fields of a price that the tables do not have."""
    recurring, product = price.get("recurring"), price.get("product")
    for where, known, values in (
        ("price", PRICE, price),
        ("price.recurring", RECURRING, recurring),
        ("product", PRODUCT, product),
    ):
        if isinstance(values, Mapping):
            yield from (f"{where}.{name}"[:100] for name in values if name not in known)
