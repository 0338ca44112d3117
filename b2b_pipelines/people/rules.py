"""Decide on roles, passwords, and the block after wrong ones. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum

from b2b_pipelines.errors import InvalidInput

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 200
FREE_FAILURES = 5
LONGEST_BLOCK = timedelta(minutes=15)


class Role(StrEnum):
    """Roles of a person: a viewer reads; a manager also reads addresses and changes contracts."""

    VIEWER = "viewer"
    MANAGER = "manager"


def role(value: str) -> Role:
    """Return the role of that name. Raises `InvalidInput`."""
    try:
        return Role(value.strip().lower())
    except ValueError:
        raise InvalidInput(f"{value!r} is not a role: use {' or '.join(Role)}") from None


def check_password(password: str, email: str) -> None:
    """Raise `InvalidInput` for a password that is too short, too long, or easy to guess.

    The address, and fewer than four different characters, are easy to guess. Kinds of characters are not required.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInput(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
    if password.strip().casefold() == email.casefold() or len(set(password)) < 4:
        raise InvalidInput("this password is too easy to guess: choose another one")


def blocked_until(failures: int, now: datetime) -> datetime | None:
    """Return the time until which sign-ins are refused after so many wrong passwords in a row.

    The block is 1 s, 2 s, 4 s … up to 15 minutes.
    """
    if failures < FREE_FAILURES:
        return None
    return now + min(timedelta(seconds=2 ** min(failures - FREE_FAILURES, 20)), LONGEST_BLOCK)
