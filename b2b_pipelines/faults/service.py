"""Record the faults that begin and end with a run, each once."""

from dataclasses import replace

from sqlalchemy.orm import Session

from b2b_pipelines.alerts import outbox
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.faults import rules, store
from b2b_pipelines.faults.models import Fault
from b2b_pipelines.faults.rules import Finished, Lasting, News, Seen, Subject

EARLIER = "an earlier run"
"""The job of a message about faults from before a webhook was configured."""


def record_run(database: Database, finished: Finished, *, alert: bool = True) -> News:
    """Store the subjects that a finished run shows, and queue the messages about changes.

    Without a webhook (`alert` is false) no message is made: the faults stay without an alert until a webhook is
    configured, which then receives them. A fault without an alert ends without a message.
    """
    with database.session() as session:
        transaction_lock(session, "faults", "all")
        lasting = store.every(session)
        changes = rules.news([Lasting(store.subject(fault), fault.cause) for fault in lasting], finished.seen)
        since = {store.subject(fault): fault.since.isoformat(timespec="seconds") for fault in lasting}
        alerted = {store.subject(fault) for fault in lasting if fault.alerted_at is not None}
        store.end(session, changes.over)
        store.begin(session, changes.begun, finished.run_id)
        if alert:
            ended = replace(changes, over=tuple(subject for subject in changes.over if subject in alerted))
            _queue_messages(session, finished, ended, since)
    return changes


def _queue_messages(session: Session, finished: Finished, changes: News, since: dict[Subject, str]) -> None:
    begun = {each.fault for each in changes.begun}
    older = [
        fault for fault in store.take_unalerted(session) if Lasting(store.subject(fault), fault.cause) not in begun
    ]
    if older:
        seen = tuple(_seen(fault) for fault in older)
        before = Finished(older[0].run_id, EARLIER, failed=True, seen=seen)
        outbox.keep(session, list(rules.messages(before, News(seen, ()), {})))
    outbox.keep(session, list(rules.messages(finished, changes, since)))


def _seen(fault: Fault) -> Seen:
    return Seen(store.subject(fault), False, fault.words, cause=fault.cause)
