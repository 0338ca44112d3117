"""Unlinking learners: never the wrong one, never recorded if not done, never forgotten."""

import logging
import math
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import exclusive
from b2b_pipelines.licenses import service, verdicts
from b2b_pipelines.licenses.facts import EventName, LicenseStatus, Policy
from b2b_pipelines.licenses.models import LicenseEvent, RefusedAddress
from b2b_pipelines.licenses.rules import Decision
from b2b_pipelines.vendors.open_edx import EnterpriseLms
from sandbox.server import Sandbox
from tests.licenses.reference import HeldLicense, LicenseFacts, Plan

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LAPSED = NOW - timedelta(days=100)
CUSTOMER, OTHER = UUID(int=1), UUID(int=2)
PLAN, CURRENT = UUID(int=10), UUID(int=11)
POLICY = Policy(NOW, unlinking=frozenset({CUSTOMER, OTHER}))


A_DAY_LATER = replace(POLICY, now=NOW + timedelta(hours=25))


def address(number: int) -> str:
    return f"learner{number:04}@example.com"


def seat(number: int, plan: UUID = PLAN, **fields: object) -> HeldLicense:
    base = HeldLicense(UUID(int=plan.int * 100_000 + number), plan, LicenseStatus.ACTIVATED, address(number))
    return replace(base, **fields)


def world(*licenses: HeldLicense, terminated: bool = True, customer: UUID = CUSTOMER) -> LicenseFacts:
    plans = [Plan(PLAN, customer, LAPSED), Plan(CURRENT, customer, NOW + timedelta(days=10))]
    events = (
        {(each.uuid, EventName.TERMINATED, LAPSED): LAPSED for each in licenses if each.plan == PLAN}
        if terminated
        else {}
    )
    return LicenseFacts({plan.uuid: plan for plan in plans}, {each.uuid: each for each in licenses}, events)


def linked(sandbox: Sandbox, world: LicenseFacts, customer: UUID = CUSTOMER) -> None:
    sandbox.lms.link(customer, [each.address for each in world.licenses.values() if each.address])


@pytest.fixture
def start(put, sandbox: Sandbox):
    """Puts a world into the database and links everybody in it."""

    def begin(*licenses: HeldLicense, **options: object) -> LicenseFacts:
        there = world(*licenses, **options)  # type: ignore[arg-type]
        put(there)
        linked(sandbox, there)
        return there

    return begin


def unlink(database: Database, lms: EnterpriseLms | None, policy: Policy = POLICY, **options: bool) -> service.Outcome:
    return service.unlink(database, lms, CUSTOMER, policy, run_id="test", **options)


def unlinked(database: Database) -> int:
    with database.session() as session:
        return session.scalar(select(func.count()).where(LicenseEvent.event_name == EventName.UNLINKED)) or 0


def decisions(database: Database) -> dict[UUID, Decision]:
    with database.session() as session:
        return {row.verdict.license_uuid: row.verdict.decision for row in verdicts.decide(session, POLICY).decided}


