"""Rows of license-manager's answers, with every key that it sends (recorded: agreement-with-plans-of-every-kind)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5


@dataclass(frozen=True)
class Renewal:
    """A renewal of the plan `prior`, by the plan `renewed` once that is made. Times are ISO 8601."""

    prior: str
    renewed: str | None
    effective_date: str
    expiration_date: str | None = None


def plan(uuid: UUID | str, title: str, start: str, expiration: str, **fields: Any) -> dict[str, Any]:
    """A plan as it is put in; `fields` replace or add to what the answer computes. Times are ISO 8601."""
    return {
        "title": title,
        "uuid": str(uuid),
        "start_date": start,
        "expiration_date": expiration,
        "is_active": True,
        "plan_type": "Subscription",
        **fields,
    }


def license_row(uuid: UUID | str, plan_uuid: UUID | str, email: str | None, **fields: Any) -> dict[str, Any]:
    """A license as it is listed; `fields` replace or add to it."""
    return {
        "uuid": str(uuid),
        "status": "activated",
        "user_email": email,
        "activation_date": "2025-01-15T09:30:00Z",
        "last_remind_date": "2025-01-10T09:30:00Z",
        "subscription_plan_uuid": str(plan_uuid),
        "revoked_date": None,
        "activation_key": str(uuid5(NAMESPACE_URL, f"secret of {uuid}")),
        **fields,
    }


def agreement_row(customer: str, plans: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """An agreement without what depends on the time. It has no customer's name."""
    return {
        "uuid": str(UUID(int=UUID(customer).int ^ 1)),
        "enterprise_customer_uuid": customer,
        "enterprise_customer_slug": f"customer-{customer[-4:]}",
        "default_enterprise_catalog_uuid": str(uuid5(NAMESPACE_URL, f"catalog of {customer}")),
        "disable_expiration_notifications": False,
        "subscription_for_auto_applied_licenses": None,
        "available_subscription_catalogs": [],
        "enable_auto_applied_subscriptions_with_universal_link": False,
        "has_custom_license_expiration_messaging_v2": None,
        "modal_header_text_v2": None,
        "expired_subscription_modal_messaging_v2": None,
        "button_label_in_modal_v2": None,
        "url_for_button_in_modal_v2": None,
        "subscriptions": plans,
        **fields,
    }


def plan_row(
    put: Mapping[str, Any],
    customer: str,
    counts: Mapping[str, int],
    renewals: Sequence[Renewal],
    plans: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A plan as it is nested in an agreement: what was put in, beside what license-manager computes of it."""
    expiration = put.get("expiration_date")
    by_uuid = {str(each.get("uuid")): each for each in plans}
    return {
        "enterprise_customer_uuid": customer,
        "enterprise_catalog_uuid": str(uuid5(NAMESPACE_URL, f"catalog of {put.get('uuid')}")),
        "is_current": _is_current(put),
        "is_revocation_cap_enabled": False,
        "days_until_expiration": days_until(expiration),
        "days_until_expiration_including_renewals": days_until(_last_expiration(put, renewals, by_uuid)),
        "is_locked_for_renewal_processing": False,
        "should_auto_apply_licenses": None,
        "created": put.get("start_date"),
        "salesforce_opportunity_line_item": "00k000000000000000",
        "licenses": _counts(counts),
        "revocations": None,
        "prior_renewals": _prior_renewals(str(put.get("uuid")), renewals, by_uuid),
        **put,
    }


def days_until(expiration: object) -> int | None:
    """Whole days from now to a time, rounded down; None for what is not a time."""
    try:
        return math.floor((moment(expiration) - datetime.now(UTC)).total_seconds() / 86400)
    except ValueError:
        return None


def moment(value: object) -> datetime:
    """The time that an ISO 8601 text names. Raises `ValueError`."""
    return datetime.fromisoformat(str(value)).astimezone(UTC)


def _is_current(put: Mapping[str, Any]) -> bool:
    try:
        return moment(put.get("start_date")) <= datetime.now(UTC) < moment(put.get("expiration_date"))
    except ValueError:
        return False


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    number = {status: counts.get(status, 0) for status in ("activated", "assigned", "unassigned", "revoked")}
    allocated = number["activated"] + number["assigned"]
    # `total` leaves revoked ones out.
    return {**number, "total": allocated + number["unassigned"], "allocated": allocated}


def _last_expiration(
    put: Mapping[str, Any], renewals: Sequence[Renewal], plans: Mapping[str, Mapping[str, Any]]
) -> object:
    """The expiration of the last plan of the chain that begins with this one."""
    expiration, uuid, seen = put.get("expiration_date"), str(put.get("uuid")), set[str]()
    while uuid not in seen:
        seen.add(uuid)
        following = next((renewal for renewal in renewals if renewal.prior == uuid), None)
        if following is None:
            break
        renewed = plans.get(str(following.renewed), {})
        expiration = renewed.get("expiration_date") or following.expiration_date or expiration
        uuid = str(following.renewed)
    return expiration


def _prior_renewals(
    uuid: str, renewals: Sequence[Renewal], plans: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The renewals that led to a plan, oldest first, as `agreement-with-prior-renewals` has them."""
    found: list[dict[str, Any]] = []
    seen = set[str]()
    while uuid not in seen:
        seen.add(uuid)
        leading = next((renewal for renewal in renewals if renewal.renewed == uuid), None)
        if leading is None:
            break
        prior, renewed = plans.get(leading.prior, {}), plans.get(uuid, {})
        found.insert(
            0,
            {
                "prior_subscription_plan_id": leading.prior,
                "prior_subscription_plan_start_date": _with_blank(prior.get("start_date")),
                "renewed_subscription_plan_id": uuid,
                "renewed_subscription_plan_start_date": _with_blank(renewed.get("start_date")),
            },
        )
        uuid = leading.prior
    return found


def _with_blank(value: object) -> str:
    """A time as Python's `str` writes it: with a blank."""
    try:
        return str(moment(value))
    except ValueError:
        return str(value)
