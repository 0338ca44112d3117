"""The table of pending messages."""

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base


class UnsentAlert(Base):
    """A pending message to `B2B_ALERT_WEBHOOK_URL`, deleted once the webhook took it."""

    __tablename__ = "unsent_alert"

    id: Mapped[int] = mapped_column(primary_key=True)
    message: Mapped[dict[str, Any]]
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
