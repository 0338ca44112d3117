"""The table of decisions about expired licenses, for one license at a time: the reference for the statement.

`verdicts.decide` decides the same, set-based, in the database. A test compares the two on random facts. Every time is an
argument, and UTC.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from b2b_pipelines.licenses.facts import HELD, OVERDUE, EventName, Hold, LicenseStatus, Policy
from b2b_pipelines.licenses.identity import email_key, person_key
from b2b_pipelines.licenses.rules import Decision, Verdict


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


def decide(expired: HeldLicense, facts: LicenseFacts, policy: Policy) -> Verdict | None:
    """Return the decision about a license.

    None unless it is assigned or activated and its plan has expired. Licenses of internal plans are left out unless the
    policy takes them in; they protect either way.
    """
    plan = facts.plans[expired.plan]
    if (
        plan.expiration_date > policy.now
        or expired.status not in HELD
        or (plan.is_internal(policy) and not policy.include_internal)
    ):
        return None
    decision, evidence = _first_match(expired, plan, facts, policy)
    return Verdict(
        expired.uuid,
        plan.uuid,
        plan.customer,
        plan.expiration_date,
        decision,
        retired=bool(expired.retired),
        **evidence,
    )


def _first_match(
    expired: HeldLicense, plan: Plan, facts: LicenseFacts, policy: Policy
) -> tuple[Decision, dict[str, Any]]:
    if plan.hold and plan.hold.since > policy.hold_cutoff:
        return Decision.HELD, {"moment": plan.hold.moved_from, "since": plan.hold.since}
    successor = facts.licenses.get(expired.renewed_to) if expired.renewed_to else None
    if successor and successor.is_current and (end := facts.plans[successor.plan].trusted_end(policy)) > policy.now:
        return Decision.RENEWED, {"witness": successor.uuid, "moment": end}
    for renewal, renewed in renewals_that_hold(plan, facts, policy):
        if renewed and (end := renewed.trusted_end(policy)) > policy.now:
            return Decision.PLAN_RENEWAL_PENDING, {"witness": renewed.uuid, "moment": end}
        if not renewal.processed:
            return Decision.PLAN_RENEWAL_PENDING, {}
    terminated_at = facts.events.get((expired.uuid, EventName.TERMINATED, plan.expiration_date))
    if terminated_at is None:
        return Decision.TERMINATE, {}
    gone = plan.renewal_gone if plan.renewal_gone and plan.renewal_gone > terminated_at else None
    rests_since = gone or terminated_at
    rests = rests_since > policy.hold_cutoff
    if plan.expiration_date >= policy.cutoff or rests:
        return Decision.IN_GRACE, {"since": rests_since, "moment": gone} if rests else {}
    if unlinked_at := facts.events.get((expired.uuid, EventName.UNLINKED, plan.expiration_date)):
        return Decision.ALREADY_UNLINKED, {"moment": unlinked_at}
    key = email_key(expired.address)
    if key is None:
        return Decision.NO_EMAIL, {}
    if refused_at := facts.refusals.get((plan.customer, key)):
        return Decision.REFUSED, {"moment": refused_at}
    if protector := _protector(expired, plan.customer, facts, policy):
        return Decision.PROTECTED, {
            "witness": protector.uuid,
            "moment": facts.plans[protector.plan].trusted_end(policy),
        }
    if plan.customer not in policy.unlinking:
        return Decision.UNLINK_DISABLED, {}
    return Decision.UNLINK, {"missing_since": _missing_since(expired, plan.customer, facts, policy)}


def renewals_that_hold(plan: Plan, facts: LicenseFacts, policy: Policy) -> Iterator[tuple[Renewal, Plan | None]]:
    """Yield the plan's renewal with the renewed plan, then that plan's own, and so on.

    The chain ends at a renewal into an inactive plan (a cancelled trial) and at an overdue one: they hold nothing.
    """
    passed: set[UUID] = set()
    while (renewal := plan.renewal) and plan.uuid not in passed:
        passed.add(plan.uuid)
        renewed = facts.plans[renewal.renewed_plan] if renewal.renewed_plan else None
        if (renewed and not renewed.is_active) or renewal.is_overdue(plan, policy.now):
            return
        yield renewal, renewed
        if renewed is None:
            return
        plan = renewed


def _protector(expired: HeldLicense, customer: UUID, facts: LicenseFacts, policy: Policy) -> HeldLicense | None:
    """Return another license of the same person and customer that protects the expired one.

    It belongs to an active plan that is current, upcoming or in its own grace period; of several, the one that lasts
    longest.
    """

    protectors = sorted(
        (other for other in _of_the_person(expired, customer, facts, policy) if other.is_current),
        key=lambda other: other.uuid,
    )
    return max(protectors, key=lambda other: facts.plans[other.plan].trusted_end(policy), default=None)


def _missing_since(expired: HeldLicense, customer: UUID, facts: LicenseFacts, policy: Policy) -> datetime | None:
    """Return since when a license that would protect the expired one is missing; None beyond the hold's length."""
    missing = [other.lost for other in _of_the_person(expired, customer, facts, policy) if other.lost]
    return max((since for since in missing if since > policy.hold_cutoff), default=None)


def _of_the_person(expired: HeldLicense, customer: UUID, facts: LicenseFacts, policy: Policy) -> Iterator[HeldLicense]:
    """Yield the other licenses of the person that protect the expired one as long as they are listed."""
    for other in facts.licenses.values():
        plan = facts.plans[other.plan]
        if (
            other.uuid != expired.uuid
            and other.status in HELD
            and plan.customer == customer
            and plan.is_active
            and plan.trusted_end(policy) >= policy.cutoff
            and same_person(expired, other)
        ):
            yield other


def same_person(one: HeldLicense, other: HeldLicense) -> bool:
    """Return whether both have the same person's address or the same LMS user.

    Unknown equals nothing.
    """
    key = person_key(one.address)
    by_address = key is not None and key == person_key(other.address)
    return by_address or (one.lms_user_id is not None and one.lms_user_id == other.lms_user_id)
