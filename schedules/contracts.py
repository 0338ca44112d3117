"""Start work on contracts: sensors `contract_changes`, `passing_failures`.

Schedule `sheet_refresh`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import dagster as dg

from assets.contracts import PARTITIONS_A_RUN, contract_runs, enrollment_codes, sheet_snapshots
from assets.freshness import SHEET_IS_FRESH
from assets.partitioned import ATTEMPT
from assets.partitioned.history import attempt_of, left_to_retry
from assets.partitioned.selection import chunks
from assets.partitions import contracts
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery import lag
from b2b_pipelines.settings import Settings
from b2b_pipelines.sheets import store as sheet_store
from resources.urgency import NORMAL, PRIORITY, ROUTINE, URGENCY, URGENT

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
STEP = "contract_delivery"
RETRIED_AFTER = timedelta(minutes=1)
LOOKED_BACK = timedelta(minutes=30)
LOOKED_AT_APART = dg.AssetSelection.checks(SHEET_IS_FRESH)
"""The freshness check, left out of syncs: its result is trivial just after one; `sheet_freshness` runs it."""

delivery = dg.define_asset_job(
    "contract_delivery_job",
    selection=dg.AssetSelection.assets(*(spec.key for spec in (contract_runs, enrollment_codes, sheet_snapshots)))
    - LOOKED_AT_APART,
    description="Runs, codes and sheet of the contracts of a range of partitions, or of a list in the configuration.",
    tags=NORMAL,
)
refresh = dg.define_asset_job(
    "sheet_refresh_job",
    selection=dg.AssetSelection.assets(sheet_snapshots.key) - LOOKED_AT_APART,
    description="The sheets of the contracts of a range of partitions, or of a list in the configuration.",
    tags=ROUTINE,
)
RUNNING_REFRESHES = dg.RunsFilter(
    job_name=refresh.name,
    statuses=[
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ],
)


WAITING_DELIVERIES = dg.RunsFilter(
    job_name=delivery.name,
    tags=URGENT,
    statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING],
)
MOST_WAITING = 3
"""Urgent runs that wait or start at a time. On a busy machine more of them would only slow each other's start."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of a tick: partitions to add, and lists to run, with the key of each run."""

    added: tuple[str, ...]
    runs: tuple[tuple[tuple[str, ...], str], ...]


def partition_changes(changed: Mapping[str, int], every: Sequence[str], existing: Sequence[str]) -> Decision:
    """Decide which partitions to add and which to run.

    `changed` maps slugs to the revisions that are not yet delivered, `every` are all slugs, `existing` the partitions
    in Dagster's order. A run's key is made of the revisions that it delivers: the same change is requested once, and
    every new one again. Partitions are only ever added.
    """
    added = lacking(every, existing)
    known = {*existing, *added}
    runs = []
    for slugs in chunks([slug for slug in sorted(changed) if slug in known], PARTITIONS_A_RUN):
        revisions = {slug: changed[slug] for slug in slugs}
        runs.append((tuple(slugs), blake2b(json.dumps(revisions).encode(), digest_size=16).hexdigest()))
    return Decision(added, tuple(runs))


def lacking(every: Iterable[str], existing: Iterable[str]) -> tuple[str, ...]:
    """Return the contracts without a partition, in their order."""
    known = set(existing)
    return tuple(slug for slug in every if slug not in known)


@dg.sensor(
    name="contract_changes",
    job=delivery,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each new contract, and updates codes and sheet of changed contracts.",
)
def contract_changes(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]) -> dg.SensorResult:
    """Request one run for all contracts that changed since the last tick.

    While `MOST_WAITING` such runs have not begun, the changes are left to a later tick: the cursor stays.
    """
    with database.session() as session:
        changes = lag.changes_since(session, int(context.cursor or 0))
        every = contract_store.every_slug(session)
    existing = context.instance.get_dynamic_partitions(str(contracts.name))
    decision = partition_changes(changes.revisions, every, existing)
    waiting = context.instance.get_runs_count(WAITING_DELIVERIES) if decision.runs else 0
    if waiting >= MOST_WAITING:
        return dg.SensorResult(
            skip_reason=dg.SkipReason(
                f"{_named('changed', [*changes.revisions])}; requested when one of {waiting} runs has begun"
            ),
            cursor=context.cursor,
        )
    requests = [request_list(slugs, key, URGENT) for slugs, key in decision.runs]
    if requests or decision.added:
        context.log.info(f"{_named('changed', [*changes.revisions])}; {_named('new partitions', decision.added)}")
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason("no contract changed"),
        dynamic_partitions_requests=[contracts.build_add_request(list(decision.added))] if decision.added else [],
        cursor=str(changes.horizon),
    )


