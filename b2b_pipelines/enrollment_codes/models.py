"""Tables: enrollment codes and their redemptions."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base
from b2b_pipelines.enrollment_codes.rules import RedemptionKind, RedemptionType


class EnrollmentCode(Base):
    """A code that admits to a contract and prices one product at `amount` (major units).

    `sheet_target` and `sheet_row` are the code's place in the customer's sheet after the last sync. They are a report:
    no sync relies on them.
    """

    __tablename__ = "enrollment_code"
    __table_args__ = (
        UniqueConstraint("id", "redemption_type"),
        Index("ix_enrollment_code_contract_id_product_id", "contract_id", "product_id"),
        CheckConstraint("redemption_type IN ('one-time', 'unlimited')", name="redemption_type_is_known"),
        CheckConstraint("amount >= 0", name="amount_is_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(unique=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    redemption_type: Mapped[RedemptionType] = mapped_column(String(10))
    amount: Mapped[Decimal]
    payment_type: Mapped[str] = mapped_column(String(20), default="sales", server_default="sales")
    discount_type: Mapped[str] = mapped_column(String(20), default="fixed-price", server_default="fixed-price")
    is_bulk: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    deactivated_at: Mapped[datetime | None]
    activates_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    sheet_target: Mapped[str | None] = mapped_column(String(100))
    sheet_row: Mapped[int | None]


class CodeRedemption(Base):
    """A redemption of a code by a learner.

    A unique index allows one of each kind for a one-time code.

    `redemption_type` repeats the code's type for that index; the foreign key keeps both equal.
    """

    __tablename__ = "code_redemption"
    __table_args__ = (
        ForeignKeyConstraint(
            ["code_id", "redemption_type"],
            ["enrollment_code.id", "enrollment_code.redemption_type"],
            onupdate="CASCADE",
        ),
        UniqueConstraint("code_id", "learner_id", "kind"),
        Index(
            "uq_code_redemption_one_time",
            "code_id",
            "kind",
            unique=True,
            postgresql_where=text("redemption_type = 'one-time'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    code_id: Mapped[int]
    redemption_type: Mapped[RedemptionType] = mapped_column(String(10))
    learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id"), index=True)
    kind: Mapped[RedemptionKind] = mapped_column(String(10))
    redeemed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    order_reference: Mapped[str | None]
