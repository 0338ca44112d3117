"""What is to be done about an expired license, in which order, and why. Pure: every time is an argument, and UTC.

The database decides the same, set-based, in `store.decide`. `decide` here says it for one license at a time and reads
like the table it comes from: the tests hold the two against each other.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")

BATCH = 100
"""The most licenses, or addresses, that the LMS is sent at once."""

ADDRESS = re.compile(r"[^@\s,;:<>()\[\]\"\\]+@[^@\s,;:<>()\[\]\"\\.]+(\.[^@\s,;:<>()\[\]\"\\.]+)+")

FRESH = timedelta(hours=24)
"""How long after a plan's end the LMS may end enrollments that were changed since."""


class LicenseStatus(StrEnum):
    """Where a license stands in license-manager."""

    UNASSIGNED = "unassigned"
    ASSIGNED = "assigned"
    ACTIVATED = "activated"
    REVOKED = "revoked"


HELD = frozenset({LicenseStatus.ASSIGNED, LicenseStatus.ACTIVATED})
"""The licenses that somebody holds."""


class EventName(StrEnum):
    """What was done: the licensed enrollments were ended; the learner was unlinked from the customer."""

    TERMINATED = "terminated"
    UNLINKED = "unlinked"


class Decision(StrEnum):
    """What is to be done about an expired license; the first that fits, in this order."""

    RENEWED = "renewed"
    PLAN_RENEWAL_PENDING = "plan_renewal_pending"
    TERMINATE = "terminate"
    IN_GRACE = "in_grace"
    ALREADY_UNLINKED = "already_unlinked"
    NO_EMAIL = "no_email"
    REFUSED = "refused"
    PROTECTED = "protected"
    UNLINK_DISABLED = "unlink_disabled"
    UNLINK = "unlink"


@dataclass(frozen=True, slots=True)
class Policy:
    """The moment of decision and what the installation allows.

    A plan is past its grace when its expiration date is strictly before `now - grace`.
    """

    now: datetime
    grace: timedelta = timedelta(days=90)
    unlinking: frozenset[UUID] = frozenset()
    include_internal: bool = False

    @property
    def cutoff(self) -> datetime:
        return self.now - self.grace


@dataclass(frozen=True, slots=True)
class Renewal:
    """That a plan is continued by another one, which may not be made yet."""

    renewed_plan: UUID | None
    processed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What the rules know of a subscription plan. It is valid before `expiration_date`, and not at it."""

    uuid: UUID
    customer: UUID
    expiration_date: datetime
    is_active: bool = True
    internal: bool = False
    renewal: Renewal | None = None


@dataclass(frozen=True, slots=True)
class HeldLicense:
    """What the rules know of a license, of whatever status. `email_key` is None without an address."""

    uuid: UUID
    plan: UUID
    status: LicenseStatus
    email_key: str | None = None
    lms_user_id: int | None = None
    renewed_to: UUID | None = None


@dataclass(frozen=True)
class World:
    """Everything a decision may depend on. `events` are by license, name and the plan's expiration then: when it was done;
    `refusals` by customer and address: when the LMS refused it."""

    plans: Mapping[UUID, Plan]
    licenses: Mapping[UUID, HeldLicense]
    events: Mapping[tuple[UUID, EventName, datetime], datetime] = field(default_factory=dict)
    refusals: Mapping[tuple[UUID, str], datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision about one expired license.

    `witness` is the license or plan that the decision rests on, `moment` the time that goes with it: the end of that
    license's plan, or when the thing was done that is already done.
    """

    license_uuid: UUID
    plan_uuid: UUID
    customer: UUID
    expiration_date: datetime
    decision: Decision
    witness: UUID | None = None
    moment: datetime | None = None

    def reason(self, policy: Policy) -> str:
        """Why, in words that name licenses and plans and nobody."""
        moment = _said(self.moment)
        match self.decision:
            case Decision.RENEWED:
                return f"renewed to license {self.witness}, whose plan ends {moment}"
            case Decision.PLAN_RENEWAL_PENDING if self.witness:
                return f"the plan is renewed by plan {self.witness}, which ends {moment}"
            case Decision.PLAN_RENEWAL_PENDING:
                return "the renewal of the plan is not processed yet"
            case Decision.TERMINATE:
                return f"no enrollments were ended yet for the expiration of {_said(self.expiration_date)}"
            case Decision.IN_GRACE:
                return f"enrollments ended; in grace through {_said(self.expiration_date + policy.grace)}"
            case Decision.ALREADY_UNLINKED:
                return f"unlinked {moment}"
            case Decision.NO_EMAIL:
                return "the license has no e-mail address to unlink by"
            case Decision.REFUSED:
                return f"the LMS refused the address {moment}, and it has not changed since"
            case Decision.PROTECTED:
                return f"the same person holds license {self.witness}, whose plan ends {moment}"
            case Decision.UNLINK_DISABLED:
                return "the customer is not listed in B2B_UNLINK_CUSTOMERS"
            case Decision.UNLINK:
                return f"enrollments ended, and the grace ended {_said(self.expiration_date + policy.grace)}"

    def is_due(self, policy: Policy) -> bool:
        """Past its grace, and neither renewed nor unlinked: somebody who is unlinked, or whose reason not to be counts."""
        done = {Decision.RENEWED, Decision.PLAN_RENEWAL_PENDING, Decision.IN_GRACE, Decision.ALREADY_UNLINKED}
        return self.expiration_date < policy.cutoff and self.decision not in done


