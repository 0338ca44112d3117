"""Unattended upkeep: lagging contracts every night, fresh sheets every hour."""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.definitions import defs
from b2b_pipelines.sheets.freshness import freshness, of_delivered
from schedules.sweep import nightly_sweep, to_sweep
from tests.sheets.conftest import Delivery
from tests.statements import statements

Deliver = Callable[..., Delivery]
MONDAY, SATURDAY = datetime(2026, 11, 16, 2, 17, tzinfo=UTC), datetime(2026, 11, 21, 2, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("weekday", "studio", "swept"),
    [
        pytest.param(3, False, {"lags"}, id="what-lags"),
        pytest.param(3, True, {"lags", "waits"}, id="with-a-studio-also-what-waits-for-it"),
        pytest.param(0, False, {"lags", "waits", "is right"}, id="on-mondays-everything"),
    ],
)
def test_what_a_night_sweeps(weekday: int, studio: bool, swept: Collection[str]) -> None:
    assert set(to_sweep(weekday, ["lags", "waits", "is right"], ["lags"], ["waits"], studio)) == swept


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """One with a home: schedules find it by that, which those in memory have not."""
    with dg.instance_for_test() as instance:
        yield instance


def sweep(database: Database, instance: dg.DagsterInstance, night: datetime) -> list[list[str]]:
    """The contracts of each run that a night requests."""
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=night, resources={"database": database}
    )
    asked = [each for each in nightly_sweep(context) if isinstance(each, dg.RunRequest)]
    return [
        request.run_config.get("ops", {}).get("contract_delivery", {}).get("config", {}).get("contracts")
        or [request.partition_key]
        for request in asked
    ]


def run(instance: dg.DagsterInstance, job: str, slug: str | None = None) -> dg.ExecuteInProcessResult:
    tags = {"dagster/asset_partition_range_start": slug, "dagster/asset_partition_range_end": slug} if slug else {}
    return defs.resolve_job_def(job).execute_in_process(instance=instance, tags=tags, raise_on_error=False)


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_the_sweep_finds_what_a_crash_left_and_nothing_when_all_is_right(
    deliver: Deliver, database: Database, instance: dg.DagsterInstance
) -> None:
    one, two = deliver(name="One"), deliver(name="Two")
    assert sweep(database, instance, SATURDAY) == [[one.slug, two.slug]]
    assert instance.get_dynamic_partitions("contracts") == [one.slug, two.slug]
    assert run(instance, "contract_delivery_job", one.slug).success
    assert sweep(database, instance, SATURDAY) == [[two.slug]]
    assert run(instance, "contract_delivery_job", two.slug).success
    assert sweep(database, instance, SATURDAY) == []
    assert sweep(database, instance, MONDAY) == [[one.slug, two.slug]]


def test_a_sheet_is_fresh_for_two_periods_and_half_an_hour() -> None:
    def fresh(age: timedelta | None, *, new: bool = False) -> bool:
        return freshness(SATURDAY - age if age is not None else None, new=new, now=SATURDAY, period=HOUR).fresh

    assert fresh(2 * HOUR + timedelta(minutes=30))
    assert not fresh(2 * HOUR + timedelta(minutes=30, seconds=1))
    assert fresh(None, new=True)
    assert not fresh(None)


@pytest.mark.usefixtures("surroundings")
def test_a_sheet_that_was_not_synced_lately_fails_its_check_and_no_others(
    deliver: Deliver, database: Database, instance: dg.DagsterInstance
) -> None:
    fresh, stale = deliver(name="Fresh"), deliver(name="Stale")
    instance.add_dynamic_partitions("contracts", [fresh.slug, stale.slug])
    for delivery in (fresh, stale):
        delivery.sync()
    stale.statement("UPDATE sheet_snapshot SET verified_at = now() - interval '3 hours' WHERE contract_id = :contract")
    result = run(instance, "sheet_freshness_job")
    assert result.success
    evaluations = {
        event.asset_check_evaluation_data.partition: event.asset_check_evaluation_data.passed
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    }
    assert evaluations == {fresh.slug: True, stale.slug: False}
    alone = run(instance, "sheet_freshness_job", fresh.slug)
    assert len([event for event in alone.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"]) == 1
    assert not [entry for entry in instance.all_logs(alone.run_id) if "did not yield" in entry.user_message]


def test_freshness_costs_one_query_for_any_number_of_contracts(deliver: Deliver, database: Database) -> None:
    for number in range(4):
        deliver(name=f"C{number}")
    with statements(database) as sent, database.session() as session:
        assert len(of_delivered(session, datetime.now(UTC), HOUR)) == 4
    assert len(sent) == 1