def sheet_refresh(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule that refreshes every delivered sheet.

    The period is `B2B_GSHEETS_UPDATE_FREQUENCY` seconds, shifted by `B2B_GSHEETS_UPDATE_OFFSET`.
    """
    period, offset = settings.gsheets_update_frequency, settings.refresh_offset

    @dg.schedule(
        name="sheet_refresh",
        job=refresh,
        cron_schedule=cron(period, offset),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Refreshes every sheet each {period} s, {offset} s after the full period.",
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time
        if not is_due(now, period, offset):
            yield dg.SkipReason("not yet")
            return
        under_way = context.instance.get_runs(RUNNING_REFRESHES, limit=1)
        if under_way:
            why = f"the refresh run {under_way[0].run_id} is still {under_way[0].status.value.lower()}"
            context.log.warning(why)
            yield dg.SkipReason(why)
            return
        with database.session() as session:
            delivered = sheet_store.delivered(session)
        existing = set(context.instance.get_dynamic_partitions(str(contracts.name)))
        lists = chunks([slug for slug in delivered if slug in existing], PARTITIONS_A_RUN)
        if not lists:
            yield dg.SkipReason("no contract has a sheet")
        context.log.info(_named("refreshed", [slug for slugs in lists for slug in slugs]))
        for slugs in lists:
            yield request_list(slugs, f"{now:%Y-%m-%dT%H:%M} {slugs[0]}", ROUTINE, quiet=True)

    return schedule


def cron(period: int, offset: int) -> str:
    """Return the cron line of a period and an offset in seconds.

    It is every minute when no line matches them exactly (see `is_due`).
    """
    if period % 60 or offset % 60:
        return "* * * * *"
    minutes, shift = period // 60, offset // 60
    if 60 % minutes == 0:
        return f"{','.join(str(minute) for minute in range(shift % minutes, 60, minutes))} * * * *"
    if minutes % 60 == 0 and 24 % (minutes // 60) == 0:
        hours = range((shift // 60) % (minutes // 60), 24, minutes // 60)
        return f"{shift % 60} {','.join(map(str, hours))} * * *"
    return "* * * * *"


def is_due(now: datetime, period: int, offset: int) -> bool:
    """Return whether a shifted multiple of the period lies in the minute ending now.

    The shift is the offset. Periods are counted from 1970.
    """
    elapsed = int(now.timestamp()) - offset
    return elapsed // period > (elapsed - 60) // period


def request_list(
    slugs: Sequence[str], key: str, tags: Mapping[str, str], *, quiet: bool = False, assets: Sequence[dg.AssetKey] = ()
) -> dg.RunRequest:
    """Request one run over the contracts, in any place among the partitions.

    Dagster gives a run one partition or one range; the list is in the configuration, and its first item in the tags.
    """
    config: dict[str, object] = {"contracts": list(slugs)} if len(slugs) > 1 else {}
    if quiet:
        config["quiet"] = True
    return dg.RunRequest(
        run_key=key,
        partition_key=slugs[0],
        tags=dict(tags),
        run_config={"ops": {STEP: {"config": config}}} if config else {},
        asset_selection=list(assets) or None,
    )


def _named(what: str, slugs: Sequence[str]) -> str:
    """Return a count with the first names, for the log of a tick."""
    return f"{len(slugs)} {what}: {', '.join(slugs[:20])}{' …' if len(slugs) > 20 else ''}" if slugs else f"no {what}"


@dg.sensor(
    name="passing_failures",
    job=delivery,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Retries contracts with transient failures, a minute after their run has ended. "
    "No run waits in between.",
)
def passing_failures(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Request a retry run for each failed run whose wait is over.

    It takes the partitions that the failed run left.
    """
    now = datetime.now(UTC)
    ended = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - LOOKED_BACK)
    handled: set[str] = set(json.loads(context.cursor or "[]"))
    seen, requests = [], []
    for record in context.instance.get_run_records(ended):
        run = record.dagster_run
        if run.run_id in handled:
            seen.append(run.run_id)
            continue
        if record.end_time is None or now.timestamp() - record.end_time < RETRIED_AFTER.total_seconds():
            continue
        seen.append(run.run_id)
        left = left_to_retry(context.instance, run.run_id, STEP)
        if not left.partitions:
            continue
        urgency = {name: run.tags[name] for name in (URGENCY, PRIORITY) if name in run.tags} or NORMAL
        tags = {**urgency, ATTEMPT: str(attempt_of(run) + 1), "b2b/retry_of": run.run_id}
        assets = [dg.AssetKey(asset) for asset in left.assets]
        for number, slugs in enumerate(chunks(left.partitions, PARTITIONS_A_RUN)):
            requests.append(request_list(slugs, f"retry of {run.run_id} {number}", tags, assets=assets))
        context.log.info(f"retry of run {run.run_id}: {_named('contracts', left.partitions)}")
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason("nothing to retry"),
        cursor=json.dumps(seen),
    )
