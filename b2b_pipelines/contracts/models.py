"""Tables: organizations, contracts, learners, courses, programs, contract runs, products."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from b2b_pipelines.contracts import rules
from b2b_pipelines.contracts.rules import EdxState, IntegrationType
from b2b_pipelines.db.base import Base


class Organization(Base):
    """A customer.

    `slug` is made from the name at creation and never changes; `org_key` is part of edX course keys.
    """

    __tablename__ = "organization"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    slug: Mapped[str] = mapped_column(String(255), unique=True)
    org_key: Mapped[str] = mapped_column(String(30), unique=True)
    org_key_prefix: Mapped[str] = mapped_column(String(30), default="UAI_", server_default="UAI_")
    description: Mapped[str] = mapped_column(default="", server_default="")


class Contract(Base):
    """A contract of an organization.

    `slug` is fixed at creation because it is the key of the Dagster partition.

    `starts_on` and `ends_on` are inclusive days (UTC). `max_learners` of None means no cap (0 is stored as None),
    `price` of None or 0 means free.

    `sheet_tab` is a tab's title, or its index from 0. None: no tab was named (the `gid=` of the URL may name one).

    `revision` grows by one with every change that can matter downstream. `change_id` is the id of the transaction that
    made the change, so that a reader can find the changes committed since its last read. `materialized_revision` is the
    revision up to which the assets have updated runs and codes.
    """

    __tablename__ = "contract"
    __table_args__ = (
        CheckConstraint("max_learners >= 0", name="cap_is_not_negative"),
        CheckConstraint("price >= 0", name="price_is_not_negative"),
        CheckConstraint("starts_on <= ends_on", name="starts_before_it_ends"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey("organization.id"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    slug: Mapped[str] = mapped_column(String(255), unique=True)
    description: Mapped[str] = mapped_column(default="", server_default="")
    integration_type: Mapped[IntegrationType] = mapped_column(String(10))
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    max_learners: Mapped[int | None]
    price: Mapped[Decimal | None]
    sheet_url: Mapped[str | None] = mapped_column(String(1024))
    sheet_tab: Mapped[str | None] = mapped_column(String(255))
    revision: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    change_id: Mapped[int] = mapped_column(
        default=text("pg_current_xact_id()::text::bigint"),
        server_default=text("pg_current_xact_id()::text::bigint"),
        index=True,
    )
    materialized_revision: Mapped[int] = mapped_column(default=0, server_default=text("0"))

    organization: Mapped[Organization] = relationship(lazy="joined", innerjoin=True)

    @property
    def cap(self) -> int | None:
        """Return the number of seats; None means no limit."""
        return self.max_learners or None

    @property
    def requires_codes(self) -> bool:
        """Return whether learners need an enrollment code."""
        return rules.requires_codes(self.integration_type, self.price)

    def is_open_on(self, day: date) -> bool:
        """Return whether learners can join the contract on that day (UTC)."""
        return rules.is_open(self.active, self.starts_on, self.ends_on, day)


class Learner(Base):
    """A person. The e-mail address is stored as given and compared without case.

    A known `lms_user_id` identifies the learner, independent of the address.
    """

    __tablename__ = "learner"
    __table_args__ = (
        Index("uq_learner_lower_email", text("lower(email)"), unique=True),
        Index("uq_learner_lms_user_id", "lms_user_id", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    name: Mapped[str] = mapped_column(default="", server_default="")
    lms_user_id: Mapped[int | None]


class LearnerConflict(Base):
    """Two learners who may be one person, stored until a person decides. Nothing is merged.

    A request gave the LMS user id of `learner_id` together with the address of `other_learner_id`.
    """

    __tablename__ = "learner_conflict"

    learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id"), primary_key=True)
    other_learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id"), primary_key=True)
    lms_user_id: Mapped[int]
    times: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ContractLearner(Base):
    """A seat: a learner who is attached to a contract. `how` is `code`, `sso` or `manual`."""

    __tablename__ = "contract_learner"
    __table_args__ = (UniqueConstraint("contract_id", "learner_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"))
    learner_id: Mapped[int] = mapped_column(ForeignKey("learner.id"), index=True)
    attached_at: Mapped[datetime] = mapped_column(server_default=func.now())
    how: Mapped[str] = mapped_column(String(10))


class Course(Base):
    """A course that contracts can be given. `readable_id` is `course-v1:ORG+NUMBER`."""

    __tablename__ = "course"

    id: Mapped[int] = mapped_column(primary_key=True)
    readable_id: Mapped[str] = mapped_column(String(255), unique=True)
    title: Mapped[str]


class Program(Base):
    """A program. `requirements` is its tree of courses and other programs, without cycles.

    A node is a readable id, `{"all_of": […]}` or `{"min_number_of": N, "of": […]}`.
    """

    __tablename__ = "program"

    id: Mapped[int] = mapped_column(primary_key=True)
    readable_id: Mapped[str] = mapped_column(String(255), unique=True)
    title: Mapped[str]
    requirements: Mapped[dict[str, Any]]


class ContractCourseware(Base):
    """Courseware of a contract: the readable id of a course or program, or the id of a run."""

    __tablename__ = "contract_courseware"
    __table_args__ = (UniqueConstraint("contract_id", "readable_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"))
    readable_id: Mapped[str] = mapped_column(String(255))


class CourseRun(Base):
    """A run of a course.

    With a contract it is a contract run, open to that contract's learners only.

    `source_run_id` is the run that edX is asked to copy; a run that has one is never a source itself.
    `released_from_id` is the contract that last had the run and gave it up at `released_at`.
    """

    __tablename__ = "course_run"

    id: Mapped[int] = mapped_column(primary_key=True)
    courseware_id: Mapped[str] = mapped_column(String(255), unique=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"), index=True)
    run_tag: Mapped[str] = mapped_column(String(100))
    title: Mapped[str]
    start: Mapped[datetime | None]
    end: Mapped[datetime | None]
    enrollment_start: Mapped[datetime | None]
    enrollment_end: Mapped[datetime | None]
    live: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    self_paced: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    is_source: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    contract_id: Mapped[int | None] = mapped_column(ForeignKey("contract.id"), index=True)
    released_from_id: Mapped[int | None] = mapped_column(ForeignKey("contract.id"), index=True)
    released_at: Mapped[datetime | None]
    source_run_id: Mapped[int | None] = mapped_column(ForeignKey("course_run.id"))
    edx_state: Mapped[EdxState | None] = mapped_column(String(10))
    edx_error: Mapped[str | None]


class Product(Base):
    """The product of a course run: at most one is active for each run.

    `description` is the run's courseware id.
    """

    __tablename__ = "product"
    __table_args__ = (
        Index("uq_product_active_course_run", "course_run_id", unique=True, postgresql_where=text("active")),
        Index("ix_product_course_run_id", "course_run_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    course_run_id: Mapped[int] = mapped_column(ForeignKey("course_run.id"))
    price: Mapped[Decimal] = mapped_column(default=Decimal(0), server_default=text("0"))
    active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    description: Mapped[str] = mapped_column(default="", server_default="")
