"""The facts that decisions about licenses rest on: plans, renewals, licenses and past actions. Every time is UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

OVERDUE = timedelta(days=30)
"""How long a renewal may stay unprocessed after it was to take effect; then it holds nothing."""


class LicenseStatus(StrEnum):
    """The status of a license in license-manager."""

    UNASSIGNED = "unassigned"
    ASSIGNED = "assigned"
    ACTIVATED = "activated"
    REVOKED = "revoked"


HELD = frozenset({LicenseStatus.ASSIGNED, LicenseStatus.ACTIVATED})
"""The statuses of a license that a person holds."""


class EventName(StrEnum):
    """An action: the licensed enrollments were ended.

    The learner was unlinked from the customer.
    """

    TERMINATED = "terminated"
    UNLINKED = "unlinked"


@dataclass(frozen=True, slots=True)
class Policy:
    """The moment of decision and the settings of the installation.

    A plan is past its grace when its expiration date is strictly before `now - grace`. `hold` is how long a plan whose
    date moved into the past is held, and how long after their termination learners stay linked. `internal_plan_types`
    are in lower case.
    """

    now: datetime
    grace: timedelta = timedelta(days=90)
    unlinking: frozenset[UUID] = frozenset()
    include_internal: bool = False
    hold: timedelta = timedelta(hours=24)
    internal_plan_types: frozenset[str] = frozenset({"test"})

    @property
    def cutoff(self) -> datetime:
        return self.now - self.grace

    @property
    def hold_cutoff(self) -> datetime:
        """Return the time after which an event is too recent to act on.

        A date that moved later holds its plan; a termination that happened later keeps its learner linked.
        """
        return self.now - self.hold

    @property
    def margin(self) -> timedelta:
        """Return the longest of the periods that are added to, or taken from, a time."""
        return max(self.grace, self.hold, OVERDUE)


@dataclass(frozen=True, slots=True)
class Renewal:
    """The continuation of a plan by another one, which may not be made yet."""

    renewed_plan: UUID | None
    processed: bool
    effective_date: datetime | None = None

    def is_overdue(self, prior: "Plan", now: datetime) -> bool:
        """Return whether the renewal is still unprocessed 30 days after it was due.

        It is due at its own date or, without one, at the prior plan's expiration.
        """
        return not self.processed and (self.effective_date or prior.expiration_date) <= now - OVERDUE


@dataclass(frozen=True, slots=True)
class Hold:
    """A move of a plan's expiration date into the past: the former date, and the time noticed."""

    moved_from: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """The facts about a subscription plan. It is valid before `expiration_date`, and not at it."""

    uuid: UUID
    customer: UUID
    expiration_date: datetime
    is_active: bool = True
    internal: bool = False
    renewal: Renewal | None = None
    plan_type: str | None = None
    hold: Hold | None = None
    renewal_gone: datetime | None = None
    """The time when its renewal was last found to be gone, or to lead to another plan."""

    def trusted_end(self, policy: Policy) -> datetime:
        """Return the expiration date; while it is on hold, the later date from which it was moved."""
        is_held = self.hold is not None and self.hold.since > policy.hold_cutoff
        return max(self.expiration_date, self.hold.moved_from) if self.hold and is_held else self.expiration_date

    def is_internal(self, policy: Policy) -> bool:
        return self.internal or (self.plan_type or "").lower() in policy.internal_plan_types - {""}


@dataclass(frozen=True, slots=True)
class HeldLicense:
    """The facts about a license of any status. `address` is the stored e-mail address, or None.

    `retired`: the time when license-manager was found to have erased the holder, after the plan expired, or when the date
    of that plan moved last; `status` and `address` are the last known ones. `unseen`: the time since which complete
    readings do not list the license.
    """

    uuid: UUID
    plan: UUID
    status: LicenseStatus
    address: str | None = None
    lms_user_id: int | None = None
    renewed_to: UUID | None = None
    retired: datetime | None = None
    unseen: datetime | None = None

    @property
    def lost(self) -> datetime | None:
        """Return the time since which no person holds it upstream, though one did before."""
        return self.retired or self.unseen

    @property
    def is_current(self) -> bool:
        """Return whether a person holds it upstream today.

        Only then does it protect another license.
        """
        return self.status in HELD and self.lost is None


@dataclass(frozen=True)
class LicenseFacts:
    """Every fact that a decision depends on.

    `events` are the times of past actions, by license, name and the plan's expiration then; `refusals` the times at
    which the LMS refused an address, by customer and `email_key`.
    """

    plans: Mapping[UUID, Plan]
    licenses: Mapping[UUID, HeldLicense]
    events: Mapping[tuple[UUID, EventName, datetime], datetime] = field(default_factory=dict)
    refusals: Mapping[tuple[UUID, str], datetime] = field(default_factory=dict)
