"""Tables: agreements, subscription plans, renewals, licenses, and their processing."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base
from b2b_pipelines.licenses.facts import EventName, LicenseStatus
from b2b_pipelines.licenses.rules import Decision


class CustomerAgreement(Base):
    """An enterprise customer: `enterprise_customer_uuid` is the key of the Dagster partition.

    `uuid` and `slug` are license-manager's, and unknown for a customer who came with a file. `purge_days` is the number
    of days after a plan's expiration when license-manager erases the holders of its licenses; None when it omits it.
    """

    __tablename__ = "customer_agreement"

    id: Mapped[int] = mapped_column(primary_key=True)
    enterprise_customer_uuid: Mapped[UUID] = mapped_column(unique=True)
    uuid: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(default="", server_default="")
    slug: Mapped[str | None]
    purge_days: Mapped[int | None]

    @property
    def shown_name(self) -> str:
        """Return the name, else the slug, else the UUID of the customer."""
        return self.name or self.slug or str(self.enterprise_customer_uuid)


class SubscriptionPlan(Base):
    """A subscription that a customer bought, valid until just before `expiration_date`.

    `imported_as_processed` is the source's last value. `processed_for` is the expiration date for which the enrollments
    of all its licenses were ended, by this product or before the import, and `processed_at` is the time: the plan is
    processed as long as `processed_for` is its expiration date. `held_since` is the time when its date was moved into
    the past, `held_from` the date before. `renewal_gone_at` is the last time when its renewal was gone, or led to another
    plan. `licenses_counted` are its assigned, activated and revoked licenses, as
    license-manager counted them at the last reading.
    """

    __tablename__ = "subscription_plan"
    __table_args__ = (
        UniqueConstraint("title", "customer_agreement_id", deferrable=True, initially="IMMEDIATE"),
        CheckConstraint("start_date < expiration_date", name="starts_before_it_expires"),
        Index("ix_subscription_plan_customer_agreement_id", "customer_agreement_id"),
    )

    uuid: Mapped[UUID] = mapped_column(primary_key=True)
    customer_agreement_id: Mapped[int] = mapped_column(ForeignKey("customer_agreement.id"))
    title: Mapped[str]
    start_date: Mapped[datetime]
    expiration_date: Mapped[datetime]
    is_active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    for_internal_use_only: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    imported_as_processed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    processed_for: Mapped[datetime | None]
    processed_at: Mapped[datetime | None]
    unseen_since: Mapped[datetime | None]
    plan_type: Mapped[str | None]
    held_since: Mapped[datetime | None]
    held_from: Mapped[datetime | None]
    renewal_gone_at: Mapped[datetime | None]
    licenses_counted: Mapped[int | None]


class PlanRenewal(Base):
    """The continuation of a plan by another one.

    `renewed_plan_uuid` stays None until that plan is made. `listed` renewals came from license-manager, and are deleted
    when a reading omits them.
    """

    __tablename__ = "plan_renewal"
    __table_args__ = (
        UniqueConstraint("renewed_plan_uuid", deferrable=True, initially="IMMEDIATE"),
        CheckConstraint("prior_plan_uuid <> renewed_plan_uuid", name="is_of_another_plan"),
    )

    prior_plan_uuid: Mapped[UUID] = mapped_column(ForeignKey("subscription_plan.uuid"), primary_key=True)
    renewed_plan_uuid: Mapped[UUID | None] = mapped_column(ForeignKey("subscription_plan.uuid"))
    effective_date: Mapped[datetime | None]
    processed: Mapped[bool]
    listed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class License(Base):
    """One license of a plan.

    `user_email` is stored unchanged. `email_key` is the spelling without case by which the LMS compares, `person_key`
    identifies the holder (see `identity`). `unseen_since` is the time when license-manager stopped listing it.
    `retired_at` is the time when it was found without its holder after the plan expired, or when that plan's date moved
    last: such a license keeps its last status, address and holder until it is unlinked.
    """

    __tablename__ = "license"
    __table_args__ = (
        CheckConstraint("status IN ('unassigned', 'assigned', 'activated', 'revoked')", name="status_is_known"),
        Index("ix_license_plan_uuid", "plan_uuid"),
        Index("ix_license_email_key", "email_key", postgresql_where=text("email_key IS NOT NULL")),
        Index("ix_license_person_key", "person_key", postgresql_where=text("person_key IS NOT NULL")),
        Index("ix_license_lms_user_id", "lms_user_id", postgresql_where=text("lms_user_id IS NOT NULL")),
    )

    uuid: Mapped[UUID] = mapped_column(primary_key=True)
    plan_uuid: Mapped[UUID] = mapped_column(ForeignKey("subscription_plan.uuid"))
    status: Mapped[LicenseStatus] = mapped_column(String(10))
    user_email: Mapped[str | None]
    email_key: Mapped[str | None]
    lms_user_id: Mapped[int | None]
    assigned_date: Mapped[datetime | None]
    activation_date: Mapped[datetime | None]
    revoked_date: Mapped[datetime | None]
    renewed_to: Mapped[UUID | None] = mapped_column(ForeignKey("license.uuid"))
    unseen_since: Mapped[datetime | None]
    person_key: Mapped[str | None]
    retired_at: Mapped[datetime | None]


class LicenseEvent(Base):
    """An action on a license, for the expiration its plan had then.

    `run_id`: None for an import.
    """

    __tablename__ = "license_event"
    __table_args__ = (UniqueConstraint("license_uuid", "event_name", "plan_expiration"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    license_uuid: Mapped[UUID] = mapped_column(ForeignKey("license.uuid"))
    event_name: Mapped[EventName] = mapped_column(String(20))
    plan_expiration: Mapped[datetime]
    run_id: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class RefusedAddress(Base):
    """An address that the LMS would not unlink from a customer when it was sent alone.

    It is not sent again.
    """

    __tablename__ = "refused_address"

    customer_agreement_id: Mapped[int] = mapped_column(ForeignKey("customer_agreement.id"), primary_key=True)
    email_key: Mapped[str] = mapped_column(primary_key=True)
    words: Mapped[str]
    run_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())


class ExpiredLicense(Base):
    """The last decision of `expired_licenses` about a license, with its reason and time."""

    __tablename__ = "expired_license"
    __table_args__ = (Index("ix_expired_license_customer_agreement_id", "customer_agreement_id"),)

    license_uuid: Mapped[UUID] = mapped_column(ForeignKey("license.uuid"), primary_key=True)
    customer_agreement_id: Mapped[int] = mapped_column(ForeignKey("customer_agreement.id"))
    plan_uuid: Mapped[UUID]
    decision: Mapped[Decision] = mapped_column(String(20))
    reason: Mapped[str]
    decided_at: Mapped[datetime]
