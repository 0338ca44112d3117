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


def take_over(context: dg.AssetExecutionContext, own: Sequence[str], every: Sequence[str], most: int) -> list[str]:
    """Move the partitions of queued runs of the same backfill into this run, and return them.

    The queued runs end. Dagster makes a run for each range of a backfill, and scattered partitions are ranges of one
    each, with a process each. `every` are all partitions in Dagster's order; at most `most` are taken. A backfill
    counts partitions made by any of its runs.
    """
    backfill = context.run.tags.get(BACKFILL_ID_TAG)
    if backfill is None:
        return []
    mine, taken = context.run, list(own)
    queued = dg.RunsFilter(
        job_name=mine.job_name, tags={BACKFILL_ID_TAG: backfill}, statuses=[dg.DagsterRunStatus.QUEUED]
    )
    for run in context.instance.get_runs(queued):
        keys = _partitions(run, every)
        if not keys or len(taken) + len(keys) > most or not _asks_for_the_same(run, mine):
            continue
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
