"""Decide whether a Stripe price can be shown for an academy, and its amount in major units. Pure.

A price is shown only when `unit_amount` is the buyer's payment for each interval.
Source: https://docs.stripe.com/api/prices/object, https://docs.stripe.com/api/products/object
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

NO_DIGITS = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # noqa: SIM905 (easier to compare)
)
THREE_DIGITS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))

PRICED = "priced"
MISSING = "missing"
INACTIVE = "inactive"
UNCHECKED = "unchecked"
NO_LOOKUP_KEY = "no lookup key"

PRICE_FIELDS = frozenset(
    "id object active billing_scheme created currency currency_options custom_unit_amount deleted livemode lookup_key"  # noqa: SIM905
    " metadata nickname product recurring tax_behavior tiers tiers_mode transform_quantity type unit_amount"
    " unit_amount_decimal".split()
)
RECURRING_FIELDS = frozenset("interval interval_count meter trial_period_days usage_type".split())  # noqa: SIM905
PRODUCT_FIELDS = frozenset(
    "id object active created default_price deleted description images livemode marketing_features metadata name"  # noqa: SIM905
    " package_dimensions shippable statement_descriptor tax_code tax_details type unit_label updated url".split()
)
"""Every field of the pinned API version (that of the package `stripe`). A test has the meaning of each for a shown price,
and fails when a later version adds one."""
UNSUPPORTED_WHEN_SET: Mapping[str, str] = {
    "tiers_mode": "tiered",
    "tiers": "tiered",
    "custom_unit_amount": "custom_unit_amount",  # the buyer chooses the amount
    "transform_quantity": "transform_quantity",  # the amount is for a package of units
}
"""Fields that change the meaning of `unit_amount` when set, each with the name for such a price."""
INTERVALS = frozenset(("day", "week", "month", "year"))


@dataclass(frozen=True, slots=True)
class PriceOutcome:
    """The price of a lookup key at Stripe.

    `state` is `priced`, and then `price` is published; or it is the reason why there is none: `missing`, `inactive`,
    `inactive: the product is archived`, `unsupported: tiered`, …
    """

    state: str
    price: dict[str, Any] | None = None


def currency_digits(currency: str) -> int:
    """Return the number of minor digits of a currency at Stripe: two for most.

    UGX and ISK have none in ISO 4217, and two at Stripe: "to charge 5 UGX, provide an amount value of 500".
    Source: https://docs.stripe.com/currencies#zero-decimal and #special-cases
    """
    code = currency.lower()
    return 0 if code in NO_DIGITS else 3 if code in THREE_DIGITS else 2


def major_units(minor: Decimal, currency: str) -> str:
    """Return an amount of minor units as text in major units.

    It has the currency's digits, or more for a finer amount: USD 9900 is `"99.00"`, JPY 9900 `"9900"`, KWD 9900
    `"9.900"`, USD 0.5 `"0.005"`.
    """
    digits = currency_digits(currency)
    sign, figures, exponent = minor.as_tuple()
    amount = Decimal((sign, figures, int(exponent) - digits))
    whole, _, fraction = f"{amount:f}".partition(".")
    fraction = fraction.rstrip("0").ljust(digits, "0")
    return f"{whole}.{fraction}" if fraction else whole


def outcome_of(prices: Iterable[Mapping[str, Any]]) -> PriceOutcome:
    """Return the outcome of a lookup key, given every price that Stripe returned for it.

    A price that can be bought wins over an inactive one; among several the newest wins. The outcome of one that
    cannot be shown correctly has the reason.
    """
    ranked = sorted(prices, key=_precedence, reverse=True)
    if not ranked:
        return PriceOutcome(MISSING)
    price = ranked[0]
    if reason := _inactive(price):
        return PriceOutcome(reason)
    if obstacle := _obstacle(price):
        return PriceOutcome(f"unsupported: {obstacle}")
    return PriceOutcome(PRICED, _published(price))


def unknown_fields(prices: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the fields of Stripe's answer that the pinned API version lacks, sorted.

    They are named `price.name` or `product.name` and refuse nothing.
    """
    return sorted({name for price in prices for name in _fields_beyond(price)})


