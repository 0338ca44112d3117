"""Decide whether a basket may be checked out, and at what price. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from b2b_pipelines.learners.rules import Place


class Reason(StrEnum):
    """Reasons to refuse a basket."""

    EMPTY_BASKET = "empty_basket"
    UNKNOWN_PRODUCT = "unknown_product"
    INACTIVE_PRODUCT = "inactive_product"
    ALREADY_ENROLLED = "already_enrolled"
    INVALID_CODE = "invalid_code"
    LEARNER_CONFLICT = "learner_conflict"
    MISSING_ENROLLMENT_CODE = "missing_enrollment_code"
    CONTRACT_NOT_OPEN = "contract_not_open"
    CONTRACT_FULL = "contract_full"
    RUN_NOT_OPEN = "run_not_open"


@dataclass(frozen=True, slots=True)
class Item:
    """A product from the learner's point of view.

    A `contract_id` of None means that no contract's rules apply. `run_open` means that enrollment in its course run has
    begun and has not ended.
    """

    product_id: int
    price: Decimal
    active: bool
    contract_id: int | None
    enrolled: bool
    """The learner is enrolled in its course run already."""
    run_open: bool = True


@dataclass(frozen=True, slots=True)
class Offer:
    """A code from the learner's point of view.

    `amount` is the price of its product with the code.
    """

    code: str
    product_id: int
    contract_id: int
    amount: Decimal
    valid: bool
    """Active; and if it is a one-time code, not redeemed to enroll and not redeemed to attach by another learner."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A contract of the basket: whether it is free, and the learner's relation to it."""

    free: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason, with the product or code it concerns."""

    error_code: Reason
    product: int | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A product to check out, with its code and its amount in major units."""

    product: int
    code: str | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """The decision on a basket: refusals, or lines."""

    refusals: tuple[Refusal, ...]
    lines: tuple[Line, ...]

    @property
    def allowed(self) -> bool:
        return not self.refusals

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal(0))


def quote(
    products: Sequence[int],
    codes: Sequence[str],
    items: Mapping[int, Item],
    offers: Mapping[str, Offer],
    standings: Mapping[int, Standing],
    *,
    conflict: bool = False,
) -> Quote:
    """Decide on a basket of products and codes. Each counts once.

    A product of a contract needs its own code, even at a price of zero, unless every contract in the basket is free and
    the learner is attached to all of them. A line costs the amount of its code, else the product's price. When two
    valid codes fit one product, the first is used and the other stays unused. A refused basket has no lines. `conflict`
    means that the LMS user id and the address belong to different learners.
    """
    if not products:
        return Quote((Refusal(Reason.EMPTY_BASKET),), ())
    basket = {product: items.get(product) for product in products}
    ours = {product: item for product, item in basket.items() if item is not None and item.contract_id is not None}
    fitting = {code: offer for code in codes if (offer := offers.get(code)) and _fits(offer, ours)}
    chosen = {offer.product_id: offer for offer in reversed(fitting.values()) if offer.valid}
    invalid = [code for code in dict.fromkeys(codes) if code not in fitting or not fitting[code].valid]
    concerned = [standings[item.contract_id] for item in ours.values() if item.contract_id is not None]
    codes_needed = not all(standing.free and standing.place.attached for standing in concerned)
    answered = {offer.product_id for offer in fitting.values()}
    missing = {product for product in ours if codes_needed and product not in answered}
    refusals = [Refusal(reason, product=product) for product, item in basket.items() if (reason := _unavailable(item))]
    unavailable = {refusal.product for refusal in refusals}
    refusals += [Refusal(Reason.INVALID_CODE, code=code) for code in invalid]
    refusals += [Refusal(Reason.LEARNER_CONFLICT)] if conflict else []
    for product, item in ours.items():
        if product not in unavailable and item.contract_id is not None:
            if product in missing:
                refusals.append(Refusal(Reason.MISSING_ENROLLMENT_CODE, product=product))
            if reason := _closed(standings[item.contract_id].place):
                refusals.append(Refusal(reason, product=product))
            if not item.run_open:
                refusals.append(Refusal(Reason.RUN_NOT_OPEN, product=product))
    if refusals:
        return Quote(tuple(refusals), ())
    return Quote((), tuple(_line(item, chosen.get(product)) for product, item in basket.items() if item is not None))


def _fits(offer: Offer, ours: Mapping[int, Item]) -> bool:
    """Return whether a code belongs to a product in the basket and to the product's contract."""
    return offer.product_id in ours and ours[offer.product_id].contract_id == offer.contract_id


def _unavailable(item: Item | None) -> Reason | None:
    if item is None:
        return Reason.UNKNOWN_PRODUCT
    if not item.active:
        return Reason.INACTIVE_PRODUCT
    return Reason.ALREADY_ENROLLED if item.enrolled else None


def _closed(place: Place) -> Reason | None:
    if not place.open:
        return Reason.CONTRACT_NOT_OPEN
    return Reason.CONTRACT_FULL if place.full and not place.attached else None


def _line(item: Item, offer: Offer | None) -> Line:
    if offer is None:
        return Line(item.product_id, None, item.price)
    return Line(item.product_id, offer.code, offer.amount)
