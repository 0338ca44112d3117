"""Every recorded exchange, sent to the stand-ins: the same status, the same shape, and what is empty is empty."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx
import pytest

from sandbox.enterprise_catalog import academy, catalog
from sandbox.license_manager import license_row
from sandbox.license_manager import plan as plan_row
from sandbox.open_edx import callers
from sandbox.open_edx.rest import Throttles
from sandbox.server import Sandbox
from tests.recorded import Recorded, each_of, exchanges, named

ACME = "aaaaaaaa-0000-4000-8000-000000000001"
BIG = "bbbbbbbb-0000-4000-8000-000000000002"
RETIRING = "99999999-0000-4000-8000-000000000009"
SWITCHED_OFF = "77777777-0000-4000-8000-000000000007"
RECORDED_ON = datetime(2026, 11, 28, 8, 20, tzinfo=UTC)
PER_MINUTE = 190

CALLERS = {
    "operator": callers.OPERATOR,
    "expired-token": callers.OPERATOR,
    "hasty": callers.OPERATOR,
    "operator-not-staff": callers.OPERATOR_NOT_STAFF,
    "staff-without-role": callers.STAFF_WITHOUT_ROLE,
    "superuser-without-role": callers.SUPERUSER_WITHOUT_ROLE,
    "no-role": callers.NO_ROLE,
    "admin-of-acme": callers.admin_of(ACME),
    "learner": callers.learner_of(ACME),
    "catalog-admin": callers.CATALOG_ADMIN,
    "provisioning-admin": callers.PROVISIONING_ADMIN,
}
RETIRED_PLANS = {
    plan["uuid"] for plan in named("license-manager", "agreement-after-retirement").body["results"][0]["subscriptions"]
}
"""Their counts were recorded after the retirement."""
COMPUTED = {
    "days_until_expiration",
    "days_until_expiration_including_renewals",
    "is_current",
    "licenses",
    "prior_renewals",
    "net_days_until_expiration",
}
"""Fields that the stand-in must compute."""


def license_manager_state(sandbox: Sandbox) -> None:
    """The agreements, renewals and licenses that the recorded answers show, before anything was retired."""
    manager = sandbox.license_manager
    manager.unstable = False
    manager.throttles = Throttles()
    counts: dict[str, dict[str, int]] = {}
    for each in exchanges("license-manager"):
        if each.status != 200 or "agreement" not in each.name or each.name == "agreement-after-retirement":
            continue
        for row in each.body["results"]:
            if row["enterprise_customer_uuid"] not in manager.agreements:
                put_recorded_agreement(sandbox, row)
            for each_plan in row["subscriptions"]:
                counts.setdefault(each_plan["uuid"], each_plan["licenses"])
    put_recorded_agreement(sandbox, named("license-manager", "agreement-after-retirement").body["results"][0])
    put_recorded_licenses(sandbox, counts)
    put_the_plan_of_two_pages(sandbox)
    for number in range(106 - len(manager.agreements)):
        manager.put_agreement(str(uuid5(NAMESPACE_URL, f"customer {number}")), [])
    chain = {
        plan["title"]: plan
        for plan in named("license-manager", "agreement-with-prior-renewals").body["results"][0]["subscriptions"]
    }
    later = str(RECORDED_ON + timedelta(days=369))
    manager.renew(chain["Chain 4 renewal without plan"]["uuid"], None, later, later)


def put_recorded_agreement(sandbox: Sandbox, row: dict[str, Any]) -> None:
    plans = [{key: value for key, value in plan.items() if key not in COMPUTED} for plan in row["subscriptions"]]
    fields = {key: value for key, value in row.items() if key not in COMPUTED | {"subscriptions"}}
    sandbox.license_manager.put_agreement(row["enterprise_customer_uuid"], plans, **fields)
    for each in row["subscriptions"]:
        for entry in each["prior_renewals"]:
            prior, renewed = entry["prior_subscription_plan_id"], entry["renewed_subscription_plan_id"]
            if not any(known.prior == prior for known in sandbox.license_manager.renewals):
                sandbox.license_manager.renew(prior, renewed, entry["renewed_subscription_plan_start_date"])


def put_recorded_licenses(sandbox: Sandbox, counts: dict[str, dict[str, int]]) -> None:
    """The licenses as they were shown first, and others, up to the agreement's counts."""
    shown: dict[str, list[dict[str, Any]]] = {uuid: [] for uuid in counts}
    for each in exchanges("license-manager"):
        if each.status == 200 and each.name.startswith("licenses"):
            for row in each.body["results"]:
                rows = shown.setdefault(row["subscription_plan_uuid"], [])
                if row["uuid"] not in [known["uuid"] for known in rows]:
                    rows.append(row)
    for uuid, rows in shown.items():
        for status in ("assigned", "activated", "revoked", "unassigned"):
            missing = counts.get(uuid, {}).get(status, 0) - [row["status"] for row in rows].count(status)
            for number in range(missing if uuid not in RETIRED_PLANS else 0):
                rows.append(license_row(uuid5(NAMESPACE_URL, f"{uuid} {status} {number}"), uuid, None, status=status))
        sandbox.license_manager.put_licenses(uuid, rows)


