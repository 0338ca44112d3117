"""A stand-in of license-manager: customers' agreements with their plans, and licenses in pages without a stable order."""

import copy
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from b2b_pipelines.sandbox.open_edx import Lms
from b2b_pipelines.sandbox.vendor import Vendor

MOST_PER_PAGE = 1000


class LicenseManager(Vendor):
    """What the two listings answer. Only bearers of a token of the LMS are let in.

    The key that licenses are sorted by is not unique: with `unstable`, those that tie (`ties` at a time) come in another
    order for every page, so that some come twice and others not at all. `next` names a host that clients cannot reach.
    """

    name = "license_manager"
    prefix = "/license-manager"

    def __init__(self, world: Any, lms: Lms) -> None:
        super().__init__(world)
        self._lms = lms
        self.clear()

    def clear(self) -> None:
        self.unstable = True
        self.ties = 300
        self.agreements: dict[str, dict[str, Any]] = {}
        self.licenses: dict[str, list[dict[str, Any]]] = {}
        self._listed: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._random = random.Random(20261121)

    def dump(self) -> Any:
        return {"unstable": self.unstable, "agreements": self.agreements, "licenses": self.licenses}

    def load(self, state: Any) -> None:
        self.unstable, self.agreements, self.licenses = state["unstable"], state["agreements"], state["licenses"]
        self._listed.clear()

    def put_agreement(self, customer: UUID | str, plans: Iterable[Mapping[str, Any]], **fields: Any) -> None:
        """Let these be the plans of the customer's agreement; `fields` replace or add to the agreement's own."""
        with self.world.lock:
            self.agreements[str(customer)] = {
                "uuid": str(UUID(int=UUID(str(customer)).int ^ 1)),
                "enterprise_customer_uuid": str(customer),
                "enterprise_customer_slug": f"customer-{str(customer)[-4:]}",
                "enterprise_customer_name": None,
                "subscriptions": copy.deepcopy([dict(plan) for plan in plans]),
                **fields,
            }

    def put_licenses(self, plan: UUID | str, licenses: Iterable[Mapping[str, Any]]) -> None:
        """Let these be the plan's licenses."""
        with self.world.lock:
            self.licenses[str(plan)] = [dict(row) for row in licenses]
            self._listed.clear()

    def owns(self, path: str) -> bool:
        return path.startswith(f"{self.prefix}/")

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/api/v1/customer-agreement/", self._list_agreements, methods=["GET"]),
            Route("/api/v1/subscriptions/{plan}/licenses/", self._list_licenses, methods=["GET"]),
        ]

    async def _list_agreements(self, request: Request) -> Response:
        asked = request.query_params
        with self.world.lock:
            rows = [
                agreement
                for customer, agreement in sorted(self.agreements.items())
                if asked.get("enterprise_customer_uuid", customer) == customer
            ]
        if asked.get("active_plans_only", "true").lower() != "false":
            rows = [
                {**row, "subscriptions": [plan for plan in row["subscriptions"] if plan["is_active"]]} for row in rows
            ]
        return self._page(request, rows)

    async def _list_licenses(self, request: Request) -> Response:
        plan = request.path_params["plan"]
        if plan not in self.licenses:
            return JSONResponse({"detail": "No SubscriptionPlan matches the given query."}, 404)
        with self.world.lock:
            return self._page(request, self._with_status(plan, request.query_params.get("status", "")))

    def _with_status(self, plan: str, said: str) -> list[dict[str, Any]]:
        """The plan's licenses of those statuses, found once: there may be a hundred pages of them."""
        if (plan, said) not in self._listed:
            statuses = said.split(",")
            self._listed[plan, said] = [row for row in self.licenses[plan] if not said or row["status"] in statuses]
        return self._listed[plan, said]

    def _page(self, request: Request, rows: list[dict[str, Any]]) -> Response:
        if not self._lms.knows(request):
            return JSONResponse({"detail": "Authentication credentials were not provided."}, 401)
        number = int(request.query_params.get("page", "1"))
        size = min(int(request.query_params.get("page_size", "100")), MOST_PER_PAGE)
        pages = max(-(-len(rows) // size), 1)
        if not 1 <= number <= pages:
            return JSONResponse({"detail": "Invalid page."}, 404)
        elsewhere = request.url.replace(scheme="http", netloc="license-manager.internal:18170")
        return JSONResponse(
            {
                "count": len(rows),
                "next": str(elsewhere.include_query_params(page=number + 1)) if number < pages else None,
                "previous": str(elsewhere.include_query_params(page=number - 1)) if number > 1 else None,
                "results": self._slice(rows, (number - 1) * size, number * size),
            }
        )

    def _slice(self, rows: list[dict[str, Any]], start: int, end: int) -> list[dict[str, Any]]:
        """The rows from `start` to `end`, of an order in which those that tie were shuffled just now."""
        first = start - start % self.ties
        around = [rows[place : place + self.ties] for place in range(first, min(end, len(rows)), self.ties)]
        if self.unstable:
            around = [self._random.sample(tied, len(tied)) for tied in around]
        return [row for tied in around for row in tied][start - first : end - first]


def plan(uuid: UUID | str, title: str, start: str, expiration: str, **fields: Any) -> dict[str, Any]:
    """A plan as it is nested in an agreement; `fields` replace or add to it. Times are ISO 8601."""
    return {
        "uuid": str(uuid),
        "title": title,
        "start_date": start,
        "expiration_date": expiration,
        "is_active": True,
        **fields,
    }


def license_row(uuid: UUID | str, plan_uuid: UUID | str, email: str | None, **fields: Any) -> dict[str, Any]:
    """A license as it is listed; `fields` replace or add to it."""
    return {
        "uuid": str(uuid),
        "status": "activated",
        "user_email": email,
        "activation_date": "2025-01-15T09:30:00Z",
        "last_remind_date": "2025-01-10T09:30:00Z",
        "subscription_plan_uuid": str(plan_uuid),
        "revoked_date": None,
        **fields,
    }


__all__ = ["LicenseManager", "license_row", "plan"]
