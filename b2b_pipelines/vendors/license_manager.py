"""License-manager's REST API: a customer's agreement with plans, and a plan's licenses.

Pages are sorted by a key that is not unique, so a row can come twice, or slip from an unread page to a read one. A
listing is complete when it has as many rows as it counts; until then it is read again.

A caller without the role `enterprise_openedx_operator` receives an empty 200 (recorded:
`agreement-for-staff-without-role`), so an empty listing is not evidence that a customer has no agreement.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from b2b_pipelines.errors import TransientError
from b2b_pipelines.vendors.bounds import bounded_listing
from b2b_pipelines.vendors.http import AnswerMalformed, Authorization, HttpClient, Patience
from b2b_pipelines.vendors.license_rows import (
    Agreement,
    LicenseCounts,
    ListedLicense,
    ListedPlan,
    ListedRenewal,
    RefusedPlan,
    read_agreement,
    read_license,
)
from b2b_pipelines.vendors.throttle import Rate, Throttle

AGREEMENTS = "/api/v1/customer-agreement/"
LICENSES = "/api/v1/subscriptions/{plan}/licenses/"
GIVEN_OUT = ("assigned", "activated", "revoked")
PAGE_SIZE = 500
"""License-manager's maximum (recorded: `licenses-page-size-above-maximum`)."""
RATES = (Rate(18, 1.0), Rate(360, 60.0))
"""License-manager's throttles in production, per user (recorded: `throttled-burst`, `throttled-sustained`)."""
READINGS = 40
"""How often a listing is read until it is complete, at most."""
NOTHING_NEW = 3
"""Readings one after the other that brought no new row: then the missing ones are given up."""


class ListingIncomplete(TransientError):
    """Counted rows are missing after every reading of the listing.

    A part never counts as the whole.
    """

    code = "listing_incomplete"


Listed = TypeVar("Listed", Agreement, ListedLicense)


class LicenseManager:
    """Client of one license-manager. Thread-safe.

    A listing is returned complete, or raises `VendorUnavailable`, `VendorRefused`, `AnswerMalformed` or
    `ListingIncomplete`. A failure never reads as "no licenses". `rates` are the limits that this client keeps; a 429
    is obeyed as well.
    """

    def __init__(
        self,
        base_url: str,
        authorization: Authorization,
        *,
        timeout: float = 30.0,
        patience: Patience | None = None,
        rates: tuple[Rate, ...] = RATES,
    ) -> None:
        self.http = HttpClient(
            base_url,
            vendor="license-manager",
            timeout=timeout,
            patience=patience,
            authorization=authorization,
            throttle=Throttle(rates),
        )

    def close(self) -> None:
        self.http.close()

    @bounded_listing
    def agreements(self, customer: UUID) -> list[Agreement]:
        """Return the customer's agreement, or an empty list.

        Empty has two causes: the customer has no agreement, or the caller lacks the role for this customer.
        """
        params = {"enterprise_customer_uuid": str(customer), "active_plans_only": "false"}
        agreements = self._complete(AGREEMENTS, params, read_agreement)
        return [agreement for agreement in agreements if agreement.customer == customer]

    @bounded_listing
    def licenses(self, plan: UUID) -> list[ListedLicense]:
        """Return every license of a plan that was given out at least once, each exactly once.

        An unknown plan has none (recorded: `licenses-unknown-plan`). Ask only for plans that are `is_held`.
        """
        params = {"page_size": PAGE_SIZE, "status": ",".join(GIVEN_OUT)}
        return self._complete(LICENSES.format(plan=plan), params, lambda row: read_license(row, plan))

    def sees_any_agreement(self) -> bool:
        """Return whether the caller sees an agreement of any customer.

        Without the role the listing is empty.
        """
        return int(next(self._pages(AGREEMENTS, {"active_plans_only": "true"}))["count"]) > 0

    def _complete(self, path: str, params: Mapping[str, object], read: Callable[[Any], Listed]) -> list[Listed]:
        rows: dict[UUID, Listed] = {}
        count = in_vain = readings = 0
        while readings < READINGS and in_vain < NOTHING_NEW:
            readings, known = readings + 1, len(rows)
            for answer in self._pages(path, params):
                try:
                    count = answer["count"]
                    rows |= {row.uuid: row for row in map(read, answer["results"])}
                except (TypeError, KeyError, ValueError, AttributeError) as error:
                    raise AnswerMalformed(
                        f"license-manager answered GET {path} with a malformed row: {_fault(error)}"
                    ) from None
            if len(rows) >= count:
                return list(rows.values())
            in_vain = in_vain + 1 if len(rows) == known else 0
        raise ListingIncomplete(
            f"license-manager counts {count} rows in GET {path}, but only {len(rows)} came in {readings} readings"
        )

    def _pages(self, path: str, params: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            answer = self.http.json("GET", path, params={**params, "page": page})
            if (
                not isinstance(answer, dict)
                or not isinstance(answer.get("results"), list)
                or not isinstance(answer.get("count"), int)
                or "next" not in answer
            ):
                raise AnswerMalformed(f"license-manager answered GET {path} without a page of results")
            yield answer
            if not answer["next"]:
                return
            page = _next_page(str(answer["next"]), page, path)


def _next_page(url: str, page: int, path: str) -> int:
    """Return the number of the next page.

    The host in `next` is ignored: only the vendor may reach it.
    """
    number = parse_qs(urlsplit(url).query).get("page", [str(page + 1)])[0]
    if not number.isdecimal() or int(number) <= page:
        raise AnswerMalformed(f"license-manager's page {page} of GET {path} is followed by page {number[:20]}")
    return int(number)


def _fault(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


__all__ = [
    "Agreement",
    "LicenseCounts",
    "LicenseManager",
    "ListedLicense",
    "ListedPlan",
    "ListedRenewal",
    "ListingIncomplete",
    "RefusedPlan",
]
