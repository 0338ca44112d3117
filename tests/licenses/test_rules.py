"""Every row of the table of decisions, and the orders that things are done in."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.licenses.batches import batches, find_rejected
from b2b_pipelines.licenses.expirations import ignore_enrollments_modified_after, is_newly_processed
from b2b_pipelines.licenses.facts import EventName, LicenseStatus, Policy
from b2b_pipelines.licenses.identity import email_key, is_plausible
from b2b_pipelines.licenses.renewals import in_cycles, oldest_first
from b2b_pipelines.licenses.rules import Decision
from tests.licenses.reference import HeldLicense, LicenseFacts, Plan, Renewal, decide

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
LONG_AGO = NOW - timedelta(days=200)
CUSTOMER, STRANGER = UUID(int=1), UUID(int=2)
EXPIRED, OTHER = UUID(int=10), UUID(int=11)
LICENSE, SECOND = UUID(int=100), UUID(int=101)
POLICY = Policy(NOW, unlinking=frozenset({CUSTOMER}))


def world(
    expiration: datetime = LONG_AGO,
    *,
    license: dict | None = None,  # noqa: A002
    plan: dict | None = None,
    second: dict | None = None,
    other: dict | None = None,
    events: Sequence[EventName] = (EventName.TERMINATED,),
    refusals: Sequence[str] = (),
) -> LicenseFacts:
    """One expired plan with one license of jane's, and another plan that may hold a second license."""
    plans = [
        replace(Plan(EXPIRED, CUSTOMER, expiration), **(plan or {})),
        replace(Plan(OTHER, CUSTOMER, NOW + timedelta(days=30)), **(other or {})),
    ]
    licenses = [
        replace(HeldLicense(LICENSE, EXPIRED, LicenseStatus.ACTIVATED, "jane@example.com", 7), **(license or {}))
    ]
    if second is not None:
        licenses.append(replace(HeldLicense(SECOND, OTHER, LicenseStatus.ACTIVATED, "joe@example.com", 8), **second))
    return LicenseFacts(
        {each.uuid: each for each in plans},
        {each.uuid: each for each in licenses},
        {(LICENSE, name, expiration): LONG_AGO for name in events},
        {(CUSTOMER, key): LONG_AGO for key in refusals},
    )


SUCCESSOR = {"license": {"renewed_to": SECOND}}
JANE = {"address": "jane@example.com"}
ENDED, UNLINKED = EventName.TERMINATED, EventName.UNLINKED

