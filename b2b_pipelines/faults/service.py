"""Noticing what began and what is over, each once."""

from b2b_pipelines.alerts import outbox
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.faults import rules, store
from b2b_pipelines.faults.rules import Finished, News


def take_in(database: Database, finished: Finished) -> News:
    """Note what a finished run shows, and keep the messages about what changed for sending."""
    with database.session() as session:
        transaction_lock(session, "faults", "all")
        known = store.known(session)
        changes = rules.news(known, finished.seen)
        store.begin(session, changes.begun, finished.run_id)
        store.end(session, changes.over)
        since = {subject: at.isoformat(timespec="seconds") for subject, at in known.items()}
        outbox.keep(session, list(rules.messages(finished, changes, since)))
    return changes
