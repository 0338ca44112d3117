"""Ending enrollments: chunk by chunk, plan by plan, and again whatever failed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import NotConfigured, NotFound
from b2b_pipelines.licenses import service, verdicts
from b2b_pipelines.licenses.facts import EventName, LicenseStatus, Policy
from b2b_pipelines.licenses.models import LicenseEvent, SubscriptionPlan
from b2b_pipelines.licenses.rules import Decision
from b2b_pipelines.vendors.open_edx import EnterpriseLms
from sandbox.server import Sandbox
from tests.licenses.reference import HeldLicense, LicenseFacts, Plan, Renewal

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CUSTOMER, OTHER = UUID(int=1), UUID(int=2)
POLICY = Policy(NOW)
YESTERDAY = NOW - timedelta(hours=5)


def held(plan: UUID, count: int, first: int = 0, **fields: object) -> list[HeldLicense]:
    base = plan.int * 100_000 + first
    status = LicenseStatus.ACTIVATED
    return [
        replace(HeldLicense(UUID(int=base + number), plan, status, f"p{base + number}@example.com"), **fields)
        for number in range(count)
    ]


def world(plans: Sequence[Plan], licenses: Sequence[HeldLicense]) -> LicenseFacts:
    return LicenseFacts({plan.uuid: plan for plan in plans}, {each.uuid: each for each in licenses})


def one_plan(count: int, expiration: datetime = YESTERDAY) -> LicenseFacts:
    plan = Plan(UUID(int=10), CUSTOMER, expiration)
    return world([plan], held(plan.uuid, count))


def terminate(
    database: Database, lms: EnterpriseLms | None, policy: Policy = POLICY, **options: bool
) -> service.Outcome:
    return service.terminate(database, lms, CUSTOMER, policy, run_id="test", **options)


def events(database: Database, name: EventName = EventName.TERMINATED) -> int:
    with database.session() as session:
        return session.scalar(select(func.count()).where(LicenseEvent.event_name == name)) or 0


def is_processed(database: Database, plan: int = 10) -> bool:
    with database.session() as session:
        found = session.get_one(SubscriptionPlan, UUID(int=plan))
        return found.processed_for == found.expiration_date


def test_a_plans_licenses_are_ended_a_hundred_at_a_time(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    put(one_plan(250))
    outcome = terminate(database, lms)
    assert (outcome.done, outcome.failed, outcome.errors) == (250, 0, [])
    assert [len(each.licenses) for each in sandbox.lms.expirations] == [100, 100, 50]
    assert len(sandbox.lms.ended()) == events(database) == 250
    assert is_processed(database)


def test_a_second_run_asks_for_nothing(database: Database, put, lms: EnterpriseLms, sandbox: Sandbox) -> None:
    put(one_plan(120))
    terminate(database, lms)
    sandbox.log.reset()
    outcome = terminate(database, lms)
    assert (outcome.done, outcome.failed, outcome.requests) == (0, 0, 0)
    assert sandbox.log.counts()["write"] == 0


@pytest.mark.parametrize(
    ("expiration", "sent"),
    [
        pytest.param(NOW - timedelta(hours=24), None, id="a-day-back"),
        pytest.param(
            NOW - timedelta(hours=24, microseconds=1), "2026-05-31T11:59:59.999999+00:00", id="more-than-a-day-back"
        ),
        pytest.param(datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00+00:00", id="months-back"),
    ],
)
def test_enrollments_changed_since_are_spared_when_the_end_is_long_past(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox, expiration: datetime, sent: str | None
) -> None:
    put(one_plan(1, expiration))
    terminate(database, lms)
    assert sandbox.lms.expirations[0].ignore_modified_after == sent


def test_only_who_holds_a_license_is_sent(database: Database, put, lms: EnterpriseLms, sandbox: Sandbox) -> None:
    plan = Plan(UUID(int=10), CUSTOMER, YESTERDAY)
    put(world([plan], [held(plan.uuid, 1, index, status=status)[0] for index, status in enumerate(LicenseStatus)]))
    assert terminate(database, lms).done == 2
    assert len(sandbox.lms.ended()) == 2


def test_a_license_that_fails_does_not_stop_the_others_and_is_tried_again(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    put(one_plan(300))
    stuck = str(held(UUID(int=10), 150)[149].uuid)
    sandbox.lms.stuck = {stuck}
    outcome = terminate(database, lms)
    assert (outcome.done, outcome.failed) == (299, 1)
    assert len(outcome.errors) == 1
    assert stuck in outcome.errors[0]
    assert "422" in outcome.errors[0]
    assert not is_processed(database)
    sandbox.lms.stuck = set()
    three_weeks_later = replace(POLICY, now=NOW + timedelta(days=21))
    assert terminate(database, lms, three_weeks_later).done == 1
    assert is_processed(database)
    assert events(database) == 300


FAILURES = [400, 401, 403, 404, 409, 422, 429, 500, 502, 503, "time-out", "cut"]


@pytest.mark.parametrize("failure", FAILURES)
def test_whatever_the_lms_answers_nothing_is_recorded_that_was_not_done(
    database: Database,
    put,
    lms: EnterpriseLms,
    impatient_lms: EnterpriseLms,
    sandbox: Sandbox,
    failure: int | str,
) -> None:
    put(one_plan(3))
    if failure == "time-out":
        sandbox.faults.delay(0.3, vendor="lms", kind="write", times=5)
    elif failure == "cut":
        sandbox.faults.cut("before", vendor="lms", kind="write", times=5)
    else:
        sandbox.faults.answer(failure, vendor="lms", kind="write", times=100)
    outcome = terminate(database, impatient_lms if failure == "time-out" else lms)
    assert (outcome.done, outcome.failed, events(database)) == (0, 3, 0)
    assert outcome.is_failure
    assert outcome.may_pass == (failure in (429, 500, 502, 503, "time-out", "cut"))
    assert not is_processed(database)
    sandbox.faults.clear()
    assert terminate(database, lms).done == 3
    assert is_processed(database)


def test_a_license_that_turns_up_later_in_a_processed_plan_is_ended_too(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    one = one_plan(1)
    put(one)
    terminate(database, lms)
    late = held(UUID(int=10), 1, 50)[0]
    with database.session() as session:
        found = verdicts.decide(session, POLICY).decided[0].verdict
    known = {(found.license_uuid, EventName.TERMINATED, YESTERDAY): NOW}
    put(replace(one, licenses={**one.licenses, late.uuid: late}, events=known))
    sandbox.lms.expirations.clear()
    assert terminate(database, lms).done == 1
    assert sandbox.lms.expirations[0].licenses == (str(late.uuid),)


def test_a_plan_with_a_pending_renewal_is_skipped(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    after = Plan(UUID(int=11), CUSTOMER, NOW + timedelta(days=100))
    prior = Plan(UUID(int=10), CUSTOMER, YESTERDAY, renewal=Renewal(after.uuid, True))
    put(world([prior, after], held(prior.uuid, 4)))
    outcome = terminate(database, lms)
    assert (outcome.done, outcome.failed, outcome.skipped, outcome.requests) == (0, 0, 4, 0)


def test_a_renewal_chain_is_processed_oldest_first_when_its_last_plan_expires(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    dates = [NOW - timedelta(days=days) for days in (400, 200, 1)]
    plans = [
        Plan(UUID(int=20 - place), CUSTOMER, date, renewal=Renewal(UUID(int=19 - place), True) if place < 2 else None)
        for place, date in enumerate(dates)
    ]
    licenses = [held(plan.uuid, 1)[0] for plan in plans]
    licenses = [
        replace(each, renewed_to=licenses[place + 1].uuid if place < 2 else None) for place, each in enumerate(licenses)
    ]
    put(world(plans, licenses))
    before = replace(POLICY, now=NOW - timedelta(days=2))
    outcome = terminate(database, lms, before)
    assert outcome.decisions == {Decision.RENEWED: 1, Decision.PLAN_RENEWAL_PENDING: 1}
    assert terminate(database, lms).done == 3
    assert [each.licenses for each in sandbox.lms.expirations] == [(str(each.uuid),) for each in licenses]


def test_a_dry_run_decides_the_same_and_does_nothing(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    put(one_plan(120))
    outcome = terminate(database, lms, dry_run=True)
    assert (outcome.dry_run, outcome.done, outcome.failed) == (True, 120, 0)
    assert sandbox.log.entries() == []
    assert events(database) == 0
    assert terminate(database, lms).decisions == outcome.decisions


def test_another_customers_licenses_are_left_alone(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    mine, theirs = Plan(UUID(int=10), CUSTOMER, YESTERDAY), Plan(UUID(int=11), OTHER, YESTERDAY)
    put(world([mine, theirs], held(mine.uuid, 2) + held(theirs.uuid, 3)))
    assert terminate(database, lms).done == 2
    assert sandbox.lms.ended() == {str(each.uuid) for each in held(mine.uuid, 2)}


def test_without_an_lms_it_says_what_to_set_and_only_when_there_is_something_to_do(database: Database, put) -> None:
    put(one_plan(1, NOW + timedelta(days=1)))
    assert terminate(database, None).done == 0
    put(one_plan(1))
    assert terminate(database, None, dry_run=True).done == 1
    with pytest.raises(NotConfigured, match="B2B_LMS_URL"):
        terminate(database, None)


def test_an_unknown_customer_is_refused(database: Database, lms: EnterpriseLms) -> None:
    with pytest.raises(NotFound):
        terminate(database, lms)
