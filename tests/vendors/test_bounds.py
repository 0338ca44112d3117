"""Answers of hostile or broken vendors: bounded in bytes, seconds and pages for each client."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import pytest
from stripe import HTTPClient

from b2b_pipelines.errors import B2BError
from b2b_pipelines.settings import read_settings
from b2b_pipelines.vendors.enterprise_catalog import EnterpriseCatalog
from b2b_pipelines.vendors.google_sheets import GoogleSheets, Requests, account
from b2b_pipelines.vendors.http import bounds
from b2b_pipelines.vendors.http.bounds import BoundExceeded
from b2b_pipelines.vendors.http.client import HttpClient, Patience
from b2b_pipelines.vendors.http.errors import VendorRefused
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import ClientCredentials, EnterpriseLms
from b2b_pipelines.vendors.stripe import Stripe
from b2b_pipelines.vendors.studio import RunRequest, Studio
from sandbox.enterprise_catalog import academy
from sandbox.license_manager import license_row, plan
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.open_edx.rest import Throttles
from sandbox.server import Sandbox

pytestmark = pytest.mark.long

CUSTOMER, PLAN = UUID(int=1), UUID(int=10)
QUICK = Patience(attempts=2, total_wait=0.2, first_wait=0.01)
Ask = Callable[[], object]
VENDORS = ("license_manager", "enterprise_catalog", "lms", "studio", "stripe", "google")
LISTINGS = ("license_manager", "enterprise_catalog", "lms", "stripe")


class NoPace:
    def take(self, _kind: str, _patience: float) -> bool:
        return True

    def wait(self, _kind: str) -> float:
        return 0.0

    def pause(self, _kind: str, _seconds: float) -> None:
        """Do nothing, because no other process waits."""


@pytest.fixture
def ask(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, Ask]]:
    """A call of each client, by the name of its vendor; each has signed in already."""
    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(HTTPClient, "MAX_DELAY", 0.02)
    sandbox.license_manager.throttles = Throttles()  # a fast machine asks for more than 18 pages within a second
    sandbox.license_manager.put_agreement(CUSTOMER, [plan(PLAN, "A", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z")])
    sandbox.license_manager.put_licenses(PLAN, [license_row(UUID(int=1000), PLAN, "p@example.com")])
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("One")])
    sandbox.lms.link(CUSTOMER, ["jane@example.com"])
    sandbox.stripe.price("data", 9900)
    key = tmp_path / "key.json"
    key.write_text(json.dumps(sandbox.google.make_service_account("b2b@sandbox.test")))
    sheet = sandbox.google.create_spreadsheet(shared_with=["b2b@sandbox.test"])
    monkeypatch.setenv("B2B_GOOGLE_SERVICE_ACCOUNT_FILE", str(key))
    with ExitStack() as stack:
        signed_in = ClientCredentials(sandbox.lms.url, CLIENT_ID, CLIENT_SECRET, timeout=2, patience=QUICK)
        stack.callback(signed_in.close)
        signed_in.header()
        manager = LicenseManager(sandbox.license_manager.url, signed_in, timeout=2, patience=QUICK)
        stack.callback(manager.close)
        catalog = stack.enter_context(
            EnterpriseCatalog(sandbox.enterprise_catalog.url, signed_in, timeout=2, patience=QUICK)
        )
        lms = EnterpriseLms(sandbox.lms.url, signed_in, timeout=2, patience=QUICK)
        stack.callback(lms.close)
        studio = stack.enter_context(Studio(sandbox.studio.url, signed_in, timeout=2, patience=QUICK))
        shop = stack.enter_context(Stripe("sk_test_1", base_url=sandbox.stripe.url, timeout=2))
        google = GoogleSheets(
            account(read_settings()),
            NoPace(),
            sheets_url=sandbox.url,
            drive_url=sandbox.url,
            timeout=2,
            sleep=lambda _: None,
        )
        stack.callback(google.close)
        sheets = google.counting(Requests())
        sheets.open(sheet)
        rerun = RunRequest("course-v1:A+1+S", "course-v1:A+1+R", "One")
        yield {
            "license_manager": lambda: manager.licenses(PLAN),
            "enterprise_catalog": lambda: catalog.read(CUSTOMER),
            "lms": lambda: lms.is_linked(CUSTOMER, "nobody@example.com"),
            "lms_users": lambda: lms.linked_users(CUSTOMER, [1]),
            "studio": lambda: studio.make_run(rerun),
            "stripe": lambda: shop.prices(["data"]),
            "google": lambda: sheets.open(sheet),
        }


MALFORMED_ROW = {"results": [7], "count": 1, "next": None}


def refused_within(seconds: float, ask: Ask) -> B2BError:
    began = time.monotonic()
    with pytest.raises(B2BError) as refused:
        ask()
    assert time.monotonic() - began < seconds
    return refused.value


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_huge_answer_ends_at_the_bound(
    sandbox: Sandbox, ask: dict[str, Ask], vendor: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bounds, "ANSWER_BYTES", 2**20)
    sandbox.faults.huge(2**30, vendor=vendor, times=10)
    error = refused_within(10, ask[vendor])
    assert isinstance(error, BoundExceeded)
    assert "MiB" in error.message


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_answer_that_trickles_ends_in_time(
    sandbox: Sandbox, ask: dict[str, Ask], vendor: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bounds, "ANSWER_SECONDS", 1.0)
    sandbox.faults.drip(0.05, vendor=vendor, times=10)
    error = refused_within(10, ask[vendor])
    assert isinstance(error, BoundExceeded)
    assert "within 1 s" in error.message or "within 600 s" in error.message


@pytest.mark.parametrize("listing", [*LISTINGS, "lms_users"])
def test_pages_that_never_end_or_repeat_end_at_a_bound(
    sandbox: Sandbox, ask: dict[str, Ask], listing: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bounds, "LISTING_REQUESTS", 30)
    sandbox.faults.endless(vendor=listing.removesuffix("_users"))
    error = refused_within(20, ask[listing])
    assert isinstance(error, BoundExceeded)
    assert "30 pages" in error.message


@pytest.mark.parametrize("vendor", LISTINGS)
def test_a_listing_of_slow_pages_ends_in_time(
    sandbox: Sandbox, ask: dict[str, Ask], vendor: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bounds, "LISTING_SECONDS", 1.0)
    sandbox.faults.endless(vendor=vendor)
    sandbox.faults.latency = 0.1
    error = refused_within(10, ask[vendor])
    sandbox.faults.latency = 0.0
    assert isinstance(error, BoundExceeded)
    assert "a listing within 1 s" in error.message


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("body", [[], "text", 7, None, {"results": "x"}, MALFORMED_ROW])
def test_an_answer_of_another_type_is_refused_in_words(
    sandbox: Sandbox, ask: dict[str, Ask], vendor: str, body: object
):
    if vendor == "studio" or (vendor == "enterprise_catalog" and body == MALFORMED_ROW):
        pytest.skip("Studio's answer is its status; a malformed row of a catalog is refused where rows are read")
    sandbox.faults.answer(200, body=json.dumps(body), vendor=vendor, times=100)
    assert refused_within(15, ask[vendor]).message


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_redirect_elsewhere_is_not_followed(sandbox: Sandbox, ask: dict[str, Ask], vendor: str):
    elsewhere = {"Location": f"{sandbox.lms.url}/elsewhere"}
    sandbox.faults.answer(302, body={}, headers=elsewhere, vendor=vendor, times=100)
    refused_within(15, ask[vendor])
    assert not [each for each in sandbox.log.entries() if "elsewhere" in each.path]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_cut_answer_is_refused_in_words(sandbox: Sandbox, ask: dict[str, Ask], vendor: str):
    sandbox.faults.cut("after", "partway", vendor=vendor, times=100)
    assert refused_within(15, ask[vendor]).message


PEAK = """
import re, sys
from pathlib import Path
from b2b_pipelines.vendors.http.bounds import BoundExceeded
from b2b_pipelines.vendors.http.client import HttpClient
try:
    HttpClient(sys.argv[1], vendor="the vendor").json("GET", "/x")
