"""Decide slugs and prices of the published academies, and whether the list may be published. Pure.

`plan_publication` compares the academies of the catalog with the published list and returns the changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from b2b_pipelines.academies.catalog import SLUG_LENGTH, Academy, Described, Reading
from b2b_pipelines.academies.prices import NO_LOOKUP_KEY, UNCHECKED, PriceOutcome

PRICE_GOES_STALE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Product(Described):
    """A row of the published list, shown when `active`. `price` is as `PriceOutcome.price`.

    `stale` means that Stripe could not confirm the price.
    """

    price: dict[str, Any] | None
    price_state: str
    stale: bool


@dataclass(frozen=True, slots=True)
class CheckedPrice:
    """A lookup key's outcome and the time of Stripe's answer."""

    outcome: PriceOutcome
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class Prices:
    """Known prices by lookup key, and whether the last attempt to read them failed."""

    by_key: Mapping[str, CheckedPrice] = field(default_factory=dict)
    last_try_failed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one product: its row before (None: new) and after."""

    before: Product | None
    after: Product

    @property
    def kind(self) -> str:
        """Return `published`, `deactivated`, `reactivated` or `changed`."""
        if self.before is None:
            return "published"
        if self.before.active != self.after.active:
            return "reactivated" if self.after.active else "deactivated"
        return "changed"

    @property
    def values(self) -> dict[str, list[Any]]:
        """Return the fields that differ, each as `[before, after]`."""
        names = [item.name for item in fields(Product) if item.name != "uuid"]
        before = {name: getattr(self.before, name) if self.before else None for name in names}
        after = {name: getattr(self.after, name) for name in names}
        return {name: [before[name], after[name]] for name in names if before[name] != after[name]}


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of a publication: every product, and those that change.

    `implausible` is the reason why nothing may be published, or None.
    """

    products: list[Product]
    changes: list[Change]
    implausible: str | None


def plan_publication(
    reading: Reading, published: Sequence[Product], prices: Prices, *, max_deactivated: Decimal, now: datetime
) -> Plan:
    """Return the changes that publishing makes, given every product that was ever published.

    A new academy is added, a changed one updated. One that is no longer listed or selected becomes inactive; one that
    is listed but refused stays unchanged. Slugs and product keys of all products, inactive ones too, stay reserved.
    """
    stored = {product.uuid: product for product in published}
    refused = {refusal.uuid for refusal in reading.refused}
    slugs = _assigned(reading.academies, stored, "slug")
    keys = _assigned(reading.academies, stored, "product_key")
    after = {
        academy.uuid: _product(academy, slugs[academy.uuid], keys[academy.uuid], stored.get(academy.uuid))
        for academy in reading.academies
    }
    for uuid, product in stored.items():
        if uuid not in after:
            after[uuid] = replace(product, active=product.active and str(uuid) in refused)
    products = [
        _priced(product, stored.get(product.uuid), prices, now) if product.active else product
        for product in (after[uuid] for uuid in sorted(after))
    ]
    changes = [Change(stored.get(product.uuid), product) for product in products if product != stored.get(product.uuid)]
    return Plan(products, changes, _implausible(reading.items, published, changes, max_deactivated))


def _implausible(
    items: int, published: Sequence[Product], changes: Iterable[Change], max_deactivated: Decimal
) -> str | None:
    shown = sum(product.active for product in published)
    lost = sum(change.kind == "deactivated" for change in changes)
    if items == 0:
        then = f"the {shown} published ones stay" if shown else "check B2B_ACADEMY_CUSTOMER"
        return f"the catalog lists no academy: {then}"
    if lost > shown * max_deactivated:
        return (
            f"{lost} of {shown} published academies would become inactive, and at most {max_deactivated:%} may"
            " (B2B_ACADEMY_MAX_DEACTIVATED): they stay"
        )
    return None


@dataclass(frozen=True, slots=True)
class _Wish:
    """The name that an academy requests. If `settled`, a name that it `has` already stays."""

    uuid: UUID
    requested: str
    has: str
    settled: bool

    @classmethod
    def of(cls, academy: Academy, before: Product | None, column: str) -> "_Wish":
        has = getattr(before, column) if before else ""
        return cls(academy.uuid, getattr(academy, column), has, not getattr(academy, f"{column}_decided"))

    @property
    def candidates(self) -> list[str]:
        """Return the requested name, then the name with longer and longer parts of the uuid."""
        suffixes = [self.uuid.hex[:length] for length in (8, 16, 24, 32)]
        longer = [f"{self.requested[: SLUG_LENGTH - 1 - len(suffix)].rstrip('-')}-{suffix}" for suffix in suffixes]
        return [self.requested, *longer, str(self.uuid)]


def _assigned(academies: Sequence[Academy], stored: Mapping[UUID, Product], column: str) -> dict[UUID, str]:
    """Return a unique `slug` or `product_key` for each academy, among all names that are or were published.

    A published name stays, unless an override has changed it.
    """
    wishes = [_Wish.of(academy, stored.get(academy.uuid), column) for academy in academies]
    taken = {getattr(product, column): uuid for uuid, product in stored.items()}
    names: dict[UUID, str] = {}
    for wish in sorted(wishes, key=lambda wish: (not wish.has, wish.settled, wish.uuid)):
        if not wish.requested or (wish.has and (wish.settled or wish.has in wish.candidates)):
            names[wish.uuid] = wish.has
            continue
        name = next(name for name in wish.candidates if taken.get(name, wish.uuid) == wish.uuid)
        taken[name] = wish.uuid
        names[wish.uuid] = name
    return names


def _product(academy: Academy, slug: str, product_key: str, before: Product | None) -> Product:
    described = {each.name: getattr(academy, each.name) for each in fields(Described)}
    kept_id = before.catalog_query_id if before else None
    published = {
        "slug": slug,
        "product_key": product_key,
        "catalog_query_id": kept_id if academy.catalog_query_id is None else academy.catalog_query_id,
    }
    return Product(
        **{**described, **published},
        price=before.price if before else None,
        price_state=before.price_state if before else UNCHECKED,
        stale=before.stale if before else False,
    )


def _priced(product: Product, before: Product | None, prices: Prices, now: datetime) -> Product:
    """Return the product with the price of its lookup key.

    The price is Stripe's last answer, else the price published before, marked as stale.
    """
    if not product.lookup_key:
        return replace(product, price=None, price_state=NO_LOOKUP_KEY, stale=False)
    checked = prices.by_key.get(product.lookup_key)
    if checked is None:
        if before is not None and before.price is not None and before.lookup_key == product.lookup_key:
            return replace(product, price=before.price, price_state=before.price_state, stale=True)
        return replace(product, price=None, price_state=UNCHECKED, stale=prices.last_try_failed)
    stale = prices.last_try_failed or now - checked.checked_at > PRICE_GOES_STALE
    return replace(product, price=checked.outcome.price, price_state=checked.outcome.state, stale=stale)
