"""Telling people: the sensor `alert_on_failure` for runs that failed, `alert_on_recovery` for those that went well.

A fault is told when it begins and when it is over, not at every run in between. By a dry run none begins and none is over.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg

from assets.licenses import DRY_RUN_JOB
from assets.partitioned import CAUSE, CUSTOMER, DOWNSTREAM_OF, FOR_THE_CUSTOMER, PERMANENT, RETRY_FOLLOWS
from b2b_pipelines.alerts import outbox
from b2b_pipelines.alerts.webhook import style_of
from b2b_pipelines.db.engine import Database
from b2b_pipelines.faults import service
from b2b_pipelines.faults.rules import Finished, Seen, Subject
from b2b_pipelines.settings import read_settings

WILL_RETRY = "dagster/will_retry"
TAGGED_WITHIN = 5.0
"""Seconds. Dagster marks a run that it will start again just after it has marked it as failed."""

Type = dg.DagsterEventType
TELLING = {
    Type.ASSET_MATERIALIZATION,
    Type.ASSET_OBSERVATION,
    Type.ASSET_CHECK_EVALUATION,
    Type.STEP_FAILURE,
    Type.STEP_SUCCESS,
    Type.RUN_FAILURE,
    Type.RUN_SUCCESS,
}
PAGE = 5000
GOOGLE_ACCOUNT = Subject("step", "Google refuses the installation's account: sheet_snapshots")
"""One fault, and one alert, for all contracts: none of them can mend it."""
OF_THE_ACCOUNT = {"google_refused", "sign_in_refused"}
PROCESS_ENDED = "its process ended before its work did: see the run's log"


@dg.run_failure_sensor(
    name="alert_on_failure",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="One message to B2B_ALERT_WEBHOOK_URL for a run that failed, unless it is to be tried again or all of "
    "it was told before.",
)
def alert_on_failure(context: dg.RunFailureSensorContext, database: dg.ResourceParam[Database]) -> None:
    if is_dry(context.dagster_run):
        return
    run = settled(context.instance, context.dagster_run)
    if run.tags.get(WILL_RETRY) == "true":
        context.log.info("the run will be tried again")
        return
    events = list(events_of(context.instance, run.run_id))
    seen = not_made_since(context.instance, what_it_shows(run.job_name, events), events[-1].timestamp if events else 0)
    _tell(context, database, Finished(run.run_id, run.job_name, failed=True, seen=seen))


@dg.run_status_sensor(
    name="alert_on_recovery",
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="One message to B2B_ALERT_WEBHOOK_URL for each check that failed in a run that went well, and one for "
    "what is right again.",
)
def alert_on_recovery(context: dg.RunStatusSensorContext, database: dg.ResourceParam[Database]) -> None:
    run = context.dagster_run
    if is_dry(run):
        return
    seen = what_it_shows(run.job_name, events_of(context.instance, run.run_id))
    _tell(context, database, Finished(run.run_id, run.job_name, failed=False, seen=seen))


def is_dry(run: dg.DagsterRun) -> bool:
    """Whether the run was to show what it would do, and to do nothing."""
    if run.job_name == DRY_RUN_JOB:
        return True
    ops: Any = run.run_config.get("ops", {})
    return any(op.get("config", {}).get("dry_run", False) for op in ops.values())


def _tell(context: dg.RunStatusSensorContext, database: Database, finished: Finished) -> None:
    settings = read_settings()
    url = settings.alert_webhook_url
    changes = service.take_in(database, finished, tell=url is not None)
    sent = outbox.send(database, url, style_of(settings))
    context.log.info(
        f"run {finished.run_id} of {finished.job}: {len(changes.begun)} faults began, {len(changes.over)} are over, "
        f"{sent} messages were sent"
        + "".join(f"; began: {each.subject}: {each.words}" for each in changes.begun[:10])
        + "".join(f"; over: {subject}" for subject in changes.over[:10])
    )


def what_it_shows(job: str, events: Iterable[dg.EventLogEntry]) -> list[Seen]:
    """What the events of a run say about partitions, steps, checks and the run itself, in their order.

    A step that failed because partitions did is itself all right, and so is a run in which a step failed: each fault is
    told where it is.
    """
    seen: list[Seen] = []
    reporting: set[str | None] = set()
    step_failed = False
    for event in (entry.dagster_event for entry in events):
        if event is None:
            continue
        kind, step = event.event_type, Subject("step", event.step_key or job)
        if kind is Type.STEP_FAILURE:
            words, cause = _step_words(event)
            seen.append(Seen(step, event.step_key in reporting, words, cause=cause))
            step_failed = True
        elif kind is Type.STEP_SUCCESS:
            seen.append(Seen(step, True))
        elif kind is Type.RUN_FAILURE:
            seen.append(Seen(Subject("run", job), step_failed, PROCESS_ENDED))
        elif kind is Type.RUN_SUCCESS:
            seen.append(Seen(Subject("run", job), True))
        elif kind is Type.ASSET_CHECK_EVALUATION:
            seen.extend(_check(event.asset_check_evaluation_data))
        elif event.asset_key and kind is Type.ASSET_MATERIALIZATION:
            if _asked_google(event):
                seen.append(Seen(GOOGLE_ACCOUNT, True))
            seen.append(Seen(Subject("partition", event.asset_key.to_user_string(), event.partition or ""), True))
        elif _tells_why(event):
            reporting.add(event.step_key)
            seen.extend(_partition_failure(event))
    return seen


def _asked_google(event: dg.DagsterEvent) -> bool:
    """Whether a sheet was read in this materialization: then Google does not refuse the account."""
    made = event.step_materialization_data.materialization
    return made.asset_key.to_user_string() == "sheet_snapshots" and "reads" in made.metadata


def _tells_why(event: dg.DagsterEvent) -> bool:
    return event.event_type is Type.ASSET_OBSERVATION and (
        PERMANENT in (event.asset_observation_data.asset_observation.tags or {})
    )


def _partition_failure(event: dg.DagsterEvent) -> Iterator[Seen]:
    """The failure of a partition; nothing where it only comes after one that failed, where a later run tries it again,
    and where the customer has to act: the failed check says so."""
    observation = event.asset_observation_data.asset_observation
    tags = observation.tags
    if DOWNSTREAM_OF in tags or "true" in (tags.get(RETRY_FOLLOWS), tags.get(CUSTOMER)) or event.asset_key is None:
        return
    if tags.get(CAUSE) in OF_THE_ACCOUNT:
        yield Seen(GOOGLE_ACCOUNT, False, observation.description or "", cause=tags[CAUSE])
        return
    subject = Subject("partition", event.asset_key.to_user_string(), event.partition or "")
    yield Seen(subject, False, observation.description or "", cause=tags.get(CAUSE, ""))


def _check(evaluation: dg.AssetCheckEvaluation) -> Iterator[Seen]:
    name = f"{evaluation.check_name} ({evaluation.asset_key.to_user_string()})"
    customers = evaluation.metadata.get(FOR_THE_CUSTOMER)
    if not evaluation.passed and customers is not None and not customers.value:
        return  # the failure of the partition is told of
    yield Seen(
        Subject("check", name, evaluation.partition or ""),
        evaluation.passed,
        evaluation.description or "",
        warning=evaluation.severity is dg.AssetCheckSeverity.WARN,
    )


def _step_words(event: dg.DagsterEvent) -> tuple[str, str]:
    """The message, and the class of the error. An unexpected error shows its class only, because its text may hold what is
    not to be sent."""
    failure = event.step_failure_data
    error = failure.error.cause or failure.error if failure.error else None
    name = str(error.cls_name if error and error.cls_name else "an error")
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description, name
    return f"{name} (see the run's log)", name


def not_made_since(instance: dg.DagsterInstance, seen: Sequence[Seen], ended: float) -> list[Seen]:
    """Without the failed partitions that another run made after this one ended: that run may have been looked at first."""
    failed: defaultdict[str, list[str]] = defaultdict(list)
    for each in seen:
        if each.subject.kind == "partition" and not each.right and each.subject.partition:
            failed[each.subject.name].append(each.subject.partition)
    made: set[Subject] = set()
    for asset, partitions in failed.items():
        later = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey.from_user_string(asset), asset_partitions=partitions, after_timestamp=ended
        )
        records = instance.fetch_materializations(later, limit=PAGE).records
        made |= {Subject("partition", asset, record.partition_key or "") for record in records}
    return [each for each in seen if each.subject not in made]


def events_of(instance: dg.DagsterInstance, run_id: str) -> Iterator[dg.EventLogEntry]:
    """The events of a run that tell how something went, in their order."""
    cursor, more = None, True
    while more:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=TELLING, limit=PAGE)
        yield from (record.event_log_entry for record in page.records)
        cursor, more = page.cursor, page.has_more


def settled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    """The failed run as it is once Dagster has said whether it will start it again."""
    until = time.monotonic() + TAGGED_WITHIN
    while instance.run_retries_enabled and WILL_RETRY not in run.tags and time.monotonic() < until:
        run = instance.get_run_by_id(run.run_id) or run
        time.sleep(0.1)
    return run
