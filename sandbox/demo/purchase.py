"""Scene 5: a purchase, from the reservation to the money and back."""

import time
import uuid
from typing import Any

from sandbox.demo.academies import AcademyScene
from sandbox.demo.inbox import Inbox
from sandbox.demo.processes import DemoRefused
from sandbox.demo.product import Product
from sandbox.demo.scene import Action, Outcome, Scene
from sandbox.stripe.sessions import EventNotTaken, Session, Till

INTENTS = "/api/v1/checkout-intents/"
EVENTS = "/api/v1/stripe/events/"
RESERVED_SECONDS = 60
LATE = {"enterprise_slug": "late-inc", "enterprise_name": "Late Inc."}


class PurchaseScene:
    """Learners who buy. Reservations last a minute here, so that one can end while you look."""

    def __init__(self, product: Product, academies: AcademyScene, inbox: Inbox) -> None:
        self.product, self.academies, self.inbox = product, academies, inbox
        self._late = ""
        self._reserved_at = 0.0
        self._bank: list[Session] = []
        self._paid: list[Session] = []

    @property
    def till(self) -> Till:
        """Stripe's checkout sessions; the page of the stand-in has a button for each act on them."""
        return self.academies.sandbox.stripe.till

    @staticmethod
    def settings() -> dict[str, str]:
        return {"B2B_INTENT_RESERVATION_MINUTES": str(RESERVED_SECONDS // 60)}

    def make(self) -> None:
        """Reserve a place whose reservation ends before anybody pays. Stripe's events go to this product."""
        self.till.url = f"{self.product.api_url}{EVENTS}"
        self._late = str(self._reserve("slow@example.com", **LATE)["uuid"])
        self._reserved_at = time.time()

    def scene(self) -> Scene:
        return Scene(
            5,
            "A purchase",
            "A learner reserves, pays at Stripe, and Stripe tells the product with a signed event. A bank debit takes "
            "days and holds its place meanwhile. Money that comes after the place was taken raises an alert.",
            lambda: {
                "Purchases": "/demo/purchases",
                "Stripe's sessions": "/sandbox/vendors/stripe#sessions",
                "The inbox": "/demo/alerts",
                "The API": f"{self.product.api_url}/docs",
            },
            [
                Action("pay", "Pay", "created, then paid, then fulfilled.", self._pay),
                Action("bank", "Pay by bank", "The place is held while the debit is on its way.", self._pay_by_bank),
                Action("bank-arrives", "The bank's money arrives", "The purchase is paid.", self._bank_arrives),
                Action(
                    "late",
                    "Pay late",
                    "Once the reservation of a minute has ended, the place is taken: an alert asks for a person.",
                    self._pay_late,
                ),
                Action("refund", "Refund", "The refund is noted on the purchase, and an alert is sent.", self._refund),
            ],
        )

    def purchases(self) -> list[dict[str, Any]]:
        """Return every purchase, the newest first."""
        rows: list[dict[str, Any]] = self.product.api.get(INTENTS).raise_for_status().json()["results"]
        return rows

    def _pay(self) -> Outcome:
        made = self._reserve(f"{uuid.uuid4().hex[:6]}@example.com", stripe_product_id=self._product_id())
        price = self.academies.prices[next(iter(self.academies.prices))]
        session = self.till.open(made["uuid"], amount_total=price["unit_amount"])
        effect = self._act(session, "pay")
        paid = self._intent(made["uuid"])["state"]
        fulfilled = self.product.api.post(f"{INTENTS}{made['uuid']}/fulfilled/").raise_for_status().json()["state"]
        self._paid.append(session)
        return Outcome(
            f"Stripe's signed event had the effect {effect}: {made['state']}, {paid}, {fulfilled}.",
            {"created, paid, fulfilled.": (made["state"], paid, fulfilled) == ("created", "paid", "fulfilled")},
        )

    def _pay_by_bank(self) -> Outcome:
        made = self._reserve(f"{uuid.uuid4().hex[:6]}@example.com", stripe_product_id=self._product_id())
        session = self.till.open(made["uuid"])
        effect = self._act(session, "pay-by-bank")
        self._bank.append(session)
        return Outcome(
            f"The learner chose a bank debit: the event had the effect {effect}.",
            {"The place is held, and nothing is paid yet.": effect == "pending"
             and bool(self._intent(made["uuid"])["pending_since"])},
        )  # fmt: skip

    def _bank_arrives(self) -> Outcome:
        if not self._bank:
            return Outcome("No debit is on its way: press Pay by bank first.", {"A debit is on its way.": False})
        session = self._bank.pop()
        effect = self._act(session, "bank-pays")
        return Outcome(
            f"Days later the bank paid: the event had the effect {effect}.",
            {"The purchase is paid.": self._intent(str(session.client_reference_id))["state"] == "paid"},
        )

    def _pay_late(self) -> Outcome:
        rest = self._reserved_at + RESERVED_SECONDS + 2 - time.time()
        time.sleep(max(0.0, rest))
        told = len(self.inbox.messages())
        late = self._late
        rival = self._reserve(f"rival-{uuid.uuid4().hex[:6]}@example.com", **LATE)
        effect = self._act(self.till.open(late), "pay")
        self._late, self._reserved_at = str(rival["uuid"]), time.time()
        self.product.wait_until(lambda: self.inbox.has("payment_", told), "the alert about the late payment")
        return Outcome(
            f"The reservation had ended and a rival took the place: the event had the effect {effect}.",
            {
                "The purchase waits for a person.": self._intent(late)["state"] == "errored_provisioning",
                "The inbox has an alert about it.": self.inbox.has("payment_place_taken", told),
            },
        )

    def _refund(self) -> Outcome:
        if not self._paid:
            return Outcome("Nothing is paid yet: press Pay first.", {"A purchase is paid.": False})
        session, told = self._paid.pop(), len(self.inbox.messages())
        effect = self._act(session, "refund")
        self.product.wait_until(lambda: self.inbox.has("payment_", told), "the alert about the refund")
        return Outcome(
            f"Stripe's event about the refund had the effect {effect}.",
            {
                "The refund is noted on the purchase.": bool(
                    self._intent(str(session.client_reference_id))["money_back"]
                ),
                "The inbox has an alert about it.": self.inbox.has("payment_", told),
            },
        )

    def _product_id(self) -> str:
        return str(self.academies.prices[next(iter(self.academies.prices))]["product"])

    def _reserve(self, email: str, **wanted: Any) -> dict[str, Any]:
        body = {"learner": {"email": email, "name": "A learner"}, "country": "DE", **wanted}
        made: dict[str, Any] = self.product.api.post(INTENTS, json=body).raise_for_status().json()
        return made

    def _intent(self, intent: str) -> dict[str, Any]:
        found: dict[str, Any] = self.product.api.get(f"{INTENTS}{intent}/").raise_for_status().json()
        return found

    def _act(self, session: Session, act: str) -> str:
        """Let Stripe post the event of an act; return its effect on the purchase. Raises `DemoRefused`."""
        try:
            return str(self.till.act(session.id, act)["effect"])
        except EventNotTaken as error:
            raise DemoRefused(str(error), "demo_failed") from None
