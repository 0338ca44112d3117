"""The stage: the stand-ins, the product over them, and the scenes."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from sandbox.demo.academies import AcademyScene
from sandbox.demo.bad_day import BadDayScene
from sandbox.demo.contracts import ContractScenes, SampleContract, make_sample
from sandbox.demo.inbox import PATH as INBOX
from sandbox.demo.inbox import Inbox
from sandbox.demo.licenses import CUSTOMER, LicenseScene
from sandbox.demo.processes import DemoRefused
from sandbox.demo.product import Product
from sandbox.demo.purchase import PurchaseScene
from sandbox.demo.scene import Outcome, Scene
from sandbox.server import Sandbox
from sandbox.settings import sandbox_settings

MARIA = "maria@acme.example.com"
PASSWORD = "a demo password of Maria's"
DELIVERED_WITHIN = 120.0
UPKEEP = "checkout_upkeep_job"
REFRESH = "sheet_refresh_job"

Tell = Callable[[str], None]


class Stage:
    """Everything that the demo shows. `lock` lets one button work at a time."""

    def __init__(self, home: Path, sandbox: Sandbox, inbox: Inbox, *, ui_port: int, api_port: int) -> None:
        self.sandbox, self.inbox = sandbox, inbox
        self.product = Product(home, {}, ui_port=ui_port, api_port=api_port)
        self.lock = threading.Lock()
        self.ready = False
        self.lineage = f"{self.product.ui}/asset-groups"
        self.contracts: list[SampleContract] = []
        self.licenses = LicenseScene(self.product, sandbox)
        self.academies = AcademyScene(self.product, sandbox)
        self.purchase = PurchaseScene(self.product, self.academies, inbox)
        self.scenes: list[Scene] = []
        self.outcomes: dict[tuple[int, str], Outcome] = {}

    def build(self, tell: Tell) -> None:
        """Start the product, make the samples, and let Dagster deliver everything once."""
        product = self.product
        product.empty_home()
        product.settings |= self._settings()
        product.environment |= product.settings
        tell("1. The database and the API start.")
        product.start()
        tell("2. A sample organization with three contracts, each with a Google Sheet of its customer:")
        self.contracts = make_sample(product, self.sandbox)
        for contract in self.contracts:
            tell(f"   {contract.slug:<16} {contract.kind.summary}")
        tell("   An enterprise with six subscription plans, four academies with prices, a purchase.")
        self.licenses.make()
        self.academies.make()
        self.purchase.make()
        tell("3. Dagster starts. Its sensor contract_changes finds the contracts and delivers their codes.")
        product.wait_for_dagster()
        product.add_customer(CUSTOMER)
        runs = [
            product.launch("license_expiry_job", CUSTOMER),
            product.launch("academy_refresh_job"),
            product.launch(UPKEEP),
        ]
        self._wait_for_delivery(tell)
        for run in runs:
            if product.finish(run) != "SUCCESS":
                raise DemoRefused(f"a run failed: {product.run_url(run)}, {product.log('dagster')}", "demo_failed")
        product.report_vendors()
        self.lineage = product.lineage()
        tell("4. The customers sort, insert and write notes; learners redeem codes; the sheets are refreshed.")
        self.live_on()
        self._set_scenes()
        self.ready = True

    def live_on(self) -> None:
        """Let customers and learners act, refresh every sheet, and check them. Raises `DemoRefused`."""
        for contract in self.contracts:
            contract.live_on()
        status = self.product.run(REFRESH, self.contracts[0].slug, self.contracts[-1].slug)
        faults = [f"{contract.slug}: {words}" for contract in self.contracts for words in contract.faults()]
        if status != "SUCCESS" or faults:
            raise DemoRefused(
                "; ".join(faults) or f"the refresh failed: see {self.product.log('dagster')}", "demo_failed"
            )

    def press(self, number: int, name: str) -> Outcome:
        """Press a button and keep what it did. Raises `KeyError` for one that does not exist."""
        scene = next((scene for scene in self.scenes if scene.number == number), None)
        if scene is None:
            raise KeyError(number)
        action = scene.action(name)
        with self.lock:
            try:
                outcome = action.run()
            except (DemoRefused, httpx.HTTPError) as error:
                outcome = Outcome(str(error), {action.should: False})
            self.outcomes[number, name] = outcome
        return outcome

    def sign_in(self) -> dict[str, str]:
        """Sign Maria in to the pages of contract managers; return the cookies of her session."""
        with httpx.Client(base_url=self.product.api_url, follow_redirects=True, timeout=60) as browser:
            link = self.product.command("user", "add", MARIA, "--role", "manager")["link"]
            browser.get(link).raise_for_status()
            form = {"form": browser.cookies.get("b2b_form", ""), "password": PASSWORD, "again": PASSWORD}
            browser.post(link, data=form).raise_for_status()
            return {cookie.name: str(cookie.value) for cookie in browser.cookies.jar}

    def links(self) -> dict[str, str]:
        """Return where to look."""
        return {
            "Dagster": self.lineage,
            "The API": f"{self.product.api_url}/docs",
            "The sheets": f"{self.sandbox.url}/sandbox/",
            "The vendors": f"{self.sandbox.url}/sandbox/vendors/",
            "The inbox": f"{self.sandbox.url}/demo/alerts",
        }

    def as_json(self) -> dict[str, Any]:
        return {"ready": self.ready, "links": self.links(), "scenes": [scene.as_json() for scene in self.scenes]}

    def _settings(self) -> dict[str, str]:
        return (
            sandbox_settings(self.sandbox, self.product.home)
            | LicenseScene.settings()
            | AcademyScene.settings()
            | PurchaseScene.settings()
            | {"B2B_ALERT_WEBHOOK_URL": f"{self.sandbox.url}{INBOX}"}
        )

    def _set_scenes(self) -> None:
        contracts = ContractScenes(self.product, self.sandbox, self.contracts)
        bad_day = BadDayScene(self.product, self.sandbox, self.contracts, self.inbox)
        self.scenes = [
            contracts.browser(),
            contracts.customer(),
            self.licenses.scene(),
            self.academies.scene(),
            self.purchase.scene(),
            bad_day.scene(),
        ]

    def _wait_for_delivery(self, tell: Tell) -> None:
        waiting = list(self.contracts)

        def delivered() -> bool:
            for contract in list(waiting):
                if contract.is_delivered():
                    waiting.remove(contract)
                    tell(f"   {contract.slug}: its codes are in its sheet.")
            return not waiting

        self.product.wait_until(delivered, "the codes in the sheets", DELIVERED_WITHIN)
