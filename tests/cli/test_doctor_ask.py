"""`b2b doctor --ask`: signs in at every service, and says which role is missing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from stripe import HTTPClient

from b2b_pipelines.doctor import asking
from b2b_pipelines.vendors.google_sheets import client
from sandbox.enterprise_catalog import academy, catalog
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET, Caller, callers
from sandbox.server import Sandbox
from tests.commands import Run
from tests.sheets.conftest import key_file

__all__ = ["key_file"]

CUSTOMER = UUID(int=1)
SERVICES = {"google_sheets", "studio", "lms", "license_manager", "enterprise_catalog", "stripe_prices", "alerts"}


@pytest.fixture(autouse=True)
def retries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead services are asked as often as in production, without waiting in between."""
    monkeypatch.setattr(asking, "BRIEF", replace(asking.BRIEF, first_wait=0.01))
    monkeypatch.setattr(client, "LONGEST_BACKOFF", 0)
    monkeypatch.setattr(HTTPClient, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(HTTPClient, "MAX_DELAY", 0.02)


@pytest.fixture(autouse=True)
def everything_is_on(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, key_file: Path) -> Iterator[None]:
    settings = {
        "GOOGLE_SERVICE_ACCOUNT_FILE": str(key_file),
        "GOOGLE_SHEETS_URL": sandbox.url,
        "GOOGLE_DRIVE_URL": sandbox.url,
        "LMS_URL": sandbox.lms.url,
        "STUDIO_URL": sandbox.studio.url,
        "LICENSE_MANAGER_URL": sandbox.license_manager.url,
        "ENTERPRISE_CATALOG_URL": sandbox.enterprise_catalog.url,
        "OAUTH_CLIENT_ID": CLIENT_ID,
        "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "UNLINK_CUSTOMERS": str(CUSTOMER),
        "ACADEMY_CUSTOMER": str(CUSTOMER),
        "STRIPE_API_KEY": "sk_test_sandbox",
        "STRIPE_API_URL": sandbox.stripe.url,
        "ALERT_WEBHOOK_URL": f"{sandbox.url}/hook",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"B2B_{name}", value)
    sandbox.lms.link(CUSTOMER, ["jane@example.com"])
    sandbox.license_manager.put_agreement(CUSTOMER, [])
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")], [catalog("All", CUSTOMER)])
    yield


def asked(run: Run) -> tuple[int, Mapping[str, Any]]:
    ran = run("b2b doctor --ask --json")
    return ran.status, {reply["capability"]: reply for reply in ran.json["asked"]}


def test_everything_that_is_on_is_asked_and_works(run: Run, sandbox: Sandbox) -> None:
    status, replies = asked(run)
    assert replies.keys() == SERVICES
    assert [reply for reply in replies.values() if not reply["works"]] == []
    assert status == 0
    assert sandbox.lms.unlinkings == [] and sandbox.lms.expirations == [] and sandbox.studio.clones == []


def test_without_ask_no_service_is_asked_and_none_is_said_to_work(run: Run, sandbox: Sandbox) -> None:
    ran = run("b2b doctor --json")
    assert ran.status == 0 and "asked" not in ran.json
    assert sandbox.log.entries() == []
    states = {row["capability"]: row["state"] for row in ran.json["capabilities"]}
    assert {name for name, state in states.items() if state == "on, not asked"} == SERVICES
    assert states["database"] == "on"
    assert "No service was asked." in run("b2b doctor").out


DEAD = "http://127.0.0.1:9"
BROKEN = {
    "google_sheets": ({"GOOGLE_SHEETS_URL": DEAD}, ""),
    "studio": ({"STUDIO_URL": DEAD}, ""),
    "lms": ({"LMS_URL": f"{DEAD}/lms"}, ""),
    "license_manager": ({"LICENSE_MANAGER_URL": DEAD}, ""),
    "enterprise_catalog": ({"ENTERPRISE_CATALOG_URL": DEAD}, ""),
    "stripe_prices": ({"STRIPE_API_URL": DEAD}, ""),
    "alerts": ({"ALERT_WEBHOOK_URL": f"{DEAD}/x"}, "check B2B_ALERT_WEBHOOK_URL"),
    "heartbeat": ({"HEARTBEAT_URL": f"{DEAD}/x"}, "check B2B_HEARTBEAT_URL"),
    "openid_connect": (
        {"OIDC_ISSUER": f"{DEAD}/x", "OIDC_CLIENT_ID": "b2b", "OIDC_CLIENT_SECRET": "secret"},
        "check B2B_OIDC_ISSUER",
    ),
}


@pytest.mark.parametrize("capability", BROKEN)
def test_a_dead_service_fails_the_doctor_and_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, capability: str
) -> None:
    settings, advice = BROKEN[capability]
    for name, value in settings.items():
        monkeypatch.setenv(f"B2B_{name}", value)
    ran = run("b2b doctor --ask --json")
    assert ran.status == 1
    failing = {reply["capability"]: reply["says"] for reply in ran.json["asked"] if not reply["works"]}
    assert capability in failing
    assert advice in failing[capability] and len(failing[capability]) > 20
    assert {row["capability"]: row["state"] for row in ran.json["capabilities"]}[capability] == "fails"
    assert f"{capability}: DOES NOT WORK: " in run("b2b doctor --ask").out


