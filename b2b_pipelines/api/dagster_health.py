"""Whether Dagster is well, for `/readyz?dagster`, and the gauges of `/metrics`: from what the database holds."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Gauge

from b2b_pipelines.api.database import Connection
from b2b_pipelines.api.errors import Problem
from b2b_pipelines.errors import B2BError
from b2b_pipelines.faults import store, watch
from b2b_pipelines.reports import operations
from b2b_pipelines.reports.operations import Facts
from b2b_pipelines.settings import Settings


def require_well(db: Connection) -> None:
    """Raise a `Problem` (503) that says what is wrong with Dagster."""
    with db.session() as session:
        found = list(watch.problems(watch.last(session), datetime.now(UTC)))
    if found:
        raise Problem(503, "; ".join(problem.words for problem in found), "dagster_not_well")


def unreadable() -> CollectorRegistry:
    """Return the one gauge that is left while the database does not answer."""
    registry = CollectorRegistry()
    _readable(registry).set(0)
    return registry


def gauges(db: Connection, settings: Settings) -> CollectorRegistry:
    """Return the gauges about Dagster, the faults that last, and the product's own work."""
    try:
        with db.session() as session:
            watched, faults = watch.last(session), store.every(session)
            facts = operations.facts(session, settings, datetime.now(UTC))
    except B2BError:
        return unreadable()
    registry = CollectorRegistry()
    _readable(registry).set(1)
    kinds = Gauge("b2b_faults", "Faults that last, by kind.", ("kind",), registry=registry)
    for kind in ("partition", "step", "run", "check"):
        kinds.labels(kind).set(sum(fault.kind == kind for fault in faults))
    if faults:
        age = (datetime.now(UTC) - min(fault.since for fault in faults)).total_seconds()
        Gauge("b2b_oldest_fault_seconds", "Seconds since the oldest fault began.", registry=registry).set(age)
    _of_work(facts, registry)
    if watched is not None:
        _of_dagster(watched, registry)
    return registry


def _of_work(facts: Facts, registry: CollectorRegistry) -> None:
    def gauge(name: str, text: str, value: float) -> None:
        Gauge(name, text, registry=registry).set(value)

    gauge("b2b_sheets", "Sheets that codes are delivered to.", facts.sheets)
    gauge("b2b_stale_sheets", "Sheets that were not synced within two refreshes and half an hour.", facts.stale)
    gauge("b2b_sheet_conflicts", "Conflicts in the sheets as of their last syncs.", facts.conflicts)
    gauge("b2b_license_plans_held", "Subscription plans that are held.", facts.held_plans)
    gauge("b2b_payments_pending", "Checkout sessions whose payment is pending.", facts.pending_payments)
    gauge("b2b_alerts_unsent", "Alerts that the webhook has not taken yet.", facts.unsent_alerts)
    gauge("b2b_google_quota_per_minute", "Reads, and likewise writes, allowed in a minute.", facts.quota)
    used = Gauge("b2b_google_quota_used", "Requests of the last 60 seconds.", ("kind",), registry=registry)
    for kind, number in facts.quota_used.items():
        used.labels(kind).set(number)


def _readable(registry: CollectorRegistry) -> Gauge:
    return Gauge("b2b_dagster_watch_readable", "1 if the database that holds these gauges answers.", registry=registry)


def _of_dagster(watched: watch.Watched, registry: CollectorRegistry) -> None:
    def gauge(name: str, text: str, value: float) -> None:
        Gauge(name, text, registry=registry).set(value)

    at, facts = watched.at.timestamp(), watched.facts
    gauge("b2b_dagster_watched_timestamp_seconds", "When Dagster was last looked at.", at)
    gauge("b2b_dagster_queued_runs", "Runs that wait in the queue.", facts.queued)
    gauge("b2b_dagster_running_runs", "Runs at work.", facts.running)
    waited = at - facts.oldest_queued_since if facts.oldest_queued_since is not None else 0
    gauge("b2b_dagster_oldest_queued_run_seconds", "Seconds that the oldest run in the queue has waited.", waited)
    beats = Gauge("b2b_dagster_daemon_heartbeat_timestamp_seconds", "Last heartbeat.", ("daemon",), registry=registry)
    for daemon, beat in facts.daemons.items():
        beats.labels(daemon).set(beat)
    errors = Gauge(
        "b2b_dagster_tick_error_seconds", "Seconds that a schedule or sensor has failed.", ("name",), registry=registry
    )
    for tick in facts.failing:
        errors.labels(tick.name).set(at - tick.since)