def test_learners_are_unlinked_a_hundred_at_a_time_and_may_be_linked_again(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    start(*map(seat, range(250)))
    outcome = unlink(database, lms)
    assert (outcome.done, outcome.failed, outcome.skipped, outcome.errors) == (250, 0, 0, [])
    assert [len(each.addresses) for each in sandbox.lms.unlinkings] == [100, 100, 50]
    assert {each.is_relinkable for each in sandbox.lms.unlinkings} == {True}
    assert sandbox.lms.linked(CUSTOMER) == set()
    assert unlinked(database) == 250


def test_a_second_run_changes_nothing(database: Database, start, lms: EnterpriseLms, sandbox: Sandbox) -> None:
    start(*map(seat, range(5)))
    unlink(database, lms)
    sandbox.log.reset()
    outcome = unlink(database, lms)
    assert (outcome.done, outcome.failed, outcome.requests) == (0, 0, 0)
    assert sandbox.log.counts()["write"] == 0


def test_a_person_with_several_licenses_is_sent_once_and_all_are_recorded(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    start(seat(1, address="jane@example.com"), seat(2, address="jane@example.com"), seat(3))
    assert unlink(database, lms).done == 3
    assert sandbox.lms.unlinkings[0].addresses == ("jane@example.com", address(3))
    assert unlinked(database) == 3


def test_who_still_holds_a_license_stays(database: Database, start, lms: EnterpriseLms, sandbox: Sandbox) -> None:
    start(seat(1), seat(2), seat(1, CURRENT), seat(3, lms_user_id=9), seat(4, CURRENT, lms_user_id=9))
    outcome = unlink(database, lms)
    assert (outcome.done, outcome.skipped) == (1, 2)
    assert sandbox.lms.unlinkings[0].addresses == (address(2),)


def test_an_address_that_a_protected_license_has_too_is_held_back(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    one, two = seat(1, address="jane@example.com"), seat(2, address="jane@example.com", lms_user_id=9)
    start(one, two, seat(3, CURRENT, lms_user_id=9))
    assert decisions(database) == {one.uuid: Decision.UNLINK, two.uuid: Decision.PROTECTED}
    outcome = unlink(database, lms)
    assert (outcome.done, outcome.skipped) == (0, 2)
    assert str(one.uuid) in outcome.notes[0]
    assert sandbox.lms.unlinkings == []


JANES = {"address": "jane@example.com"}


@pytest.mark.parametrize(
    ("ended", "unended"),
    [
        pytest.param([seat(1, **JANES)], seat(3, **JANES), id="with-the-same-address"),
        pytest.param([seat(1, lms_user_id=9)], seat(3, lms_user_id=9), id="of-the-same-user"),
        pytest.param(
            [seat(1, **JANES), seat(4, **JANES, lms_user_id=9)],
            seat(3, lms_user_id=9),
            id="of-the-user-of-another-license-with-the-address",
        ),
    ],
)
def test_who_holds_another_license_whose_enrollments_are_not_ended_is_held_back(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox, ended: list[HeldLicense], unended: HeldLicense
) -> None:
    there = world(*ended, seat(2))
    there = replace(there, licenses={**there.licenses, unended.uuid: unended})
    put(there)
    linked(sandbox, there)
    outcome = unlink(database, lms)
    assert [each.addresses for each in sandbox.lms.unlinkings] == [(address(2),)]
    assert (outcome.done, outcome.failed, outcome.skipped) == (1, 0, len(ended) + 1)
    assert all(any(str(each.uuid) in note for note in outcome.notes) for each in [*ended, unended])
    service.terminate(database, lms, CUSTOMER, POLICY, run_id="test")
    assert unlink(database, lms).done == 0, "within 24 hours of the termination"
    assert unlink(database, lms, A_DAY_LATER).done == len(ended) + 1


def test_one_malformed_address_among_a_hundred_is_reported_and_the_others_go_through(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    bad = seat(0, address="aaa not an address")  # sorted first: the costliest place
    start(bad, *map(seat, range(1, 100)))
    outcome = unlink(database, lms)
    assert (outcome.done, outcome.failed) == (99, 1)
    assert len(outcome.errors) == 1
    assert str(bad.uuid) in outcome.errors[0]
    assert "aaa" not in outcome.errors[0]
    assert sandbox.log.counts()["write"] - 1 <= 2 * math.log2(100)
    assert unlinked(database) == 99
    again = unlink(database, lms)
    assert (again.done, again.failed, again.skipped, again.requests) == (0, 0, 1, 0)
    assert decisions(database)[bad.uuid] == Decision.REFUSED


def test_a_refused_address_that_changes_is_sent_again(
    database: Database, start, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    there = start(seat(0, address="no address"), seat(1))
    unlink(database, lms)
    put(
        replace(
            there,
            licenses={**there.licenses, seat(0).uuid: seat(0)},
            refusals={(CUSTOMER, "no address"): NOW},
        )
    )
    sandbox.lms.link(CUSTOMER, [address(0)])
    assert unlink(database, lms).done == 2
    assert address(0) not in sandbox.lms.linked(CUSTOMER)


def test_a_well_formed_address_that_the_lms_refuses_among_others_is_kept_as_refused(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    sandbox.lms.refused = {address(1), address(7)}
    start(*map(seat, range(10)))
    outcome = unlink(database, lms)
    assert (outcome.done, outcome.failed, len(outcome.errors)) == (8, 2, 2)
    assert unlink(database, lms).skipped == 2


@pytest.mark.parametrize("learners", [12, pytest.param(120, marks=pytest.mark.long)])
def test_an_lms_that_refuses_everybody_is_not_held_against_their_addresses(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox, learners: int
) -> None:
    start(*map(seat, range(learners)))
    sandbox.faults.answer(400, vendor="lms", kind="write", times=10_000)
    outcome = unlink(database, lms)
    assert (outcome.done, outcome.failed) == (0, learners)
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(RefusedAddress)) == 0
    sandbox.faults.clear()
    assert unlink(database, lms).done == learners


FAILURES = [400, 401, 403, 404, 409, 422, 429, 500, 502, 503, "time-out", "cut", "created", "page"]


@pytest.mark.parametrize("failure", FAILURES)
def test_whatever_the_lms_answers_nobody_is_recorded_who_was_not_unlinked(
    database: Database,
    start,
    lms: EnterpriseLms,
    impatient_lms: EnterpriseLms,
    sandbox: Sandbox,
    failure: int | str,
) -> None:
    start(*map(seat, range(3)))
    write = {"vendor": "lms", "kind": "write", "times": 50}
    if failure == "time-out":
        sandbox.faults.delay(0.3, **write)
    elif failure == "cut":
        sandbox.faults.cut("before", **write)
    elif failure == "created":
        sandbox.faults.answer(201, body="", **write)
    elif failure == "page":
        sandbox.faults.answer(200, body="<html>Sign in</html>", **write)
    else:
        sandbox.faults.answer(failure, **write)
    outcome = unlink(database, impatient_lms if failure == "time-out" else lms)
    assert (outcome.done, outcome.failed, unlinked(database)) == (0, 3, 0)
    assert outcome.is_failure
    sandbox.faults.clear()
    assert unlink(database, lms).done == 3
    assert sandbox.lms.linked(CUSTOMER) == set()


@pytest.mark.parametrize(("status", "batches_sent"), [(403, 1), (404, 1), (409, 3), (422, 3)])
def test_who_is_lost_is_not_asked_for_again_and_what_may_be_one_batchs_fault_is(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox, status: int, batches_sent: int
) -> None:
    start(*map(seat, range(250)))
    sandbox.faults.answer(status, vendor="lms", kind="write", times=3, body={"detail": "No such customer."})
    outcome = unlink(database, lms)
    assert sandbox.log.counts()["write"] == batches_sent
    assert (outcome.done, outcome.failed) == (0, 250)
    assert "No such customer." in outcome.errors[0]


def test_an_answer_that_got_lost_is_repeated_and_converges(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    start(*map(seat, range(3)))
    sandbox.faults.cut("after", vendor="lms", kind="write", times=2)
    assert unlink(database, lms).done == 3
    assert len(sandbox.lms.unlinkings) == 3
    assert unlinked(database) == 3


def test_a_token_that_is_not_good_any_more_is_renewed_once(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    start(*map(seat, range(3)))
    lms.is_linked(CUSTOMER, address(0))
    sandbox.lms.forget_tokens()
    assert unlink(database, lms).done == 3
    assert sandbox.log.counts(vendor="lms")["token"] == 2


def test_another_customers_failure_touches_nobody_else(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    theirs = Plan(UUID(int=20), OTHER, LAPSED)
    mine = world(seat(1))
    stranger = seat(2, theirs.uuid)
    put(
        replace(
            mine,
            plans={**mine.plans, theirs.uuid: theirs},
            licenses={**mine.licenses, stranger.uuid: stranger},
            events={**mine.events, (stranger.uuid, EventName.TERMINATED, LAPSED): LAPSED},
        )
    )
    sandbox.lms.link(CUSTOMER, [address(1)])
    failed = service.unlink(database, lms, OTHER, POLICY, run_id="test")
    assert (failed.failed, failed.errors[0].count("404")) == (1, 1)
    assert unlink(database, lms).done == 1


def test_nobody_is_unlinked_before_their_enrollments_are_ended_and_it_says_why(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    start(*map(seat, range(3)), terminated=False)
    outcome = unlink(database, lms)
    assert (outcome.done, outcome.failed, outcome.skipped, outcome.requests) == (0, 0, 3, 0)
    assert "enrollments are not ended" in outcome.notes[0]
    assert str(seat(0).uuid) in outcome.notes[0]
    assert sandbox.lms.linked(CUSTOMER) != set()


def test_nobody_is_unlinked_while_somebody_was_too_early(
    database: Database, start, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    there = start(seat(1), seat(2))
    early = {(seat(2).uuid, EventName.UNLINKED, LAPSED): LAPSED - timedelta(days=1)}
    put(replace(there, events={**there.events, **early}))
    rehearsed = unlink(database, lms, dry_run=True)
    assert (rehearsed.done, rehearsed.skipped, rehearsed.is_failure) == (0, 1, False)
    assert str(seat(2).uuid) in rehearsed.notes[0]
    with pytest.raises(service.UnlinkedTooEarly, match=str(seat(2).uuid)):
        unlink(database, lms)
    assert sandbox.log.entries() == []
    assert len(sandbox.lms.linked(CUSTOMER)) == 2


def test_a_customer_that_is_not_enabled_is_skipped(database: Database, start, sandbox: Sandbox) -> None:
    start(*map(seat, range(3)))
    outcome = unlink(database, None, replace(POLICY, unlinking=frozenset({OTHER})))
    assert (outcome.done, outcome.failed, outcome.skipped, outcome.is_failure) == (0, 0, 3, False)


def test_a_dry_run_decides_the_same_and_does_nothing(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    start(seat(1), seat(2, address=None), seat(3, address="no address"), seat(4), seat(4, CURRENT))
    rehearsed = unlink(database, lms, dry_run=True)
    assert (rehearsed.dry_run, rehearsed.done, rehearsed.failed, rehearsed.skipped) == (True, 2, 0, 2)
    assert sandbox.log.entries() == []
    assert unlinked(database) == 0
    assert unlink(database, lms).decisions == rehearsed.decisions


def test_two_runs_at_once_have_one_effect(database: Database, start, lms: EnterpriseLms, sandbox: Sandbox) -> None:
    start(*map(seat, range(250)))
    sandbox.faults.delay(0.05, vendor="lms", kind="write", times=3)
    outcomes: list[service.Outcome] = []
    threads = [threading.Thread(target=lambda: outcomes.append(unlink(database, lms))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.done for outcome in outcomes) == [0, 250]
    assert len(sandbox.lms.unlinkings) == 3
    assert unlinked(database) == 250


def test_ending_and_unlinking_take_turns(database: Database, start, lms: EnterpriseLms) -> None:
    start(seat(1))
    done: list[service.Outcome] = []
    with exclusive(database.engine, service.LOCK, str(CUSTOMER), holder="test"):
        thread = threading.Thread(target=lambda: done.append(unlink(database, lms)))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join(5)
    assert done[0].done == 1


def test_the_lms_is_asked_whether_they_are_gone(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    start(*map(seat, range(30)))
    unlink(database, lms)
    sandbox.lms.link(CUSTOMER, ["another@example.com"])
    confirmed = service.confirm_unlinked(database, lms, CUSTOMER, NOW)
    assert (confirmed.asked, confirmed.still_linked) == (service.SAMPLE, [])
    sandbox.lms.link(CUSTOMER, map(address, range(30)))
    assert len(service.confirm_unlinked(database, lms, CUSTOMER, NOW).still_linked) == service.SAMPLE


def test_no_address_gets_into_logs_or_outcomes(
    database: Database, start, lms: EnterpriseLms, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    start(seat(0, address="no address"), *map(seat, range(1, 5)))
    sandbox.faults.answer(409, vendor="lms", kind="write", body={"detail": f"{address(1)} and no address are odd"})
    outcomes = [unlink(database, lms), unlink(database, lms)]
    service.confirm_unlinked(database, lms, CUSTOMER, NOW)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    said = f"{outcomes} {ours}"
    assert "/enterprise-learner/" in said
    assert "learner0" not in said
    assert "no address" not in said