@pytest.mark.parametrize("content", [None, "not JSON", "{}"], ids=["missing", "not-json", "not-a-key"])
def test_a_key_that_cannot_be_used_is_broken_also_without_ask(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    key = tmp_path / "broken.json"
    if content is not None:
        key.write_text(content)
    monkeypatch.setenv("B2B_GOOGLE_SERVICE_ACCOUNT_FILE", str(key))
    ran = run("b2b doctor --json")
    [row] = [row for row in ran.json["capabilities"] if row["capability"] == "google_sheets"]
    assert (ran.status, row["state"], row["on"]) == (1, "broken", False)
    assert "B2B_GOOGLE_SERVICE_ACCOUNT_FILE" in row["says"]


@pytest.mark.parametrize(
    ("caller", "missing"),
    [
        pytest.param(
            callers.OPERATOR_NOT_STAFF,
            {"studio": "lacks Django staff", "lms": "is the OAuth client's user Django staff?"},
            id="operator-not-staff",
        ),
        pytest.param(
            callers.STAFF_WITHOUT_ROLE,
            {
                "lms": "lacks the role enterprise_openedx_operator",
                "license_manager": "has the OAuth client's user the role enterprise_openedx_operator?",
            },
            id="staff-without-role",
        ),
        pytest.param(
            callers.NO_ROLE,
            {
                "studio": "lacks Django staff",
                "lms": "lacks the role enterprise_openedx_operator",
                "license_manager": "lacks the role enterprise_openedx_operator",
            },
            id="no-role",
        ),
        pytest.param(
            callers.admin_of(str(UUID(int=2))),
            {"studio": "Django staff", "lms": "Django staff", "license_manager": "enterprise_openedx_operator"},
            id="another-customers-admin",
        ),
    ],
)
def test_the_role_that_is_missing_is_named_and_the_status_is_1(
    run: Run, sandbox: Sandbox, caller: Caller, missing: dict[str, str]
) -> None:
    sandbox.lms.accounts.act_as(caller)
    status, replies = asked(run)
    assert status == 1
    failing = {name: reply["says"] for name, reply in replies.items() if not reply["works"]}
    assert failing.keys() == missing.keys()
    assert {name: words in failing[name] for name, words in missing.items()} == dict.fromkeys(missing, True), failing


def test_an_empty_listing_is_never_taken_for_an_answer(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("B2B_UNLINK_CUSTOMERS")
    sandbox.license_manager.clear()
    sandbox.lms.clear()
    status, replies = asked(run)
    assert status == 1
    assert "lists no agreement of any customer" in replies["license_manager"]["says"]
    assert replies["lms"]["works"], "Studio knows that the user is Django staff"
    monkeypatch.delenv("B2B_STUDIO_URL")
    assert not asked(run)[1]["lms"]["works"]


def test_a_wrong_secret_fails_every_open_edx_service(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2B_OAUTH_CLIENT_SECRET", "wrong")
    ran = run("b2b doctor --ask")
    assert ran.status == 1
    assert ran.out.count("check B2B_OAUTH_CLIENT_ID and B2B_OAUTH_CLIENT_SECRET") == 4 or "B2B_OAUTH" in ran.out
    answer = " ".join(ran.out.split())
    assert "license_manager needs the role enterprise_openedx_operator" in answer
    assert (
        "enterprise_catalog needs the role enterprise_openedx_operator for catalogs, and none for academies." in answer
    )
    assert "wrong" not in ran.out + ran.err


def test_a_service_that_is_down_fails_alone(run: Run, sandbox: Sandbox) -> None:
    sandbox.faults.answer(503, vendor="studio", times=10)
    status, replies = asked(run)
    assert status == 1
    assert [name for name, reply in replies.items() if not reply["works"]] == ["studio"]


def test_a_webhook_and_a_stripe_key_that_do_not_work_are_named(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_ALERT_WEBHOOK_URL", "http://127.0.0.1:9/hook")
    sandbox.faults.answer(401, vendor="stripe", times=10)
    status, replies = asked(run)
    assert status == 1
    assert "B2B_ALERT_WEBHOOK_URL" in replies["alerts"]["says"]
    assert "B2B_STRIPE_API_KEY" in replies["stripe_prices"]["says"]
    assert "127.0.0.1:9" not in replies["alerts"]["says"], "a webhook's URL is a secret"


def test_what_is_off_is_not_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STUDIO_URL", "STRIPE_API_KEY", "ALERT_WEBHOOK_URL"):
        monkeypatch.delenv(f"B2B_{name}")
    status, replies = asked(run)
    assert (status, replies.keys()) == (0, SERVICES - {"studio", "stripe_prices", "alerts"})


def test_a_service_that_fails_is_given_no_right_that_it_does_not_need(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_ALERT_WEBHOOK_URL", f"{DEAD}/hook")
    monkeypatch.setenv("B2B_GOOGLE_SHEETS_URL", DEAD)
    ran = run("b2b doctor --ask")
    answer = " ".join(ran.out.split())
    assert ran.status == 1
    assert "alerts: DOES NOT WORK" in answer and "alerts needs" not in answer
    assert "google_sheets needs the Google Sheets API, enabled for the account's project." in answer
