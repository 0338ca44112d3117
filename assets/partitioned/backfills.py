"""Join the queued runs of a backfill into one.

Dagster requests a run for each range of a backfill, and scattered partitions are ranges of one each.
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
)

from assets.partitioned.history import resumed
from assets.partitioned.tags import TAKEN_OVER_BY
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import Busy, exclusive


def take_over(
    context: dg.AssetExecutionContext, own: Sequence[str], every: Sequence[str], most: int, database: Database
) -> list[str]:
    """Move the partitions of queued runs of the same backfill into this run, and return them.

    The queued runs end. Dagster makes a run for each range of a backfill, and scattered partitions are ranges of one
    each, with a process each. `every` are all partitions in Dagster's order; at most `most` are taken. A backfill
    counts partitions made by any of its runs. Runs of a backfill that start at the same time take over one after the
    other, or each of them would make all partitions. While another run is at it, nothing is taken.
    """
    backfill = context.run.tags.get(BACKFILL_ID_TAG)
    if backfill is None:
        return []
    try:
        with exclusive(database.engine, "backfill", backfill, holder=f"run {context.run.run_id}"):
            return _take(context, backfill, own, every, most)
    except Busy:
        return []


def taken_over_before(context: dg.AssetExecutionContext, every: Sequence[str]) -> list[str]:
    """Return the partitions that earlier attempts of the step took over, and those of the runs that this one resumes."""
    ids = [context.run.run_id, *(run.run_id for run in resumed(context.instance, context.run))]
    if context.retry_number == 0 and len(ids) == 1:
        return []
    runs = context.instance.get_runs(dg.RunsFilter(tags={TAKEN_OVER_BY: ids}))
    return [key for run in runs for key in _partitions(run, every)]


def _take(
    context: dg.AssetExecutionContext, backfill: str, own: Sequence[str], every: Sequence[str], most: int
) -> list[str]:
    mine, taken = context.run, list(own)
    queued = dg.RunsFilter(
        job_name=mine.job_name, tags={BACKFILL_ID_TAG: backfill}, statuses=[dg.DagsterRunStatus.QUEUED]
    )
    for run in context.instance.get_runs(queued):
        keys = _partitions(run, every)
        if not keys or len(taken) + len(keys) > most or not _asks_for_the_same(run, mine):
            continue
        context.instance.add_run_tags(run.run_id, {TAKEN_OVER_BY: mine.run_id})
        context.instance.report_run_canceled(run, f"Run {mine.run_id} of the same backfill makes these partitions.")
        taken.extend(keys)
    return taken[len(own) :]


def _asks_for_the_same(run: DagsterRun, other: DagsterRun) -> bool:
    return (run.asset_selection, run.asset_check_selection, run.run_config) == (
        other.asset_selection,
        other.asset_check_selection,
        other.run_config,
    )


def _partitions(run: DagsterRun, every: Sequence[str]) -> list[str]:
    """Return the partitions that a run's tags name; none when one of them is deleted."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG, run.tags.get(PARTITION_NAME_TAG))
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG, first)
    if first not in every or last not in every:
        return []
    return list(every[every.index(first) : every.index(last) + 1])
