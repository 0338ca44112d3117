"""The events of a run, as Dagster stored them: a result holds none of those that a failed step logged."""

import dagster as dg
from dagster._core.events import DagsterEvent


def stored_events(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> list[DagsterEvent]:
    return [entry.dagster_event for entry in instance.all_logs(result.run_id) if entry.dagster_event is not None]
