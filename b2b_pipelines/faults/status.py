"""Current faults, their begin and who must act.

`b2b status` and the status page show them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from b2b_pipelines.alerts import outbox
from b2b_pipelines.faults import rules, store, watch
from b2b_pipelines.faults.rules import Lasting

UNSENT_TOO_LONG = 300
"""Seconds."""


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


def lines(session: Session) -> list[Line]:
    """Return everything at fault.

    Dagster itself comes first, then faults, oldest first, then undelivered alerts.
    """
    return [*_dagster(session), *_faults(session), *_alerts(session)]


def _dagster(session: Session) -> list[Line]:
    found = watch.problems(watch.last(session), datetime.now(UTC))
    return [Line(problem.what, None, problem.since, rules.OPERATORS, problem.words, None) for problem in found]


def _faults(session: Session) -> list[Line]:
    return [
        Line(
            what=fault.name,
            partition=fault.partition or None,
            since=fault.since,
            who=rules.who_acts(Lasting(store.subject(fault), fault.cause)),
            do=fault.words or "see the run",
            run_id=fault.run_id,
            alerted_at=fault.alerted_at,
        )
        for fault in store.every(session)
    ]


def _alerts(session: Session) -> list[Line]:
    oldest, number = outbox.waiting(session)
    if oldest is None or (datetime.now(UTC) - oldest).total_seconds() < UNSENT_TOO_LONG:
        return []
    words = f"{number} messages wait, because B2B_ALERT_WEBHOOK_URL does not take them: check the URL"
    return [Line("alerts", None, oldest, rules.OPERATORS, words, None)]
