"""The statement that decides for a whole customer says what the rules say of each license."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import NotFound
from b2b_pipelines.licenses import service, verdicts
from b2b_pipelines.licenses.facts import EventName, Hold, LicenseStatus, Policy
from b2b_pipelines.licenses.identity import email_key
from b2b_pipelines.licenses.models import ExpiredLicense
from b2b_pipelines.licenses.rules import Decision, Verdict
from tests.licenses.reference import HeldLicense, LicenseFacts, Plan, Renewal, decide
from tests.statements import statements

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
GRACE = timedelta(days=90)
CUSTOMERS = [UUID(int=1), UUID(int=2)]
MOMENTS = [
    NOW - timedelta(days=300),
    NOW - GRACE - INSTANT,
    NOW - GRACE,
    NOW - GRACE + INSTANT,
    NOW - timedelta(days=1),
    NOW,
    NOW + INSTANT,
    NOW + timedelta(days=30),
]
ADDRESSES = [
    None,
    "a@example.com",
    "A@Example.com ",
    "a\u200b@example.com",
    "b@example.com",
    "straße@example.com",
    "STRASSE@EXAMPLE.COM",
    "j@bücher.example",
    "J@xn--bcher-kva.example",
    "ｊ@BÜCHER.example",
    "not an address",
    "NULL",
    "\u2060",
]
HOLD = timedelta(hours=24)
OVERDUE = timedelta(days=30)
EFFECTIVE = [None, None, NOW - OVERDUE - INSTANT, NOW - OVERDUE, NOW - OVERDUE + INSTANT, NOW + timedelta(days=5)]
HOLDS = [
    *[None] * 8,
    *(
        Hold(moved_from, since)
        for moved_from in (NOW + timedelta(days=200), NOW - GRACE, NOW - timedelta(days=400))
        for since in (NOW - HOLD, NOW - HOLD + INSTANT, NOW)
    ),
]
GONE = [*[None] * 6, NOW - timedelta(days=20), NOW - HOLD, NOW - HOLD + INSTANT, NOW]
UNSEEN = [*[None] * 8, NOW - timedelta(days=20), NOW - HOLD, NOW - HOLD + INSTANT, NOW - HOLD / 2, NOW]
TERMINATED_AT = [*[NOW - timedelta(days=10)] * 4, NOW - HOLD, NOW - HOLD + INSTANT, NOW]


REFUSABLE = [key for key in map(email_key, ADDRESSES) if key]


@st.composite
def worlds(draw: st.DrawFn) -> LicenseFacts:
    """A few customers, plans and people, so that everything happens to everybody."""
    uuids = [UUID(int=10 + number) for number in range(draw(st.integers(1, 6)))]
    renewable = list(uuids)
    plans = {}
    for uuid in uuids:
        renewal = None
        if draw(st.booleans()):
            after = draw(st.sampled_from([None, *(other for other in renewable if other > uuid)]))
            if after:
                renewable.remove(after)
            renewal = Renewal(after, draw(st.booleans()), draw(st.sampled_from(EFFECTIVE)))
        plans[uuid] = Plan(
            uuid,
            draw(st.sampled_from(CUSTOMERS)),
            draw(st.sampled_from(MOMENTS[:2] * 4 + MOMENTS)),
            is_active=draw(st.integers(0, 3)) > 0,
            internal=draw(st.integers(0, 4)) == 0,
            renewal=renewal,
            plan_type=draw(st.sampled_from(["Standard", None, "", "test", "TEST", "Trial"])),
            hold=draw(st.sampled_from(HOLDS)),
            renewal_gone=draw(st.sampled_from(GONE)),
        )
    seats = [UUID(int=1000 + number) for number in range(draw(st.integers(1, 14)))]
    licenses = {
        uuid: HeldLicense(
            uuid,
            draw(st.sampled_from(uuids)),
            draw(st.sampled_from([*LicenseStatus, LicenseStatus.ACTIVATED, LicenseStatus.ACTIVATED])),
            draw(st.sampled_from(ADDRESSES)),
            draw(st.sampled_from([None, None, 1, 2])),
            draw(st.sampled_from([None] * 15 + [*(seat for seat in seats if seat != uuid)])),
            retired=draw(st.sampled_from([None, None, *UNSEEN])),
            unseen=draw(st.sampled_from(UNSEEN)),
        )
        for uuid in seats
    }
    before = MOMENTS[0] - timedelta(days=365)
    events = {
        (uuid, name, draw(st.sampled_from([plans[licenses[uuid].plan].expiration_date, before]))): NOW
        - timedelta(hours=number)
        for number, (uuid, name) in enumerate(
            draw(st.sets(st.sampled_from([(uuid, name) for uuid in seats for name in EventName])))
        )
    }
    terminated = {
        (uuid, EventName.TERMINATED, plans[licenses[uuid].plan].expiration_date): draw(st.sampled_from(TERMINATED_AT))
        for uuid in draw(st.sets(st.sampled_from(seats), min_size=len(seats) // 2))
    }
    holders = [(plans[held.plan].customer, key) for held in licenses.values() if (key := email_key(held.address))]
    refusable = [*holders, *holders, *((customer, key) for customer in CUSTOMERS for key in REFUSABLE)]
    refusals = draw(st.sets(st.sampled_from(refusable), max_size=4))
    return LicenseFacts(plans, licenses, {**events, **terminated}, dict.fromkeys(refusals, NOW))


def by_rules(world: LicenseFacts, policy: Policy, customer: UUID | None = None) -> dict[UUID, Verdict]:
    verdicts = (decide(held, world, policy) for held in world.licenses.values())
    return {verdict.license_uuid: verdict for verdict in verdicts if verdict and customer in (None, verdict.customer)}


def by_statement(database: Database, policy: Policy, customer: UUID | None = None) -> dict[UUID, Verdict]:
    with database.session() as session:
        return {
            row.verdict.license_uuid: row.verdict for row in verdicts.decide(session, policy, customer=customer).decided
        }


def a_world_of_every_decision() -> LicenseFacts:
    """A license for each decision, so that each is compared whatever Hypothesis draws."""
    past, later = NOW - timedelta(days=300), NOW + timedelta(days=30)
    plans = {
        UUID(int=10 + number): Plan(UUID(int=10 + number), customer, past, **rest)
        for number, (customer, rest) in enumerate(
            [
                (CUSTOMERS[0], {}),
                (CUSTOMERS[0], {"hold": Hold(NOW, NOW)}),
                (CUSTOMERS[0], {"renewal": Renewal(None, False, later)}),
                (CUSTOMERS[0], {"renewal_gone": NOW}),
                (CUSTOMERS[1], {}),
            ]
        )
    }
    current = Plan(UUID(int=20), CUSTOMERS[0], later)
    lapsed, held, pending, gone, disabled = plans
    seats = {
        decision: HeldLicense(UUID(int=100 + number), lapsed, LicenseStatus.ACTIVATED, f"p{number}@example.com")
        for number, decision in enumerate(Decision)
    }
    successor = HeldLicense(UUID(int=200), current.uuid, LicenseStatus.ACTIVATED, "successor@example.com")
    other = HeldLicense(UUID(int=201), current.uuid, LicenseStatus.ACTIVATED, seats[Decision.PROTECTED].address)
    seats |= {
        Decision.HELD: replace(seats[Decision.HELD], plan=held),
        Decision.RENEWED: replace(seats[Decision.RENEWED], renewed_to=successor.uuid),
        Decision.PLAN_RENEWAL_PENDING: replace(seats[Decision.PLAN_RENEWAL_PENDING], plan=pending),
        Decision.IN_GRACE: replace(seats[Decision.IN_GRACE], plan=gone),
        Decision.NO_EMAIL: replace(seats[Decision.NO_EMAIL], address=None),
        Decision.UNLINK_DISABLED: replace(seats[Decision.UNLINK_DISABLED], plan=disabled),
    }
    terminated = {
        (seat.uuid, EventName.TERMINATED, past): NOW - timedelta(days=10)
        for decision, seat in seats.items()
        if decision is not Decision.TERMINATE
    }
    unlinked = {(seats[Decision.ALREADY_UNLINKED].uuid, EventName.UNLINKED, past): NOW - timedelta(days=5)}
    refused = email_key(seats[Decision.REFUSED].address)
    assert refused
    return LicenseFacts(
        {**plans, current.uuid: current},
        {seat.uuid: seat for seat in (*seats.values(), successor, other)},
        terminated | unlinked,
        {(CUSTOMERS[0], refused): NOW},
    )


@pytest.mark.parametrize("examples", [100, pytest.param(600, marks=pytest.mark.long)])
def test_the_statement_decides_as_the_rules_do(database: Database, put, examples: int) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=examples)
    @given(
        world=worlds(),
        unlinking=st.sampled_from([CUSTOMERS, CUSTOMERS, CUSTOMERS[:1], []]),
        internal=st.booleans(),
        customer=st.sampled_from([None, *CUSTOMERS]),
    )
    @example(world=a_world_of_every_decision(), unlinking=CUSTOMERS[:1], internal=False, customer=None)
    def compare(world: LicenseFacts, unlinking: list[UUID], internal: bool, customer: UUID | None) -> None:
        put(world)
        policy = Policy(NOW, GRACE, frozenset(unlinking), internal)
        expected = by_rules(world, policy, customer)
        assert by_statement(database, policy, customer) == expected
        seen.update(verdict.decision for verdict in expected.values())
        seen.update(
            "renewal gone" for verdict in expected.values() if verdict.decision == "in_grace" and verdict.moment
        )

    compare()
    assert set(seen) == {*Decision, "renewal gone"}, "a decision was never compared"


@st.composite
def couples(draw: st.DrawFn) -> LicenseFacts:
    """A license that is due to be unlinked, and a second license that may protect it, or did until just now."""
    plans = [
        Plan(UUID(int=10), CUSTOMERS[0], NOW - GRACE - INSTANT),
        Plan(
            UUID(int=11),
            draw(st.sampled_from([CUSTOMERS[0]] * 3 + [CUSTOMERS[1]])),
            draw(st.sampled_from(MOMENTS)),
            is_active=draw(st.integers(0, 4)) > 0,
        ),
    ]
    expired = HeldLicense(UUID(int=100), plans[0].uuid, LicenseStatus.ACTIVATED, "straße@example.com", 1)
    second = HeldLicense(
        UUID(int=101),
        plans[1].uuid,
        draw(st.sampled_from([*LicenseStatus, LicenseStatus.ACTIVATED])),
        draw(st.sampled_from(["STRASSE@EXAMPLE.COM", "b@example.com"])),
        draw(st.sampled_from([None, 1, 2])),
        retired=draw(st.sampled_from([None, *UNSEEN])),
        unseen=draw(st.sampled_from([None, *UNSEEN])),
    )
    events = {(expired.uuid, EventName.TERMINATED, plans[0].expiration_date): NOW - timedelta(days=10)}
    return LicenseFacts({each.uuid: each for each in plans}, {each.uuid: each for each in (expired, second)}, events)


def test_the_statement_protects_and_misses_as_the_rules_do(database: Database, put) -> None:
    seen: Counter[tuple[str, bool]] = Counter()

    @settings(max_examples=100)
    @given(world=couples())
    def compare(world: LicenseFacts) -> None:
        put(world)
        policy = Policy(NOW, GRACE, frozenset(CUSTOMERS[:1]))
        expected = by_rules(world, policy)
        assert by_statement(database, policy) == expected
        verdict = expected[UUID(int=100)]
        seen[verdict.decision, verdict.missing_since is not None] += 1

    compare()
    assert set(seen) == {(Decision.PROTECTED, False), (Decision.UNLINK, True), (Decision.UNLINK, False)}


def small_world(expiration: datetime = NOW - timedelta(days=100)) -> LicenseFacts:
    plan = Plan(UUID(int=10), CUSTOMERS[0], expiration)
    licenses = [
        HeldLicense(UUID(int=number), plan.uuid, LicenseStatus.ACTIVATED, f"p{number}@example.com")
        for number in range(100, 110)
    ]
    return LicenseFacts({plan.uuid: plan}, {held.uuid: held for held in licenses})


@pytest.mark.parametrize(
    ("age", "decision"),
    [(GRACE - INSTANT, Decision.IN_GRACE), (GRACE, Decision.IN_GRACE), (GRACE + INSTANT, Decision.UNLINK)],
    ids=["a-microsecond-less", "exactly-90-days", "a-microsecond-more"],
)
def test_the_grace_ends_to_the_microsecond_in_the_database(
    database: Database, put, age: timedelta, decision: Decision
) -> None:
    world = small_world(NOW - age)
    put(replace(world, events={(uuid, EventName.TERMINATED, NOW - age): NOW - GRACE for uuid in world.licenses}))
    decisions = by_statement(database, Policy(NOW, unlinking=frozenset(CUSTOMERS)))
    assert {verdict.decision for verdict in decisions.values()} == {decision}


def test_of_several_licenses_that_protect_the_one_that_lasts_longest_is_named(database: Database, put) -> None:
    plans = [Plan(UUID(int=500 + days), CUSTOMERS[0], NOW + timedelta(days=days)) for days in (-300, 5, 50, 20)]
    seats = [HeldLicense(plan.uuid, plan.uuid, LicenseStatus.ACTIVATED, "a@example.com") for plan in plans[1:]]
    lapsed = HeldLicense(UUID(int=1), plans[0].uuid, LicenseStatus.ACTIVATED, "a@example.com")
    world = LicenseFacts(
        {plan.uuid: plan for plan in plans},
        {seat.uuid: seat for seat in [lapsed, *seats]},
        {(lapsed.uuid, EventName.TERMINATED, plans[0].expiration_date): NOW - GRACE},
    )
    put(world)
    decided = by_statement(database, Policy(NOW))
    assert decided == by_rules(world, Policy(NOW))
    assert decided[lapsed.uuid].witness == UUID(int=550)


def test_it_is_one_statement_however_many_licenses(database: Database, put) -> None:
    put(small_world())
    with statements(database) as sent:
        assert len(by_statement(database, Policy(NOW))) == 10
    assert len(sent) == 1


def test_decisions_come_in_pages_that_lose_nothing(database: Database, put) -> None:
    put(small_world())
    with database.session() as session:
        pages = [verdicts.decide(session, Policy(NOW), limit=4, offset=offset) for offset in (0, 4, 8, 12)]
    assert [len(page.decided) for page in pages] == [4, 4, 2, 0]
    assert [page.total for page in pages] == [10, 10, 10, 10]
    assert len({row.verdict.license_uuid for page in pages for row in page.decided}) == 10


def test_decisions_are_narrowed_down_to_a_plan_and_a_decision(database: Database, put) -> None:
    put(small_world())
    with database.session() as session:
        assert verdicts.decide(session, Policy(NOW), plan=UUID(int=10), decision=Decision.TERMINATE).total == 10
        assert verdicts.decide(session, Policy(NOW), decision=Decision.UNLINK).total == 0
        assert verdicts.decide(session, Policy(NOW), plan=UUID(int=11)).total == 0


def test_the_last_decisions_are_kept_with_their_reasons(database: Database, put) -> None:
    put(small_world())
    for _ in range(2):
        with database.session() as session:
            service.decide(session, CUSTOMERS[0], Policy(NOW))
    with database.session() as session:
        kept = session.query(ExpiredLicense).all()
        assert {(row.decision, row.decided_at) for row in kept} == {("terminate", NOW)}
        assert len(kept) == 10
        assert all(row.reason for row in kept)


def test_an_unknown_customer_is_not_one_without_licenses(database: Database) -> None:
    with database.session() as session, pytest.raises(NotFound):
        service.decide(session, UUID(int=99), Policy(NOW))
