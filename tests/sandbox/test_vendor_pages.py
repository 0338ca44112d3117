"""Pages on which a person is a vendor: what they show, and what their buttons change."""

import httpx
import pytest

from sandbox.enterprise_catalog import academy
from sandbox.license_manager import license_row, plan
from sandbox.server import Sandbox

CUSTOMER = "378d5bf0-f67d-4bf7-8b2a-cbbc53d0f772"
PLAN = "11111111-1111-4111-8111-111111111111"
LICENSE = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def browser(sandbox: Sandbox):
    with httpx.Client(base_url=f"{sandbox.url}/sandbox/vendors", follow_redirects=True) as client:
        yield client


def press(browser: httpx.Client, path: str, **fields: str) -> str:
    answer = browser.post(path, data=fields)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_each_page_opens_on_an_empty_sandbox(browser):
    for path in ("/", "/catalog", "/stripe", "/license-manager", "/lms"):
        assert browser.get(path).status_code == 200, path


def test_academies_are_added_renamed_archived_and_emptied(browser, sandbox):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")])
    assert "Sales" in press(browser, "/catalog/add", customer=CUSTOMER, title="Sales", lookup_key="sales")
    data, sales = sandbox.enterprise_catalog.academies[CUSTOMER]
    assert sales["stripe_price_lookup_key"] == "sales"
    assert "Data and AI" in press(browser, "/catalog/rename", customer=CUSTOMER, uuid=data["uuid"], title="Data and AI")
    assert "Data and AI" not in press(browser, "/catalog/archive", customer=CUSTOMER, uuid=data["uuid"])
    assert "Sales" not in press(browser, "/catalog/empty", customer=CUSTOMER)


def test_prices_are_added_changed_and_archived(browser, sandbox):
    press(browser, "/stripe/add", lookup_key="data", amount="9900", currency="usd")
    [price] = sandbox.stripe.prices.values()
    press(browser, "/stripe/amount", id=price["id"], amount="12000")
    assert (price["unit_amount"], price["unit_amount_decimal"]) == (12000, "12000")
    assert "archived" in press(browser, "/stripe/active", id=price["id"], active="")
    assert not price["active"]
    press(browser, "/stripe/active", id=price["id"], active="yes")
    assert price["active"]


def test_plans_end_earlier_and_licenses_are_given_and_revoked(browser, sandbox):
    manager = sandbox.license_manager
    manager.put_agreement(CUSTOMER, [plan(PLAN, "Gold", "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z")])
    manager.put_licenses(PLAN, [license_row(LICENSE, PLAN, "ada@example.com")])
    assert "2026-12-30T00:00:00Z" in press(browser, "/license-manager/day", plan=PLAN)
    press(browser, "/license-manager/end", plan=PLAN, end="2026-11-01T00:00:00+01:00")
    [kept] = manager.agreements[CUSTOMER]["subscriptions"]
    assert kept["expiration_date"] == "2026-10-31T23:00:00Z"
    press(browser, "/license-manager/license", plan=PLAN, email="ben@example.com")
    press(browser, "/license-manager/revoke", plan=PLAN, license=LICENSE)
    assert {row["user_email"]: row["status"] for row in manager.licenses[PLAN]} == {
        "ada@example.com": "revoked",
        "ben@example.com": "activated",
    }
    press(
        browser, "/license-manager/add", customer=CUSTOMER, title="Silver",
        start="2026-01-01T00:00:00Z", end="2027-01-01T00:00:00Z",
    )  # fmt: skip
    assert [each["title"] for each in manager.agreements[CUSTOMER]["subscriptions"]] == ["Gold", "Silver"]


def test_learners_are_linked_and_unlinked(browser, sandbox):
    press(browser, "/lms/link", customer=CUSTOMER, email="ada@example.com")
    assert sandbox.lms.linked(CUSTOMER) == {"ada@example.com"}
    assert "unlinked" in press(browser, "/lms/unlink", customer=CUSTOMER, email="ada@example.com")
    assert sandbox.lms.linked(CUSTOMER) == set()


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}], ids=["origin", "site"]
)
def test_a_form_of_another_site_changes_nothing(browser, sandbox, headers):
    answer = browser.post("/lms/link", data={"customer": CUSTOMER, "email": "eve@example.com"}, headers=headers)
    assert answer.status_code == 403
    assert sandbox.lms.customers() == []


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/lms/link", {"customer": "not a uuid", "email": "a@example.com"}),
        ("/stripe/amount", {"id": "price_unknown", "amount": "1"}),
        ("/stripe/add", {"lookup_key": "x", "amount": "much", "currency": "usd"}),
        ("/license-manager/day", {"plan": "unknown"}),
        ("/catalog/rename", {}),
    ],
)
def test_a_form_that_cannot_be_applied_is_refused_with_a_reason(browser, path, fields):
    answer = browser.post(path, data=fields)
    assert answer.status_code == 400
    assert "cannot be done" in answer.text
