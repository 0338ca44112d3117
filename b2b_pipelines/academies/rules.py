"""What becomes of an academy: its fields, its slug, its price, and whether the list may be published. Pure.

`read_catalog` turns what enterprise-catalog said into academies and refusals; `plan_publication` compares those with
what is published and says what changes.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from b2b_pipelines.academies.prices import NO_LOOKUP_KEY, UNCHECKED, PriceOutcome
from b2b_pipelines.academies.selection import LARGEST, Selection, folded

SLUG_LENGTH = 255
LOOKUP_KEY_LENGTH = 200
PRICE_GOES_STALE = timedelta(hours=24)
DIGITS = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Academy:
    """An academy of the catalog, normalized. `""` is unknown; `slug` and `product_key` are what it asks for.

    `slug_decided` and `product_key_decided`: an override says so, which may change what is published.
    """

    uuid: UUID
    name: str
    long_name: str
    description: str
    marketing_url: str
    thumbnail_url: str
    tags: list[str]
    stripe_product_id: str
    lookup_key: str
    slug: str
    slug_decided: bool
    product_key: str
    product_key_decided: bool
    display_order: int
    active: bool
    catalog_query_id: int | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item of the catalog that cannot be published, and why. `uuid` and `name` are `""` when it has none."""

    uuid: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What the catalog's answer comes to.

    `items` counts what it listed. `unmatched` are entries of the allowlists, the catalog query map and the overrides
    that fit no academy, each as `(setting, entry)`.
    """

    items: int
    academies: list[Academy]
    refused: list[Refusal]
    unmatched: list[tuple[str, str]]

    @property
    def lookup_keys(self) -> list[str]:
        """The lookup keys that the academies name, each once."""
        return sorted({academy.lookup_key for academy in self.academies if academy.lookup_key})


@dataclass(frozen=True, slots=True)
class Product:
    """A row of the published list, shown when `active`. `price` is as `PriceOutcome.price`, `stale` is about it."""

    uuid: UUID
    slug: str
    product_key: str
    name: str
    long_name: str
    description: str
    marketing_url: str
    thumbnail_url: str
    tags: list[str]
    stripe_product_id: str
    lookup_key: str
    catalog_query_id: int | None
    display_order: int
    active: bool
    price: dict[str, Any] | None
    price_state: str
    stale: bool


@dataclass(frozen=True, slots=True)
class CheckedPrice:
    """A lookup key's outcome and when Stripe said so."""

    outcome: PriceOutcome
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class Prices:
    """What is known from Stripe: by lookup key, and whether the last try to ask failed."""

    by_key: Mapping[str, CheckedPrice] = field(default_factory=dict)
    last_try_failed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What a publication does to one product: its row before (None: new) and after."""

    before: Product | None
    after: Product

    @property
    def kind(self) -> str:
        """`published`, `deactivated`, `reactivated` or `changed`."""
        if self.before is None:
            return "published"
        if self.before.active != self.after.active:
            return "reactivated" if self.after.active else "deactivated"
        return "changed"

    @property
    def values(self) -> dict[str, list[Any]]:
        """The fields that differ, each with what it was and what it is."""
        names = [item.name for item in fields(Product) if item.name != "uuid"]
        before = {name: getattr(self.before, name) if self.before else None for name in names}
        after = {name: getattr(self.after, name) for name in names}
        return {name: [before[name], after[name]] for name in names if before[name] != after[name]}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a publication comes to: every product as it is to be, and which of them change.

    `implausible` says why nothing may be published; None when it may.
    """

    products: list[Product]
    changes: list[Change]
    implausible: str | None


class _Unusable(Exception):
    """An item that cannot be published; the message says why."""


def read_catalog(items: Sequence[object], catalogs: Sequence[object], selection: Selection) -> Reading:
    """The academies that are kept, normalized, in the order of their uuids, and the items that are refused.

    `items` is what `/academies/` listed and `catalogs` what `/enterprise-catalogs/` did, each as it came. One bad
    item is refused and stops nothing else.
    """
    fallback = first_catalog_query_id(catalogs)
    academies: dict[UUID, Academy] = {}
    refused: list[Refusal] = []
    seen: set[str] = set()
    for item in items:
        try:
            uuid, name = _identity(item)
            seen |= {str(uuid), folded(name)}
            if _is_kept(uuid, name, selection):
                academies[uuid] = _normalized(item, uuid, name, fallback, selection)
        except _Unusable as reason:
            refused.append(_refusal(item, str(reason)))
    return Reading(
        items=len(items),
        academies=[academies[uuid] for uuid in sorted(academies)],
        refused=sorted(refused, key=lambda refusal: (refusal.uuid, refusal.name, refusal.reason)),
        unmatched=_unmatched(selection, seen),
    )


