"""One enrollment that the LMS cannot end keeps no other license from being done; an LMS that is down is named as down."""

import math
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses.batches import EverythingRejected, find_rejected_unless_all
from b2b_pipelines.vendors.open_edx import EnterpriseLms
from sandbox.server import Sandbox
from tests.licenses.reference import Plan
from tests.licenses.test_terminate import CUSTOMER, YESTERDAY, events, held, is_processed, one_plan, terminate, world

PLAN = UUID(int=10)


def uuids(count: int) -> list[str]:
    return [str(each.uuid) for each in held(PLAN, count)]


@pytest.mark.parametrize("flaw", ["stuck", "broken"], ids=["422", "500"])
@pytest.mark.parametrize("place", [0, 38, 49, 50, 99])
def test_one_poisoned_enrollment_among_a_hundred_is_named_and_the_others_are_done(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox, flaw: str, place: int
) -> None:
    put(one_plan(100))
    culprit = uuids(100)[place]
    setattr(sandbox.lms, flaw, {culprit})
    outcome = terminate(database, lms)
    assert (outcome.done, outcome.failed, len(outcome.errors), events(database)) == (99, 1, 1, 99)
    assert culprit in outcome.errors[0]
    assert sandbox.log.counts(vendor="lms")["write"] - 1 <= 2 * math.log2(100)
    assert not is_processed(database)
    setattr(sandbox.lms, flaw, set())
    assert terminate(database, lms).done == 1
    assert is_processed(database)


@pytest.mark.parametrize("flaw", ["stuck", "broken"], ids=["422", "500"])
def test_when_all_hundred_fail_the_lms_is_named_as_down_and_nothing_is_recorded(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox, flaw: str
) -> None:
    other = Plan(UUID(int=11), CUSTOMER, YESTERDAY)
    first = one_plan(100)
    put(world([*first.plans.values(), other], [*first.licenses.values(), *held(other.uuid, 5)]))
    setattr(sandbox.lms, flaw, {str(each) for each in first.licenses})
    outcome = terminate(database, lms)
    assert (outcome.done, outcome.failed, events(database)) == (0, 105, 0)
    assert "the LMS is down" in outcome.errors[0]
    assert sandbox.log.counts(vendor="lms")["write"] <= 10


@pytest.mark.parametrize("fault", [503, "cut"])
def test_an_lms_that_is_down_is_asked_ten_times_at_most(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox, fault: int | str
) -> None:
    plans = [replace(Plan(UUID(int=10 + number), CUSTOMER, YESTERDAY)) for number in range(4)]
    put(world(plans, [each for number, plan in enumerate(plans) for each in held(plan.uuid, 1 + 60 * number)]))
    if fault == "cut":
        sandbox.faults.cut("before", vendor="lms", kind="write", times=1000)
    else:
        sandbox.faults.answer(503, vendor="lms", kind="write", times=1000)
    outcome = terminate(database, lms)
    assert (outcome.done, outcome.failed, events(database)) == (0, 364, 0)
    assert sandbox.log.counts(vendor="lms")["write"] <= 10
    assert outcome.may_pass


def test_poison_here_and_there_is_found_everywhere(
    database: Database, put, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    put(one_plan(230))
    all_of_them = uuids(230)
    sandbox.lms.stuck, sandbox.lms.broken = {all_of_them[3], all_of_them[97]}, {all_of_them[60], all_of_them[201]}
    outcome = terminate(database, lms)
    assert (outcome.done, outcome.failed) == (226, 4)
    assert all(each in " ".join(outcome.errors) for each in sandbox.lms.stuck | sandbox.lms.broken)


@pytest.mark.parametrize("culprit", range(100))
def test_wherever_the_poison_is_it_costs_ten_calls_at_most(culprit: int) -> None:
    calls = []

    def accepts(part: list[int]) -> bool:
        calls.append(part)
        return culprit not in part

    assert find_rejected_unless_all(list(range(100)), accepts) == [culprit]
    assert len(calls) <= 10


@settings(max_examples=200)
@given(
    st.integers(2, 100).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), min_size=1)))
)
def test_a_limit_stops_only_what_was_accepted_nowhere(case: tuple[int, set[int]]) -> None:
    size, bad = case
    through: list[int] = []

    def accepts(part: list[int]) -> bool:
        if bad & set(part):
            return False
        through.extend(part)
        return True

    try:
        assert set(find_rejected_unless_all(list(range(size)), accepts)) == bad
        assert sorted(through) == [each for each in range(size) if each not in bad]
    except EverythingRejected:
        assert through == []
        assert len(bad) > 1
