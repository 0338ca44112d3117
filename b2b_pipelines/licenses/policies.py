"""The policy of decisions on licenses, from the settings."""

from datetime import UTC, datetime, timedelta

from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.licenses.facts import Policy
from b2b_pipelines.settings import Settings

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


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
    if now - EARLIEST < made.margin or LATEST - now < made.margin:
        raise InvalidInput(f"the time of decision {now.isoformat()} is out of range")
    return made
