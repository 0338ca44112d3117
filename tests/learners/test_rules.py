"""Decisions on joining a contract, case by case and in general."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.errors import InvalidInput
from b2b_pipelines.learners.rules import OfferedCode, Outcome, Place, admits, email_address, join, join_with_code

ONE_TIME = OfferedCode(active=True, one_time=True, attached_by_another=False)
SPENT = OfferedCode(active=True, one_time=True, attached_by_another=True)
UNLIMITED_IN_USE = OfferedCode(active=True, one_time=False, attached_by_another=True)
INACTIVE = OfferedCode(active=False, one_time=True, attached_by_another=False)

ROOM = Place(attached=False, open=True, cap=2, taken=1)
NO_CAP = Place(attached=False, open=True, cap=None, taken=10_000)
FULL = Place(attached=False, open=True, cap=2, taken=2)
SHUT = Place(attached=False, open=False, cap=2, taken=2)
INSIDE = Place(attached=True, open=False, cap=2, taken=2)

codes = st.none() | st.builds(OfferedCode, st.booleans(), st.booleans(), st.booleans())
places = st.builds(Place, st.booleans(), st.booleans(), st.none() | st.integers(1, 5), st.integers(0, 7))


@pytest.mark.parametrize(
    ("code", "place", "outcome"),
    [
        pytest.param(ONE_TIME, ROOM, Outcome.ATTACHED, id="room"),
        pytest.param(UNLIMITED_IN_USE, NO_CAP, Outcome.ATTACHED, id="no-cap"),
        pytest.param(ONE_TIME, INSIDE, Outcome.ALREADY_ATTACHED, id="inside-though-shut-and-full"),
        pytest.param(None, INSIDE, Outcome.INVALID_CODE, id="no-such-code"),
        pytest.param(INACTIVE, INSIDE, Outcome.INVALID_CODE, id="inactive-code-even-for-those-inside"),
        pytest.param(SPENT, ROOM, Outcome.INVALID_CODE, id="spent-by-another"),
        pytest.param(ONE_TIME, SHUT, Outcome.CONTRACT_NOT_OPEN, id="shut-before-full"),
        pytest.param(ONE_TIME, FULL, Outcome.CONTRACT_FULL, id="full"),
        pytest.param(SPENT, SHUT, Outcome.INVALID_CODE, id="code-before-contract"),
    ],
)
def test_joining_with_a_code(code: OfferedCode | None, place: Place, outcome: Outcome):
    assert join_with_code(code, place) == outcome


@given(codes, places)
def test_nobody_takes_a_seat_that_is_not_there(code: OfferedCode | None, place: Place):
    if join_with_code(code, place) == Outcome.ATTACHED:
        assert code is not None
        assert admits(code)
        assert place.open
        assert not place.attached
        assert place.cap is None or place.taken < place.cap


@given(places)
def test_force_overlooks_days_and_cap_and_nothing_else(place: Place):
    assert join(place, forced=True) == (Outcome.ALREADY_ATTACHED if place.attached else Outcome.ATTACHED)


@pytest.mark.parametrize("said", ["jane@example.com", " Jane.Doe+b2b@Example.COM ", "jörg@exämple.de"])
def test_an_address_is_kept_as_it_was_given(said: str):
    assert email_address(said) == said.strip()


@pytest.mark.parametrize(
    "said",
    ["", "jane", "jane@", "@example.com", "a@b", "a b@example.com", "a@x\x00y.de", "x@example.com, y@example.com"],
)
def test_what_is_no_address_is_refused_without_quoting_it(said: str):
    with pytest.raises(InvalidInput) as refused:
        email_address(said)
    assert said == "" or said not in refused.value.message
