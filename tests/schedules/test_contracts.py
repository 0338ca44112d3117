"""Events that start work on contracts, and events that do not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.definitions import defs
from b2b_pipelines.settings import read_settings
from schedules.contracts import contract_changes, cron, is_due, partition_changes, sheet_refresh
from tests.sheets.conftest import Delivery, deliver, sheets

__all__ = ["deliver", "sheets"]


def test_new_contracts_become_partitions_and_one_run() -> None:
    decision = partition_changes({"a": 1, "b": 4}, ["a", "b"], [])
    assert decision.added == ("a", "b")
    assert [slugs for slugs, _ in decision.runs] == [("a", "b")]


def test_a_further_change_of_the_same_contract_has_another_run_key() -> None:
    [once] = partition_changes({"a": 4}, ["a"], ["a"]).runs
    [again] = partition_changes({"a": 5}, ["a"], ["a"]).runs
    [same] = partition_changes({"a": 4}, ["a"], ["a"]).runs
    assert once[1] == same[1] != again[1]


def test_partitions_of_contracts_are_never_taken_away() -> None:
    assert partition_changes({}, ["b"], ["a", "b"]).added == ()


def test_contracts_far_apart_share_one_run() -> None:
    slugs = [f"c{number:03}" for number in range(500)]
    decision = partition_changes({"c000": 2, "c003": 2, "c400": 2}, slugs, slugs)
    assert [slugs for slugs, _ in decision.runs] == [("c000", "c003", "c400")]


def test_more_contracts_than_a_run_takes_are_split_evenly() -> None:
    slugs = [f"c{number:03}" for number in range(600)]
    decision = partition_changes(dict.fromkeys(slugs, 1), slugs, slugs)
    assert [len(slugs) for slugs, _ in decision.runs] == [300, 300]


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
        [request] = first.run_requests or []
        config = request.run_config["ops"]["contract_delivery"]["config"]
        assert config == {"contracts": [one.slug, two.slug]}
        assert (request.tags["dagster/priority"], request.tags["b2b/urgency"]) == ("10", "urgent")
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
        requested = {request.partition_key for result in (meanwhile, after) for request in result.run_requests or []}
        assert one.slug in requested


def refresh(database: Database, instance: dg.DagsterInstance) -> list[dg.RunRequest | dg.SkipReason]:
    schedule = sheet_refresh(read_settings())
    at = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    context = dg.build_schedule_context(instance, scheduled_execution_time=at, resources={"database": database})
    return list(schedule(context))  # type: ignore[arg-type]


def test_a_refresh_is_one_quiet_routine_run_and_none_is_put_on_top_of_one_that_waits(
    deliver: Callable[..., Delivery], database: Database
) -> None:
    with dg.instance_for_test() as instance:
        slugs = [deliver(name=name).slug for name in ("One", "Two")]
        instance.add_dynamic_partitions("contracts", slugs)
        [request] = refresh(database, instance)
        assert isinstance(request, dg.RunRequest)
        assert request.run_config["ops"]["contract_delivery"]["config"] == {"contracts": slugs, "quiet": True}
        assert request.tags["b2b/urgency"] == "routine"
        job = defs.resolve_job_def("sheet_refresh_job")
        waiting = instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.NOT_STARTED, tags={"dagster/partition": "one"}
        )
        [skipped] = refresh(database, instance)
        assert isinstance(skipped, dg.SkipReason)
        assert waiting.run_id in str(skipped.skip_message)


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
