"""Years without upkeep by hand, in compressed time: every run is a week, and `upkeep` prunes after each."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster import DagsterEventType as Type
from dagster._core.storage.compute_log_manager import ComputeIOType
from sqlalchemy import Connection, text

from assets.partitions import contracts
from b2b_pipelines.definitions import defs
from b2b_pipelines.upkeep import dagster_tables
from b2b_pipelines.upkeep.rules import Keep
from tests.assets.test_recorded import events, run, shown
from tests.orchestration.processes import Processes
from tests.sheets.conftest import Delivery

Deliver = Callable[..., Delivery]

KEEP = Keep()
WEEKS = 53
FAILS_EVERY = 3
A_WEEK_PASSES = """
UPDATE event_logs SET timestamp = timestamp - interval '7 days';
UPDATE asset_event_tags SET event_timestamp = event_timestamp - interval '7 days';
UPDATE asset_check_executions SET create_timestamp = create_timestamp - interval '7 days',
    evaluation_event_timestamp = evaluation_event_timestamp - interval '7 days';
UPDATE runs SET create_timestamp = create_timestamp - interval '7 days',
    update_timestamp = update_timestamp - interval '7 days';
"""
CATALOG_ANSWER = """
INSERT INTO academy_catalog (customer, academies, catalogs, content_hash, taken_at, verified_at)
VALUES ('00000000-0000-0000-0000-000000000001', '[]', '[]', '', now() - make_interval(days => :days),
        now() - make_interval(days => :days))
"""
TABLES = ("event_logs", "asset_event_tags", "asset_check_executions", "runs", "run_tags")


def rows(connection: Connection) -> dict[str, int]:
    return {table: int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()) for table in TABLES}


def size_of(instance: dg.DagsterInstance) -> int:
    """The bytes of Dagster's database, with indexes."""
    with instance.event_log_storage.index_connection() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def prune(instance: dg.DagsterInstance) -> dagster_tables.Pruned:
    now = datetime.now(UTC)
    with instance.event_log_storage.index_connection() as connection:
        return dagster_tables.prune(connection, KEEP.runs_from(now), KEEP.failures_from(now))


