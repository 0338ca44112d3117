"""Look at Dagster itself: heartbeats of its daemons, ticks that fail, and the queue."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickStatus

from b2b_pipelines.faults.watch import Facts, FailingTick

LOOKED_AT = 50
"""Ticks of a schedule or sensor that are read to find since when it fails."""


def look(instance: dg.DagsterInstance) -> Facts:
    """Return an observation of Dagster itself."""
    queued = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]))
    running = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
    heartbeats = instance.get_daemon_heartbeats()
    required = instance.get_required_daemon_types()
    return Facts(
        daemons={kind: beat.timestamp for kind, beat in heartbeats.items() if kind in required},
        failing=tuple(failing(instance)),
        queued=len(queued),
        running=instance.get_runs_count(dg.RunsFilter(statuses=running)),
        oldest_queued_since=min((record.create_timestamp.timestamp() for record in queued), default=None),
    )


def failing(instance: dg.DagsterInstance) -> Iterator[FailingTick]:
    """Yield the schedules and sensors whose last finished tick failed."""
    for state in instance.all_instigator_state():
        if state.status is not InstigatorStatus.STOPPED and (tick := _failing(instance, state)) is not None:
            yield tick


def _failing(instance: dg.DagsterInstance, state: InstigatorState) -> FailingTick | None:
    ticks = instance.get_ticks(
        state.instigator_origin_id,
        state.selector_id,
        limit=LOOKED_AT,
        statuses=[TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE],
    )
    failed = []
    for tick in ticks:  # newest first
        if tick.status is not TickStatus.FAILURE:
            break
        failed.append(tick)
    if not failed:
        return None
    error = failed[0].error
    cause = error.cause or error if error else None
    return FailingTick(
        state.name, failed[-1].timestamp, str(cause.cls_name if cause and cause.cls_name else "an error")
    )
