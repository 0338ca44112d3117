"""The time at which a vendor admits another attempt. Imports no HTTP client, because Google is asked without httpx."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after(header: str | None) -> float | None:
    """Return the seconds of a `Retry-After`, a number or an HTTP date.

    None when absent or invalid.
    """
    answer = (header or "").strip()
    if answer.isascii() and answer.replace(".", "", 1).isdecimal():
        return float(answer)
    try:
        moment = parsedate_to_datetime(answer)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
