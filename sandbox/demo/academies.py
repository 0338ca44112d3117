"""Scene 4: academies from the catalog and Stripe to the storefront."""

import time
from collections.abc import Callable
from typing import Any

from sandbox.demo.product import POLLED_EVERY, Product
from sandbox.demo.scene import Action, Outcome, Scene
from sandbox.enterprise_catalog import academy, catalog
from sandbox.pages.rendering import PROPOSED_CUSTOMER as CUSTOMER
from sandbox.server import Sandbox

JOB = "academy_refresh_job"
NAMES = ("Data Academy", "Leadership Academy", "Sales Academy", "Finance Academy")
RENAMED = "Data and AI Academy"
SEEN_WITHIN = 15.0
"""Seconds; the API reads a new publication within half a second, and later on a busy machine."""
THROTTLE = "100000/hour"
"""Every page of the demo asks from one address."""
PATH = "/api/v1/academy-products/"


def key_of(name: str) -> str:
    return name.lower().replace(" ", "_")


class AcademyScene:
    """Four academies with their prices."""

    def __init__(self, product: Product, sandbox: Sandbox) -> None:
        self.product, self.sandbox = product, sandbox
        self.prices: dict[str, dict[str, Any]] = {}

    @staticmethod
    def settings() -> dict[str, str]:
        return {"B2B_ACADEMY_THROTTLE": THROTTLE}

    def make(self) -> None:
        """Put the academies into the catalog, and their prices into Stripe."""
        for number, name in enumerate(NAMES):
            self.prices[name] = self.sandbox.stripe.price(key_of(name), 9900 + 1000 * number)
        self._put([self._row(name) for name in NAMES])

    def scene(self) -> Scene:
        return Scene(
            4,
            "Academies on the storefront",
            "The catalog names the academies, Stripe their prices, and the product publishes the list that a "
            "storefront reads. When the catalog suddenly answers an empty list, the storefront keeps the last good one.",
            lambda: {
                "The storefront": "/demo/storefront",
                "The catalog": "/sandbox/vendors/catalog",
                "Stripe": "/sandbox/vendors/stripe",
            },
            [
                Action("rename", "Rename an academy", "The storefront shows the new name, at the old address.", self._rename),
                Action("unprice", "Take a price away", "That academy has no price; the others keep theirs.", self._unprice),
                Action("archive", "Archive an academy", "It is gone from the storefront.", self._archive),
                Action("empty", "Empty the catalog", "The run fails and says why; the storefront keeps its list.", self._empty),
                Action("restore", "Put everything back", "Four academies with their prices.", self._restore),
            ],
        )  # fmt: skip

    def published(self) -> list[dict[str, Any]]:
        """Return what the public list shows."""
        answer = self.product.api.get(PATH, headers={"Authorization": ""}).raise_for_status().json()
        rows: list[dict[str, Any]] = answer["results"] if isinstance(answer, dict) else answer
        return rows

    def names(self) -> set[str]:
        return {str(row.get("name") or row.get("title")) for row in self.published()}

    def priced(self) -> set[str]:
        return {str(row["name"]) for row in self.published() if row.get("prices")}

    def stored(self) -> set[str]:
        """Return the names that the product's database publishes at this moment."""
        return {str(row["name"]) for row in self.product.command("academies", "list")}

    def run(self, shown: Callable[[], bool]) -> str:
        """Run the chain and return its status, once the storefront shows what it should, or after `SEEN_WITHIN`."""
        status = self.product.run(JOB)
        until = time.monotonic() + SEEN_WITHIN
        while not shown() and time.monotonic() < until:
            time.sleep(POLLED_EVERY)
        return status

    def _rename(self) -> Outcome:
        before = {row["slug"] for row in self.published()}
        rows = self._rows()
        rows[0]["title"] = RENAMED
        self._put(rows)
        status = self.run(lambda: RENAMED in self.names())
        return Outcome(
            f"The catalog renamed {NAMES[0]}; the chain ran: {status}.",
            {
                f"The storefront shows {RENAMED}.": RENAMED in self.names(),
                "Its slug is the same, so links still work.": {row["slug"] for row in self.published()} == before,
            },
        )

    def _unprice(self) -> Outcome:
        self.sandbox.stripe.prices[self.prices[NAMES[1]]["id"]]["active"] = False
        status = self.run(lambda: NAMES[1] not in self.priced())
        priced = self.priced()
        return Outcome(
            f"Stripe archived the price of {NAMES[1]}; the chain ran: {status}.",
            {f"{NAMES[1]} has no price.": NAMES[1] not in priced, f"{NAMES[2]} keeps its price.": NAMES[2] in priced},
        )

    def _archive(self) -> Outcome:
        self._put([row for row in self._rows() if row["title"] != NAMES[2]])
        status = self.run(lambda: NAMES[2] not in self.names())
        return Outcome(
            f"The catalog no longer lists {NAMES[2]}; the chain ran: {status}.",
            {f"{NAMES[2]} is gone from the storefront.": NAMES[2] not in self.names()},
        )

    def _empty(self) -> Outcome:
        before, rows = self.names(), self._rows()
        self._put([])
        status = self.run(lambda: True)
        self._put(rows)
        return Outcome(
            f"The catalog answered an empty list; the chain ran: {status}.",
            {
                "The run failed.": status == "FAILURE",
                "The storefront keeps its last good list.": bool(before) and self.stored() == self.names() == before,
            },
        )

    def _restore(self) -> Outcome:
        self.sandbox.stripe.prices[self.prices[NAMES[1]]["id"]]["active"] = True
        self._put([self._row(name) for name in NAMES])
        status = self.run(lambda: self.names() == self.priced() == set(NAMES))
        return Outcome(
            f"The catalog and Stripe are as at the start; the chain ran: {status}.",
            {
                "The storefront shows the four academies.": self.names() == set(NAMES),
                "Each has a price.": self.priced() == set(NAMES),
            },
        )

    def _row(self, name: str) -> dict[str, Any]:
        price = self.prices[name]
        return academy(name, stripe_price_lookup_key=key_of(name), stripe_product_id=price["product"])

    def _rows(self) -> list[dict[str, Any]]:
        return [dict(row) for row in self.sandbox.enterprise_catalog.academies[CUSTOMER]]

    def _put(self, rows: list[dict[str, Any]]) -> None:
        everything = [catalog("All", CUSTOMER, catalog_query_id="12")]
        self.sandbox.enterprise_catalog.put(CUSTOMER, rows, everything)