except BoundExceeded as error:
    print(error.message)
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
"""The high-water mark of this program alone: `ru_maxrss` begins with that of the process that started it."""


def test_500_mb_of_a_vendor_cost_less_than_600_mb(sandbox: Sandbox):
    sandbox.faults.huge(500 * 2**20, vendor="lms", times=10)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, sandbox.lms.url], stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    words, peak = done.stdout.splitlines()
    assert words == "the vendor sent more than 64 MiB in one answer"
    assert int(peak) * 1024 < 600 * 10**6


ENCODED = [
    "jane@example.com", "jane%40example.com", "jane&#64;example.com", "jane&#x40;example.com", "jane&commat;example.com",
    "jane\\u0040example.com", "jane\\\\u0040example.com", "jane%2540example.com", "jane\\x40example.com",
    "j&#97;ne&#64;example.com", "%6Aane%40example.com",
]  # fmt: skip


@pytest.mark.parametrize("words", ENCODED)
def test_no_encoding_brings_an_address_into_a_message(sandbox: Sandbox, words: str):
    with HttpClient(sandbox.lms.url, vendor="the LMS") as client:
        for body in (words, json.dumps({"detail": f"no learner {words}."}), {"detail": words}):
            sandbox.faults.answer(400, body=body, headers={"content-type": "text/plain"}, vendor="lms")
            with pytest.raises(VendorRefused) as refused:
                client.json("GET", "/x")
            assert "(address)" in refused.value.message
            assert "example.com" not in refused.value.message
            assert "jane" not in refused.value.message


@pytest.mark.parametrize(
    "code", ["f54438cb-93f7-43ed-86b1-2a793787c284", "f54438cb%2D93f7%2D43ed%2D86b1%2D2a793787c284"]
)
def test_no_code_comes_into_a_message(sandbox: Sandbox, code: str):
    sandbox.faults.answer(400, body={"detail": f"the key {code} is spent"}, vendor="lms")
    with HttpClient(sandbox.lms.url, vendor="the LMS") as client, pytest.raises(VendorRefused) as refused:
        client.json("GET", "/x")
    assert "the key (code) is spent" in refused.value.message
