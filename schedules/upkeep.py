"""Keep the databases small and report a running clock: `upkeep` and `heartbeat`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import httpx

from b2b_pipelines.db.engine import Database
from b2b_pipelines.faults import watch
from b2b_pipelines.settings import read_settings
from b2b_pipelines.upkeep import dagster_tables, store
from b2b_pipelines.upkeep.rules import Keep
from resources.urgency import ROUTINE
from schedules.watch import look

HEARTBEAT_TIMEOUT = 10.0


@dg.op(name="prune", description="Deletes what is older than B2B_KEEP_RUNS_DAYS, _FAILED_DAYS and _SNAPSHOTS_DAYS.")
def prune(context: dg.OpExecutionContext, database: dg.ResourceParam[Database]) -> None:
    """Prune Dagster's database, its logs and our snapshots.

    The latest state of every partition stays.
    """
    settings, now = read_settings(), datetime.now(UTC)
    keep = Keep(settings.keep_runs_days, settings.keep_failed_days, settings.keep_snapshots_days)
    ours = store.prune(database.engine, keep.snapshots_from(now))
    # Another storage of Dagster than PostgreSQL, as in tests, does not grow over years.
    storage: Any = context.instance.event_log_storage  # whose connection is of the SQL storages only
    with storage.index_connection() as connection:
        if connection.dialect.name != "postgresql":
            context.log.warning("Dagster's storage is not PostgreSQL: only the tables of this product are pruned")
            context.add_output_metadata({**ours})
            return
        pruned = dagster_tables.prune(connection, keep.runs_from(now), keep.failures_from(now))
    for run_id in pruned.runs:
        context.instance.compute_log_manager.delete_logs(prefix=[run_id])
    counted = {**pruned.rows, **ours}
    context.log.info("deleted " + ", ".join(f"{number} {what}" for what, number in counted.items()))
    context.add_output_metadata(counted)


@dg.job(
    name="upkeep_job", tags=ROUTINE, description="Deletes old runs, events, check results, ticks, logs and snapshots."
)
def upkeep_job() -> None:
    prune()


upkeep = dg.ScheduleDefinition(
    name="upkeep",
    job=upkeep_job,
    cron_schedule="11 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: deletes data older than the settings B2B_KEEP_… allow. The latest state always stays.",
)


@dg.schedule(
    name="heartbeat",
    job=upkeep_job,
    cron_schedule="* * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every minute: records the state of Dagster for /readyz?dagster, and calls B2B_HEARTBEAT_URL, whose owner "
    "raises an alarm when the calls stop. Starts no run.",
)
def heartbeat(context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[Database]) -> Iterator[dg.SkipReason]:
    """Store an observation of Dagster, and call the URL of a dead man's switch.

    A failing call fails the tick, so that it shows in the UI.
    """
    with database.session() as session:
        watch.save(session, look(context.instance))
    url = read_settings().heartbeat_url
    if url is None:
        yield dg.SkipReason("B2B_HEARTBEAT_URL is not set")
        return
    try:
        httpx.get(url, timeout=HEARTBEAT_TIMEOUT, follow_redirects=True).raise_for_status()
    except httpx.HTTPStatusError as error:
        raise dg.Failure(f"B2B_HEARTBEAT_URL answered {error.response.status_code}: check the URL") from None
    except httpx.HTTPError as error:
        raise dg.Failure(f"B2B_HEARTBEAT_URL did not answer ({type(error).__name__}): check the URL") from None
    yield dg.SkipReason("B2B_HEARTBEAT_URL was called")
