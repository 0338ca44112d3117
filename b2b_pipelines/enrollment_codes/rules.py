"""Which codes a contract must have: the rules as one pure function, product by product.

A product's codes enter as a tally and leave as orders in numbers ("create 50", "deactivate the newest 3"), so that a
million codes are decided on as quickly as one. `store.py` counts the tallies and carries out the orders.
"""

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum


class RedemptionType(StrEnum):
    """How often a code admits: one learner, or as many as come."""

    ONE_TIME = "one-time"
    UNLIMITED = "unlimited"


class RedemptionKind(StrEnum):
    """What a code was used for: to join the contract, or to enroll in its course."""

    ATTACH = "attach"
    ENROLL = "enroll"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract says about its codes. `price` is in major units, zero when free; `cap` None is no cap."""

    active: bool
    requires_codes: bool
    cap: int | None
    price: Decimal


@dataclass(frozen=True, slots=True)
class Tally:
    """The codes that one active product has.

    A code is *redeemed* after any redemption, attach or enroll. A redeemed code *keeps a seat* while the learner who
    redeemed it stays attached to the contract. Who left and came back is one seat, whatever codes they spent before. A
    one-time code is of the learner who enrolled with it, and before anybody did, of the one who attached with it.
    """

    product_id: int
    price: Decimal = Decimal(0)
    one_time_free: int = 0
    """active, unredeemed, one-time"""
    unlimited_free: int = 0
    """active, unredeemed, unlimited"""
    unlimited_redeemed: int = 0
    """active, redeemed, unlimited"""
    seated: int = 0
    """seats that redeemed codes keep, active or not"""
    dormant: int = 0
    """deactivated, unredeemed, of either type"""
    mispriced: int = 0
    """unredeemed codes whose amount is not the contract's price"""


@dataclass(frozen=True, slots=True)
class Orders:
    """What is to be done to one product's codes, in this order. An order for nothing is zero, False or None.

    Conversions and deactivations concern active unredeemed codes; `retire_unlimited` the active redeemed unlimited
    ones; `delete_unredeemed` every unredeemed code.
    """

    product_id: int
    reprice_product: bool = False
    reprice_codes: int = 0
    delete_unredeemed: int = 0
    retire_unlimited: int = 0
    convert: int = 0
    convert_to: RedemptionType | None = None
    deactivate_newest: int = 0
    reactivate_oldest: int = 0
    create: int = 0
    create_as: RedemptionType | None = None

    @property
    def nothing(self) -> bool:
        return not any(getattr(self, field.name) for field in fields(self) if field.name != "product_id")

    def __str__(self) -> str:
        said = [
            (self.reprice_product, "the product has another price than the contract"),
            (
                self.reprice_codes,
                f"{self.reprice_codes} unredeemed codes have another amount than the contract's price",
            ),
            (self.delete_unredeemed, f"{self.delete_unredeemed} unredeemed codes are no longer needed"),
            (self.retire_unlimited, f"{self.retire_unlimited} redeemed unlimited codes are still active"),
            (self.convert, f"{self.convert} codes ought to be {self.convert_to}"),
            (self.deactivate_newest, f"{self.deactivate_newest} codes too many are active"),
            (self.reactivate_oldest, f"{self.reactivate_oldest} deactivated codes are wanted back"),
            (self.create, f"{self.create} {self.create_as} codes are missing"),
        ]
        return "; ".join(words for applies, words in said if applies) or "nothing to do"


def orders_for(terms: Terms, tally: Tally) -> Orders:
    """What makes one product's codes as the contract's terms want them; nothing once they are.

    - A contract that is not active changes nothing.
    - The price of the product and the amount of every unredeemed code follow the contract's price.
    - Codes are deleted in one case only: no cap, `sso` and free, all three. Only unredeemed ones go.
    - Redeemed codes are never taken back, except that a redeemed unlimited code is retired when a cap is set.
    """
    if not terms.active:
        return Orders(tally.product_id)
    if not terms.requires_codes and terms.cap is None:
        unredeemed = tally.one_time_free + tally.unlimited_free + tally.dormant
        return Orders(tally.product_id, reprice_product=tally.price != terms.price, delete_unredeemed=unredeemed)
    if not terms.requires_codes:
        return Orders(tally.product_id, reprice_product=tally.price != terms.price, reprice_codes=tally.mispriced)
    if terms.cap is None:
        return _unlimited(terms, tally)
    return _one_a_seat(terms, tally, terms.cap)


def _unlimited(terms: Terms, tally: Tally) -> Orders:
    """No cap: whatever is free admits everybody; when nothing does, one code is made that does."""
    admits = tally.one_time_free + tally.unlimited_free + tally.unlimited_redeemed
    return Orders(
        tally.product_id,
        reprice_product=tally.price != terms.price,
        reprice_codes=tally.mispriced,
        convert=tally.one_time_free,
        convert_to=RedemptionType.UNLIMITED if tally.one_time_free else None,
        create=0 if admits else 1,
        create_as=None if admits else RedemptionType.UNLIMITED,
    )


def _one_a_seat(terms: Terms, tally: Tally, cap: int) -> Orders:
    """A cap: one one-time code for each seat that no redeemed code keeps."""
    free = tally.one_time_free + tally.unlimited_free
    counted = free + tally.seated
    lacking, surplus = max(cap - counted, 0), min(max(counted - cap, 0), free)
    reactivated = min(lacking, tally.dormant)
    created = lacking - reactivated
    return Orders(
        tally.product_id,
        reprice_product=tally.price != terms.price,
        reprice_codes=tally.mispriced,
        retire_unlimited=tally.unlimited_redeemed,
        convert=tally.unlimited_free,
        convert_to=RedemptionType.ONE_TIME if tally.unlimited_free else None,
        deactivate_newest=surplus,
        reactivate_oldest=reactivated,
        create=created,
        create_as=RedemptionType.ONE_TIME if created else None,
    )
