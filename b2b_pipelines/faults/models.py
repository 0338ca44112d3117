"""Tables: lasting faults, and the last observation of Dagster itself."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base


class Fault(Base):
    """A condition from the run that showed it until the run that shows its recovery.

    `kind` is `partition`, `step`, `run` or `check`; `partition` is empty where it does not apply. `cause` is the code
    of the error or its class. `alerted_at` stays None until a message about it was queued in the webhook's outbox.
    """

    __tablename__ = "fault"

    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[str] = mapped_column(primary_key=True)
    cause: Mapped[str] = mapped_column(primary_key=True, default="", server_default="")
    words: Mapped[str]
    run_id: Mapped[str]
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    alerted_at: Mapped[datetime | None]


class DagsterWatch(Base):
    """The one row about Dagster itself, written every minute by `heartbeat`.

    Stale when its daemon is down. `facts` are those of `watch.Facts`.
    """

    __tablename__ = "dagster_watch"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    watched_at: Mapped[datetime]
    facts: Mapped[dict[str, Any]]
