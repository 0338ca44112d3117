"""A run of a backfill makes the partitions of the runs that still wait in the queue, and ends those."""

from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from assets.partitioned.backfills import take_over

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


def test_only_waiting_runs_of_the_same_backfill_and_assets_are_taken_over(instance: dg.DagsterInstance) -> None:
    mine = instance.get_run_by_id(queued(instance, "acme-0", "acme-0"))
    assert mine is not None
    instance.run_storage.handle_run_event(mine.run_id, _started(mine))
    same = [queued(instance, "acme-3", "acme-3"), queued(instance, "acme-5", "acme-6")]
    others = [
        queued(instance, "acme-7", "acme-7", backfill="another"),
        queued(instance, "acme-8", "acme-8", asset="codes"),
    ]
    context = cast(Any, SimpleNamespace(instance=instance, run=mine))
    assert set(take_over(context, ["acme-0"], EVERY, 4)) == {"acme-3", "acme-5", "acme-6"}
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert {statuses[run_id] for run_id in same} == {dg.DagsterRunStatus.CANCELED}
    assert {statuses[run_id] for run_id in others} == {dg.DagsterRunStatus.QUEUED}


def test_no_more_partitions_are_taken_than_a_run_makes(instance: dg.DagsterInstance) -> None:
    mine = instance.get_run_by_id(queued(instance, "acme-0", "acme-0"))
    assert mine is not None
    instance.run_storage.handle_run_event(mine.run_id, _started(mine))
    queued(instance, "acme-2", "acme-9")
    context = cast(Any, SimpleNamespace(instance=instance, run=mine))
    assert take_over(context, ["acme-0"], EVERY, 4) == []


def _started(run: dg.DagsterRun) -> dg.DagsterEvent:
    return dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_START.value, job_name=run.job_name, message="")