CASES = [
    pytest.param(world(NOW + INSTANT), None, None, id="a-plan-is-valid-until-the-last-instant-before-its-expiration"),
    pytest.param(world(NOW, events=()), Decision.TERMINATE, None, id="a-plan-is-expired-at-its-expiration"),
    pytest.param(world(license={"status": LicenseStatus.REVOKED}), None, None, id="nobody-holds-a-revoked-license"),
    pytest.param(
        world(license={"status": LicenseStatus.UNASSIGNED}), None, None, id="nobody-holds-an-unassigned-license"
    ),
    pytest.param(
        world(license={"status": LicenseStatus.ASSIGNED}), Decision.UNLINK, None, id="an-assigned-license-is-held"
    ),
    pytest.param(world(plan={"internal": True}), None, None, id="internal-plans-are-left-out"),
    pytest.param(world(**SUCCESSOR, second={}), Decision.RENEWED, SECOND, id="renewed-to-a-license-that-is-held"),
    pytest.param(
        world(**SUCCESSOR, second={}, events=()), Decision.RENEWED, SECOND, id="renewed-comes-before-terminate"
    ),
    pytest.param(
        world(**SUCCESSOR, second={"status": LicenseStatus.REVOKED}),
        Decision.UNLINK,
        None,
        id="a-revoked-successor-does-not-count",
    ),
    pytest.param(
        world(**SUCCESSOR, second={}, other={"expiration_date": NOW}),
        Decision.UNLINK,
        None,
        id="an-expired-successor-does-not-count",
    ),
    pytest.param(
        world(plan={"renewal": Renewal(OTHER, True)}),
        Decision.PLAN_RENEWAL_PENDING,
        OTHER,
        id="the-renewed-plan-is-not-expired",
    ),
    pytest.param(
        world(plan={"renewal": Renewal(None, False, NOW)}),
        Decision.PLAN_RENEWAL_PENDING,
        None,
        id="the-renewal-is-not-processed-and-has-no-plan",
    ),
    pytest.param(
        world(plan={"renewal": Renewal(OTHER, False, NOW)}, other={"expiration_date": NOW}),
        Decision.PLAN_RENEWAL_PENDING,
        None,
        id="the-renewal-is-not-processed-though-its-plan-expired",
    ),
    pytest.param(
        world(plan={"renewal": Renewal(OTHER, True)}, other={"expiration_date": NOW}),
        Decision.UNLINK,
        None,
        id="the-renewed-plan-is-expired-itself",
    ),
    pytest.param(world(events=()), Decision.TERMINATE, None, id="not-terminated"),
    pytest.param(
        world(events=(UNLINKED,)), Decision.TERMINATE, None, id="unlinked-but-not-terminated-is-terminated-first"
    ),
    pytest.param(world(NOW - timedelta(days=90)), Decision.IN_GRACE, None, id="exactly-90-days-are-in-grace"),
    pytest.param(
        world(NOW - timedelta(days=90) + INSTANT), Decision.IN_GRACE, None, id="a-microsecond-less-is-in-grace"
    ),
    pytest.param(world(NOW - timedelta(days=90) - INSTANT), Decision.UNLINK, None, id="a-microsecond-more-is-not"),
    pytest.param(world(events=(ENDED, UNLINKED)), Decision.ALREADY_UNLINKED, None, id="unlinked-for-this-expiration"),
    pytest.param(world(license={"address": None}), Decision.NO_EMAIL, None, id="no-address"),
    pytest.param(
        world(license={"address": None}, second={"lms_user_id": 7}),
        Decision.NO_EMAIL,
        None,
        id="no-address-comes-before-protected",
    ),
    pytest.param(world(refusals=["jane@example.com"]), Decision.REFUSED, None, id="the-lms-refused-the-address"),
    pytest.param(world(refusals=["old@example.com"]), Decision.UNLINK, None, id="the-address-has-changed-since"),
    pytest.param(world(second=JANE), Decision.PROTECTED, SECOND, id="the-same-address-holds-another-license"),
    pytest.param(
        world(second={"lms_user_id": 7}), Decision.PROTECTED, SECOND, id="the-same-user-holds-another-license"
    ),
    pytest.param(world(second={}), Decision.UNLINK, None, id="somebody-else-holds-another-license"),
    pytest.param(
        world(license={"lms_user_id": None}, second={"lms_user_id": None}),
        Decision.UNLINK,
        None,
        id="unknown-users-are-not-the-same",
    ),
    pytest.param(
        world(second={**JANE, "status": LicenseStatus.REVOKED}), Decision.UNLINK, None, id="revoked-does-not-protect"
    ),
    pytest.param(
        world(second={**JANE, "status": LicenseStatus.UNASSIGNED}),
        Decision.UNLINK,
        None,
        id="unassigned-does-not-protect",
    ),
    pytest.param(
        world(second=JANE, other={"customer": STRANGER}), Decision.UNLINK, None, id="another-customer-does-not-protect"
    ),
    pytest.param(
        world(second=JANE, other={"is_active": False}), Decision.UNLINK, None, id="an-inactive-plan-does-not-protect"
    ),
    pytest.param(
        world(second=JANE, other={"internal": True}), Decision.PROTECTED, SECOND, id="an-internal-plan-protects"
    ),
    pytest.param(
        world(second=JANE, other={"expiration_date": NOW - timedelta(days=90)}),
        Decision.PROTECTED,
        SECOND,
        id="a-plan-in-its-own-grace-protects",
    ),
    pytest.param(
        world(second=JANE, other={"expiration_date": NOW - timedelta(days=90) - INSTANT}),
        Decision.UNLINK,
        None,
        id="a-plan-past-its-grace-does-not-protect",
    ),
    pytest.param(world(plan={"customer": STRANGER}), Decision.UNLINK_DISABLED, None, id="the-customer-is-not-enabled"),
    pytest.param(world(), Decision.UNLINK, None, id="otherwise-unlink"),
]


@pytest.mark.parametrize(("given_world", "decision", "witness"), CASES)
def test_the_first_row_that_fits_decides(
    given_world: LicenseFacts, decision: Decision | None, witness: UUID | None
) -> None:
    verdict = decide(given_world.licenses[LICENSE], given_world, POLICY)
    assert (verdict and verdict.decision) == decision
    if verdict:
        assert verdict.witness == witness
        assert verdict.reason(POLICY)
        assert witness is None or str(witness) in verdict.reason(POLICY)


def test_internal_plans_are_taken_in_when_asked_for() -> None:
    verdict = decide(
        world(plan={"internal": True}).licenses[LICENSE],
        world(plan={"internal": True}),
        replace(POLICY, include_internal=True),
    )
    assert verdict
    assert verdict.decision == Decision.UNLINK


def test_the_grace_is_a_setting() -> None:
    a_day = replace(POLICY, grace=timedelta(days=1))
    there = world(NOW - timedelta(days=1))
    assert decide(there.licenses[LICENSE], there, a_day).decision == Decision.IN_GRACE  # type: ignore[union-attr]
    gone = world(NOW - timedelta(days=1) - INSTANT)
    assert decide(gone.licenses[LICENSE], gone, a_day).decision == Decision.UNLINK  # type: ignore[union-attr]


def test_a_plan_that_was_extended_and_lapsed_again_is_unlinked_again() -> None:
    before, after = LONG_AGO - timedelta(days=365), LONG_AGO
    lapsed = replace(
        world(after),
        events={(LICENSE, ENDED, before): before, (LICENSE, UNLINKED, before): before, (LICENSE, ENDED, after): after},
    )
    assert decide(lapsed.licenses[LICENSE], lapsed, POLICY).decision == Decision.UNLINK  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("address", "key"),
    [(" Jane@Example.COM ", "jane@example.com"), ("", None), ("  ", None), (None, None), ("not one", "not one")],
)
def test_addresses_are_compared_without_case(address: str | None, key: str | None) -> None:
    assert email_key(address) == key