def seen(instance: dg.DagsterInstance, slugs: Sequence[str]) -> object:
    """The state of the UI's pages: each partition's status, and each check's result that counts."""
    statuses = instance.get_status_by_partition(dg.AssetKey("sheet_snapshots"), slugs, contracts) or {}
    return {slug: status and status.value for slug, status in statuses.items()}, shown(instance)


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_in_a_year_the_database_stays_bounded_and_every_latest_state_and_recent_failure_stays(
    processes: Processes, deliver: Deliver
) -> None:
    deliveries = [deliver(name=f"Acme-{n}", cap=2) for n in range(2)]
    once, failing = deliver(name="Once", cap=2), deliver(name="Failing", cap=2, shared=False)
    slugs = [delivery.slug for delivery in deliveries]
    every = [*slugs, once.slug, failing.slug]
    sizes: list[dict[str, int]] = []
    failures: dict[int, str] = {}
    with processes.instance() as instance:
        assert run(instance, [once.slug]).success
        assert not run(instance, [failing.slug]).success
        for week in range(WEEKS):
            sheet = deliveries[0].spreadsheet
            if week % FAILS_EVERY == 0:
                sheet.shared_with.discard("b2b@sandbox.test")
            else:
                sheet.shared_with.add("b2b@sandbox.test")
            result = run(instance, slugs)
            if not result.success:
                failures[week] = result.run_id
            before = seen(instance, every)
            prune(instance)
            assert seen(instance, every) == before
            with instance.event_log_storage.index_connection() as connection:
                sizes.append(rows(connection))
                connection.execute(text(A_WEEK_PASSES))
        assert list(failures) == list(range(0, WEEKS, FAILS_EVERY))
        for table in TABLES:
            assert max(size[table] for size in sizes[26:]) <= 1.1 * max(size[table] for size in sizes[:26]), table
        kept = {week for week, run_id in failures.items() if instance.get_run_by_id(run_id)}
        assert kept == {week for week in failures if 7 * (WEEKS - week - 1) < KEEP.failed_days}
        for week in kept:
            [reason] = [
                event
                for event in events(instance, failures[week], Type.ASSET_OBSERVATION)
                if event.partition == slugs[0]
            ]
            assert "share it with" in str(reason.asset_observation_data.asset_observation.description)
        statuses, results = seen(instance, every)  # type: ignore[misc]
        assert statuses == dict.fromkeys([*slugs, once.slug], "MATERIALIZED") | {failing.slug: "FAILED"}
        assert results["sheet_is_synced", once.slug] is True
        assert results["sheet_is_synced", failing.slug] is False


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_a_thousand_contracts_hourly_for_a_year_stay_below_twenty_gigabytes(
    processes: Processes, deliver: Deliver
) -> None:
    number, hours, contracts_then = 40, 24, 1000
    deliveries = [deliver(name=f"Acme-{n:02}", cap=2) for n in range(number)]
    slugs = [delivery.slug for delivery in deliveries]
    quiet = {"contracts": slugs, "quiet": True}
    with processes.instance() as instance:
        assert run(instance, slugs).success

        def grown_by(refreshes: int) -> float:
            """The bytes that a contract-hour adds, with its share of the run and of every index."""
            before = size_of(instance)
            for _ in range(refreshes):
                run(instance, slugs, job="sheet_refresh_job", config=quiet, ranged=False)
            return (size_of(instance) - before) / refreshes / number

        unchanged = grown_by(5)
        for n, delivery in enumerate(deliveries):
            delivery.redeem(delivery.codes()[0], f"jo-{n}@example.com")
        changed = grown_by(1)
        for delivery in deliveries:
            delivery.spreadsheet.shared_with.clear()
        failed = grown_by(2)
    # A bad year: a tenth of the sheets changes each hour, and a tenth fails, besides what is unchanged.
    daily = hours * contracts_then
    whole = KEEP.runs_days * daily * (unchanged + 0.1 * changed) + KEEP.failed_days * daily * 0.1 * failed
    assert unchanged < 2_500
    assert whole < 20e9, (unchanged, changed, failed)


@pytest.mark.usefixtures("surroundings")
def test_the_job_prunes_with_the_settings_and_says_what_it_deleted(processes: Processes, deliver: Deliver) -> None:
    delivery = deliver(cap=2)
    slug = delivery.slug
    with processes.instance() as instance:
        first = run(instance, [slug])
        logs = instance.compute_log_manager
        log_key = [first.run_id, "compute_logs", "contract_delivery"]
        with logs.open_log_stream(log_key, ComputeIOType.STDERR) as stream:
            assert stream is not None
            stream.write("a line")
        assert logs.get_log_data(log_key).stderr == b"a line"
        delivery.redeem(delivery.codes()[0], "jo@example.com")
        second = run(instance, [slug])
        assert [snapshot.run_id for snapshot in delivery.snapshots()] == [second.run_id, first.run_id]
        for days in (402, 401):
            delivery.statement(CATALOG_ANSWER, days=days)
        delivery.statement("UPDATE sheet_snapshot SET verified_at = verified_at - interval '401 days'")
        with instance.event_log_storage.index_connection() as connection:
            for _ in range(3):
                connection.execute(text(A_WEEK_PASSES))
        result = defs.resolve_job_def("upkeep_job").execute_in_process(instance=instance)
        assert result.success
        assert instance.get_run_by_id(first.run_id) is None
        assert instance.get_run_by_id(second.run_id) is not None
        assert shown(instance)["sheet_is_synced", slug] is True
        messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
        [deleted] = [message for message in messages if message.startswith("deleted ")]
        assert all(part in deleted for part in ("1 runs", "1 snapshots", "1 catalog answers"))
        assert logs.get_log_data(log_key).stderr is None
        assert [snapshot.run_id for snapshot in delivery.snapshots()] == [second.run_id]
