"""Repair what regular runs left: the schedules `nightly_sweep` and `sheet_freshness`."""

from collections.abc import Collection, Iterator, Sequence

import dagster as dg

from assets.contracts import PARTITIONS_A_RUN
from assets.freshness import SHEET_IS_FRESH
from assets.partitioned.selection import chunks
from assets.partitions import contracts
from b2b_pipelines.contracts import reruns
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery import lag
from b2b_pipelines.settings import read_settings
from resources.urgency import NORMAL, ROUTINE
from schedules.contracts import delivery, lacking, request_list

freshness = dg.define_asset_job(
    "sheet_freshness_job",
    selection=dg.AssetSelection.checks(SHEET_IS_FRESH),
    description="Checks that every contract's sheet was synced recently.",
    tags=NORMAL,
)


ALL_ON = 0
"""Monday: the weekday on which the sweep goes through every contract."""


def to_sweep(
    weekday: int, every: Sequence[str], lagging: Collection[str], waiting: Collection[str], studio: bool
) -> Collection[str]:
    """Return the contracts for a night's sweep.

    They are those that lag behind their revision, those that wait for a Studio that is configured, and once a week all.
    """
    if weekday == ALL_ON:
        return every
    return {*lagging, *(waiting if studio else ())}


@dg.schedule(
    name="nightly_sweep",
    job=delivery,
    cron_schedule="17 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: contracts whose codes, sheet or runs in edX lag behind, for any reason; on Mondays all.",
)
def nightly_sweep(
    context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    now = context.scheduled_execution_time
    with database.session() as session:
        lagging = lag.changes_since(session, 0).revisions
        waiting = reruns.contracts_waiting(session)
        every = contract_store.every_slug(session)
    swept = to_sweep(now.weekday(), every, lagging, waiting, studio=read_settings().studio_url is not None)
    existing = context.instance.get_dynamic_partitions(str(contracts.name))
    missing = lacking(every, existing)
    if missing:
        context.instance.add_dynamic_partitions(str(contracts.name), missing)
    known = {*existing, *missing}
    lists = chunks([slug for slug in every if slug in swept and slug in known], PARTITIONS_A_RUN)
    if not lists:
        yield dg.SkipReason("no contract lags behind")
    context.log.info(f"{len(swept)} contracts to sweep: {len(lagging)} lag behind, {len(waiting)} wait for edX")
    for slugs in lists:
        yield request_list(slugs, f"sweep {now:%Y-%m-%d} {slugs[0]}", ROUTINE)


sheet_freshness = dg.ScheduleDefinition(
    name="sheet_freshness",
    job=freshness,
    cron_schedule="41 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: the check sheet_is_fresh, for every contract that has a sheet.",
)