@pytest.mark.parametrize(
    ("address", "plausible"),
    [
        ("jane@example.com", True),
        ("j.d+x@mail.example.co.uk", True),
        ("jane", False),
        ("jane@", False),
        ("@example.com", False),
        ("jane@example", False),
        ("jane doe@example.com", False),
        ("jane@@example.com", False),
        ("jane@example..com", False),
        ("a@b.com,c@d.com", False),
    ],
)
def test_what_looks_like_an_address(address: str, plausible: bool) -> None:
    assert is_plausible(address) is plausible


EARLIER = LONG_AGO - timedelta(days=1)


@pytest.mark.parametrize(
    ("expiration", "known", "processed_for", "marked_before", "expected"),
    [
        pytest.param(LONG_AGO, None, None, False, True, id="a-new-plan"),
        pytest.param(NOW, None, None, False, True, id="a-plan-that-ends-now"),
        pytest.param(NOW + INSTANT, None, None, False, False, id="a-date-to-come"),
        pytest.param(NOW + INSTANT, NOW + INSTANT, None, False, False, id="a-date-to-come-that-is-known"),
        pytest.param(LONG_AGO, LONG_AGO, None, False, True, id="processed-since"),
        pytest.param(LONG_AGO, LONG_AGO, LONG_AGO, True, False, id="said-before"),
        pytest.param(LONG_AGO, LONG_AGO, None, True, False, id="said-before-and-not-believed"),
        pytest.param(NOW, LONG_AGO, LONG_AGO, True, False, id="extended-and-still-saying-so"),
        pytest.param(NOW, LONG_AGO, None, False, False, id="extended-at-once-with-the-claim"),
        pytest.param(LONG_AGO, LONG_AGO, EARLIER, False, False, id="extended-since-it-was-processed"),
        pytest.param(LONG_AGO, NOW, NOW, True, True, id="cut-short"),
        pytest.param(LONG_AGO, NOW, None, True, False, id="cut-short-and-not-believed-before"),
        pytest.param(LONG_AGO, NOW, EARLIER, True, False, id="cut-short-to-later-than-it-was-processed-for"),
        pytest.param(LONG_AGO, NOW, None, False, True, id="cut-short-and-processed"),
    ],
)
def test_an_imported_claim_counts_when_it_is_new(
    expiration: datetime, known: datetime | None, processed_for: datetime | None, marked_before: bool, expected: bool
) -> None:
    counts = is_newly_processed(expiration, NOW, known=known, processed_for=processed_for, marked_before=marked_before)
    assert counts is expected


def test_enrollments_changed_since_are_spared_once_the_end_is_more_than_a_day_back() -> None:
    assert ignore_enrollments_modified_after(NOW - timedelta(hours=24), NOW) is None
    past = NOW - timedelta(hours=24) - INSTANT
    assert ignore_enrollments_modified_after(past, NOW) == past


def test_a_renewal_chain_is_processed_oldest_first_whatever_its_dates() -> None:
    a, b, c, alone = (UUID(int=number) for number in range(4))
    dates = {a: NOW, b: LONG_AGO, c: NOW, alone: NOW - timedelta(days=1)}
    assert oldest_first(dates, {a: b, b: c}) == [alone, a, b, c]
    assert oldest_first({b: LONG_AGO, a: NOW}, {b: UUID(int=9), UUID(int=9): a}) == [b, a]


def test_only_plans_in_a_circle_are_in_cycles() -> None:
    a, b, c, d = (UUID(int=number) for number in range(4))
    assert in_cycles({a: b, b: c}) == frozenset()
    assert in_cycles({d: a, a: b, b: c, c: a}) == {a, b, c}
    assert in_cycles({a: a}) == {a}


def test_batches_keep_the_order_and_lose_nothing() -> None:
    assert [list(batch) for batch in batches(range(205))] == [[*range(100)], [*range(100, 200)], [*range(200, 205)]]
    assert batches([]) == []


@pytest.mark.parametrize("culprit", range(100))
def test_one_culprit_among_a_hundred_costs_at_most_two_log2_of_a_hundred_calls(culprit: int) -> None:
    calls = []

    def accepted(part: Sequence[int]) -> bool:
        calls.append(part)
        return culprit not in part

    assert find_rejected(range(100), accepted) == [culprit]
    assert len(calls) <= 2 * math.log2(100)


@given(st.integers(1, 60).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), min_size=1))))
def test_culprits_are_found_and_everything_else_goes_through_once(case: tuple[int, set[int]]) -> None:
    size, bad = case
    through: list[int] = []
    sent_alone: set[int] = set()

    def accepted(part: Sequence[int]) -> bool:
        if len(part) == 1 and part[0] in bad:
            sent_alone.add(part[0])
        if bad & set(part):
            return False
        through.extend(part)
        return True

    found = find_rejected(range(size), accepted)
    assert set(found) == bad
    assert sorted(through) == [item for item in range(size) if item not in bad]
    assert size == 1 or sent_alone == bad
