"""Years without upkeep by hand, in compressed time: every run is a day, and `upkeep` prunes after each."""

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
import pytest
from sqlalchemy import Connection, text

from assets.partitions import contracts
from b2b_pipelines.definitions import defs
from b2b_pipelines.upkeep import dagster_tables
from b2b_pipelines.upkeep.rules import Keep
from tests.assets.test_recorded import run, shown
from tests.orchestration.processes import Processes
from tests.sheets.conftest import Delivery

Deliver = Callable[..., Delivery]

KEEP = Keep(runs_days=3, failed_days=9)
DAYS = 30
A_DAY_PASSES = """
UPDATE event_logs SET timestamp = timestamp - interval '1 day';
UPDATE asset_event_tags SET event_timestamp = event_timestamp - interval '1 day';
UPDATE asset_check_executions SET create_timestamp = create_timestamp - interval '1 day',
    evaluation_event_timestamp = evaluation_event_timestamp - interval '1 day';
UPDATE runs SET create_timestamp = create_timestamp - interval '1 day',
    update_timestamp = update_timestamp - interval '1 day';
"""
TABLES = ("event_logs", "asset_event_tags", "asset_check_executions", "runs", "run_tags")


def rows(connection: Connection) -> dict[str, int]:
    return {table: int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()) for table in TABLES}


def prune(instance: dg.DagsterInstance) -> dagster_tables.Pruned:
    now = datetime.now(UTC)
    with instance.event_log_storage.index_connection() as connection:
        return dagster_tables.prune(connection, KEEP.runs_from(now), KEEP.failures_from(now))


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_the_database_stays_bounded_and_every_latest_state_and_recent_failure_stays(
    processes: Processes, deliver: Deliver
) -> None:
    deliveries = [deliver(name=f"Acme-{n}", cap=2) for n in range(3)]
    once = deliver(name="Once", cap=2)
    slugs = [delivery.slug for delivery in deliveries]
    sizes: list[dict[str, int]] = []
    failures: dict[int, str] = {}
    with processes.instance() as instance:
        assert run(instance, [once.slug]).success
        for day in range(DAYS):
            sheet = deliveries[0].spreadsheet
            if day % 5 == 0:
                sheet.shared_with.discard("b2b@sandbox.test")
            else:
                sheet.shared_with.add("b2b@sandbox.test")
            result = run(instance, slugs)
            if not result.success:
                failures[day] = result.run_id
            before = shown(instance)
            prune(instance)
            assert shown(instance) == before
            with instance.event_log_storage.index_connection() as connection:
                sizes.append(rows(connection))
                connection.execute(text(A_DAY_PASSES))
        assert list(failures) == list(range(0, DAYS, 5))
        for table in TABLES:
            assert max(size[table] for size in sizes[20:]) <= 1.2 * max(size[table] for size in sizes[8:20]), table
        kept = {day for day, run_id in failures.items() if instance.get_run_by_id(run_id)}
        assert kept == {day for day in failures if DAYS - day < KEEP.failed_days}
        every = [*slugs, once.slug]
        statuses = instance.get_status_by_partition(dg.AssetKey("sheet_snapshots"), every, contracts)
        assert {slug: status and status.value for slug, status in (statuses or {}).items()} == dict.fromkeys(
            every, "MATERIALIZED"
        )
        assert shown(instance)["sheet_is_synced", once.slug] is True
        assert prune(instance).rows["events"] >= 0


@pytest.mark.usefixtures("surroundings")
def test_the_job_prunes_with_the_settings_and_says_what_it_deleted(processes: Processes, deliver: Deliver) -> None:
    slug = deliver(cap=2).slug
    with processes.instance() as instance:
        first = run(instance, [slug])
        second = run(instance, [slug])
        with instance.event_log_storage.index_connection() as connection:
            for _ in range(20):
                connection.execute(text(A_DAY_PASSES))
        result = defs.resolve_job_def("upkeep_job").execute_in_process(instance=instance)
        assert result.success
        assert instance.get_run_by_id(first.run_id) is None
        assert instance.get_run_by_id(second.run_id) is not None
        assert shown(instance)["sheet_is_synced", slug] is True
        messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
        assert any(message.startswith("deleted ") and "1 runs" in message for message in messages)
