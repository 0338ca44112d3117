"""The admin API's doors to the Open edX stand-ins: what a test or a demo in another process sets there."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from sandbox.open_edx import callers
from sandbox.open_edx.rest import Throttles
from sandbox.server import Sandbox

CUSTOMER, PLAN, RENEWED, SEAT = (str(UUID(int=number)) for number in (1, 10, 11, 100))
PLANS = {
    "plans": [
        {
            "uuid": PLAN,
            "title": "Old",
            "start_date": "2024-01-01T00:00:00Z",
            "expiration_date": "2025-01-01T00:00:00Z",
        },
        {
            "uuid": RENEWED,
            "title": "New",
            "start_date": "2025-01-01T00:00:00Z",
            "expiration_date": "2999-01-01T00:00:00Z",
        },
    ]
}
LICENSES = {"licenses": [{"uuid": SEAT, "user_email": "jane@example.com"}]}


class Door:
    """The admin API, and the services as the operator sees them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return httpx.request(method, f"{self.sandbox.url}/sandbox/api{path}", json=body)

    def put(self, path: str, body: Any) -> Any:
        answer = self.send("PUT", path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask(self, method: str, url: str, body: Any = None) -> httpx.Response:
        token = self.sandbox.lms.accounts.token_for(callers.OPERATOR)
        return httpx.request(method, url, json=body, headers={"Authorization": f"JWT {token}"})


@pytest.fixture
def door(sandbox: Sandbox) -> Door:
    return Door(sandbox)


def agreement(door: Door) -> dict[str, Any]:
    url = f"{door.sandbox.license_manager.url}/api/v1/customer-agreement/?enterprise_customer_uuid={CUSTOMER}"
    (row,) = door.ask("GET", f"{url}&active_plans_only=false").json()["results"]
    found: dict[str, Any] = row
    return found


def test_plans_licenses_and_renewals_are_set_and_answered(door: Door) -> None:
    door.put(f"/license-manager/agreements/{CUSTOMER}", PLANS)
    door.put(f"/license-manager/plans/{PLAN}/licenses", LICENSES)
    renewal = {"prior": PLAN, "renewed": RENEWED, "effective_date": "2025-01-01T00:00:00Z"}
    assert door.send("POST", "/license-manager/renewals", renewal).status_code == 200
    old, new = agreement(door)["subscriptions"]
    assert (old["licenses"]["activated"], old["prior_renewals"]) == (1, [])
    assert old["days_until_expiration"] < 0 < old["days_until_expiration_including_renewals"]
    assert new["prior_renewals"] == [
        {
            "prior_subscription_plan_id": PLAN,
            "prior_subscription_plan_start_date": "2024-01-01 00:00:00+00:00",
            "renewed_subscription_plan_id": RENEWED,
            "renewed_subscription_plan_start_date": "2025-01-01 00:00:00+00:00",
        }
    ]
    door.send("DELETE", f"/license-manager/renewals/{PLAN}")
    assert agreement(door)["subscriptions"][1]["prior_renewals"] == []
    door.send("DELETE", f"/license-manager/agreements/{CUSTOMER}")
    assert door.send("GET", "/license-manager/agreements").json()["agreements"] == {}


def test_the_nightly_retirement_is_an_action(door: Door) -> None:
    door.put(f"/license-manager/agreements/{CUSTOMER}", PLANS)
    door.put(f"/license-manager/plans/{PLAN}/licenses", LICENSES)
    door.put(f"/license-manager/plans/{RENEWED}/licenses", {"licenses": [{"uuid": str(UUID(int=101))}]})
    assert door.send("POST", "/license-manager/retire-old-licenses", {}).json() == {"changed": 1}
    kept = door.send("GET", "/license-manager/agreements").json()["licenses"]
    assert [(row["status"], row["user_email"]) for row in kept[PLAN]] == [("revoked", None)]
    assert [row["status"] for row in kept[RENEWED]] == ["activated"]
    assert agreement(door)["subscriptions"][0]["licenses"]["total"] == 0


def test_learners_and_enrollments_are_set_and_seen(door: Door) -> None:
    door.put(f"/lms/learners/{CUSTOMER}", {"linked": ["jane@example.com"], "pending": ["kim@example.com"]})
    door.put("/lms/enrollments", {"broken": [SEAT]})
    lms = f"{door.sandbox.lms.url}/enterprise/api/v1"
    expire = f"{lms}/licensed-enterprise-course-enrollment/bulk_licensed_enrollments_expiration/"
    body = {"expired_license_uuids": [SEAT, PLAN], "ignore_enrollments_modified_after": None}
    assert door.ask("POST", expire, body).status_code == 500
    assert door.send("GET", "/lms/enrollments").json()["ended"] == [], "a 500 ends nothing of its batch"
    door.put("/lms/enrollments", {"broken": [], "stuck": [SEAT]})
    assert door.ask("POST", expire, body).status_code == 422
    assert door.send("GET", "/lms/enrollments").json()["ended"] == [PLAN]
    door.send("POST", "/lms/learners/rename", {"old": "jane@example.com", "new": "jane.roe@example.com"})
    unlink = f"{lms}/enterprise-customer/{CUSTOMER}/unlink_users/"
    body = {"user_emails": ["jane@example.com", "kim@example.com"], "is_relinkable": True}
    assert door.ask("POST", unlink, body).status_code == 200
    seen = door.send("GET", f"/lms/learners/{CUSTOMER}").json()["learners"]
    assert [(row["email"], row["linked"]) for row in seen] == [("jane.roe@example.com", True)]
    door.put("/lms/customers", {"deactivated": [CUSTOMER]})
    assert door.ask("POST", unlink, body).status_code == 404


def test_enrollments_changed_after_the_date_stay(door: Door) -> None:
    door.put("/lms/enrollments", {"modified": {SEAT: "2026-02-01T00:00:00+00:00"}})
    lms = f"{door.sandbox.lms.url}/enterprise/api/v1"
    expire = f"{lms}/licensed-enterprise-course-enrollment/bulk_licensed_enrollments_expiration/"
    for after, ended in (("2026-01-31T00:00:00+00:00", [PLAN]), (None, [PLAN, SEAT])):
        body = {"expired_license_uuids": [SEAT, PLAN], "ignore_enrollments_modified_after": after}
        assert door.ask("POST", expire, body).status_code == 200
        assert door.send("GET", "/lms/enrollments").json()["ended"] == ended


def test_the_user_behind_the_client_gets_and_loses_roles(door: Door) -> None:
    door.put(f"/license-manager/agreements/{CUSTOMER}", PLANS)
    accounts = door.sandbox.lms.accounts
    form = {"grant_type": "client_credentials", "client_id": "b2b", "client_secret": "b2b-secret", "token_type": "jwt"}
    token = httpx.post(f"{door.sandbox.lms.url}/oauth2/access_token", data=form).json()["access_token"]
    url = f"{door.sandbox.license_manager.url}/api/v1/customer-agreement/"
    counts = []
    for body in (None, {"is_staff": True}, {"roles": {"enterprise_openedx_operator": "*"}}):
        if body is not None:
            door.put("/lms/caller", body)
        answer = httpx.get(url, headers={"Authorization": f"JWT {token}"})
        counts.append((answer.status_code, answer.json()["count"]))
    assert counts == [(200, 1), (200, 0), (200, 1)]
    accounts.expire_tokens()
    assert httpx.get(url, headers={"Authorization": f"JWT {token}"}).json() == {"detail": "Token has expired."}


def test_academies_catalogs_and_runs_are_set_and_seen(door: Door) -> None:
    academy = {"uuid": PLAN, "title": "Data"}
    door.put(f"/enterprise-catalog/{CUSTOMER}", {"academies": [academy]})
    door.put(f"/enterprise-catalog/{CUSTOMER}", {"catalogs": [{"uuid": RENEWED, "title": "All"}]})
    url = f"{door.sandbox.enterprise_catalog.url}/api/v1/academies/?enterprise_customer={CUSTOMER}"
    assert door.ask("GET", url).json()["results"] == [academy]
    key = "course-v1:UAI+LEAD101+SOURCE"
    assert [run["id"] for run in door.put("/studio/runs", {"add": [key]})["runs"]] == [key]
    assert door.ask("GET", f"{door.sandbox.studio.url}/api/v1/course_runs/{key}/").json()["title"] == "Leading Teams"


def test_the_limits_of_license_manager_can_be_lifted(door: Door) -> None:
    url = f"{door.sandbox.license_manager.url}/api/v1/customer-agreement/"
    statuses = [door.ask("GET", url).status_code for _ in range(40)]
    assert statuses.count(200) < 40 and statuses[:18] == [200] * 18
    door.put("/license-manager/throttle", {"on": False})
    assert {door.ask("GET", url).status_code for _ in range(40)} == {200}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/license-manager/agreements/x", PLANS),
        ("PUT", f"/license-manager/agreements/{CUSTOMER}", {"plan": []}),
        ("PUT", f"/license-manager/plans/{PLAN}/licenses", {"licenses": [{}]}),
        ("POST", "/license-manager/renewals", {"renewed": PLAN}),
        ("PUT", "/lms/enrollments", {"stuck": "all"}),
        ("PUT", "/studio/runs", {}),
    ],
)
def test_what_a_door_cannot_do_is_refused_in_words(door: Door, method: str, path: str, body: Any) -> None:
    answer = door.send(method, path, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_the_state_file_keeps_what_was_set(tmp_path: Path) -> None:
    with Sandbox(state_file=tmp_path / "state.json") as sandbox:
        sandbox.license_manager.throttles = Throttles()
        door = Door(sandbox)
        door.put(f"/license-manager/agreements/{CUSTOMER}", PLANS)
        door.put(f"/license-manager/plans/{PLAN}/licenses", LICENSES)
        door.send("POST", "/license-manager/renewals", {"prior": PLAN, "effective_date": "2025-01-01T00:00:00Z"})
        door.put(f"/lms/learners/{CUSTOMER}", {"linked": ["Jane@Example.com"]})
        door.put("/lms/enrollments", {"stuck": [SEAT], "modified": {PLAN: "2026-01-01T00:00:00+00:00"}})
        door.put("/studio/runs", {"add": ["course-v1:UAI+LEAD101+SOURCE"]})
        before = sandbox.world.dump()
    with Sandbox(state_file=tmp_path / "state.json") as sandbox:
        assert sandbox.world.dump() == before
        assert sandbox.lms.linked(CUSTOMER) == {"jane@example.com"}
        assert sandbox.license_manager.renewals[0].prior == PLAN
