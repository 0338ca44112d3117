"""`b2b licenses …`, as people and scripts run it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from b2b_pipelines.licenses import service
from sandbox.license_manager import license_row, plan
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.server import Sandbox
from tests.commands import Run
from tests.webhook import listening

ONE, TWO = UUID(int=1), UUID(int=2)
LONG_AGO = datetime.now(UTC) - timedelta(days=100)


@pytest.fixture
def b2b(run: Run) -> Run:
    return lambda *arguments: run("b2b licenses", *map(str, arguments))


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv("B2B_LMS_URL", sandbox.lms.url)
    monkeypatch.setenv("B2B_OAUTH_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("B2B_OAUTH_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("B2B_UNLINK_CUSTOMERS", str(ONE))
    monkeypatch.setenv("B2B_LICENSE_HOLD_HOURS", "0")


@pytest.fixture
def imported(b2b: Run, tmp_path: Path, sandbox: Sandbox) -> tuple[Path, Path]:
    """Two customers with three licenses each, whose plans expired a hundred days ago."""
    plans, licenses = tmp_path / "plans.json", tmp_path / "licenses.json"
    customers = (ONE, TWO)
    plans.write_text(
        json.dumps(
            [
                {
                    "uuid": str(UUID(int=customer.int * 10)),
                    "enterprise_customer_uuid": str(customer),
                    "customer_name": f"Customer {customer.int}",
                    "title": "Plan",
                    "start_date": (LONG_AGO - timedelta(days=365)).isoformat(),
                    "expiration_date": LONG_AGO.isoformat(),
                    "is_active": True,
                }
                for customer in customers
            ]
        )
    )
    licenses.write_text(
        json.dumps(
            [
                {
                    "uuid": str(UUID(int=customer.int * 1000 + number)),
                    "plan_uuid": str(UUID(int=customer.int * 10)),
                    "status": "activated",
                    "user_email": f"learner{number}@example.com",
                }
                for customer in customers
                for number in range(3)
            ]
        )
    )
    assert b2b("import", "--plans", plans, "--licenses", licenses).status == 0
    for customer in customers:
        sandbox.lms.link(customer, [f"learner{number}@example.com" for number in range(3)])
    return plans, licenses


def test_an_import_says_what_it_changed(b2b: Run, imported: tuple[Path, Path]) -> None:
    again = b2b("import", "--plans", imported[0], "--licenses", imported[1], "--json")
    assert again.json == {
        "plans": {"created": 0, "updated": 0, "unchanged": 2},
        "licenses": {"created": 0, "updated": 0, "unchanged": 6},
        "ignored": {},
        "held": [],
    }


def test_a_faulty_file_is_one_line_and_one_json_error(b2b: Run, tmp_path: Path) -> None:
    path = tmp_path / "plans.csv"
    path.write_text("uuid,enterprise_customer_uuid,title,start_date,expiration_date\nx,y,z,1,2\n")
    refused = b2b("import", "--plans", path)
    assert refused.status == 1
    assert len(refused.err.splitlines()) == 1
    assert "plans.csv line 2: uuid is not a UUID" in refused.err
    assert b2b("import", "--plans", path, "--json").json["error"]["code"] == "invalid_input"


def test_an_import_of_nothing_is_wrong_usage(b2b: Run) -> None:
    assert b2b("import").status == 2


def test_expired_shows_decisions_and_reasons_and_addresses_only_when_asked(b2b: Run, imported: object) -> None:
    rows = b2b("expired", "--customer", ONE, "--json").json
    assert [row["decision"] for row in rows] == ["terminate"] * 3
    assert {"license_uuid", "plan_uuid", "decision", "reason"} <= rows[0].keys()
    assert "user_email" not in rows[0]
    assert "example.com" not in b2b("expired").out
    assert b2b("expired", "--show-emails", "--json").json[0]["user_email"] == "learner0@example.com"


def test_expired_decides_for_any_moment(b2b: Run, imported: object) -> None:
    assert b2b("expired", "--at", (LONG_AGO - timedelta(microseconds=1)).isoformat(), "--json").json == []
    assert len(b2b("expired", "--at", LONG_AGO.isoformat(), "--json").json) == 6
    assert b2b("expired", "--at", "2026-01-01").status == 1
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert b2b("expired", "--at", moment, "--json").json["error"]["code"] == "invalid_input"


def test_terminate_then_unlink(b2b: Run, imported: object, sandbox: Sandbox) -> None:
    ended = b2b("terminate", "--json")
    assert ended.status == 0
    assert [(row["customer"], row["done"], row["failed"], row["skipped"], row["errors"]) for row in ended.json] == [
        (str(ONE), 3, 0, 0, []),
        (str(TWO), 3, 0, 0, []),
    ]
    unlinked = b2b("unlink", "--json")
    assert unlinked.status == 0
    assert [(row["done"], row["failed"], row["skipped"]) for row in unlinked.json] == [(3, 0, 0), (0, 0, 3)]
    assert sandbox.lms.linked(ONE) == set()
    assert len(sandbox.lms.linked(TWO)) == 3
    decisions = {row["decision"] for row in b2b("expired", "--json").json}
    assert decisions == {"already_unlinked", "unlink_disabled"}


def test_unlinking_before_terminating_unlinks_nobody_and_says_why(b2b: Run, imported: object, sandbox: Sandbox) -> None:
    ran = b2b("unlink")
    assert ran.status == 0
    assert "b2b licenses terminate" in ran.out
    assert len(sandbox.lms.linked(ONE)) == 3


@pytest.mark.parametrize("verb", ["terminate", "unlink"])
def test_one_customers_failure_is_the_exit_status_after_the_others_are_done(
    b2b: Run, imported: object, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("B2B_UNLINK_CUSTOMERS", f"{ONE},{TWO}")
    if verb == "unlink":
        b2b("terminate")
    sandbox.faults.answer(403, vendor="lms", kind="write", body={"detail": "Not allowed for learner1@example.com"})
    ran = b2b(verb, "--json")
    assert ran.status == 1
    assert [(row["done"], row["failed"]) for row in ran.json] == [(0, 3), (3, 0)]
    (error,) = ran.json[0]["errors"]
    assert "403" in error
    assert "Not allowed" in error
    assert str(UUID(int=1001)) in error
    assert "@" not in error
    assert b2b(verb, "--customer", ONE).status == 0


def test_without_customers_it_is_said_that_there_is_nothing_to_do(b2b: Run) -> None:
    for arguments in (["terminate"], ["unlink", "--dry-run"]):
        assert "No enterprise customer" in b2b(*arguments).out
        assert b2b(*arguments, "--json").json == []


def test_a_refresh_reads_every_known_customer_and_one_failure_keeps_no_other_from_it(
    b2b: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "set B2B_LICENSE_MANAGER_URL" in b2b("refresh").err
    monkeypatch.setenv("B2B_LICENSE_MANAGER_URL", sandbox.license_manager.url)
    monkeypatch.setenv("B2B_UNLINK_CUSTOMERS", f"{ONE},{TWO}")
    end = datetime.now(UTC) + timedelta(days=100)
    plan_uuid = UUID(int=10)
    listed = plan(plan_uuid, "Plan", LONG_AGO.isoformat(), end.isoformat())
    sandbox.license_manager.put_agreement(ONE, [listed])
    sandbox.license_manager.put_licenses(plan_uuid, [license_row(UUID(int=1000), plan_uuid, "learner@example.com")])
    refreshed = b2b("refresh", "--json")
    assert refreshed.status == 1
    first, second = refreshed.json
    assert (first["customer"], first["plans"]["created"], first["licenses"]["created"]) == (str(ONE), 1, 1)
    assert second["customer"] == str(TWO)
    assert "enterprise_openedx_operator" in second["error"]
    again = b2b("refresh", "--customer", ONE)
    assert again.status == 0
    assert "1 unchanged" in again.out


@pytest.mark.parametrize("verb", ["terminate", "unlink"])
def test_a_dry_run_says_would_in_every_line_and_asks_nothing(
    b2b: Run, imported: object, sandbox: Sandbox, verb: str
) -> None:
    sandbox.log.reset()
    ran = b2b(verb, "--dry-run")
    assert ran.status == 0
    assert all("would" in line.lower() for line in ran.out.splitlines())
    assert all(row["dry_run"] is True for row in b2b(verb, "--dry-run", "--json").json)
    assert sandbox.log.entries() == []


def test_a_refused_address_fails_once_and_is_skipped_from_then_on(b2b: Run, imported: object, sandbox: Sandbox) -> None:
    b2b("terminate")
    sandbox.lms.refused = {"learner1@example.com"}
    assert b2b("unlink", "--json").status == 1
    again = b2b("unlink", "--json")
    assert again.status == 0
    assert (again.json[0]["done"], again.json[0]["failed"], again.json[0]["skipped"]) == (0, 0, 1)


def test_ctrl_c_is_said(b2b: Run, imported: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(service, "unlink", interrupted)
    ended = b2b("unlink", "--json")
    assert (ended.status, ended.json["error"]["code"]) == (130, "interrupted")
    assert b2b("unlink").err.split() == ["Error:", "interrupted"]


def test_without_an_lms_it_is_refused_in_one_line(b2b: Run, imported: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("B2B_LMS_URL")
    refused = b2b("terminate")
    assert refused.status == 1
    assert "set B2B_LMS_URL" in refused.err
    assert b2b("terminate", "--dry-run").status == 0


def test_an_unknown_customer_is_refused(b2b: Run, imported: object) -> None:
    for verb in ("expired", "terminate", "unlink"):
        assert b2b(verb, "--customer", UUID(int=9)).status == 1
        assert b2b(verb, "--customer", "x").status == 2


def test_customers_are_listed_with_whether_they_are_unlinked(b2b: Run, imported: object) -> None:
    rows = b2b("customers", "--json").json
    assert [(row["customer"], row["name"], row["plans"], row["licenses"], row["unlinking"]) for row in rows] == [
        (str(ONE), "Customer 1", 1, 3, True),
        (str(TWO), "Customer 2", 1, 3, False),
    ]
    assert "Customer 1" in b2b("customers").out


def test_a_plan_that_moves_into_the_past_is_held_until_it_is_confirmed(
    b2b: Run, imported: tuple[Path, Path], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_LICENSE_HOLD_HOURS", "24")
    plans = json.loads(imported[0].read_text())
    moved = (LONG_AGO - timedelta(days=50)).isoformat()
    imported[0].write_text(json.dumps([{**plans[0], "expiration_date": moved}, plans[1]]))
    held = b2b("import", "--plans", imported[0], "--json").json["held"]
    assert [(each["plan"], each["customer"]) for each in held] == [(plans[0]["uuid"], str(ONE))]
    assert {row["decision"] for row in b2b("expired", "--customer", ONE, "--json").json} == {"held"}
    assert b2b("terminate", "--customer", ONE, "--json").json[0]["skipped"] == 3
    confirmed = b2b("confirm", plans[0]["uuid"], "--json")
    assert (confirmed.status, confirmed.json["was_held"], confirmed.json["customer"]) == (0, True, str(ONE))
    assert "is not held" in b2b("confirm", plans[0]["uuid"]).out
    assert b2b("confirm", str(UUID(int=99))).status == 1
    assert {row["decision"] for row in b2b("expired", "--customer", ONE, "--json").json} == {"terminate"}


def test_the_command_that_brings_a_wrong_date_sends_the_alert(
    b2b: Run, imported: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_LICENSE_HOLD_HOURS", "24")
    plans = json.loads(imported[0].read_text())
    moved = (LONG_AGO - timedelta(days=50)).isoformat()
    imported[0].write_text(json.dumps([{**plans[0], "expiration_date": moved}, plans[1]]))
    with listening() as webhook:
        monkeypatch.setenv("B2B_ALERT_WEBHOOK_URL", webhook.url)
        for _ in range(2):
            assert b2b("import", "--plans", imported[0]).status == 0
    (message,) = webhook.posted
    assert message["event"] == "plans_held"
    assert LONG_AGO.isoformat() in message["text"]
    assert moved in message["text"]
