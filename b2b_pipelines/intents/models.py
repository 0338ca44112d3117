"""Tables: checkout intents, their Stripe Checkout sessions, and received Stripe events."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from b2b_pipelines.contracts.models import Learner
from b2b_pipelines.db.base import Base
from b2b_pipelines.intents.facts import SessionStatus
from b2b_pipelines.intents.rules import ACTIVE, IntentState

HOLDS_PLACE = f"state IN ({', '.join(repr(str(state)) for state in sorted(ACTIVE))}) AND NOT lost_place"


class CheckoutIntent(Base):
    """A learner's attempt to buy a product.

    `stripe_product_id` is an academy's product, or `""` for the Teams plan. An active intent (created, paid or errored,
    unless it `lost_place`) holds its place: the product for its learner, the slug and the name for everyone.
    `expires_at` ends the reservation of one that is not paid, unless a payment is on its way (`pending_since`).
    `renewed_at` is the time when the learner came back last, so that the end of an older session ends nothing.
    `payment` holds the checkout session that paid: its id, amount in minor units, currency, products, and how it
    differs from `offered_prices`. `money_back` lists refunds, disputes and failed invoices.
    """

    __tablename__ = "checkout_intent"
    __table_args__ = (
        CheckConstraint("quantity >= 1", name="quantity_is_positive"),
        CheckConstraint("(enterprise_name = '') = (enterprise_slug = '')", name="name_comes_with_slug"),
        Index(
            "uq_checkout_intent_place_of_learner",
            "learner_id",
            "stripe_product_id",
            unique=True,
            postgresql_where=text(HOLDS_PLACE),
        ),
        Index(
            "uq_checkout_intent_place_of_slug",
            text("lower(enterprise_slug)"),
            unique=True,
            postgresql_where=text(f"enterprise_slug <> '' AND {HOLDS_PLACE}"),
        ),
        Index(
            "uq_checkout_intent_place_of_name",
            text("lower(enterprise_name)"),
            unique=True,
            postgresql_where=text(f"enterprise_name <> '' AND {HOLDS_PLACE}"),
        ),
        Index("ix_checkout_intent_learner_id", "learner_id"),
        Index("ix_checkout_intent_created_at", "created_at"),
        Index("ix_checkout_intent_open", "state", "expires_at", postgresql_where=text("state IN ('created', 'paid')")),
    )

    uuid: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id"))
    state: Mapped[IntentState] = mapped_column(String(40))
    stripe_product_id: Mapped[str] = mapped_column(String(255), default="", server_default="")
    enterprise_name: Mapped[str] = mapped_column(String(255), default="", server_default="")
    enterprise_slug: Mapped[str] = mapped_column(String(255), default="", server_default="")
    quantity: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    country: Mapped[str] = mapped_column(String(255), default="", server_default="")
    terms_metadata: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    stripe_checkout_session_id: Mapped[str] = mapped_column(String(255), default="", server_default="")
    payment: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    pending_since: Mapped[datetime | None]
    offered_prices: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    money_back: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    lost_place: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    last_error: Mapped[str] = mapped_column(default="", server_default="")
    expires_at: Mapped[datetime]
    renewed_at: Mapped[datetime | None]
    state_changed_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    learner: Mapped[Learner] = relationship(lazy="raise")

    def move(self, state: IntentState, now: datetime) -> None:
        """Set the state. A payment is pending only while the intent is `created`."""
        self.state, self.state_changed_at = state, now
        if state != IntentState.CREATED:
            self.pending_since = None


class CheckoutSession(Base):
    """A Stripe Checkout session and the sum of its events, in any order.

    `intent_uuid` stays None until an event names an intent. `links` are the payment intent, subscription and customer by
    which later events find the session, each as `kind:id`. `terms` are its amounts in minor units, currency and
    products.
    """

    __tablename__ = "checkout_session"
    __table_args__ = (
        Index("ix_checkout_session_links", "links", postgresql_using="gin"),
        Index(
            "ix_checkout_session_pending",
            "pending_since",
            postgresql_where=text("status = 'pending' AND overdue_alerted_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    intent_uuid: Mapped[UUID | None] = mapped_column(ForeignKey("checkout_intent.uuid"), index=True)
    status: Mapped[SessionStatus] = mapped_column(String(20))
    links: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    terms: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    differences: Mapped[list[Any]] = mapped_column(default=list, server_default=text("'[]'"))
    pending_since: Mapped[datetime | None]
    overdue_alerted_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class StripeEvent(Base):
    """An event that Stripe signed, once for each event id, and its effect (`rules.Effect`).

    A refund, dispute or failed invoice that leads to no intent yet keeps its `links` and its `money_back` entry for the
    session that comes later.
    """

    __tablename__ = "stripe_event"
    __table_args__ = (
        Index(
            "ix_stripe_event_unmatched_links",
            "links",
            postgresql_using="gin",
            postgresql_where=text("intent_uuid IS NULL AND money_back IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    type: Mapped[str] = mapped_column(String(255))
    received_at: Mapped[datetime]
    effect: Mapped[str] = mapped_column(String(20))
    intent_uuid: Mapped[UUID | None] = mapped_column(ForeignKey("checkout_intent.uuid"), index=True)
    payment: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    links: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    money_back: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