def email_key(address: str | None) -> str | None:
    """What an address is compared by, and sent as: without case and surrounding space; None when nothing is left."""
    return (address or "").strip().lower() or None


def is_plausible(address: str) -> bool:
    """Whether a text looks like an e-mail address, so that one wonders why the LMS would refuse it."""
    return ADDRESS.fullmatch(address) is not None


def decide(expired: HeldLicense, world: World, policy: Policy) -> Verdict | None:
    """The decision about a license; None when it is not an expired license that somebody holds.

    Licenses of internal plans are left out unless the policy takes them in; they protect either way.
    """
    plan = world.plans[expired.plan]
    if (
        plan.expiration_date > policy.now
        or expired.status not in HELD
        or (plan.internal and not policy.include_internal)
    ):
        return None
    decision, witness, moment = _first_match(expired, plan, world, policy)
    return Verdict(expired.uuid, plan.uuid, plan.customer, plan.expiration_date, decision, witness, moment)


def _first_match(
    expired: HeldLicense, plan: Plan, world: World, policy: Policy
) -> tuple[Decision, UUID | None, datetime | None]:
    successor = world.licenses.get(expired.renewed_to) if expired.renewed_to else None
    if successor and successor.status in HELD and world.plans[successor.plan].expiration_date > policy.now:
        return Decision.RENEWED, successor.uuid, world.plans[successor.plan].expiration_date
    if renewal := plan.renewal:
        renewed = world.plans[renewal.renewed_plan] if renewal.renewed_plan else None
        if renewed and renewed.expiration_date > policy.now:
            return Decision.PLAN_RENEWAL_PENDING, renewed.uuid, renewed.expiration_date
        if not renewal.processed:
            return Decision.PLAN_RENEWAL_PENDING, None, None
    if (expired.uuid, EventName.TERMINATED, plan.expiration_date) not in world.events:
        return Decision.TERMINATE, None, None
    if plan.expiration_date >= policy.cutoff:
        return Decision.IN_GRACE, None, None
    if unlinked_at := world.events.get((expired.uuid, EventName.UNLINKED, plan.expiration_date)):
        return Decision.ALREADY_UNLINKED, None, unlinked_at
    if expired.email_key is None:
        return Decision.NO_EMAIL, None, None
    if refused_at := world.refusals.get((plan.customer, expired.email_key)):
        return Decision.REFUSED, None, refused_at
    if protector := _protector(expired, plan.customer, world, policy):
        return Decision.PROTECTED, protector.uuid, world.plans[protector.plan].expiration_date
    return (Decision.UNLINK if plan.customer in policy.unlinking else Decision.UNLINK_DISABLED), None, None


