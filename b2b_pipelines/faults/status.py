"""Current faults, their begin and who must act.

`b2b status` and the status page show them. The module imports no SQLAlchemy, so that the command starts fast.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from b2b_pipelines.db.rows import Row, Rows
from b2b_pipelines.faults import dagster_facts, rules
from b2b_pipelines.faults.rules import Lasting, Subject

UNSENT_TOO_LONG = 300
"""Seconds."""
WATCH = "SELECT watched_at, facts FROM dagster_watch"
FAULTS = """
SELECT kind, name, partition, cause, since, words, run_id, alerted_at FROM fault ORDER BY since, kind, name, partition
"""
UNSENT = "SELECT min(made_at) AS oldest, count(*) AS number FROM unsent_alert"


@dataclass(frozen=True, slots=True)
class Line:
    """One current fault. `partition` and `run_id` are None where they do not apply, `alerted_at` before an alert."""

    what: str
    partition: str | None
    since: datetime
    who: str
    do: str
    run_id: str | None
    alerted_at: datetime | None = None


def lines(rows: Rows) -> list[Line]:
    """Return everything at fault.

    Dagster itself comes first, then faults, oldest first, then undelivered alerts.
    """
    now = datetime.now(UTC)
    return [*_dagster(rows, now), *map(_fault, rows(FAULTS)), *_alerts(rows, now)]


def _dagster(rows: Rows, now: datetime) -> Iterator[Line]:
    last = next((dagster_facts.watched(row["watched_at"], row["facts"]) for row in rows(WATCH)), None)
    for problem in dagster_facts.problems(last, now):
        yield Line(problem.what, None, problem.since, rules.OPERATORS, problem.words, None)


def _fault(row: Row) -> Line:
    subject = Subject(row["kind"], row["name"], row["partition"])
    return Line(
        what=row["name"],
        partition=row["partition"] or None,
        since=row["since"],
        who=rules.who_acts(Lasting(subject, row["cause"])),
        do=row["words"] or "see the run",
        run_id=row["run_id"],
        alerted_at=row["alerted_at"],
    )


def _alerts(rows: Rows, now: datetime) -> Iterator[Line]:
    [waiting] = rows(UNSENT)
    if waiting["oldest"] is not None and (now - waiting["oldest"]).total_seconds() >= UNSENT_TOO_LONG:
        words = f"{waiting['number']} messages wait, because B2B_ALERT_WEBHOOK_URL does not take them: check the URL"
        yield Line("alerts", None, waiting["oldest"], rules.OPERATORS, words, None)
