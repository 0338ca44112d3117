"""Messages for people.

They are stored in the transaction that causes them, and sent after its commit. So a rolled-back change sends no alert,
and an alert survives a webhook that is down.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from b2b_pipelines.alerts import webhook
from b2b_pipelines.alerts.models import UnsentAlert
from b2b_pipelines.alerts.webhook import PLAIN, Outcome, Style
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import TransientError

log = logging.getLogger(__name__)


class AlertNotTaken(TransientError):
    """The webhook did not take a message. It stays pending, and is sent before the next one."""

    code = "alert_not_taken"


def keep(session: Session, messages: Sequence[dict[str, Any]]) -> None:
    """Store messages to be sent. They hold no e-mail address, no code and no secret."""
    if messages:
        session.execute(insert(UnsentAlert), [{"message": message} for message in messages])


def waiting(session: Session) -> tuple[datetime | None, int]:
    """Return the time since which the oldest message waits, and the number of waiting messages."""
    oldest, number = session.execute(select(func.min(UnsentAlert.made_at), func.count())).one()
    return oldest, number


def send(database: Database, url: str | None, style: Style = PLAIN) -> int:
    """Send the pending messages, oldest first. Return the number taken.

    Without a URL they are logged and dropped. A message is sent while its row is locked, so that two senders never send the same
    one. It is sent again when its sender dies between the webhook's answer and the commit. A message that the webhook
    rejects as invalid (too large, not understood) is logged and dropped, because it would block the others. Raises
    `AlertNotTaken` when the webhook takes no message now.
    """
    if url is None:
        with database.session() as session:
            for message in session.scalars(delete(UnsentAlert).returning(UnsentAlert.message)):
                log.warning("B2B_ALERT_WEBHOOK_URL is not set, so this alert is not sent: %s", message.get("text"))
        return 0
    sent = 0
    while (outcome := _send_next(database, url, style)) is not None:
        sent += outcome is Outcome.TAKEN
    return sent


def _send_next(database: Database, url: str, style: Style) -> Outcome | None:
    """Send the oldest message that no other sender has locked.

    Return None without such a message.
    """
    query = select(UnsentAlert).order_by(UnsentAlert.id).limit(1).with_for_update(skip_locked=True)
    with database.session() as session:
        alert = session.scalars(query).first()
        if alert is None:
            return None
        outcome, reason = webhook.post(url, alert.message, style)
        if outcome is Outcome.NOT_NOW:
            raise AlertNotTaken(
                f"B2B_ALERT_WEBHOOK_URL does not take alerts now ({reason}): they are kept and sent with the next one"
            )
        if outcome is Outcome.REFUSED:
            log.error("the alert webhook refuses a message (%s), which is dropped: %s", reason, alert.message["text"])
        session.delete(alert)
    return outcome
