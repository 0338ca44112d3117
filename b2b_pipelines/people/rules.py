"""Roles, passwords that are accepted, and how long wrong ones block. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum

from b2b_pipelines.errors import InvalidInput

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 200
FREE_FAILURES = 5
LONGEST_BLOCK = timedelta(minutes=15)


class Role(StrEnum):
    """What a person may do: a viewer reads, a manager reads addresses and changes contracts too."""

    VIEWER = "viewer"
    MANAGER = "manager"


def role(value: str) -> Role:
    """Return the role of that name. Raises `InvalidInput`."""
    try:
        return Role(value.strip().lower())
    except ValueError:
        raise InvalidInput(f"{value!r} is not a role: use {' or '.join(Role)}") from None


def check_password(password: str, email: str) -> None:
    """Raise `InvalidInput` for a password that is too short, too long, or the address. Length counts, not its signs."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInput(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    if password.strip().casefold() == email.casefold() or len(set(password)) < 4:
        raise InvalidInput("this password is too easy to guess: choose another one")


def blocked_until(failures: int, now: datetime) -> datetime | None:
    """Return until when sign-ins are refused after so many wrong passwords in a row: 1 s, 2 s, 4 s … up to 15 minutes."""
    if failures < FREE_FAILURES:
        return None
    return now + min(timedelta(seconds=2 ** min(failures - FREE_FAILURES, 20)), LONGEST_BLOCK)