def put_the_plan_of_two_pages(sandbox: Sandbox) -> None:
    """620 licenses, of which the second page shows revoked ones without an address."""
    first, second = (named("license-manager", f"licenses-page-{number}-of-2").body for number in (1, 2))
    uuid = first["results"][0]["subscription_plan_uuid"]
    sandbox.license_manager.put_agreement(BIG, [plan_row(uuid, "Big", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")])
    shown = [*first["results"], *second["results"]]
    revoked = {"status": "revoked", "revoked_date": second["results"][0]["revoked_date"]}
    filling = [
        license_row(uuid5(NAMESPACE_URL, f"big {number}"), uuid, None if number >= 497 else f"user{number}@example.com")
        | (revoked if number >= 497 else {})
        for number in range(first["count"] - len(shown))
    ]
    sandbox.license_manager.put_licenses(uuid, [*shown, *filling])


def before_license_manager(sandbox: Sandbox, exchange: Recorded) -> None:
    manager = sandbox.license_manager
    if "after-retirement" in exchange.name:
        assert manager.retire_old_licenses(RECORDED_ON)
    if exchange.name == "throttled-burst":
        manager.throttles = Throttles(*manager.production_rates)
        manager.throttles.use_up("operator", 18)
    if exchange.name == "throttled-sustained":
        manager.throttles = Throttles(*manager.production_rates)
        manager.throttles.use_up("operator", 360, ago=15)


def lms_state(sandbox: Sandbox) -> None:
    lms = sandbox.lms
    lms.ignores_case = False  # recorded on SQLite
    lms.accounts.clients = {"b2b-client": "the secret"}
    acme = ["ended@example.com", "fresh@example.com", *(f"acme{number}@example.com" for number in range(5))]
    more = ["beside-gone@example.com", "after-gone@example.com", "Mixed.Case@Example.com"]
    lms.link(ACME, {address: 11 + number for number, address in enumerate([*acme, *more])})
    lms.link(ACME, ["pending@example.com"], pending=True)
    lms.link(SWITCHED_OFF, {"off@example.com": 21})
    lms.link(BIG, {f"user{number:04}@example.com": 22 + number for number in range(12)})
    lms.deactivated = {SWITCHED_OFF}
    lms.stuck = {licenses_of("expiration-only-the-refused-one")[0]}
    lms.broken = {licenses_of("expiration-course-without-overview")[1]}
    lms.without_history = {licenses_of("expiration-no-enrollment-history")[0]}


def licenses_of(name: str) -> list[str]:
    return list(named("lms-enterprise", name).request["body"]["expired_license_uuids"])


def before_lms(sandbox: Sandbox, exchange: Recorded) -> None:
    if exchange.name == "throttled":
        sandbox.lms.throttles = Throttles((PER_MINUTE, 60.0))
        sandbox.lms.throttles.use_up("operator", PER_MINUTE, ago=2)
        return
    for earlier in exchanges("lms-enterprise")[: exchange.place]:
        if earlier.request["method"] == "POST" and earlier.status < 400 and "oauth2" not in earlier.request["path"]:
            assert send(sandbox, earlier, sandbox.lms.url).status_code == earlier.status


def studio_state(sandbox: Sandbox) -> None:
    sandbox.studio.add(["course-v1:UAI+LEAD101+SOURCE"])


def before_studio(sandbox: Sandbox, exchange: Recorded) -> None:
    for earlier in exchanges("studio")[: exchange.place]:
        if earlier.request["method"] != "GET":
            assert send(sandbox, earlier, sandbox.studio.url).status_code == earlier.status


def catalog_state(sandbox: Sandbox) -> None:
    sandbox.enterprise_catalog.unstable = False
    rows = named("enterprise-catalog", "academies-one-page").body["results"]
    acme = named("enterprise-catalog", "catalogs-operator").body["results"]
    sandbox.enterprise_catalog.put(ACME, rows, acme)
    image = {"image": "https://images.example/academy.png"}
    academies = [academy(f"Academy {number:03}", **image) for number in range(232)]
    sandbox.enterprise_catalog.put(BIG, academies, [catalog(f"Big catalog {number}", BIG) for number in range(12)])


def before_catalog(sandbox: Sandbox, exchange: Recorded) -> None:
    """Nothing changes between the recorded requests."""


STATES: dict[str, tuple[Callable[[Sandbox], None], Callable[[Sandbox, Recorded], None], str]] = {
    "license-manager": (license_manager_state, before_license_manager, "license_manager"),
    "lms-enterprise": (lms_state, before_lms, "lms"),
    "studio": (studio_state, before_studio, "studio"),
    "enterprise-catalog": (catalog_state, before_catalog, "enterprise_catalog"),
}

LEFT_OUT: dict[str, str] = {}
"""Recorded exchanges that the stand-ins do not model, with the reason. None."""


def send(sandbox: Sandbox, exchange: Recorded, base_url: str) -> httpx.Response:
    """Send a recorded request as its caller."""
    request = exchange.request
    headers = {}
    if request["caller"] != "no-token":
        seconds = -1 if request["caller"] == "expired-token" else 3600
        headers["Authorization"] = f"JWT {sandbox.lms.accounts.token_for(CALLERS[request['caller']], seconds)}"
    body = request.get("body")
    if request.get("form"):
        secret = "a wrong one" if exchange.name == "token-wrong-secret" else "the secret"
        return httpx.post(base_url + request["path"], data={**body, "client_secret": secret}, headers=headers)
    for name, length in (request.get("body_trimmed") or {}).items():
        filling = [
            str(uuid5(NAMESPACE_URL, str(number))) if "uuids" in name else f"x{number}@example.com"
            for number in range(len(body[name]), length)
        ]
        body = {**body, name: [*body[name], *filling]}
    arguments = {"params": request["query"], "headers": headers}
    if body is not None:
        arguments["json"] = body
    return httpx.request(request["method"], base_url + request["path"], **arguments)


def assert_same_shape(ours: Any, recorded: Any, *, trimmed: bool, at: str) -> None:
    """The same keys at every level, the same JSON types, null and empty where that is recorded."""
    assert type(ours) is type(recorded), f"{at}: {ours!r} for {recorded!r}"
    if isinstance(recorded, dict):
        assert ours.keys() == recorded.keys(), at
        for key, value in recorded.items():
            assert_same_shape(ours[key], value, trimmed=trimmed, at=f"{at}.{key}")
    elif isinstance(recorded, list) and not is_incidental(at):
        assert bool(ours) == bool(recorded), f"{at}: {ours!r} for {recorded!r}"
        assert trimmed or len(ours) == len(recorded), at
        for place, (our_row, row) in enumerate(zip(ours, recorded, strict=not trimmed)):
            assert_same_shape(our_row, row, trimmed=trimmed, at=f"{at}[{place}]")


def is_incidental(at: str) -> bool:
    """Lists whose length says nothing about the exchange: the roles of a learner, the catalogs of an agreement."""
    return at.endswith((".role_assignments", ".available_subscription_catalogs"))


@pytest.mark.parametrize("exchange", each_of(*STATES, left_out=LEFT_OUT))
def test_a_stand_in_answers_as_the_service_did(sandbox: Sandbox, exchange: Recorded) -> None:
    state, before, vendor = STATES[exchange.file]
    state(sandbox)
    before(sandbox, exchange)
    ours = send(sandbox, exchange, getattr(sandbox, vendor).url)
    assert ours.status_code == exchange.status
    assert ours.headers.get("Retry-After") == exchange.response["headers"].get("Retry-After")
    is_json = "json" in ours.headers.get("Content-Type", "")
    body = ours.json() if is_json and ours.content else ours.text
    if exchange.status >= 400:
        assert body == exchange.body
    else:
        assert_same_shape(body, exchange.body, trimmed=exchange.trimmed, at="answer")
        for key in ("count", "num_pages", "current_page", "start"):
            if isinstance(body, dict) and key in body:
                assert body[key] == exchange.body[key], key


def test_the_admin_door_retires_old_licenses(sandbox: Sandbox) -> None:
    license_manager_state(sandbox)
    door = f"{sandbox.url}/sandbox/api/license-manager/retire-old-licenses"
    assert httpx.post(door, json={"now": RECORDED_ON.isoformat()}).json()["changed"] >= 5
    (first, *_) = named("license-manager", "licenses-after-retirement-expired-plan").body["results"]
    rows = sandbox.license_manager.licenses[first["subscription_plan_uuid"]]
    assert {(row["status"], row["user_email"]) for row in rows} == {("revoked", None)}