def _fields_beyond(price: Mapping[str, Any]) -> Iterator[str]:
    for where, known, values in (
        ("price", PRICE_FIELDS, price),
        ("price.recurring", RECURRING_FIELDS, price.get("recurring")),
        ("product", PRODUCT_FIELDS, price.get("product")),
    ):
        if isinstance(values, Mapping):
            yield from (f"{where}.{name}"[:100] for name in values if name not in known)


def _precedence(price: Mapping[str, Any]) -> tuple[bool, int, str]:
    created = price.get("created")
    return _inactive(price) is None, created if isinstance(created, int) else 0, str(price.get("id"))


def _inactive(price: Mapping[str, Any]) -> str | None:
    """Return why a price cannot be bought; None for an active price of an active product."""
    product = price.get("product")
    product = product if isinstance(product, Mapping) else {}
    if price.get("active") is not True:
        return INACTIVE
    if price.get("deleted"):
        return f"{INACTIVE}: the price is deleted"
    if product.get("deleted"):
        return f"{INACTIVE}: the product is deleted"
    return f"{INACTIVE}: the product is archived" if product.get("active") is False else None


def _obstacle(price: Mapping[str, Any]) -> str | None:
    """Return why a price cannot be shown correctly, else None."""
    if (scheme := price.get("billing_scheme") or "per_unit") != "per_unit":
        return str(scheme)
    if field := next((name for name in UNSUPPORTED_WHEN_SET if price.get(name) not in (None, [])), None):
        return UNSUPPORTED_WHEN_SET[field]
    recurring = price.get("recurring")
    if not isinstance(recurring, Mapping):
        return "one_time"
    if (kind := price.get("type") or "recurring") != "recurring":
        return str(kind)
    if (usage := recurring.get("usage_type") or "licensed") != "licensed":
        return str(usage)
    if recurring.get("meter"):
        return "metered"
    return _incompleteness(price, recurring)


def _incompleteness(price: Mapping[str, Any], recurring: Mapping[str, Any]) -> str | None:
    count = recurring.get("interval_count") or 1
    complete = price.get("id") and isinstance(price.get("currency"), str) and _product_id(price)
    if not complete or not recurring.get("interval") or not _is_positive(count):
        return "incomplete"
    if recurring["interval"] not in INTERVALS:
        return "interval"
    minor = _minor_units(price)
    return "no amount" if minor is None else "negative amount" if minor < 0 else None


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _product_id(price: Mapping[str, Any]) -> str:
    product = price.get("product")
    return str((product.get("id") if isinstance(product, Mapping) else product) or "")


def _published(price: Mapping[str, Any]) -> dict[str, Any]:
    currency = price["currency"].lower()
    recurring, minor = price["recurring"], _minor_units(price)
    if minor is None:
        raise ValueError(f"price {price['id']} has no amount")
    return {
        "id": price["id"],
        "product": _product_id(price),
        "lookup_key": price.get("lookup_key") or "",
        "currency": currency,
        "unit_amount": price.get("unit_amount"),
        "unit_amount_decimal": major_units(minor, currency),
        "recurring": {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count") or 1,
            "usage_type": recurring.get("usage_type") or "licensed",
        },
    }


def _minor_units(price: Mapping[str, Any]) -> Decimal | None:
    """Return the amount in minor units: Stripe's integer, else the decimal of a finer amount."""
    amount = price.get("unit_amount")
    if isinstance(amount, bool):
        return None
    if isinstance(amount, int):
        return Decimal(amount)
    fine = price.get("unit_amount_decimal")
    if amount is not None or not isinstance(fine, str | Decimal):
        return None
    try:
        minor = Decimal(fine)
    except InvalidOperation:
        return None
    return minor if minor.is_finite() else None
