"""What starts work on contracts, and what does not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from b2b_pipelines.db.engine import Database
from schedules.contracts import contract_changes, cron, is_due, partition_changes
from tests.sheets.conftest import Delivery, deliver, sheets

__all__ = ["deliver", "sheets"]


def test_new_contracts_become_partitions_and_one_run() -> None:
    decision = partition_changes({"a": 1, "b": 4}, ["a", "b"], [])
    assert decision.added == ("a", "b")
    assert [run[:2] for run in decision.runs] == [("a", "b")]


def test_a_further_change_of_the_same_contract_has_another_run_key() -> None:
    [once] = partition_changes({"a": 4}, ["a"], ["a"]).runs
    [again] = partition_changes({"a": 5}, ["a"], ["a"]).runs
    [same] = partition_changes({"a": 4}, ["a"], ["a"]).runs
    assert once[2] == same[2] != again[2]


def test_partitions_of_contracts_are_never_taken_away() -> None:
    assert partition_changes({}, ["b"], ["a", "b"]).added == ()


def test_contracts_far_apart_are_run_apart() -> None:
    slugs = [f"c{number}" for number in range(500)]
    decision = partition_changes({"c0": 2, "c3": 2, "c400": 2}, slugs, slugs)
    assert [run[:2] for run in decision.runs] == [("c0", "c3"), ("c400", "c400")]


def look(database: Database, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"database": database})
    result = contract_changes(context)
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
    return result


def test_the_sensor_starts_one_run_for_many_changes_and_none_when_nothing_changed(
    deliver: Callable[..., Delivery], database: Database
) -> None:
    with dg.instance_for_test() as instance:
        one, two = deliver(name="One"), deliver(name="Two")
        one.modify(max_learners=9)
        one.modify(max_learners=3)
        first = look(database, instance, None)
        assert [request.tags["dagster/asset_partition_range_end"] for request in first.run_requests or []] == [two.slug]
        assert not look(database, instance, first.cursor).run_requests
        two.modify(max_learners=6)
        second = look(database, instance, first.cursor)
        assert [request.partition_key for request in second.run_requests or []] == [two.slug]


def test_a_redemption_alone_starts_nothing(deliver: Callable[..., Delivery], database: Database) -> None:
    with dg.instance_for_test() as instance:
        one = deliver(name="One")
        first = look(database, instance, None)
        one.redeem(one.codes()[0], "jo@example.com")
        assert not look(database, instance, first.cursor).run_requests


def test_a_change_that_is_not_committed_yet_is_found_by_the_next_look(
    deliver: Callable[..., Delivery], database: Database
) -> None:
    from b2b_pipelines.contracts import store

    with dg.instance_for_test() as instance:
        one, two = deliver(name="One"), deliver(name="Two")
        first = look(database, instance, None)
        with database.session() as open_session:
            store.touch(open_session, store.contract(open_session, one.slug, lock=True))
            two.modify(max_learners=6)
            meanwhile = look(database, instance, first.cursor)
        after = look(database, instance, meanwhile.cursor)
        requested = {
            request.partition_key or request.tags["dagster/asset_partition_range_start"]
            for result in (meanwhile, after)
            for request in result.run_requests or []
        }
        assert one.slug in requested


@pytest.mark.parametrize(
    ("period", "offset", "line"),
    [
        (3600, 1800, "30 * * * *"),
        (900, 300, "5,20,35,50 * * * *"),
        (7200, 5400, "30 1,3,5,7,9,11,13,15,17,19,21,23 * * *"),
        (86400, 3600, "0 1 * * *"),
        (90, 45, "* * * * *"),
        (420, 0, "* * * * *"),
    ],
)
def test_cron(period: int, offset: int, line: str) -> None:
    assert cron(period, offset) == line


@pytest.mark.parametrize(("period", "offset"), [(3600, 1800), (900, 300), (420, 60), (90, 45), (7200, 5400)])
def test_every_period_is_due_once(period: int, offset: int) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    due = [now for now in (start + timedelta(minutes=n) for n in range(24 * 60)) if is_due(now, period, offset)]
    assert len(due) == pytest.approx(86400 / max(period, 60), abs=1)
