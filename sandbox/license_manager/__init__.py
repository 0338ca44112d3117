"""A stand-in of license-manager: agreements with plans and renewals, and licenses in pages without a stable order.

Its answers are those recorded in `tests/recordings/license-manager.json`; comments name the exchange that a behaviour
comes from.
"""

import copy
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from sandbox.license_manager.rows import (
    Renewal,
    agreement_row,
    license_row,
    moment,
    plan,
    plan_row,
)
from sandbox.open_edx import Lms
from sandbox.open_edx.callers import ADMIN_ROLE, LEARNER_ROLE, OPERATOR_ROLE, Caller
from sandbox.open_edx.rest import Page, Refusal, Throttles, broken, forbidden, route, uuid_of
from sandbox.vendor import Vendor

PAGE_SIZE = 100
MOST_PER_PAGE = 500
INTERNAL_HOST = "license-manager.internal:18170"
"""The host in `next`, which clients cannot reach."""
POOLED = ("user_email", "activation_date", "last_remind_date", "activation_key")
"""Fields that become null when a license goes back to the pool."""
PURGED_AFTER = timedelta(days=90)


class LicenseManager(Vendor):
    """Agreements by customer, licenses by plan, and renewals between plans.

    What an agreement's plan does not say itself is computed: counts, days, renewals. The key that licenses are sorted
    by is not unique: with `unstable`, those that tie (`ties` at a time) come in another order for every page, so that
    some come twice and others not at all; else they come by status, then address. `throttles` are production's.
    """

    name = "license_manager"
    prefix = "/license-manager"
    production_rates = ((18, 1.0), (360, 60.0))

    def __init__(self, world: Any, lms: Lms) -> None:
        super().__init__(world)
        self._lms = lms
        self.clear()

    def clear(self) -> None:
        self.unstable = True
        self.ties = 300
        self.throttles = Throttles(*self.production_rates)
        self.agreements: dict[str, dict[str, Any]] = {}
        self.licenses: dict[str, list[dict[str, Any]]] = {}
        self.renewals: list[Renewal] = []
        self._listed: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._random = random.Random(20261121)

    def dump(self) -> Any:
        renewals = [asdict(renewal) for renewal in self.renewals]
        kept = {"agreements": self.agreements, "licenses": self.licenses}
        return {"unstable": self.unstable, **kept, "renewals": renewals}

    def load(self, state: Any) -> None:
        self.unstable, self.agreements, self.licenses = state["unstable"], state["agreements"], state["licenses"]
        self.renewals = [Renewal(**renewal) for renewal in state["renewals"]]
        self._listed.clear()

    def put_agreement(self, customer: UUID | str, plans: Iterable[Mapping[str, Any]], **fields: Any) -> None:
        """Let these be the plans of the customer's agreement; `fields` replace or add to the agreement's own."""
        with self.world.lock:
            rows = copy.deepcopy([dict(each) for each in plans])
            self.agreements[str(customer)] = agreement_row(str(customer), rows, **fields)

    def put_licenses(self, plan: UUID | str, licenses: Iterable[Mapping[str, Any]]) -> None:
        """Let these be the plan's licenses."""
        with self.world.lock:
            self.licenses[str(plan)] = [dict(row) for row in licenses]
            self._listed.clear()

    def renew(
        self,
        prior: UUID | str,
        renewed: UUID | str | None,
        effective_date: str,
        expiration_date: str | None = None,
    ) -> None:
        """Renew a plan, by another one or by one that is still to be made; `expiration_date` is the latter's."""
        with self.world.lock:
            by = None if renewed is None else str(renewed)
            self.renewals.append(Renewal(str(prior), by, effective_date, expiration_date))

    def cancel_renewal(self, prior: UUID | str) -> None:
        """Let a plan not be renewed."""
        with self.world.lock:
            self.renewals = [renewal for renewal in self.renewals if renewal.prior != str(prior)]

    def retire_old_licenses(self, now: datetime | None = None) -> int:
        """Do what license-manager's command of that name does every night. Returns the number of licenses changed.

        Of a plan expired for longer than the purge duration every license is revoked without an address
        (licenses-after-retirement-expired-plan). Of another plan, one revoked that long ago loses its address, and one
        assigned that long ago goes back to the pool (…-current-plan, …-back-in-the-pool).
        """
        now = now or datetime.now(UTC)
        with self.world.lock:
            changed = sum(
                self._retire(row, now - PURGED_AFTER, now, str(each["expiration_date"]))
                for agreement in self.agreements.values()
                for each in agreement["subscriptions"]
                for row in self.licenses.get(each["uuid"], ())
            )
            self._listed.clear()
        return changed

    def _retire(self, row: dict[str, Any], before: datetime, now: datetime, expiration: str) -> bool:
        if moment(expiration) < before:
            if row["status"] in ("assigned", "activated"):
                row.update(status="revoked", user_email=None, revoked_date=now.isoformat().replace("+00:00", "Z"))
                return True
            old = row["status"] == "revoked"
        else:
            old = row["status"] == "revoked" and moment(row["revoked_date"]) < before
            if row["status"] == "assigned" and moment(row["last_remind_date"]) < before:
                row.update(status="unassigned", **dict.fromkeys(POOLED))
                return True
        if not old or row["user_email"] is None:
            return False
        row["user_email"] = None
        return True

    def routes(self) -> Sequence[BaseRoute]:
        return [
            route("/api/v1/customer-agreement/", get=self._list_agreements),
            route("/api/v1/subscriptions/{plan}/licenses/", get=self._list_licenses),
        ]

    async def _list_agreements(self, request: Request) -> Response:
        # A learner sees the whole agreement (agreement-learner), the provisioning admin nothing of it.
        caller = self._admitted(request, OPERATOR_ROLE, ADMIN_ROLE, LEARNER_ROLE)
        asked = request.query_params
        customer = asked.get("enterprise_customer_uuid")
        if customer is not None and uuid_of(customer) is None:  # agreement-not-a-uuid
            raise Refusal(400, {"detail": f"{customer} is not a valid uuid."})
        with self.world.lock:
            rows = [
                self._agreement(row, active_only=asked.get("active_plans_only", "true").lower() != "false")
                for each, row in sorted(self.agreements.items())
                # Staff without a role, and another customer's admin, get an EMPTY 200.
                if customer in (None, each) and caller.reaches(each, OPERATOR_ROLE, ADMIN_ROLE, LEARNER_ROLE)
            ]
        page = Page(request, len(rows), size=PAGE_SIZE, most=None)  # page_size is ignored
        return JSONResponse(page.envelope(rows[page.start : page.end], INTERNAL_HOST))

    async def _list_licenses(self, request: Request) -> Response:
        caller = self._admitted(request, OPERATOR_ROLE, ADMIN_ROLE)
        plan = request.path_params["plan"]
        if uuid_of(plan) is None:  # licenses-plan-not-a-uuid
            raise broken()
        with self.world.lock:
            seen = caller.reaches(self._customer_of(plan), OPERATOR_ROLE, ADMIN_ROLE)
            rows = self._with_status(plan, request.query_params.get("status", "")) if seen else []
            page = Page(request, len(rows), size=PAGE_SIZE, most=MOST_PER_PAGE)
            found = page.envelope(self._slice(rows, page.start, page.end), INTERNAL_HOST)
        return JSONResponse({**found, "num_pages": page.pages})

    def _admitted(self, request: Request, *roles: str) -> Caller:
        caller = self._lms.accounts.caller(request)
        with self.world.lock:
            self.throttles.take(caller.name)
        if not caller.is_staff and not caller.holds(*roles):
            raise forbidden()
        return caller

    def _customer_of(self, plan: str) -> str | None:
        for customer, agreement in self.agreements.items():
            if any(each.get("uuid") == plan for each in agreement["subscriptions"]):
                return customer
        return None

    def _agreement(self, row: dict[str, Any], *, active_only: bool) -> dict[str, Any]:
        plans = [
            plan_row(each, row["enterprise_customer_uuid"], self._counts(each), self.renewals, row["subscriptions"])
            for each in row["subscriptions"]
            if each.get("is_active") or not active_only
        ]
        days = [each["days_until_expiration_including_renewals"] for each in plans]
        farthest = max((each for each in days if isinstance(each, int)), default=0)
        return {"net_days_until_expiration": farthest, **row, "subscriptions": plans}

    def _counts(self, plan: dict[str, Any]) -> Counter[str]:
        counted = self._listed.get((str(plan.get("uuid")), "counts"))
        if counted is None:
            statuses = Counter(row["status"] for row in self.licenses.get(str(plan.get("uuid")), ()))
            counted = self._listed[str(plan.get("uuid")), "counts"] = [dict(statuses)]
        return Counter(counted[0])

    def _with_status(self, plan: str, statuses: str) -> list[dict[str, Any]]:
        """The plan's licenses of those statuses, found once: there may be a hundred pages of them."""
        if (plan, statuses) not in self._listed:
            wanted = statuses.split(",")
            rows = [row for row in self.licenses.get(plan, ()) if not statuses or row["status"] in wanted]
            if not self.unstable:
                rows.sort(key=lambda row: (str(row["status"]), str(row["user_email"] or "")))
            self._listed[plan, statuses] = rows
        return self._listed[plan, statuses]

    def _slice(self, rows: list[dict[str, Any]], start: int, end: int) -> list[dict[str, Any]]:
        """The rows from `start` to `end`, of an order in which those that tie were shuffled just now."""
        first = start - start % self.ties
        around = [rows[place : place + self.ties] for place in range(first, min(end, len(rows)), self.ties)]
        if self.unstable:
            around = [self._random.sample(tied, len(tied)) for tied in around]
        return [row for tied in around for row in tied][start - first : end - first]


__all__ = ["LicenseManager", "Renewal", "license_row", "plan"]
