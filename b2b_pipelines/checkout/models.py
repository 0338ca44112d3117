"""Tables: orders, enrollments, and checkouts answered under an idempotency key."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Numeric, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base


class CheckoutOrder(Base):
    """A completed checkout. `total` is in major units of `currency`.

    `payment_reference` is the payer's own.
    """

    __tablename__ = "checkout_order"

    id: Mapped[int] = mapped_column(primary_key=True)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id"), index=True)
    total: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    currency: Mapped[str] = mapped_column(String(3))
    payment_reference: Mapped[str | None]
    completed_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def reference(self) -> str:
        """Return the order's public reference, used in answers and beside redemptions."""
        return f"B2B-{self.id:08d}"


class Enrollment(Base):
    """The enrollment of a learner in a course run, at most one, for `amount` (major units)."""

    __tablename__ = "enrollment"
    __table_args__ = (UniqueConstraint("learner_id", "course_run_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("checkout_order.id"), index=True)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id"))
    course_run_id: Mapped[int] = mapped_column(ForeignKey("course_run.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    code_id: Mapped[int | None] = mapped_column(ForeignKey("enrollment_code.id"))
    amount: Mapped[Decimal]


class AnsweredCheckout(Base):
    """A completed checkout with an `Idempotency-Key`. A retry with the key gets the same answer.

    `answer` is the response body. A key belongs to the token that used it. `request_hash` is the SHA-256 of the
    request.
    """

    __tablename__ = "answered_checkout"

    token_id: Mapped[int] = mapped_column(ForeignKey("token.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    answer: Mapped[str]
    answered_at: Mapped[datetime] = mapped_column(server_default=func.now())
