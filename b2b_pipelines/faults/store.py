"""Queries on faults."""

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import delete, func, insert, or_, select, tuple_, update
from sqlalchemy.orm import Session

from b2b_pipelines.db.rows import rows_of
from b2b_pipelines.faults import status
from b2b_pipelines.faults.models import Fault
from b2b_pipelines.faults.rules import SYNCED, Seen, Subject

_SUBJECT = tuple_(Fault.kind, Fault.name, Fault.partition)


def every(session: Session) -> Sequence[Fault]:
    """Return every fault that lasts, the oldest first."""
    return session.scalars(select(Fault).order_by(Fault.since, Fault.kind, Fault.name, Fault.partition)).all()


def current(session: Session) -> list[status.Line]:
    """Return everything at fault, Dagster itself and undelivered alerts included, as `b2b status` lists it."""
    return status.lines(rows_of(session))


def subject(fault: Fault) -> Subject:
    """Return the subject of a fault."""
    return Subject(fault.kind, fault.name, fault.partition)  # type: ignore[arg-type]


def of_partition(session: Session, partition: str) -> Sequence[Fault]:
    """Return the faults of a partition of any asset, oldest first."""
    fails = or_(Fault.kind == "partition", Fault.name == SYNCED)
    return session.scalars(select(Fault).where(fails, Fault.partition == partition).order_by(Fault.since)).all()


def take_unalerted(session: Session) -> list[Fault]:
    """Return the faults about which no message was made, and mark them."""
    unalerted = [fault for fault in every(session) if fault.alerted_at is None]
    if unalerted:
        session.execute(update(Fault).where(Fault.alerted_at.is_(None)).values(alerted_at=func.now()))
    return unalerted


def begin(session: Session, begun: Iterable[Seen], run_id: str) -> None:
    rows = [{**each.subject._asdict(), "cause": each.cause, "words": each.words, "run_id": run_id} for each in begun]
    if rows:
        session.execute(insert(Fault), rows)


def end(session: Session, over: Collection[Subject]) -> None:
    if over:
        session.execute(delete(Fault).where(_SUBJECT.in_([tuple(subject) for subject in over])))
