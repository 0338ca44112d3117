"""The last observation of Dagster itself: its daemons, failing ticks, and the queue.

The schedule `heartbeat` writes it every minute, so that the API, which is free of Dagster, can report it. A daemon, a
code server or a storage that is down writes nothing: the last observation then goes stale.
"""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from b2b_pipelines.faults.dagster_facts import Facts, FailingTick, Watched, problems, watched
from b2b_pipelines.faults.models import DagsterWatch

__all__ = ["Facts", "FailingTick", "Watched", "last", "problems", "save"]


def save(session: Session, facts: Facts) -> None:
    """Store a look in place of the last one."""
    row = {"id": 1, "watched_at": func.now(), "facts": facts.as_json()}
    session.execute(insert(DagsterWatch).values(row).on_conflict_do_update(index_elements=["id"], set_=row))


def last(session: Session) -> Watched | None:
    """Return the last look; None when there was none yet."""
    row = session.execute(select(DagsterWatch.watched_at, DagsterWatch.facts)).one_or_none()
    return None if row is None else watched(row.watched_at, row.facts)
