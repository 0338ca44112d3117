"""Read what Dagster recorded before: materializations, check results, and the results of earlier attempts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)
from dagster._core.events import DagsterEvent
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.tags import ASSET_RESUME_RETRY_TAG, RESUME_RETRY_TAG

from assets.partitioned.retry import Earlier, Note, earlier
from assets.partitioned.tags import ATTEMPT, CUSTOMERS, PERMANENT, RETRY_FOLLOWS

Type = dg.DagsterEventType
PAGE = 5000
NAMED = 10
"""Names of customers in the tag of a run."""


def latest_target(instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str) -> Target | None:
    """Return the target of an evaluation of the latest materialization, if it has one."""
    only = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[partition])
    records = instance.fetch_materializations(only, limit=1).records
    if not records:
        return None
    event = records[0].event_log_entry
    return Target(storage_id=records[0].storage_id, run_id=event.run_id, timestamp=event.timestamp)


def shown_results(
    instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey], partitions: Sequence[str]
) -> dict[tuple[dg.AssetCheckKey, str], bool]:
    """Return whether each check and partition shows as passed. One query a check.

    The result is that of the latest materialization.
    """
    infos = instance.event_log_storage.get_asset_check_partition_info(list(checks), partition_keys=list(partitions))
    return {
        (info.check_key, info.partition_key or ""): info.latest_execution_status is Status.SUCCEEDED
        for info in infos
        if info.is_current and info.latest_execution_status in (Status.SUCCEEDED, Status.FAILED)
    }


def partitions_worked_on(instance: dg.DagsterInstance, run_id: str, asset: dg.AssetKey) -> set[str]:
    """Return the partitions of an asset that a run has made, or has given a reason for not making."""
    events = _events(instance, run_id, {Type.ASSET_MATERIALIZATION, Type.ASSET_OBSERVATION})
    return {event.partition for event in events if event.partition and event.asset_key == asset}


def left_by_earlier_attempts(context: dg.AssetExecutionContext) -> Earlier:
    """Return the results of earlier attempts.

    They are attempts of this step, or of the runs that this one resumes. A run resumes another from failure or from
    asset failure.
    """
    notes: list[Note] = []
    parents = list(resumed(context.instance, context.run))
    for run in parents:
        notes.extend(_notes(context.instance, run.run_id))
    if not parents and context.retry_number == 0:
        return Earlier()
    notes.extend(_notes(context.instance, context.run.run_id))
    return earlier(notes, keep_refusals=context.retry_number > 0 and not parents)


def attempt_of(run: DagsterRun) -> int:
    """Return which attempt the run is at partitions that failed before, from 1."""
    return int(run.tags.get(ATTEMPT, "1"))


def tag_customers(instance: dg.DagsterInstance, run_id: str, names: Sequence[str]) -> None:
    """Tag a run with the names of its customers, so that its page shows them and a filter finds it."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    if names:
        instance.add_run_tags(run_id, {CUSTOMERS: ", ".join(names[:NAMED]) + more})


@dataclass(frozen=True, slots=True)
class Left:
    """The work that a failed run left to a later one.

    Partitions, and the assets missing for any of them.
    """

    partitions: list[str]
    assets: list[str]


def left_to_retry(instance: dg.DagsterInstance, run_id: str, step: str) -> Left:
    """Return the partitions that a run's step recorded as failed, for a retry by a later run."""
    partitions: dict[str, None] = {}
    assets: dict[str, None] = {}
    for event in _events(instance, run_id, {Type.ASSET_OBSERVATION}):
        tags = event.asset_observation_data.asset_observation.tags
        if event.step_key == step and tags.get(RETRY_FOLLOWS) == "true" and event.partition and event.asset_key:
            partitions[event.partition] = None
            assets[event.asset_key.to_user_string()] = None
    return Left(list(partitions), list(assets))


def resumed(instance: dg.DagsterInstance, run: DagsterRun) -> Iterator[DagsterRun]:
    """Yield the runs that a run resumes, oldest first.

    They are its parent, and those that the parent resumed.
    """
    if run.tags.get(RESUME_RETRY_TAG) != "true" and run.tags.get(ASSET_RESUME_RETRY_TAG) != "true":
        return
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    if parent is not None:
        yield from resumed(instance, parent)
        yield parent


def _notes(instance: dg.DagsterInstance, run_id: str) -> Iterator[Note]:
    for event in _events(instance, run_id, {Type.ASSET_MATERIALIZATION, Type.ASSET_OBSERVATION}):
        if event.partition is None or event.asset_key is None:
            continue
        asset = event.asset_key.to_user_string()
        if event.event_type is Type.ASSET_MATERIALIZATION:
            yield Note(asset, event.partition, made=True)
            continue
        observation = event.asset_observation_data.asset_observation
        if PERMANENT in observation.tags:
            permanent = observation.tags[PERMANENT] == "true"
            yield Note(asset, event.partition, made=False, permanent=permanent, reason=observation.description or "")


def _events(instance: dg.DagsterInstance, run_id: str, kinds: set[Type]) -> Iterator[DagsterEvent]:
    cursor, more = None, True
    while more:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=kinds, limit=PAGE, ascending=True)
        yield from (event for record in page.records if (event := record.event_log_entry.dagster_event) is not None)
        cursor, more = page.cursor, page.has_more
