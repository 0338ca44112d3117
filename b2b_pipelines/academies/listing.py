"""The published list for the public endpoint, prepared once for each publication. Pure.

Each item's JSON is encoded here once, as bytes; a page is those bytes in an envelope.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import urljoin, urlsplit

from b2b_pipelines.academies.rules import Product

MOST_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class ShownItem:
    """A product as the endpoint shows it. `digest` is of its JSON without `prices_as_of`."""

    product: Product
    tags: frozenset[str]
    body: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Filters:
    """Filters of a request. An item matches when it has all `tags`, compared without case."""

    tags: frozenset[str] = frozenset()
    product_key: str | None = None
    academy_uuid: str | None = None

    def match(self, item: ShownItem) -> bool:
        return (
            self.tags <= item.tags
            and self.product_key in (None, item.product.product_key)
            and self.academy_uuid in (None, str(item.product.uuid))
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A body and its ETag, which does not depend on `prices_as_of`."""

    body: bytes
    etag: str


@dataclass(frozen=True)
class Listing:
    """The list of one publication, in display order."""

    version: int
    items: list[ShownItem]
    whole: Answer | None
    """The first page without filters, when it is the only one."""
    _by_key: dict[str, ShownItem] = field(default_factory=dict, repr=False)

    @classmethod
    def prepare(
        cls, version: int, products: Iterable[Product], price_times: Mapping[str, str], thumbnail_base: str | None
    ) -> "Listing":
        """Return the list of these active products.

        `price_times` maps a lookup key to the time when Stripe confirmed its price.
        """
        ordered = sorted(products, key=lambda product: (product.display_order, product.name, product.uuid))
        items = [_shown(product, price_times, thumbnail_base) for product in ordered]
        # Later keys win: uuid before slug before product_key before stripe_product_id, and earlier items before later.
        by_key: dict[str, ShownItem] = {}
        for column in ("stripe_product_id", "product_key", "slug", "uuid"):
            by_key |= {str(getattr(item.product, column)): item for item in reversed(items)}
        by_key.pop("", None)
        whole = page(items, 1, MOST_PER_PAGE, (None, None)) if len(items) <= MOST_PER_PAGE else None
        return cls(version, items, whole, by_key)

    def find(self, key: str) -> Answer | None:
        """Return the item with that key, or None.

        The key is a uuid (in any case), slug, product_key or stripe_product_id, tried in this order.
        """
        item = self._by_key.get(key.lower()) if _is_uuid_like(key) else None
        item = item or self._by_key.get(key)
        return None if item is None else Answer(item.body, _etag([item.digest]))

    def matching(self, filters: Filters) -> list[ShownItem]:
        return self.items if filters == Filters() else [item for item in self.items if filters.match(item)]


def page(items: Sequence[ShownItem], number: int, size: int, links: tuple[str | None, str | None]) -> Answer:
    """Return a page of a list, with the URLs of the next and the previous page."""
    cut = items[(number - 1) * size : number * size]
    head = json.dumps({"count": len(items), "next": links[0], "previous": links[1]}).encode()
    body = b'%s, "results": [%s]}' % (head[:-1], b", ".join(item.body for item in cut))
    return Answer(body, _etag([head, *(item.digest for item in cut)]))


def as_shown(product: Product, price_times: Mapping[str, str], thumbnail_base: str | None) -> dict[str, Any]:
    """Return a product with the field names of the public API."""
    return {
        "id": product.stripe_product_id or product.product_key or product.slug or str(product.uuid),
        "name": product.name,
        "long_name": product.long_name,
        "description": product.description,
        "marketing_url": product.marketing_url,
        "thumbnail_url": absolute(product.thumbnail_url, thumbnail_base),
        "tags": product.tags,
        "stripe_product_id": product.stripe_product_id,
        "catalog_query_id": product.catalog_query_id,
        "edx_catalog_id": product.catalog_query_id,
        "prices": [product.price] if product.price else [],
        "slug": product.slug,
        "uuid": str(product.uuid),
        "prices_as_of": price_times.get(product.lookup_key),
        "stale": product.stale,
    }


def absolute(url: str, base: str | None) -> str:
    """Return a relative URL joined to the base, if there is a base.

    A URL with a scheme, and text that is not a URL, are returned unchanged.
    """
    if not url or not base:
        return url
    try:
        if urlsplit(url).scheme:
            return url
        return urljoin(f"{base}/", url) if url.startswith("//") else f"{base}/{url.lstrip('/')}"
    except ValueError:
        return url


def _shown(product: Product, price_times: Mapping[str, str], thumbnail_base: str | None) -> ShownItem:
    shown = as_shown(product, price_times, thumbnail_base)
    lasting = json.dumps({name: value for name, value in shown.items() if name != "prices_as_of"}).encode()
    return ShownItem(
        product=product,
        tags=frozenset(tag.casefold() for tag in product.tags),
        body=json.dumps(shown, ensure_ascii=False).encode(),
        digest=blake2b(lasting, digest_size=16).digest(),
    )


def _etag(parts: Iterable[bytes]) -> str:
    """Return a weak ETag that is equal for bodies that differ in `prices_as_of` only."""
    return f'W/"{blake2b(b"".join(parts), digest_size=16).hexdigest()}"'


def _is_uuid_like(key: str) -> bool:
    return len(key) == 36 and key.count("-") == 4
