"""Roles, passwords and blocks."""

from datetime import UTC, datetime, timedelta

import pytest

from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.people.rules import blocked_until, check_password, role

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "password", ["short", "x" * 201, "jo.smith@example.com", "JO.SMITH@example.com", "aaaaaaaaaaaaaaaa", ""]
)
def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput):
        check_password(password, "jo.smith@example.com")


def test_any_long_password_is_accepted_whatever_its_signs() -> None:
    check_password("correct horse battery", "jo.smith@example.com")


def test_wrong_passwords_block_longer_each_time_up_to_a_quarter_of_an_hour() -> None:
    assert blocked_until(4, NOW) is None
    assert [blocked_until(failures, NOW) for failures in (5, 6, 7)] == [
        NOW + timedelta(seconds=seconds) for seconds in (1, 2, 4)
    ]
    assert blocked_until(10_000, NOW) == NOW + timedelta(minutes=15)


def test_there_are_two_roles() -> None:
    assert (role("viewer"), role(" Manager ")) == ("viewer", "manager")
    with pytest.raises(InvalidInput, match="viewer or manager"):
        role("owner")
