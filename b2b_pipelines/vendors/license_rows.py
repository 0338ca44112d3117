"""Read rows of license-manager's answers strictly: agreements with plans, and licenses.

A malformed row raises `KeyError`, `TypeError`, `ValueError` or `AttributeError`; the texts repeat no address and no
key.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from b2b_pipelines.inputs.text import storable
from b2b_pipelines.inputs.times import utc

STATUSES = ("unassigned", "assigned", "activated", "revoked")


@dataclass(frozen=True, slots=True)
class LicenseCounts:
    """Licenses of a plan by status, as license-manager counts them."""

    assigned: int
    activated: int
    revoked: int
    unassigned: int

    @property
    def given_out(self) -> int:
        """Return the number of rows in the listing of assigned licenses.

        `total` would omit revoked ones.
        """
        return self.assigned + self.activated + self.revoked


@dataclass(frozen=True, slots=True)
class ListedRenewal:
    """A renewal of plan `prior` by plan `renewed`, effective when the renewed plan starts."""

    prior: UUID
    renewed: UUID
    effective_date: datetime


@dataclass(frozen=True, slots=True)
class ListedPlan:
    """A subscription plan.

    None marks fields that the answer omits: `for_internal_use_only` (today's servers omit it), `plan_type`, `counts`,
    `renewals` and the two numbers of days. A caller keeps its stored value then.
    """

    uuid: UUID
    title: str
    start_date: datetime
    expiration_date: datetime
    is_active: bool
    for_internal_use_only: bool | None = None
    plan_type: str | None = None
    counts: LicenseCounts | None = None
    renewals: tuple[ListedRenewal, ...] | None = None
    days_until_expiration: int | None = None
    days_until_expiration_including_renewals: int | None = None

    @property
    def expects_renewal(self) -> bool:
        """Return whether the plan has a renewal, processed or not.

        License-manager then counts days beyond its expiration.
        """
        days, with_renewals = self.days_until_expiration, self.days_until_expiration_including_renewals
        return days is not None and with_renewals is not None and with_renewals > days


@dataclass(frozen=True, slots=True)
class RefusedPlan:
    """A plan that cannot be used, and why.

    Its uuid is known, and its `renewals` and `counts` were read. The stored plan and its licenses stay; the plan must
    not be marked as no longer seen.
    """

    uuid: UUID
    reason: str
    counts: LicenseCounts | None = None
    renewals: tuple[ListedRenewal, ...] | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """A customer's agreement with all its plans, inactive and expired ones included.

    `name`: None with today's servers; the slug is shown then. `plans` and `refused` together are all plans.
    """

    uuid: UUID
    customer: UUID
    slug: str | None
    name: str | None
    plans: tuple[ListedPlan, ...]
    refused: tuple[RefusedPlan, ...] = ()
    purge_days: int | None = None
    """Days after a plan's expiration from which on its licenses are retired; None when the answer omits it."""

    @property
    def listed(self) -> tuple[ListedPlan | RefusedPlan, ...]:
        """Return all plans, the refused ones last."""
        return (*self.plans, *self.refused)

    @property
    def renewals(self) -> tuple[ListedRenewal, ...]:
        """Return every renewal between two plans, each once, oldest first.

        The renewing plan lists them.
        """
        listed = {renewal for plan in self.listed for renewal in plan.renewals or ()}
        return tuple(sorted(listed, key=lambda renewal: (renewal.effective_date, renewal.prior, renewal.renewed)))

    @property
    def lists_renewals(self) -> bool:
        """Return whether every plan has its list of renewals.

        Only then does an unlisted renewal count as gone.
        """
        return all(plan.renewals is not None for plan in self.listed)

    @property
    def renewals_without_plan(self) -> tuple[UUID, ...]:
        """Return the plans whose renewal is pending without a renewed plan.

        License-manager counts days beyond their expiration, and no renewal names them as prior (recorded:
        `agreement-with-prior-renewals`, "Chain 4").
        """
        prior = {renewal.prior for renewal in self.renewals}
        return tuple(plan.uuid for plan in self.plans if plan.expects_renewal and plan.uuid not in prior)


@dataclass(frozen=True, slots=True)
class ListedLicense:
    """A license. Its activation key is a secret and is never read.

    Unassigned licenses come only without a status filter.
    """

    uuid: UUID
    plan: UUID
    status: str
    user_email: str | None
    activation_date: datetime | None
    revoked_date: datetime | None


def read_agreement(row: dict[str, Any]) -> Agreement:
    """Return the agreement, its unusable plans among `refused`.

    A plan without a readable uuid, renewals or counts is not refused by itself: the row is malformed, because leaving
    out an unknown plan or a renewal would end enrollments of people who are entitled.
    """
    plans = [_plan_or_refusal(plan) for plan in row["subscriptions"]]
    return Agreement(
        uuid=UUID(row["uuid"]),
        customer=UUID(row["enterprise_customer_uuid"]),
        slug=_storable(row.get("enterprise_customer_slug"), "enterprise_customer_slug"),
        name=_storable(row.get("enterprise_customer_name"), "enterprise_customer_name"),
        plans=tuple(plan for plan in plans if isinstance(plan, ListedPlan)),
        refused=tuple(plan for plan in plans if isinstance(plan, RefusedPlan)),
        purge_days=_purge_days(row.get("license_duration_before_purge")),
    )


def read_license(row: dict[str, Any], plan: UUID) -> ListedLicense:
    """Return the license, which must be one of `plan`."""
    uuid = UUID(row["uuid"])
    if UUID(row["subscription_plan_uuid"]) != plan:
        raise ValueError(f"license {uuid} is of another plan")
    if row["status"] not in STATUSES:
        raise ValueError(f"license {uuid} has an unknown status")
    email = row["user_email"]
    if not isinstance(email, str | None):
        raise TypeError(f"the address of license {uuid} is not text")
    _storable(email, f"the address of license {uuid}")
    return ListedLicense(
        uuid,
        plan,
        row["status"],
        email,
        _time_or_none(row.get("activation_date"), f"activation_date of license {uuid}"),
        _time_or_none(row.get("revoked_date"), f"revoked_date of license {uuid}"),
    )


def _purge_days(duration: object) -> int | None:
    """Return the days of a duration as Django REST writes it ("90 00:00:00").

    None for anything else.
    """
    days = str(duration).partition(" ")[0]
    return int(days) if isinstance(duration, str) and days.isdecimal() else None


def _plan_or_refusal(row: dict[str, Any]) -> ListedPlan | RefusedPlan:
    uuid = UUID(row["uuid"])
    renewals, counts = _renewals(row, uuid), _counts(row, uuid)
    try:
        return _plan(row, uuid, renewals, counts)
    except KeyError as error:
        return RefusedPlan(uuid, f"the plan has no {error}", counts, renewals)
    except (TypeError, ValueError) as error:
        return RefusedPlan(uuid, str(error), counts, renewals)


def _plan(
    row: dict[str, Any], uuid: UUID, renewals: tuple[ListedRenewal, ...] | None, counts: LicenseCounts | None
) -> ListedPlan:
    title, active, internal, kind = (
        row["title"],
        row["is_active"],
        row.get("for_internal_use_only"),
        row.get("plan_type"),
    )
    if not isinstance(title, str) or not isinstance(kind, str | None):
        raise TypeError("its title or plan_type is not text")
    if not isinstance(active, bool) or not isinstance(internal, bool | None):
        raise TypeError("its is_active or for_internal_use_only is not a boolean")
    start, expiration = _time(row["start_date"], "start_date"), _time(row["expiration_date"], "expiration_date")
    if start >= expiration:
        raise ValueError(f"it does not start ({start.isoformat()}) before it expires ({expiration.isoformat()})")
    return ListedPlan(
        uuid=uuid,
        title=_storable(title, "its title") or "",
        start_date=start,
        expiration_date=expiration,
        is_active=active,
        for_internal_use_only=internal,
        plan_type=_storable(kind, "its plan_type"),
        counts=counts,
        renewals=renewals,
        days_until_expiration=_days(row, "days_until_expiration"),
        days_until_expiration_including_renewals=_days(row, "days_until_expiration_including_renewals"),
    )


def _renewals(row: dict[str, Any], plan: UUID) -> tuple[ListedRenewal, ...] | None:
    """Return the renewals that led to this plan; None when the answer omits them."""
    entries = row.get("prior_renewals")
    if entries is None:
        return None
    if not isinstance(entries, list):
        raise TypeError(f"prior_renewals of plan {plan} is not a list")
    return tuple(_renewal(entry, plan) for entry in entries)


def _renewal(entry: dict[str, Any], plan: UUID) -> ListedRenewal:
    # The times are written with a blank: "2026-10-24 08:14:33.194172+00:00".
    return ListedRenewal(
        prior=UUID(entry["prior_subscription_plan_id"]),
        renewed=UUID(entry["renewed_subscription_plan_id"]),
        effective_date=_time(entry["renewed_subscription_plan_start_date"], f"a renewal of plan {plan}"),
    )


def _counts(row: dict[str, Any], plan: UUID) -> LicenseCounts | None:
    """Return the counts by status; None when the answer omits them."""
    counts = row.get("licenses")
    if counts is None:
        return None
    numbers = {"unassigned": counts.get("unassigned", 0), **{status: counts[status] for status in STATUSES[1:]}}
    if not all(_is_count(number) for number in numbers.values()):
        raise TypeError(f"the license counts of plan {plan} are not numbers")
    return LicenseCounts(**numbers)


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _days(row: dict[str, Any], name: str) -> int | None:
    days = row.get(name)
    if days is not None and (not isinstance(days, int) or isinstance(days, bool)):
        raise TypeError(f"its {name} is not a whole number")
    return days


def _storable(text: str | None, what: str) -> str | None:
    try:
        return None if text is None else storable(text)
    except ValueError as error:
        raise ValueError(f"{what} {error}") from None


def _time(value: object, what: str) -> datetime:
    if not isinstance(value, str):
        raise TypeError(f"{what} is not a time")
    try:
        return utc(value)
    except ValueError as error:
        raise ValueError(f"{what} {error}") from None


def _time_or_none(value: object, what: str) -> datetime | None:
    return _time(value, what) if value else None
