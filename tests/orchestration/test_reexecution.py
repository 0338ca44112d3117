"""A refresh of 130 contracts, of which 13 fail, in real processes; then what an operator does about it in the UI."""

from collections.abc import Callable

import dagster as dg
import pytest
from dagster import DagsterEventType as Type

from sandbox.server import Sandbox
from tests.assets.test_recorded import CHECKS, events, shown
from tests.orchestration import graphql
from tests.orchestration.processes import Processes, finished, wait_until
from tests.sheets.conftest import Delivery

Deliver = Callable[..., Delivery]

ADDRESS = "b2b@sandbox.test"


def touched(instance: dg.DagsterInstance, run_id: str) -> set[tuple[str, str | None]]:
    """The assets and partitions that a run made, or gave a reason why not."""
    kinds = (Type.ASSET_MATERIALIZATION, Type.ASSET_OBSERVATION)
    return {
        (str(event.asset_key and event.asset_key.to_user_string()), event.partition)
        for kind in kinds
        for event in events(instance, run_id, kind)
    }


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_what_an_operator_starts_again_tries_the_thirteen_that_failed_and_leaves_the_others_alone(
    processes: Processes, deliver: Deliver, sandbox: Sandbox
) -> None:
    deliveries = [deliver(name=f"Acme-{n:03}", cap=1, shared=n % 10 != 0) for n in range(130)]
    slugs = [delivery.slug for delivery in deliveries]
    failing = deliveries[::10]
    thirteen = {("sheet_snapshots", delivery.slug) for delivery in failing}
    with processes.instance() as instance:
        instance.add_dynamic_partitions("contracts", slugs)
        processes.code()
        url = processes.webserver()
        processes.daemon("--quick-backfills", "--no-sensors")
        wait_until(lambda: graphql.is_up(url), processes, 180)

        def ended(run_id: str) -> dg.DagsterRunStatus:
            def is_over() -> bool:
                run = instance.get_run_by_id(run_id)
                return run is not None and run.is_finished

            wait_until(is_over, processes, 180)
            run = instance.get_run_by_id(run_id)
            assert run is not None
            return run.status

        config = {"ops": {"contract_delivery": {"config": {"contracts": slugs, "quiet": True, "concurrency": 8}}}}
        refresh = graphql.launch(url, "sheet_refresh_job", config=config, tags={"dagster/partition": slugs[0]})
        assert ended(refresh) is dg.DagsterRunStatus.FAILURE
        assert touched(instance, refresh) == {("sheet_snapshots", slug) for slug in slugs}

        sandbox.log.reset()
        again = graphql.reexecute(url, refresh, "FROM_FAILURE")
        assert ended(again) is dg.DagsterRunStatus.SUCCESS  # the customers' state is as before, which is not news
        assert touched(instance, again) == thirteen
        assert sandbox.google.counts()["read"] == 13

        for delivery in failing:
            delivery.spreadsheet.shared_with.add(ADDRESS)
        sandbox.log.reset()
        mended = graphql.reexecute(url, refresh, "FROM_ASSET_FAILURE")
        assert ended(mended) is dg.DagsterRunStatus.SUCCESS
        assert touched(instance, mended) == thirteen
        assert sandbox.google.counts()["write"] == 13

        sandbox.log.reset()
        names = [(check.asset_key.to_user_string(), check.name) for check in CHECKS]
        checked = graphql.launch(url, "__ASSET_JOB", checks=names)
        assert ended(checked) is dg.DagsterRunStatus.SUCCESS
        assert touched(instance, checked) == set()
        assert sandbox.google.counts()["read"] == 0
        assert shown(instance, CHECKS[2:]) == {(key.name, slug): True for key in CHECKS[2:] for slug in slugs}

        chosen = slugs[1::11]
        deliveries[1].spreadsheet.shared_with.discard(ADDRESS)
        before = len(instance.get_runs())
        backfill = graphql.backfill(url, ["sheet_snapshots"], chosen)
        wait_until(
            lambda: graphql.ask(url, graphql.COUNTS, id=backfill)["status"] not in ("REQUESTED", "FAILING"),
            processes,
            180,
        )
        [counts] = graphql.ask(url, graphql.COUNTS, id=backfill)["assetBackfillData"]["assetBackfillStatuses"]
        assert counts == {
            "numPartitionsTargeted": len(chosen),
            "numPartitionsInProgress": 0,
            "numPartitionsMaterialized": len(chosen) - 1,
            "numPartitionsFailed": 1,
        }
        runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))
        worked = [run for run in runs if run.status is not dg.DagsterRunStatus.CANCELED]
        assert {partition for run in worked for _, partition in touched(instance, run.run_id)} == set(chosen)
        assert len(worked) <= 4 < len(runs)
        assert finished(instance, before)
