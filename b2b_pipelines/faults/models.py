"""The table of faults that last."""

from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base


class Fault(Base):
    """Something that is wrong, from the run that showed it until one that shows it right again.

    `kind` is `partition`, `step`, `run` or `check`; `partition` is empty for what has none.
    """

    __tablename__ = "fault"

    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[str] = mapped_column(primary_key=True)
    words: Mapped[str]
    run_id: Mapped[str]
    since: Mapped[datetime] = mapped_column(server_default=func.now())
