"""Telling people what began and what is over, each once."""

from b2b_pipelines.alerts import post_alert
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.errors import TransientError
from b2b_pipelines.faults import rules, store
from b2b_pipelines.faults.rules import Finished, News


class AlertNotTaken(TransientError):
    """The webhook did not take a message. It is kept, and sent before the next one."""

    code = "alert_not_taken"


def take_in(database: Database, finished: Finished) -> News:
    """Note what a finished run shows, and keep the messages about what changed for sending."""
    with database.session() as session:
        transaction_lock(session, "faults", "all")
        known = store.known(session)
        changes = rules.news(known, finished.seen)
        store.begin(session, changes.begun, finished.run_id)
        store.end(session, changes.over)
        since = {subject: at.isoformat(timespec="seconds") for subject, at in known.items()}
        store.keep(session, list(rules.messages(finished, changes, since)))
    return changes


def send(database: Database, url: str | None) -> int:
    """Send the messages that wait, oldest first; how many. Without a URL they are dropped.

    A message is sent while its row is locked, so that two senders never send the same; one whose sender dies between
    the webhook's answer and the commit is sent again. Raises `AlertNotTaken` at the first that is not taken.
    """
    if url is None:
        with database.session() as session:
            store.forget_unsent(session)
        return 0
    sent = 0
    while _send_next(database, url):
        sent += 1
    return sent


def _send_next(database: Database, url: str) -> bool:
    with database.session() as session:
        alert = store.next_unsent(session)
        if alert is None:
            return False
        if not post_alert(url, alert.message):
            raise AlertNotTaken("B2B_ALERT_WEBHOOK_URL did not take an alert: it is kept and sent with the next one")
        session.delete(alert)
    return True
