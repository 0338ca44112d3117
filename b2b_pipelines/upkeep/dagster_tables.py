"""Prune Dagster's database with SQL on its tables, because Dagster itself prunes ticks only.

`delete_run` of Dagster deletes every event of a run, materializations too, and with them the state of its partitions.
Here the newest events of each partition stay, whichever run they belong to: its materialization, its observation, its
planned materialization while that is newer than the materialization, and the newest result of each check. A run stays
as long as one of its events does.

Verified against the tables of dagster-postgres 0.29 (see ADR 053). If a migration of Dagster renames a column, these
statements and the schedule `upkeep` fail, and nothing is deleted.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, TextClause, text

A_BATCH = 20_000
"""Events deleted by one statement, so that no statement holds its locks for long."""

_KEPT = text("""
CREATE TEMPORARY TABLE kept_event ON COMMIT DROP AS
WITH newest AS (
    SELECT max(id) AS id, asset_key, partition, dagster_event_type AS kind
    FROM event_logs
    WHERE asset_key IS NOT NULL AND dagster_event_type IN
        ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION', 'ASSET_MATERIALIZATION_PLANNED')
    GROUP BY asset_key, partition, dagster_event_type
)
SELECT id FROM newest WHERE kind IN ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION')
UNION
SELECT planned.id FROM newest AS planned
LEFT JOIN newest AS made ON made.kind = 'ASSET_MATERIALIZATION' AND made.asset_key = planned.asset_key
    AND made.partition IS NOT DISTINCT FROM planned.partition
WHERE planned.kind = 'ASSET_MATERIALIZATION_PLANNED' AND (made.id IS NULL OR made.id < planned.id)
UNION
SELECT evaluation_event_storage_id FROM asset_check_executions
WHERE evaluation_event_storage_id IS NOT NULL AND id IN (
    SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name, partition
)
""")
_FAILED_EVENTS = text("""
INSERT INTO kept_event
SELECT event_id FROM asset_event_tags WHERE key = 'permanent' AND event_timestamp >= :failures
UNION
SELECT evaluation_event_storage_id FROM asset_check_executions
WHERE execution_status = 'FAILED' AND evaluation_event_storage_id IS NOT NULL
  AND evaluation_event_timestamp >= :failures
""")
_EVENTS = text("""
WITH old AS (
    SELECT event_logs.id FROM event_logs
    LEFT JOIN runs ON runs.run_id = event_logs.run_id
    WHERE event_logs.timestamp < :runs
      AND (runs.status IS NULL OR runs.status IN ('SUCCESS', 'CANCELED')
           OR (runs.status = 'FAILURE' AND event_logs.timestamp < :failures))
      AND NOT EXISTS (SELECT FROM kept_event WHERE kept_event.id = event_logs.id)
    ORDER BY event_logs.id LIMIT :batch
), tags AS (
    DELETE FROM asset_event_tags USING old WHERE asset_event_tags.event_id = old.id  -- nothing cascades to them
)
DELETE FROM event_logs USING old WHERE event_logs.id = old.id
""")
_CHECKS = text("""
DELETE FROM asset_check_executions AS old
WHERE old.create_timestamp < :runs
  AND (old.execution_status <> 'FAILED' OR old.create_timestamp < :failures)
  AND EXISTS (
    SELECT FROM asset_check_executions AS newer
    WHERE newer.asset_key = old.asset_key AND newer.check_name = old.check_name
      AND newer.partition IS NOT DISTINCT FROM old.partition AND newer.id > old.id
  )
""")
_RUNS = text("""
WITH old AS (
    SELECT run_id FROM runs
    WHERE update_timestamp < :runs AND status IN ('SUCCESS', 'CANCELED', 'FAILURE')
      AND (status <> 'FAILURE' OR update_timestamp < :failures)
      AND NOT EXISTS (SELECT FROM event_logs WHERE event_logs.run_id = runs.run_id)
), tags AS (
    DELETE FROM run_tags USING old WHERE run_tags.run_id = old.run_id
)
DELETE FROM runs USING old WHERE runs.run_id = old.run_id
RETURNING runs.run_id
""")
_TICKS = text("""
DELETE FROM job_ticks AS old
WHERE old.timestamp < (CASE WHEN old.status = 'FAILURE' THEN :failures ELSE :runs END)
  AND EXISTS (SELECT FROM job_ticks AS newer WHERE newer.selector_id = old.selector_id AND newer.id > old.id)
""")
_BACKFILLS = text("""
DELETE FROM bulk_actions
WHERE timestamp < :failures AND status NOT IN ('REQUESTED', 'CANCELING')
  AND NOT EXISTS (SELECT FROM runs WHERE runs.backfill_id = bulk_actions.key)
""")
_EVALUATIONS = text("DELETE FROM asset_daemon_asset_evaluations WHERE create_timestamp < :runs")


@dataclass(frozen=True, slots=True)
class Pruned:
    """Numbers of deleted rows by table, and the ids of the deleted runs."""

    rows: dict[str, int]
    runs: list[str]


def prune(connection: Connection, runs: datetime, failures: datetime) -> Pruned:
    """Delete rows older than `runs`, or older than `failures` when they belong to a failure.

    Commits in batches; safe to interrupt.
    """
    connection = connection.execution_options(isolation_level="READ COMMITTED")
    # Dagster's columns have no time zone and hold UTC.
    times = {name: at.astimezone(UTC).replace(tzinfo=None) for name, at in (("runs", runs), ("failures", failures))}
    events = 0
    while True:
        with connection.begin():
            connection.execute(_KEPT)
            connection.execute(_FAILED_EVENTS, times)
            deleted = connection.execute(_EVENTS, {**times, "batch": A_BATCH}).rowcount
        events += deleted
        if deleted < A_BATCH:
            break
    with connection.begin():
        gone = list(connection.execute(_RUNS, times).scalars())
        rows = {"events": events, "runs": len(gone)}
        rows |= {name: _rows(connection, statement, times) for name, statement in _OTHERS.items()}
    return Pruned(rows, gone)


def _rows(connection: Connection, statement: TextClause, times: dict[str, datetime]) -> int:
    used = {name: at for name, at in times.items() if f":{name}" in statement.text}
    return int(connection.execute(statement, used).rowcount)


_OTHERS = {"check results": _CHECKS, "ticks": _TICKS, "backfills": _BACKFILLS, "automation evaluations": _EVALUATIONS}
