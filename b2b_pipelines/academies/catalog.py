"""Turn the answer of enterprise-catalog into academies and refusals. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from b2b_pipelines.academies.selection import LARGEST, Selection, folded
from b2b_pipelines.inputs.text import as_slug

SLUG_LENGTH = 255
LOOKUP_KEY_LENGTH = 200
DIGITS = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Described:
    """The description of an academy, in the catalog as in the published list. `""` means unknown."""

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


@dataclass(frozen=True, slots=True)
class Academy(Described):
    """A normalized academy of the catalog. `slug` and `product_key` are its requests.

    `slug_decided` and `product_key_decided` mean that an override sets the value, which may then change a published
    one.
    """

    slug_decided: bool
    product_key_decided: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item of the catalog that cannot be published, with the reason.

    `uuid` and `name` are `""` when the item has none.
    """

    uuid: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The academies and refusals in the catalog's answer.

    `items` is the number of listed items. `unmatched` are entries of the allowlists, the catalog query map and the
    overrides that match no academy, each as `(setting, entry)`.
    """

    items: int
    academies: list[Academy]
    refused: list[Refusal]
    unmatched: list[tuple[str, str]]

    @property
    def lookup_keys(self) -> list[str]:
        """Return the distinct lookup keys of the academies, sorted."""
        return sorted({academy.lookup_key for academy in self.academies if academy.lookup_key})


class _Unusable(Exception):
    """An item that cannot be published; the message has the reason."""


def read_catalog(items: Sequence[object], catalogs: Sequence[object], selection: Selection) -> Reading:
    """Return the academies to keep, normalized and in uuid order, and the refused items.

    `items` is the answer of `/academies/` and `catalogs` that of `/enterprise-catalogs/`, both unchanged. A bad item is
    refused and does not affect the others.
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
    """Return the first usable catalog query id of a customer's catalogs, in order of creation.

    enterprise-catalog lists them in that order; if catalogs have a `created` time, that decides.
    """
    known = [catalog for catalog in catalogs if isinstance(catalog, Mapping)]
    in_order = sorted(known, key=lambda catalog: text_of(catalog.get("created")))
    return next(
        (found for catalog in in_order if (found := whole_id(catalog.get("catalog_query_id"))) is not None), None
    )


def whole_id(value: object) -> int | None:
    """Return an id from a whole number or from text of digits.

    Return None for anything else, also a boolean.
    """
    if isinstance(value, str) and DIGITS.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -LARGEST <= value <= LARGEST else None


def text_of(value: object) -> str:
    """Return a text without surrounding blanks and characters that PostgreSQL cannot store.

    Return `""` for a value that is not text.
    """
    if not isinstance(value, str):
        return ""
    return value.replace("\x00", "").encode("utf-8", "ignore").decode().strip()


def _identity(item: object) -> tuple[UUID, str]:
    if not isinstance(item, Mapping):
        raise _Unusable("is not an object")
    uuid_text = text_of(item.get("uuid"))
    if not uuid_text:
        raise _Unusable("has no uuid")
    try:
        uuid = UUID(uuid_text)
    except ValueError:
        raise _Unusable("its uuid is not valid") from None
    name = text_of(item.get("name")) or text_of(item.get("title"))
    if not name:
        raise _Unusable("has neither name nor title")
    return uuid, name


def _refusal(item: object, reason: str) -> Refusal:
    if not isinstance(item, Mapping):
        return Refusal("", "", f"{reason}: {text_of(json.dumps(item))[:80]}")
    uuid_text = text_of(item.get("uuid"))
    name = text_of(item.get("name")) or text_of(item.get("title"))
    return Refusal(folded(uuid_text) if uuid_text else "", name, reason)


def _is_kept(uuid: UUID, name: str, selection: Selection) -> bool:
    if not selection.uuids and not selection.names:
        return True
    return uuid in selection.uuids or folded(name) in {folded(listed) for listed in selection.names}


def _normalized(item: object, uuid: UUID, name: str, fallback: int | None, selection: Selection) -> Academy:
    assert isinstance(item, Mapping)
    override = selection.override_of(uuid, name)
    values = {**item, **override}

    def text(*names: str) -> str:
        return next((found for field_name in names if (found := text_of(values.get(field_name)))), "")

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
        slug=as_slug(text("slug"), SLUG_LENGTH) or as_slug(shown_name, SLUG_LENGTH) or str(uuid),
        slug_decided="slug" in override,
        product_key=text("product_key")[:SLUG_LENGTH],
        product_key_decided="product_key" in override,
        display_order=_display_order(values.get("display_order")),
        active=_is_active(item.get("is_active")),
        catalog_query_id=next((candidate for candidate in candidates if candidate is not None), None),
    )


def _tags(value: object) -> list[str]:
    """Return the distinct titles of the tags, in order."""
    listed = value if isinstance(value, list) else []
    titles = (text_of(tag.get("title") if isinstance(tag, Mapping) else tag) for tag in listed)
    return list(dict.fromkeys(title for title in titles if title))


def _display_order(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise _Unusable("its display_order is not a whole number from 0 on")
    return value


def _is_active(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.strip().lower())
    if not isinstance(value, bool):
        raise _Unusable("its is_active is neither true nor false")
    return value


def _unmatched(selection: Selection, seen: set[str]) -> list[tuple[str, str]]:
    settings: list[tuple[str, Iterable[str]]] = [
        ("B2B_ACADEMY_UUIDS", sorted(map(str, selection.uuids))),
        ("B2B_ACADEMY_NAMES", selection.names),
        ("B2B_ACADEMY_CATALOG_QUERY_IDS", selection.catalog_query_ids),
        ("B2B_ACADEMY_OVERRIDES", selection.overrides),
    ]
    return [(setting, entry) for setting, entries in settings for entry in entries if folded(entry) not in seen]