def first_catalog_query_id(catalogs: Sequence[object]) -> int | None:
    """The first usable catalog query id of a customer's catalogs, in the order in which the catalogs were created.

    enterprise-catalog lists them in that order; where catalogs say when they were `created`, that decides.
    """
    known = [catalog for catalog in catalogs if isinstance(catalog, Mapping)]
    in_order = sorted(known, key=lambda catalog: text_of(catalog.get("created")))
    return next(
        (found for catalog in in_order if (found := whole_id(catalog.get("catalog_query_id"))) is not None), None
    )


def whole_id(said: object) -> int | None:
    """An id: a whole number, or digits in text. Anything else, a boolean too, is None."""
    if isinstance(said, str) and DIGITS.fullmatch(said.strip()):
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int):
        return None
    return said if -LARGEST <= said <= LARGEST else None


def text_of(said: object) -> str:
    """A text without blanks around it and without what PostgreSQL cannot keep; `""` for anything that is no text."""
    if not isinstance(said, str):
        return ""
    return said.replace("\x00", "").encode("utf-8", "ignore").decode().strip()


def slug_of(said: str) -> str:
    """ASCII letters (accents folded) and digits in lower case, hyphens between, at most 255; `""` when nothing is left."""
    plain = unicodedata.normalize("NFKD", said).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:SLUG_LENGTH].strip("-")


def plan_publication(
    reading: Reading, published: Sequence[Product], prices: Prices, *, max_deactivated: Decimal, now: datetime
) -> Plan:
    """What publishing the academies changes, given everything that was ever published.

    An academy that is new is added, a changed one updated. One that is no longer listed or kept becomes inactive; one
    that is listed but refused stays as it was. Slugs and product keys of all, inactive ones too, stay reserved.
    """
    stored = {product.uuid: product for product in published}
    refused = {refusal.uuid for refusal in reading.refused}
    slugs = _assigned([_Wish.for_slug(academy, stored) for academy in reading.academies], published, "slug")
    keys = _assigned(
        [_Wish.for_product_key(academy, stored) for academy in reading.academies], published, "product_key"
    )
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
        return f"the catalog lists no academy at all: the {shown} that are published stay"
    if lost > shown * max_deactivated:
        return (
            f"{lost} of {shown} published academies would become inactive, and at most {max_deactivated:%} may"
            " (B2B_ACADEMY_MAX_DEACTIVATED): they stay"
        )
    return None


def _identity(item: object) -> tuple[UUID, str]:
    if not isinstance(item, Mapping):
        raise _Unusable("is no object")
    said = text_of(item.get("uuid"))
    if not said:
        raise _Unusable("has no uuid")
    try:
        uuid = UUID(said)
    except ValueError:
        raise _Unusable("its uuid is none") from None
    name = text_of(item.get("name")) or text_of(item.get("title"))
    if not name:
        raise _Unusable("has neither name nor title")
    return uuid, name


def _refusal(item: object, reason: str) -> Refusal:
    if not isinstance(item, Mapping):
        return Refusal("", "", f"{reason}: {text_of(json.dumps(item))[:80]}")
    said = text_of(item.get("uuid"))
    name = text_of(item.get("name")) or text_of(item.get("title"))
    return Refusal(folded(said) if said else "", name, reason)


def _is_kept(uuid: UUID, name: str, selection: Selection) -> bool:
    if not selection.uuids and not selection.names:
        return True
    return uuid in selection.uuids or folded(name) in {folded(listed) for listed in selection.names}


def _normalized(item: object, uuid: UUID, name: str, fallback: int | None, selection: Selection) -> Academy:
    assert isinstance(item, Mapping)
    override = {**selection.overrides.get(folded(name), {}), **selection.overrides.get(str(uuid), {})}
    said = {**item, **override}

    def text(*names: str) -> str:
        return next((found for field_name in names if (found := text_of(said.get(field_name)))), "")

    title = text_of(item.get("title"))
    shown_name = text("name", "title")
    lookup_key = text("stripe_price_lookup_key")
    if len(lookup_key) > LOOKUP_KEY_LENGTH:
        raise _Unusable(f"its stripe_price_lookup_key is longer than Stripe's {LOOKUP_KEY_LENGTH} characters")
    mapped = selection.catalog_query_ids.get(str(uuid), selection.catalog_query_ids.get(folded(name)))
    candidates = (override.get("catalog_query_id"), mapped, whole_id(item.get("catalog_query_id")), fallback)
    return Academy(
        uuid=uuid,
        name=shown_name,
        long_name=text("long_name") or title or shown_name,
        description=text("description", "long_description", "short_description"),
        marketing_url=text("marketing_url"),
        thumbnail_url=text("thumbnail_url", "image"),
        tags=_tags(item.get("tags")),
        stripe_product_id=text("stripe_product_id"),
        lookup_key=lookup_key,
        slug=slug_of(text("slug")) or slug_of(shown_name) or str(uuid),
        slug_decided="slug" in override,
        product_key=text("product_key")[:SLUG_LENGTH],
        product_key_decided="product_key" in override,
        display_order=_display_order(said.get("display_order")),
        active=_is_active(item.get("is_active")),
        catalog_query_id=next((candidate for candidate in candidates if candidate is not None), None),
    )


