"""Times and days from outside."""

from datetime import UTC, date, datetime

from b2b_pipelines.errors import InvalidInput


def utc(value: str) -> datetime:
    """Return the time of an ISO 8601 text with a zone, in UTC. Raises `ValueError`."""
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("is not an ISO 8601 time with a zone, such as 2025-01-31T00:00:00Z")


def day(value: str) -> date:
    """Return the day of `YYYY-MM-DD`. Raises `InvalidInput`."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise InvalidInput(f"{value!r} is not a date: use YYYY-MM-DD") from None
