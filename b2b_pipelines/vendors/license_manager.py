"""License-manager's REST API: a customer's agreement with plans, and a plan's licenses.

Pages are sorted by a key that is not unique, so a row can come twice, or slip from an unread page to a read one. A
listing is complete when it has as many rows as it counts; until then it is read again.

A caller without the role `enterprise_openedx_operator` receives an empty 200 (recorded:
`agreement-for-staff-without-role`), so an empty listing is not evidence that a customer has no agreement.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from b2b_pipelines.errors import TransientError
from b2b_pipelines.vendors.http.bounds import bounded_listing
from b2b_pipelines.vendors.http.client import VendorClient
from b2b_pipelines.vendors.http.errors import AnswerMalformed
from b2b_pipelines.vendors.http.listing import pages, read_until_complete
from b2b_pipelines.vendors.http.throttle import Rate
from b2b_pipelines.vendors.license_rows import Agreement, ListedLicense, read_agreement, read_license

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


class LicenseManager(VendorClient):
    """Client of one license-manager.

    A listing is returned complete, or raises `VendorUnavailable`, `VendorRefused`, `AnswerMalformed`, `ListUnsettled`
    or `ListingIncomplete`. A failure never reads as "no licenses". A 429 is obeyed, whatever the `rates`.
    """

    vendor = "license-manager"
    rates = RATES

    @bounded_listing()
    def agreements(self, customer: UUID) -> list[Agreement]:
        """Return the customer's agreement, or an empty list.

        Empty has two causes: the customer has no agreement, or the caller lacks the role for this customer.
        """
        params = {"enterprise_customer_uuid": str(customer), "active_plans_only": "false"}
        agreements = self._complete(AGREEMENTS, params, read_agreement)
        return [agreement for agreement in agreements if agreement.customer == customer]

    @bounded_listing()
    def licenses(self, plan: UUID) -> list[ListedLicense]:
        """Return every license of a plan that was given out at least once, each exactly once.

        An unknown plan has none (recorded: `licenses-unknown-plan`).
        """
        params = {"page_size": PAGE_SIZE, "status": ",".join(GIVEN_OUT)}
        return self._complete(LICENSES.format(plan=plan), params, lambda row: read_license(row, plan))

    def sees_any_agreement(self) -> bool:
        """Return whether the caller sees an agreement of any customer.

        Without the role the listing is empty.
        """
        return int(next(pages(self.http, AGREEMENTS, {"active_plans_only": "true"}))["count"]) > 0

    def _complete(self, path: str, params: Mapping[str, object], read: Callable[[Any], Listed]) -> list[Listed]:
        rows: dict[UUID, Listed] = {}

        def read_once() -> int:
            count = 0
            for answer in pages(self.http, path, params):
                try:
                    count = answer["count"]
                    rows.update({row.uuid: row for row in map(read, answer["results"])})
                except (TypeError, KeyError, ValueError, AttributeError) as error:
                    raise AnswerMalformed(
                        f"license-manager answered GET {path} with a malformed row: {_fault(error)}"
                    ) from None
            return count

        missing = read_until_complete(rows, read_once, quiet_readings=NOTHING_NEW, most_readings=READINGS)
        if missing:
            raise ListingIncomplete(
                f"license-manager counts {missing.counted} rows in GET {path}, but only {missing.collected} came in"
                f" {missing.readings} readings"
            )
        return list(rows.values())


def _fault(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)