def _protector(expired: HeldLicense, customer: UUID, world: World, policy: Policy) -> HeldLicense | None:
    """Another license of the same person and customer, in an active plan that is current, upcoming or in its own grace;
    of several the one that lasts longest."""

    def protects(other: HeldLicense) -> bool:
        plan = world.plans[other.plan]
        return (
            other.uuid != expired.uuid
            and other.status in HELD
            and plan.customer == customer
            and plan.is_active
            and plan.expiration_date >= policy.cutoff
            and same_person(expired, other)
        )

    protectors = sorted(filter(protects, world.licenses.values()), key=lambda other: other.uuid)
    return max(protectors, key=lambda other: world.plans[other.plan].expiration_date, default=None)


def same_person(one: HeldLicense, other: HeldLicense) -> bool:
    """The same address without case, or the same LMS user: what is unknown is like nobody's."""
    by_address = one.email_key is not None and one.email_key == other.email_key
    return by_address or (one.lms_user_id is not None and one.lms_user_id == other.lms_user_id)


def is_newly_processed(
    expiration: datetime,
    now: datetime,
    *,
    known: datetime | None,
    processed_for: datetime | None,
    said_before: bool,
) -> bool:
    """Whether an imported `expiration_processed` says something new: that the licenses known now are terminated.

    Nothing is processed for a date that is still to come. A plan that was processed and is extended keeps saying so: that
    says nothing about a date later than the `known` one (None for a plan that was not known), or than the one that it was
    `processed_for`. Said again it says nothing about licenses that came since, unless the plan now ends earlier.
    """
    if expiration > now:
        return False
    if known is None:
        return True
    if said_before:
        return processed_for is not None and expiration < processed_for
    return expiration <= min(known, processed_for or known)


def ignore_enrollments_modified_after(expiration: datetime, now: datetime) -> datetime | None:
    """Enrollments that changed after this are none of ours: someone may have paid for them since the plan ended."""
    return expiration if now - expiration > FRESH else None


def oldest_first(plans: Mapping[UUID, datetime], renewals: Mapping[UUID, UUID]) -> list[UUID]:
    """Plans (with their expiration) in the order to process them: by expiration, but the plans of a renewal chain one
    after the other, each before the one that renews it. `renewals` are prior → renewed and have no cycle."""
    priors = {renewed: prior for prior, renewed in renewals.items()}

    def place(plan: UUID) -> tuple[datetime, UUID, int]:
        first, step, depth = plan, priors.get(plan), 0
        while step is not None:
            first, step, depth = (step if step in plans else first), priors.get(step), depth + 1
        return plans[first], first, depth

    return sorted(plans, key=place)


def in_cycles(renewals: Mapping[UUID, UUID]) -> frozenset[UUID]:
    """The plans that renew themselves in the end. `renewals` are prior → renewed."""
    found: set[UUID] = set()
    done: set[UUID] = set()
    for start in renewals:
        path: dict[UUID, None] = {}
        plan: UUID | None = start
        while plan is not None and plan not in done and plan not in path:
            path[plan] = None
            plan = renewals.get(plan)
        if plan in path:
            trail = list(path)
            found.update(trail[trail.index(plan) :])
        done.update(path)
    return frozenset(found)


def batches(items: Sequence[T], size: int = BATCH) -> list[Sequence[T]]:
    """The items in their order, `size` at a time."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def culprits(batch: Sequence[T], accepted: Callable[[Sequence[T]], bool], *, sent: bool = True) -> list[T]:
    """What is refused when sent alone, out of a batch that was refused as a whole; all else gets accepted on the way.

    `accepted` sends a part and says whether it went through. When the first half does, the culprit must be in the
    second, which is then split without being sent: one culprit among 100 costs at most 13 calls. With `sent=False` the
    batch itself has not been sent yet; only a single that was sent alone counts as a culprit.
    """
    if len(batch) == 1:
        return [] if not sent and accepted(batch) else list(batch)
    middle = len(batch) // 2
    first, second = batch[:middle], batch[middle:]
    if accepted(first):
        return culprits(second, accepted, sent=False)
    found = culprits(first, accepted)
    return found if accepted(second) else found + culprits(second, accepted)


def _said(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else ""
