"""License-manager's REST API: a customer's agreement with its plans, and the licenses of a plan.

Its pages are sorted by a key that is not unique, so a row may come twice, or slip from a page that was not read yet to
one that was. A listing is whole when as many rows are known as it says there are; until then it is read again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from b2b_pipelines.errors import TransientError
from b2b_pipelines.values import storable, utc
from b2b_pipelines.vendors.bounds import bounded_listing
from b2b_pipelines.vendors.http import AnswerMalformed, Authorization, HttpClient, Patience

AGREEMENTS = "/api/v1/customer-agreement/"
LICENSES = "/api/v1/subscriptions/{plan}/licenses/"
GIVEN_OUT = ("assigned", "activated", "revoked")
STATUSES = ("unassigned", *GIVEN_OUT)
PAGE_SIZE = 500
READINGS = 40
"""How often a listing is read until it is whole, at most."""
NOTHING_NEW = 3
"""Readings one after the other that brought no new row: then the missing ones are given up."""


class ListingIncomplete(TransientError):
    """Rows that are counted did not come, however often the listing was read. Nothing of it may be taken as the whole."""

    code = "listing_incomplete"


@dataclass(frozen=True, slots=True)
class ListedPlan:
    """A subscription plan. `for_internal_use_only` is None when license-manager does not say."""

    uuid: UUID
    title: str
    start_date: datetime
    expiration_date: datetime
    is_active: bool
    for_internal_use_only: bool | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """A customer's agreement with all its plans, the inactive ones too."""

    uuid: UUID
    customer: UUID
    slug: str | None
    name: str | None
    plans: tuple[ListedPlan, ...]


@dataclass(frozen=True, slots=True)
class ListedLicense:
    """A license; of the unassigned ones, those that license-manager lists though it was not asked for them."""

    uuid: UUID
    plan: UUID
    status: str
    user_email: str | None
    activation_date: datetime | None
    revoked_date: datetime | None


Listed = TypeVar("Listed", Agreement, ListedLicense)


class LicenseManager:
    """A listing is given whole, or it raises: `VendorUnavailable`, `VendorRefused`, `AnswerMalformed` or
    `ListingIncomplete`. A failure never reads as "no licenses"."""

    def __init__(
        self, base_url: str, authorization: Authorization, *, timeout: float = 30.0, patience: Patience | None = None
    ) -> None:
        self.http = HttpClient(
            base_url, vendor="license-manager", timeout=timeout, patience=patience, authorization=authorization
        )

    def close(self) -> None:
        self.http.close()

    @bounded_listing
    def agreements(self, customer: UUID) -> list[Agreement]:
        """The agreements of a customer: one, or none when license-manager does not know them."""
        params = {"enterprise_customer_uuid": str(customer), "active_plans_only": "false"}
        found = self._whole(AGREEMENTS, params, _agreement)
        return [agreement for agreement in found if agreement.customer == customer]

    @bounded_listing
    def licenses(self, plan: UUID) -> list[ListedLicense]:
        """Every license of a plan that was given out once, each exactly once."""
        params = {"page_size": PAGE_SIZE, "status": ",".join(GIVEN_OUT)}
        return self._whole(LICENSES.format(plan=plan), params, lambda row: _license(row, plan))

    @bounded_listing
    def count(self, plan: UUID) -> int:
        """How many licenses of a plan were given out once, as license-manager counts them."""
        params = {"page_size": 1, "status": ",".join(GIVEN_OUT)}
        return int(next(self._pages(LICENSES.format(plan=plan), params))["count"])

    def _whole(self, path: str, params: Mapping[str, object], read: Callable[[Any], Listed]) -> list[Listed]:
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
    """The number of the next page. Only that is taken from `next`: its host may be one that only the vendor can reach."""
    said = parse_qs(urlsplit(url).query).get("page", [str(page + 1)])[0]
    if not said.isdecimal() or int(said) <= page:
        raise AnswerMalformed(f"license-manager's page {page} of GET {path} is followed by page {said[:20]}")
    return int(said)


def _agreement(row: dict[str, Any]) -> Agreement:
    return Agreement(
        uuid=UUID(row["uuid"]),
        customer=UUID(row["enterprise_customer_uuid"]),
        slug=_storable(row.get("enterprise_customer_slug"), "enterprise_customer_slug"),
        name=_storable(row.get("enterprise_customer_name"), "enterprise_customer_name"),
        plans=tuple(map(_plan, row["subscriptions"])),
    )


def _plan(row: dict[str, Any]) -> ListedPlan:
    start, end, active, internal = (
        row["start_date"],
        row["expiration_date"],
        row["is_active"],
        row.get("for_internal_use_only"),
    )
    if not isinstance(active, bool) or not isinstance(internal, bool | None) or not isinstance(row["title"], str):
        raise TypeError("a plan's title, is_active or for_internal_use_only")
    plan = ListedPlan(UUID(row["uuid"]), row["title"], _time(start), _time(end), active, internal)
    _storable(plan.title, f"the title of plan {plan.uuid}")
    if plan.start_date >= plan.expiration_date:
        raise ValueError(f"plan {plan.uuid} does not start before it expires")
    return plan


def _license(row: dict[str, Any], plan: UUID) -> ListedLicense:
    uuid = UUID(row["uuid"])
    if UUID(row["subscription_plan_uuid"]) != plan:
        raise ValueError(f"license {uuid} is of another plan")
    if row["status"] not in STATUSES:
        raise ValueError(f"license {uuid} has a status that is unknown")
    email = row["user_email"]
    if not isinstance(email, str | None):
        raise TypeError(f"license {uuid} has an address that is no text")
    _storable(email, f"the address of license {uuid}")
    return ListedLicense(
        uuid,
        plan,
        row["status"],
        email,
        _time_or_none(row.get("activation_date")),
        _time_or_none(row.get("revoked_date")),
    )


def _storable(text: str | None, what: str) -> str | None:
    try:
        return None if text is None else storable(text)
    except ValueError as error:
        raise ValueError(f"{what} {error}") from None


def _time(value: str) -> datetime:
    try:
        return utc(value)
    except ValueError as error:
        raise ValueError(f"a time {error}") from None


def _time_or_none(value: str | None) -> datetime | None:
    return _time(value) if value else None


def _fault(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)
