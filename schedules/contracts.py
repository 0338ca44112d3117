"""What starts work on contracts: the sensor `contract_changes`, the schedule `sheet_refresh`."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import dagster as dg

from assets.contracts import PARTITIONS_A_RUN, contract_runs, enrollment_codes, sheet_snapshots
from assets.freshness import SHEET_IS_FRESH
from assets.partitioned import consecutive
from assets.partitions import contracts
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings
from b2b_pipelines.sheets import store as sheet_store

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
GAP = 5
"""How many contracts that did not change a run takes along rather than being split in two."""
LOOKED_AT_APART = dg.AssetSelection.checks(SHEET_IS_FRESH)
"""Whether a sheet is fresh says nothing just after a sync; `sheet_freshness` asks."""

delivery = dg.define_asset_job(
    "contract_delivery_job",
    selection=dg.AssetSelection.assets(*(spec.key for spec in (contract_runs, enrollment_codes, sheet_snapshots)))
    - LOOKED_AT_APART,
    description="Runs, codes and sheet of the contracts of a range of partitions.",
)
refresh = dg.define_asset_job(
    "sheet_refresh_job",
    selection=dg.AssetSelection.assets(sheet_snapshots.key) - LOOKED_AT_APART,
    description="The sheets of the contracts of a range of partitions.",
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a look at the contracts asks for: partitions to add, and ranges of them to run, with the key of each run."""

    added: tuple[str, ...]
    runs: tuple[tuple[str, str, str], ...]


def partition_changes(changed: Mapping[str, int], every: Sequence[str], existing: Sequence[str]) -> Decision:
    """Which partitions to add and which to run.

    `changed` maps slugs to the revisions that are not yet delivered, `every` are all slugs there are, `existing` the
    partitions in Dagster's order. A run's key is made of the revisions that it delivers: the same change is requested
    once, and every new one again. Partitions are only ever added.
    """
    added = lacking(every, existing)
    order = [*existing, *added]
    ranges = consecutive(list(changed), order, gap=GAP, most=PARTITIONS_A_RUN)
    places = {slug: place for place, slug in enumerate(order)}
    runs = []
    for first, last in ranges:
        inside = {slug: changed[slug] for slug in order[places[first] : places[last] + 1] if slug in changed}
        runs.append((first, last, blake2b(json.dumps(inside).encode(), digest_size=16).hexdigest()))
    return Decision(added, tuple(runs))


def lacking(every: Iterable[str], existing: Iterable[str]) -> tuple[str, ...]:
    """The contracts, in their order, that are no partitions yet."""
    known = set(existing)
    return tuple(slug for slug in every if slug not in known)


@dg.sensor(
    name="contract_changes",
    job=delivery,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each new contract, and brings codes and sheet of changed contracts in line.",
)
def contract_changes(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]) -> dg.SensorResult:
    """One run for all that changed since the last look, however often it did (more, if it is spread wide)."""
    with database.session() as session:
        changes = sheet_store.changes_since(session, int(context.cursor or 0))
        every = contract_store.every_slug(session)
    existing = context.instance.get_dynamic_partitions(str(contracts.name))
    decision = partition_changes(changes.revisions, every, existing)
    requests = [request_range(first, last, key) for first, last, key in decision.runs]
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason("no contract changed"),
        dynamic_partitions_requests=[contracts.build_add_request(list(decision.added))] if decision.added else [],
        cursor=str(changes.horizon),
    )


def sheet_refresh(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule that refreshes every delivered sheet each `B2B_GSHEETS_UPDATE_FREQUENCY` seconds, shifted by
    `B2B_GSHEETS_UPDATE_OFFSET`."""
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
        with database.session() as session:
            delivered = sheet_store.delivered(session)
        existing = context.instance.get_dynamic_partitions(str(contracts.name))
        ranges = consecutive(delivered, existing, gap=PARTITIONS_A_RUN, most=PARTITIONS_A_RUN)
        if not ranges:
            yield dg.SkipReason("no contract has a sheet")
        for first, last in ranges:
            yield request_range(first, last, f"{now:%Y-%m-%dT%H:%M} {first}")

    return schedule


def cron(period: int, offset: int) -> str:
    """The cron line of a period and an offset in seconds; every minute when no line says just that (see `is_due`)."""
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
    """Whether a multiple of the period, shifted by the offset, lies in the minute that ends now. Counted from 1970."""
    elapsed = int(now.timestamp()) - offset
    return elapsed // period > (elapsed - 60) // period


def request_range(first: str, last: str, key: str) -> dg.RunRequest:
    """A run over the partitions from the first to the last."""
    if first == last:
        return dg.RunRequest(run_key=key, partition_key=first)
    return dg.RunRequest(run_key=key, tags={RANGE_START: first, RANGE_END: last})
