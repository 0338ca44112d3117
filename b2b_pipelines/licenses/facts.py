"""The statuses of licenses, past actions, holds, and the policy that decisions rest on. Every time is UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from b2b_pipelines.errors import InvalidInput

if TYPE_CHECKING:
    from b2b_pipelines.settings import Settings

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
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
    """A past action: the licensed enrollments were ended, or the learner was unlinked from the customer."""

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


def policy(settings: Settings, now: datetime, *, include_internal: bool = False) -> Policy:
    """Return the policy that the settings describe, as of `now` (UTC).

    Raises `InvalidInput` at the ends of the calendar.
    """
    made = Policy(
        now=now,
        grace=timedelta(days=settings.unlink_after_days),
        unlinking=settings.unlink_customers,
        include_internal=include_internal,
        hold=timedelta(hours=settings.license_hold_hours),
        internal_plan_types=frozenset(kind.lower() for kind in settings.internal_plan_types),
    )
    longest_period = max(made.grace, made.hold, OVERDUE)
    if now - EARLIEST < longest_period or LATEST - now < longest_period:
        raise InvalidInput(f"the time of decision {now.isoformat()} is out of range")
    return made


@dataclass(frozen=True, slots=True)
class Hold:
    """A move of a plan's expiration date into the past: the former date, and the time noticed."""

    moved_from: datetime
    since: datetime
