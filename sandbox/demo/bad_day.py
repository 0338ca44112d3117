"""Scene 6: a bad day, with an inbox that shows each alert and each recovery."""

import os
import signal

from sandbox.demo.contracts import SampleContract
from sandbox.demo.inbox import Inbox
from sandbox.demo.licenses import CUSTOMER, JOB
from sandbox.demo.product import Product
from sandbox.demo.scene import Action, Outcome, Scene
from sandbox.faults import FOREVER
from sandbox.google.tokens import SERVICE_ACCOUNT
from sandbox.server import Sandbox

REFRESH = "sheet_refresh_job"
REFUSED_TIMES = 1
PATIENCE = 180.0
"""Seconds; a busy machine takes a minute to start a run."""


class BadDayScene:
    """Faults of vendors, of the machine and of a customer."""

    def __init__(self, product: Product, sandbox: Sandbox, contracts: list[SampleContract], inbox: Inbox) -> None:
        self.product, self.sandbox, self.contracts, self.inbox = product, sandbox, contracts, inbox
        self._during_outage = ""
        self._told = 0

    def scene(self) -> Scene:
        return Scene(
            6,
            "A bad day",
            "Vendors fail, a worker is killed, a customer unshares the sheet. Short outages heal by themselves and "
            "raise no alert; what a person must see raises one alert, and one message when it has recovered.",
            lambda: {
                "The inbox": "/demo/alerts",
                "Runs in Dagster": f"{self.product.ui}/runs",
                "Requests to Google": "/sandbox/",
            },
            [
                Action("lms-down", "Switch the LMS off", "The run waits and tries again; no alert is sent.", self._down),
                Action("lms-up", "Switch the LMS on", "The run that waited succeeds by itself within a minute.", self._up),
                Action("quota", "Spend Google's quota", "Google answers 429; the refresh waits and succeeds.", self._spend),
                Action("kill", "Kill a worker", "The run fails, and Dagster starts it again by itself.", self._kill),
                Action("unshare", "Unshare a sheet", "One alert in the inbox, with what to do.", self._unshare),
                Action("share", "Share it again", "One recovery in the inbox.", self._share),
            ],
        )  # fmt: skip

    def _down(self) -> Outcome:
        self.sandbox.faults.answer(503, {"detail": "down for maintenance"}, vendor="lms", times=FOREVER)
        told = self._told = len(self.inbox.messages())
        self._during_outage = self.product.launch(JOB, CUSTOMER)

        def refused() -> bool:
            return any(each.fault for each in self.sandbox.log.entries(vendor="lms")[-20:])

        self.product.wait_until(refused, "a request to the LMS")
        return Outcome(
            "The LMS answers 503 from now on, and the chain of licenses was launched.",
            {
                "The run has not failed.": self.product.status(self._during_outage) != "FAILURE",
                "No alert was sent.": not self.inbox.has("license", told),
            },
        )

    def _up(self) -> Outcome:
        self.sandbox.faults.clear()
        if not self._during_outage:
            return Outcome("The LMS was not off.", {"The LMS answers.": True})
        run, self._during_outage = self._during_outage, ""
        status = self.product.finish(run)
        if status == "SUCCESS":
            return Outcome("The run that waited tried again and succeeded.", {"The run succeeded by itself.": True})
        again = self.product.run(JOB, CUSTOMER)
        self.product.wait_until(lambda: self.inbox.has("recovered", self._told), "the recovery", PATIENCE)
        return Outcome(
            f"The LMS was off for so long that the run failed. It was run again: {again}.",
            {
                "The second run succeeded.": again == "SUCCESS",
                "The inbox has one recovery.": self.inbox.has("recovered", self._told),
            },
        )

    def _spend(self) -> Outcome:
        since = len(self.sandbox.log.entries(vendor="google"))
        self.sandbox.faults.answer(429, vendor="google", kind="read", times=REFUSED_TIMES)
        status = self.product.run(REFRESH, self.contracts[0].slug)
        refused = sum(each.status == 429 for each in self.sandbox.log.entries(vendor="google")[since:])
        return Outcome(
            f"Google answered 429 {'once' if refused == 1 else f'{refused} times'}; the refresh ended: {status}.",
            {"Google answered 429.": refused > 0, "The refresh succeeded.": status == "SUCCESS"},
        )

    def _kill(self) -> Outcome:
        self.sandbox.faults.latency = 2.0
        try:
            run = self.product.launch(REFRESH, self.contracts[0].slug)
            self.product.wait_until(lambda: self.product.status(run) == "STARTED", "the start of a run", PATIENCE)
            worker = self.product.worker_of(run)
            os.kill(worker, signal.SIGKILL)
        finally:
            self.sandbox.faults.latency = 0.0
        status = self.product.finish(run)
        again: list[str] = []

        def started_again() -> bool:
            again[:] = self.product.retries_of(run)
            return bool(again)

        self.product.wait_until(started_again, "the second attempt of the run", PATIENCE)
        second = self.product.finish(again[0])
        return Outcome(
            f"Process {worker} was killed; the run ended: {status}. Dagster started it again: {second}.",
            {"The first run failed.": status == "FAILURE", "The second run succeeded.": second == "SUCCESS"},
        )

    def _unshare(self) -> Outcome:
        told, sheet = len(self.inbox.messages()), self.contracts[1].spreadsheet
        sheet.unshare(SERVICE_ACCOUNT)
        sheet.share_with_everyone(False)
        self.product.run(REFRESH, self.contracts[1].slug)
        self.product.wait_until(lambda: self.inbox.has("share it with", told), "the alert about the sheet", PATIENCE)
        return Outcome(
            f"{self.contracts[1].kind.name}'s customer unshared the sheet, and a refresh met it.",
            {"The inbox has an alert that says what to do.": self.inbox.has("share it with", told)},
        )

    def _share(self) -> Outcome:
        told = len(self.inbox.messages())
        self.contracts[1].spreadsheet.share(SERVICE_ACCOUNT)
        self.product.run(REFRESH, self.contracts[1].slug)
        self.product.wait_until(lambda: self.inbox.has("recovered", told), "the recovery", PATIENCE)
        return Outcome(
            "The sheet is shared again, and a refresh succeeded.",
            {"The inbox has one recovery.": self.inbox.has("recovered", told)},
        )
