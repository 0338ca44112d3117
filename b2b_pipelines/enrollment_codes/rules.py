"""Decide which codes a contract must have, product by product. Pure.

A product's codes enter as a tally and leave as orders in numbers ("create 50", "deactivate the newest 3"), so that the
cost does not grow with the number of codes. `store.py` counts the tallies and carries out the orders.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any


class RedemptionType(StrEnum):
    """How many learners a code admits: one, or any number."""

    ONE_TIME = "one-time"
    UNLIMITED = "unlimited"


class RedemptionKind(StrEnum):
    """The use of a code: to join the contract, or to enroll in its course."""

    ATTACH = "attach"
    ENROLL = "enroll"


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a contract that concern its codes.

    `price` is in major units, zero when free; a `cap` of None means no cap.
    """

    active: bool
    requires_codes: bool
    cap: int | None
    price: Decimal


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of the codes of one active product.

    A code is *redeemed* after any redemption, attach or enroll. A redeemed code *keeps a seat* while the learner who
    redeemed it stays attached to the contract. A learner who left and came back keeps one seat, whatever codes they
    spent before. A one-time code belongs to the learner who enrolled with it; before any enrollment, to the learner who
    attached with it.
    """

    product_id: int
    price: Decimal = Decimal(0)
    one_time_free: int = 0
    """Active, unredeemed, one-time."""
    unlimited_free: int = 0
    """Active, unredeemed, unlimited."""
    unlimited_redeemed: int = 0
    """Active, redeemed, unlimited."""
    seated: int = 0
    """Seats kept by redeemed codes, active or not."""
    dormant: int = 0
    """Deactivated, unredeemed, of either type."""
    mispriced: int = 0
    """Unredeemed codes whose amount differs from the contract's price."""


@dataclass(frozen=True, slots=True)
class Orders:
    """Changes to one product's codes, in the order of execution.

    Zero, False or None means no change.

    Conversions and deactivations apply to active unredeemed codes, `retire_unlimited` to active redeemed unlimited
    codes, `delete_unredeemed` to every unredeemed code.
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
        sentences = [
            (self.reprice_product, "the product's price differs from the contract's"),
            (
                self.reprice_codes,
                f"{self.reprice_codes} unredeemed codes have an amount that differs from the contract's price",
            ),
            (self.delete_unredeemed, f"{self.delete_unredeemed} unredeemed codes are no longer needed"),
            (self.retire_unlimited, f"{self.retire_unlimited} redeemed unlimited codes are still active"),
            (self.convert, f"{self.convert} codes must become {self.convert_to}"),
            (self.deactivate_newest, f"{self.deactivate_newest} active codes exceed the cap"),
            (self.reactivate_oldest, f"{self.reactivate_oldest} deactivated codes must be reactivated"),
            (self.create, f"{self.create} {self.create_as} codes are missing"),
        ]
        return "; ".join(sentence for applies, sentence in sentences if applies) or "nothing to do"


def tally_of(row: Mapping[str, Any]) -> Tally:
    """Return the tally in a row of `statements.TALLIES`."""
    return Tally(**{field.name: row[field.name] for field in fields(Tally)})


def needed_orders(terms: Terms, tallies: Iterable[Tally]) -> list[Orders]:
    """Return the orders of every product whose codes differ from the contract's terms."""
    return [orders for tally in tallies if not (orders := orders_for(terms, tally)).nothing]


def orders_for(terms: Terms, tally: Tally) -> Orders:
    """Return the changes that bring one product's codes to the contract's terms.

    - An inactive contract changes nothing.
    - The price of the product and the amount of every unredeemed code follow the contract's price.
    - Unredeemed codes are deleted only when the contract has no cap, is `sso` and is free, all three.
    - Redeemed codes are never revoked, except that a redeemed unlimited code is retired when a cap is set.
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
    """Return the orders without a cap: convert free codes to unlimited.

    Create one if no code admits anyone.
    """
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
    """Return the orders with a cap: one one-time code for each seat that no redeemed code keeps."""
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
