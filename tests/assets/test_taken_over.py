"""A run of a backfill makes the partitions of the runs that still wait in the queue, and ends those."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from assets.partitioned import Output, work_through
from assets.partitioned.backfills import take_over, taken_over_before
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import TransientError

ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("b2b_pipelines"), "__repository__"), "__ASSET_JOB"
)
EVERY = [f"acme-{n}" for n in range(10)]


def queued(instance: dg.DagsterInstance, first: str, last: str, *, backfill: str = "one", asset: str = "sheet") -> str:
    tags = {
        "dagster/backfill": backfill,
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        tags=tags,
        status=dg.DagsterRunStatus.QUEUED,
        asset_selection=frozenset({dg.AssetKey(asset)}),
        remote_job_origin=ORIGIN,
    )
    return instance.run_storage.add_run(run).run_id


def started(instance: dg.DagsterInstance, key: str) -> Any:
    """A context of a started run of the backfill."""
    run = instance.get_run_by_id(queued(instance, key, key))
    assert run is not None
    instance.run_storage.handle_run_event(run.run_id, _started(run))
    return cast(Any, SimpleNamespace(instance=instance, run=run))


def test_only_waiting_runs_of_the_same_backfill_and_assets_are_taken_over(
    instance: dg.DagsterInstance, database: Database
) -> None:
    context = started(instance, "acme-0")
    same = [queued(instance, "acme-3", "acme-3"), queued(instance, "acme-5", "acme-6")]
    others = [
        queued(instance, "acme-7", "acme-7", backfill="another"),
        queued(instance, "acme-8", "acme-8", asset="codes"),
    ]
    assert set(take_over(context, ["acme-0"], EVERY, 4, database)) == {"acme-3", "acme-5", "acme-6"}
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert {statuses[run_id] for run_id in same} == {dg.DagsterRunStatus.CANCELED}
    assert {statuses[run_id] for run_id in others} == {dg.DagsterRunStatus.QUEUED}


def test_no_more_partitions_are_taken_than_a_run_makes(instance: dg.DagsterInstance, database: Database) -> None:
    context = started(instance, "acme-0")
    queued(instance, "acme-2", "acme-9")
    assert take_over(context, ["acme-0"], EVERY, 4, database) == []


def test_of_two_runs_that_start_together_one_takes_a_partition_over(
    instance: dg.DagsterInstance, database: Database
) -> None:
    every = [f"acme-{n}" for n in range(42)]
    contexts = [started(instance, key) for key in every[:2]]
    for key in every[2:]:
        queued(instance, key, key)
    together = Barrier(2)

    def take(context: Any) -> list[str]:
        together.wait()
        return take_over(context, [context.run.tags["dagster/asset_partition_range_start"]], every, 500, database)

    with ThreadPoolExecutor(2) as threads:
        taken = [key for keys in threads.map(take, contexts) for key in keys]
    assert sorted(taken) == sorted(every[2:])


def test_a_retried_step_makes_the_partitions_that_it_took_over_before(
    instance: dg.DagsterInstance, database: Database
) -> None:
    places = dg.DynamicPartitionsDefinition(name="places")
    instance.add_dynamic_partitions("places", EVERY)
    tried: list[str] = []

    def sheet(key: str) -> dg.MaterializeResult[None]:
        tried.append(key)
        if key == "acme-7" and tried.count(key) == 1:
            raise TransientError("too busy")
        return dg.MaterializeResult()

    @dg.multi_asset(
        specs=[dg.AssetSpec("sheet", skippable=True)],
        partitions_def=places,
        can_subset=True,
        retry_policy=dg.RetryPolicy(max_retries=1, delay=0),
    )
    def sheets(context: dg.AssetExecutionContext) -> Iterator[Output]:
        if context.retry_number == 0:
            for key in ("acme-3", "acme-7"):
                tags = {"dagster/backfill": "one", "dagster/partition": key}
                run = context.run._replace(
                    run_id=dg.DagsterRun(job_name="").run_id,
                    tags=tags,
                    status=dg.DagsterRunStatus.QUEUED,
                    remote_job_origin=ORIGIN,
                )
                context.instance.run_storage.add_run(run)
        yield from work_through(context, {"sheet": sheet}, database=database)

    tags = {"dagster/backfill": "one"}
    assert dg.materialize([sheets], instance=instance, partition_key="acme-0", tags=tags).success
    assert sorted(tried) == ["acme-0", "acme-3", "acme-7", "acme-7"]
    assert instance.get_materialized_partitions(dg.AssetKey("sheet")) == {"acme-0", "acme-3", "acme-7"}


def test_a_reexecution_from_failure_makes_the_partitions_that_its_parent_took_over(
    instance: dg.DagsterInstance, database: Database
) -> None:
    parent = started(instance, "acme-0")
    queued(instance, "acme-3", "acme-4")
    take_over(parent, ["acme-0"], EVERY, 500, database)
    again = parent.run._replace(
        run_id=dg.DagsterRun(job_name="").run_id,
        parent_run_id=parent.run.run_id,
        root_run_id=parent.run.run_id,
        tags={**parent.run.tags, "dagster/is_resume_retry": "true"},
    )
    context = cast(Any, SimpleNamespace(instance=instance, run=again, retry_number=0))
    assert taken_over_before(context, EVERY) == ["acme-3", "acme-4"]
    fresh = cast(Any, SimpleNamespace(instance=instance, run=parent.run, retry_number=0))
    assert taken_over_before(fresh, EVERY) == []


def _started(run: dg.DagsterRun) -> dg.DagsterEvent:
    return dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_START.value, job_name=run.job_name, message="")
