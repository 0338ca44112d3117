"""enterprise-catalog: a customer's academies and catalogs.

The lists are complete although pages have no order.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

from b2b_pipelines.vendors.http.bounds import bounded_listing
from b2b_pipelines.vendors.http.client import VendorClient
from b2b_pipelines.vendors.http.errors import AnswerMalformed, ListUnsettled, VendorRefused
from b2b_pipelines.vendors.http.listing import pages, read_until_complete

PAGE_SIZE = 100
ROLE_FOR_CATALOGS = "catalogs take the role enterprise_openedx_operator; academies take none"
REFUSED_TO_THE_USER = (401, 403, 404)
QUIET_PASSES = 8
"""Readings of the whole list without a new row after which the listing counts as incomplete."""


@dataclass(frozen=True, slots=True)
class CatalogAnswer:
    """enterprise-catalog's answer about a customer, each row unchanged, in a stable order.

    `content_hash` is equal for equal answers. `catalogs` keep the order in which they were listed. `notes` explain gaps
    of an answer that is complete without them.
    """

    academies: list[Any]
    catalogs: list[Any]
    content_hash: str
    notes: tuple[str, ...] = ()


class EnterpriseCatalog(VendorClient):
    """The service at `B2B_ENTERPRISE_CATALOG_URL`.

    Raises `VendorUnavailable` and `VendorRefused` as every client does, and `AnswerMalformed` for a page that is not a
    list.
    """

    vendor = "enterprise-catalog"

    @bounded_listing()
    def read(self, customer: UUID) -> CatalogAnswer:
        """Return every academy and every catalog of the customer.

        Raises `ListUnsettled` when the academies stay incomplete. Standard servers let a user without a role in the
        customer read the academies, but refuse the list of catalogs or show it empty: this becomes a note.
        """
        academies = sorted(self.academies(customer), key=_canonical)
        catalogs, notes = self._catalogs_if_allowed(customer)
        digest = sha256(f"{_canonical(academies)}\n{_canonical(catalogs)}".encode()).hexdigest()
        return CatalogAnswer(academies, catalogs, digest, notes)

    def _catalogs_if_allowed(self, customer: UUID) -> tuple[list[Any], tuple[str, ...]]:
        try:
            catalogs = self.catalogs(customer)
        except VendorRefused as error:
            if error.status not in REFUSED_TO_THE_USER:
                raise
            what = f"refuses enterprise-catalogs/ ({error.status})"
        else:
            if catalogs:
                return catalogs, ()
            what = "lists no catalogs for the customer"
        return [], (f"enterprise-catalog {what}: academies stay without catalog query ids ({ROLE_FOR_CATALOGS})",)

    @bounded_listing()
    def academies(self, customer: UUID) -> list[Any]:
        """Return every row of `/academies/`, unchanged, each academy once.

        Pages are slices of an order that may change between two of them: rows are collected by uuid, and the list is
        read again until the rows reach its count.
        """
        collected = _Collected()

        def read() -> int:
            count = 0
            for page in self._pages("/api/v1/academies/", customer):
                collected.add(page["results"])
                count = page["count"]
            return count

        if missing := read_until_complete(collected, read, quiet_readings=QUIET_PASSES):
            raise ListUnsettled(
                f"enterprise-catalog counts {missing.counted} academies and lists {missing.collected}, however often"
                " it is read"
            )
        return collected.rows

    @bounded_listing()
    def catalogs(self, customer: UUID) -> list[Any]:
        """Return every row of `/enterprise-catalogs/`, unchanged, in its order (that of creation)."""
        return [row for page in self._pages("/api/v1/enterprise-catalogs/", customer) for row in page["results"]]

    def _pages(self, path: str, customer: UUID) -> Iterator[Mapping[str, Any]]:
        return pages(self.http, path, {"enterprise_customer": str(customer), "page_size": PAGE_SIZE})


@dataclass
class _Collected:
    """Rows from pages that may overlap.

    Rows without a uuid count as often as one page has shown them.
    """

    by_uuid: dict[str, Any] = field(default_factory=dict)
    nameless: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.by_uuid) + self.nameless.total()

    @property
    def rows(self) -> list[Any]:
        return [*self.by_uuid.values(), *(json.loads(text) for text in self.nameless.elements())]

    def add(self, rows: list[Any]) -> None:
        here: Counter[str] = Counter()
        for row in rows:
            uuid = row.get("uuid") if isinstance(row, Mapping) else None
            if isinstance(uuid, str) and uuid.strip():
                self.by_uuid[uuid.strip().lower()] = row
            else:
                here[_canonical(row)] += 1
        self.nameless |= here


def _canonical(row: Any) -> str:
    try:
        return json.dumps(row, sort_keys=True, allow_nan=False)
    except ValueError:
        raise AnswerMalformed("enterprise-catalog answered with a number that JSON does not have") from None