def _tags(said: object) -> list[str]:
    """The titles of the tags, in their order, each once."""
    listed = said if isinstance(said, list) else []
    titles = (text_of(tag.get("title") if isinstance(tag, Mapping) else tag) for tag in listed)
    return list(dict.fromkeys(title for title in titles if title))


def _display_order(said: object) -> int:
    if said is None:
        return 0
    if isinstance(said, float) and said.is_integer():
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said <= LARGEST:
        raise _Unusable("its display_order is not a whole number from 0 on")
    return said


def _is_active(said: object) -> bool:
    if said is None:
        return True
    if isinstance(said, str):
        said = {"true": True, "false": False}.get(said.strip().lower())
    if not isinstance(said, bool):
        raise _Unusable("its is_active is neither true nor false")
    return said


def _unmatched(selection: Selection, seen: set[str]) -> list[tuple[str, str]]:
    settings: list[tuple[str, Iterable[str]]] = [
        ("B2B_ACADEMY_UUIDS", sorted(map(str, selection.uuids))),
        ("B2B_ACADEMY_NAMES", selection.names),
        ("B2B_ACADEMY_CATALOG_QUERY_IDS", selection.catalog_query_ids),
        ("B2B_ACADEMY_OVERRIDES", selection.overrides),
    ]
    return [(setting, entry) for setting, entries in settings for entry in entries if folded(entry) not in seen]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What an academy wants to be called: `wanted`, and if `settled`, only as long as it has no such thing yet."""

    uuid: UUID
    wanted: str
    has: str
    settled: bool

    @classmethod
    def for_slug(cls, academy: Academy, stored: Mapping[UUID, Product]) -> "_Wish":
        before = stored.get(academy.uuid)
        return cls(academy.uuid, academy.slug, before.slug if before else "", not academy.slug_decided)

    @classmethod
    def for_product_key(cls, academy: Academy, stored: Mapping[UUID, Product]) -> "_Wish":
        before = stored.get(academy.uuid)
        has = before.product_key if before else ""
        return cls(academy.uuid, academy.product_key, has, not academy.product_key_decided)

    @property
    def candidates(self) -> list[str]:
        """The wanted name, then with more and more of the uuid behind it."""
        suffixes = [self.uuid.hex[:length] for length in (8, 16, 24, 32)]
        longer = [f"{self.wanted[: SLUG_LENGTH - 1 - len(suffix)].rstrip('-')}-{suffix}" for suffix in suffixes]
        return [self.wanted, *longer, str(self.uuid)]


def _assigned(wishes: Sequence[_Wish], published: Sequence[Product], column: str) -> dict[UUID, str]:
    """A name for each, unique among all that is or was published. What is published stays, unless it was decided anew."""
    taken = {getattr(product, column): product.uuid for product in published}
    names: dict[UUID, str] = {}
    for wish in sorted(wishes, key=lambda wish: (not wish.has, wish.settled, wish.uuid)):
        if not wish.wanted or (wish.has and (wish.settled or wish.has in wish.candidates)):
            names[wish.uuid] = wish.has
            continue
        name = next(name for name in wish.candidates if taken.get(name, wish.uuid) == wish.uuid)
        taken[name] = wish.uuid
        names[wish.uuid] = name
    return names


def _product(academy: Academy, slug: str, product_key: str, before: Product | None) -> Product:
    kept_id = before.catalog_query_id if before else None
    return Product(
        uuid=academy.uuid,
        slug=slug,
        product_key=product_key,
        name=academy.name,
        long_name=academy.long_name,
        description=academy.description,
        marketing_url=academy.marketing_url,
        thumbnail_url=academy.thumbnail_url,
        tags=academy.tags,
        stripe_product_id=academy.stripe_product_id,
        lookup_key=academy.lookup_key,
        catalog_query_id=kept_id if academy.catalog_query_id is None else academy.catalog_query_id,
        display_order=academy.display_order,
        active=academy.active,
        price=before.price if before else None,
        price_state=before.price_state if before else UNCHECKED,
        stale=before.stale if before else False,
    )


def _priced(product: Product, before: Product | None, prices: Prices, now: datetime) -> Product:
    """The product with the price of its lookup key: Stripe's last answer, else the price published before, as stale."""
    if not product.lookup_key:
        return replace(product, price=None, price_state=NO_LOOKUP_KEY, stale=False)
    checked = prices.by_key.get(product.lookup_key)
    if checked is None:
        if before is not None and before.price is not None and before.lookup_key == product.lookup_key:
            return replace(product, price=before.price, price_state=before.price_state, stale=True)
        return replace(product, price=None, price_state=UNCHECKED, stale=prices.last_try_failed)
    stale = prices.last_try_failed or now - checked.checked_at > PRICE_GOES_STALE
    return replace(product, price=checked.outcome.price, price_state=checked.outcome.state, stale=stale)
