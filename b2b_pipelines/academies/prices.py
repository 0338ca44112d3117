"""What a Stripe price means for an academy: supported or not, and its amount in major units. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

NO_DIGITS = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split()  # noqa: SIM905 (easier to compare)
)
THREE_DIGITS = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))

PRICED = "priced"
MISSING = "missing"
INACTIVE = "inactive"
UNCHECKED = "unchecked"
NO_LOOKUP_KEY = "no lookup key"


@dataclass(frozen=True, slots=True)
class PriceOutcome:
    """What Stripe has for a lookup key.

    `state` is `priced`, and then `price` is what is published; or why there is none: `missing`, `inactive`,
    `unsupported: tiered`, …
    """

    state: str
    price: dict[str, Any] | None = None


def currency_digits(currency: str) -> int:
    """How many minor digits Stripe gives a currency: most have two.

    Source: https://docs.stripe.com/currencies#zero-decimal
    """
    code = currency.lower()
    return 0 if code in NO_DIGITS else 3 if code in THREE_DIGITS else 2


def major_units(minor: Decimal, currency: str) -> str:
    """An amount of minor units as text in major units, with the currency's digits, or more where it is finer.

    USD 9900 is `"99.00"`, JPY 9900 `"9900"`, KWD 9900 `"9.900"`, USD 0.5 `"0.005"`.
    """
    digits = currency_digits(currency)
    sign, figures, exponent = minor.as_tuple()
    amount = Decimal((sign, figures, int(exponent) - digits))
    whole, _, fraction = f"{amount:f}".partition(".")
    fraction = fraction.rstrip("0").ljust(digits, "0")
    return f"{whole}.{fraction}" if fraction else whole


def outcome_of(prices: Iterable[Mapping[str, Any]]) -> PriceOutcome:
    """What a lookup key comes to, given every price that Stripe answered for it.

    An active price wins over an inactive one, and among several the newest. Supported is what is active, recurring,
    `per_unit` and licensed, with an amount; anything else says why it is not.
    """
    ranked = sorted(prices, key=_precedence, reverse=True)
    if not ranked:
        return PriceOutcome(MISSING)
    price = ranked[0]
    if price.get("active") is not True:
        return PriceOutcome(INACTIVE)
    if obstacle := _obstacle(price):
        return PriceOutcome(f"unsupported: {obstacle}")
    return PriceOutcome(PRICED, _published(price))


def _precedence(price: Mapping[str, Any]) -> tuple[bool, int, str]:
    created = price.get("created")
    return price.get("active") is True, created if isinstance(created, int) else 0, str(price.get("id"))


def _obstacle(price: Mapping[str, Any]) -> str | None:
    if (scheme := price.get("billing_scheme") or "per_unit") != "per_unit":
        return str(scheme)
    recurring = price.get("recurring")
    if not isinstance(recurring, Mapping):
        return "one_time"
    if (usage := recurring.get("usage_type") or "licensed") != "licensed":
        return str(usage)
    if not price.get("id") or not isinstance(price.get("currency"), str) or not recurring.get("interval"):
        return "incomplete"
    return None if _minor_units(price) is not None else "no amount"


def _published(price: Mapping[str, Any]) -> dict[str, Any]:
    currency = price["currency"].lower()
    product, recurring, minor = price.get("product"), price["recurring"], _minor_units(price)
    if minor is None:
        raise ValueError(f"price {price['id']} has no amount")
    return {
        "id": price["id"],
        "product": (product.get("id") if isinstance(product, Mapping) else product) or "",
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
    """The amount in minor units: Stripe's whole number, else its decimal text for what is finer than that."""
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
