"""Scene 3: licenses whose plan ended, and learners who are unlinked long after."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sandbox.demo.product import Product
from sandbox.demo.scene import Action, Outcome, Scene
from sandbox.license_manager import license_row, plan
from sandbox.server import Sandbox

CUSTOMER = "5f0d7c1e-0000-4000-8000-0000000000c1"
JOB = "license_expiry_job"
PLANS: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "Ended yesterday": (-1, ("ada", "ben")),
    "Ended 100 days ago": (-100, ("cleo", "protected")),
    "Renewed": (-1.2, ("dora",)),
    "The renewal": (364, ("dora", "protected")),
    "Ends tomorrow": (0.5, ("emil",)),
    "Ended 89 days ago": (-89.5, ("fay",)),
}
"""Each plan's end in days from now, and its learners."""


def address(name: str) -> str:
    return f"{name}@acme.example.com"


def uuid_of(title: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"demo {title}"))


class LicenseScene:
    """An enterprise with six plans. *Next day* moves their dates back a day, because the product has no clock to set."""

    def __init__(self, product: Product, sandbox: Sandbox) -> None:
        self.product, self.sandbox = product, sandbox
        self.days = 0

    @staticmethod
    def settings() -> dict[str, str]:
        return {"B2B_UNLINK_CUSTOMERS": CUSTOMER, "B2B_LICENSE_HOLD_HOURS": "0"}

    def make(self) -> None:
        """Put the plans, the licenses and the learners into the stand-ins."""
        self._put_plans()
        for title, (_, names) in PLANS.items():
            rows = [license_row(uuid_of(f"{title} {name}"), uuid_of(title), address(name)) for name in names]
            self.sandbox.license_manager.put_licenses(uuid_of(title), rows)
        effective = self._day(-1.2)
        self.sandbox.license_manager.renew(uuid_of("Renewed"), uuid_of("The renewal"), effective)
        self.sandbox.lms.link(CUSTOMER, sorted({address(name) for _, names in PLANS.values() for name in names}))

    def scene(self) -> Scene:
        return Scene(
            3,
            "Licenses that end",
            "When a plan ends, its learners' enrollments end; 90 days later the learners are unlinked, unless they "
            "still hold a license elsewhere. The product has no clock to set, so Next day moves the dates of every "
            "plan in the stand-in a day back.",
            lambda: {
                "License-manager: plans and licenses": "/sandbox/vendors/license-manager",
                "The LMS: enrollments and links, in their order": "/sandbox/vendors/lms",
                "The chain in Dagster": f"{self.product.ui}/asset-groups/b2b_pipelines/__repository__/licenses",
            },
            [
                Action("today", "Today", "Enrollments ended first; only learners past their grace are unlinked.", self._look),
                Action("next-day", "Next day", "One more plan ended, and one more learner is unlinked.", self._next_day),
            ],
        )  # fmt: skip

    def run(self) -> str:
        """Run the chain for the customer; return how the run ended."""
        return self.product.run(JOB, CUSTOMER)

    def order_is_right(self) -> bool:
        """Return whether in each run enrollments ended before anybody was unlinked."""
        paths = [each.path for each in self.sandbox.log.entries(vendor="lms") if each.method == "POST"]
        ends = [at for at, path in enumerate(paths) if "bulk_licensed_enrollments_expiration" in path]
        unlinks = [at for at, path in enumerate(paths) if "unlink_users" in path]
        return not unlinks or (bool(ends) and ends[0] < unlinks[0])

    def _look(self) -> Outcome:
        ended = self.sandbox.lms.ended()
        linked = self.sandbox.lms.linked(CUSTOMER)
        return Outcome(
            f"Enrollments of {len(ended)} licenses have ended; {len(linked)} learners are linked.",
            {
                "Ended yesterday: the enrollments have ended, the learners are linked.": _is_ended(
                    ended, "Ended yesterday"
                )
                and address("ada") in linked,
                "Ended 100 days ago: Cleo is unlinked.": address("cleo") not in linked,
                "The protected learner holds another license and stays linked.": address("protected") in linked,
                "The renewed plan is left alone.": not _is_ended(ended, "Renewed") and address("dora") in linked,
                "Enrollments ended before anybody was unlinked.": self.order_is_right(),
            },
        )

    def _next_day(self) -> Outcome:
        self.days += 1
        self._put_plans()
        status = self.run()
        ended, linked = self.sandbox.lms.ended(), self.sandbox.lms.linked(CUSTOMER)
        return Outcome(
            f"The plans' dates moved back by {self.days} day{'s' * (self.days != 1)}, and the chain ran: {status}.",
            {
                "The chain succeeded.": status == "SUCCESS",
                "Ends tomorrow: Emil's enrollments have ended, and he is linked.": _is_ended(ended, "Ends tomorrow")
                and address("emil") in linked,
                "Ended 89 days ago: Fay's grace is over, and she is unlinked.": address("fay") not in linked,
                "The protected learner stays linked.": address("protected") in linked,
                "Enrollments ended before anybody was unlinked.": self.order_is_right(),
            },
        )

    def _put_plans(self) -> None:
        plans = [plan(uuid_of(title), title, self._day(end - 365), self._day(end)) for title, (end, _) in PLANS.items()]
        fields: dict[str, Any] = {"enterprise_customer_slug": "acme"}
        self.sandbox.license_manager.put_agreement(CUSTOMER, plans, **fields)

    def _day(self, offset: float) -> str:
        moment = datetime.now(UTC) + timedelta(days=offset - self.days)
        return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _is_ended(ended: set[str], title: str) -> bool:
    return all(uuid_of(f"{title} {name}") in ended for name in PLANS[title][1])
