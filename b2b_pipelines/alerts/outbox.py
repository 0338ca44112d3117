"""Messages for people: kept in the transaction that gives rise to them, and sent once that is committed.

So nothing is told that did not happen, and what happened is told, however long the webhook is away.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from b2b_pipelines.alerts import webhook
from b2b_pipelines.alerts.models import UnsentAlert
from b2b_pipelines.alerts.webhook import Outcome
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import TransientError

log = logging.getLogger(__name__)


class AlertNotTaken(TransientError):
    """The webhook did not take a message. It is kept, and sent before the next one."""

    code = "alert_not_taken"


def keep(session: Session, messages: Sequence[dict[str, Any]]) -> None:
    """Have messages wait for being sent; they hold no e-mail address, no code and no secret."""
    if messages:
        session.execute(insert(UnsentAlert), [{"message": message} for message in messages])


def waiting(session: Session) -> tuple[datetime | None, int]:
    """Return since when the oldest message waits, and how many do."""
    oldest, number = session.execute(select(func.min(UnsentAlert.made_at), func.count())).one()
    return oldest, number


def send(database: Database, url: str | None) -> int:
    """Send the messages that wait, oldest first; how many were taken. Without a URL they are dropped.

    A message is sent while its row is locked, so that two senders never send the same; one whose sender dies between
    the webhook's answer and the commit is sent again. One that the webhook refuses for what it is (too large, not
    understood) is logged and dropped: it would hold up the others for good. Raises `AlertNotTaken` when the webhook
    does not take any now.
    """
    if url is None:
        with database.session() as session:
            session.execute(delete(UnsentAlert))
        return 0
    sent = 0
    while (outcome := _send_next(database, url)) is not None:
        sent += outcome is Outcome.TAKEN
    return sent


def _send_next(database: Database, url: str) -> Outcome | None:
    """What became of the oldest message that nobody else is sending; None when there is none."""
    query = select(UnsentAlert).order_by(UnsentAlert.id).limit(1).with_for_update(skip_locked=True)
    with database.session() as session:
        alert = session.scalars(query).first()
        if alert is None:
            return None
        outcome, words = webhook.post(url, alert.message)
        if outcome is Outcome.NOT_NOW:
            raise AlertNotTaken(
                f"B2B_ALERT_WEBHOOK_URL does not take alerts now ({words}): they are kept and sent with the next one"
            )
        if outcome is Outcome.REFUSED:
            log.error("the alert webhook refuses a message (%s), which is dropped: %s", words, alert.message["text"])
        session.delete(alert)
    return outcome
