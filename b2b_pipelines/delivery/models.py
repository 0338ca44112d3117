"""Tables: the history of changes to contracts."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base


class ContractChange(Base):
    """One change to a contract: its time, actor, action and details.

    `revision` is the contract's revision after the change. `details` depend on the action: `fields` with each value
    before and after, `courseware` with `runs`, a `learner` id, and the numbers of `codes` that changed with it. They
    hold no address and no code.
    """

    __tablename__ = "contract_change"
    __table_args__ = (Index("ix_contract_change_contract_id_id", "contract_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"))
    revision: Mapped[int]
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())
    action: Mapped[str] = mapped_column(String(20))
    actor_kind: Mapped[str] = mapped_column(String(10))
    actor_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(String(320))
    details: Mapped[dict[str, Any]]
