"""Queries on faults."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, tuple_
from sqlalchemy.orm import Session

from b2b_pipelines.faults.models import Fault
from b2b_pipelines.faults.rules import Seen, Subject

_SUBJECT = tuple_(Fault.kind, Fault.name, Fault.partition)


def known(session: Session) -> dict[Subject, datetime]:
    """Every fault that lasts, and since when."""
    query = select(Fault.kind, Fault.name, Fault.partition, Fault.since)
    return {Subject(kind, name, partition): since for kind, name, partition, since in session.execute(query)}  # type: ignore[arg-type]


def of_partition(session: Session, partition: str) -> Sequence[Fault]:
    """What fails for a partition, whichever asset it is of; the oldest first."""
    query = select(Fault).where(Fault.kind == "partition", Fault.partition == partition).order_by(Fault.since)
    return session.scalars(query).all()


def begin(session: Session, begun: Iterable[Seen], run_id: str) -> None:
    rows = [{**each.subject._asdict(), "words": each.words, "run_id": run_id} for each in begun]
    if rows:
        session.execute(insert(Fault), rows)


def end(session: Session, over: Collection[Subject]) -> None:
    if over:
        session.execute(delete(Fault).where(_SUBJECT.in_([tuple(subject) for subject in over])))
