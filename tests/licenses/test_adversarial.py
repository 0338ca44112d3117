"""Thirty days of readings that are wrong in every way, beside the truth: no entitled person is ever unlinked."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError
from b2b_pipelines.licenses import service
from b2b_pipelines.licenses.facts import Policy
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import EnterpriseLms
from sandbox.license_manager import license_row, plan
from sandbox.server import Sandbox
from tests.licenses.conftest import TABLES

START = datetime(2026, 6, 1, 4, 23, tzinfo=UTC)
DAY = timedelta(days=1)
GRACE, PURGE = timedelta(days=80), timedelta(days=90)
CUSTOMER, STRANGER = UUID(int=1), UUID(int=2)
STRANGERS_PLAN, STRANGERS_SEAT = UUID(int=20), UUID(int=200)
NEWCOMERS_SEAT = UUID(int=150)
PEOPLE = [f"learner{number}@example.com" for number in range(5)]
DAYS, CLEAN_DAYS = 30, 5
ENDS = [-95, -91, -89, -85, -81, -79, -75, -60, -5, 3, 12, 400]
"""Days from the start to the true end of a plan."""
WRONG_ENDS = [-400, -100, -89, -81, -1, 1, 50, 500]
LIES = ["date", "vanished", "gone", "stranger", "empty", "no renewals", "false renewal", "none", "none"]
"""`vanished`: fewer licenses than are counted; `gone`: neither listed nor counted."""
BELIEVED = ("date", "gone", "no renewals")
"""Lies that are believed when a second reading, a day later, repeats them or does not read the plan."""


@dataclass
class Truth:
    """Customers' purchases and people's licenses, whatever license-manager says today."""

    ends: dict[UUID, datetime]
    holders: dict[UUID, tuple[UUID, str, str]]
    """Plan, address and status, by license."""
    renewals: dict[UUID, UUID] = field(default_factory=dict)
    purged: set[UUID] = field(default_factory=set)

    def may_be_unlinked(self, address: str, now: datetime, *, since: timedelta = timedelta(0)) -> bool:
        """Whether every license of the person is past its grace (for so long), and none is renewed into a current plan."""
        plans = {of for of, holder, _ in self.holders.values() if holder == address}
        return bool(plans) and all(
            self.ends[each] < now - GRACE - since
            and not (each in self.renewals and self.ends[self.renewals[each]] > now - since)
            for each in plans
        )

    def purge(self, now: datetime) -> None:
        """License-manager's `retire_old_licenses`."""
        self.purged |= {uuid for uuid, (of, _, _) in self.holders.items() if self.ends[of] < now - PURGE}


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    ends = {
        UUID(int=10 + number): START + draw(st.sampled_from(ENDS)) * DAY - timedelta(hours=draw(st.integers(0, 23)))
        for number in range(draw(st.integers(2, 5)))
    }
    holders = {
        UUID(int=100 + number): (
            draw(st.sampled_from(list(ends))),
            draw(st.sampled_from(PEOPLE)),
            draw(st.sampled_from(["activated", "assigned"])),
        )
        for number in range(draw(st.integers(3, 9)))
    }
    over = [each for each in ends if ends[each] < START]
    current = [each for each in ends if ends[each] > START + DAYS * DAY]
    renewals = {over[0]: current[0]} if over and current and draw(st.booleans()) else {}
    return Truth(ends, holders, renewals)


@st.composite
def lies(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """For each day what is wrong, about which plan or license, and how."""
    return [
        (draw(st.sampled_from(LIES)), draw(st.integers(0, 8)), draw(st.sampled_from(WRONG_ENDS))) for _ in range(DAYS)
    ]


def answer(sandbox: Sandbox, truth: Truth, lie: tuple[str, int, int], now: datetime) -> None:
    """Let license-manager answer the truth, but for today's lie."""
    kind, which, wrong = lie
    ends, renewals = dict(truth.ends), dict(truth.renewals)
    plans = list(ends)
    rows: dict[UUID, list[dict[str, Any]]] = {each: [] for each in plans}
    for uuid, (of, holder, status) in truth.holders.items():
        gone = {"status": "revoked", "revoked_date": now.isoformat()} if uuid in truth.purged else {"status": status}
        rows[of].append(license_row(uuid, of, None if uuid in truth.purged else holder, **gone))
    lied_about = plans[which % len(plans)]
    if kind == "gone" and rows[lied_about]:
        rows[lied_about].pop(which % len(rows[lied_about]))
    counts = {of: Counter(row["status"] for row in some) for of, some in rows.items()}
    if kind == "date":
        ends[lied_about] = now + wrong * DAY
    elif kind == "vanished" and rows[lied_about]:
        rows[lied_about].pop(which % len(rows[lied_about]))
    elif kind == "stranger":
        rows[lied_about].append(license_row(STRANGERS_SEAT, lied_about, "stranger@example.com"))
    elif kind == "no renewals":
        renewals = {}
    elif kind == "false renewal" and len(plans) > 1 and lied_about not in renewals:
        free = [each for each in plans if each != lied_about and each not in renewals.values() and each not in renewals]
        renewals |= {lied_about: free[0]} if free else {}
    if kind == "empty":
        sandbox.license_manager.agreements.clear()
        return
    sandbox.license_manager.put_agreement(CUSTOMER, [_plan(each, ends, renewals, counts[each]) for each in plans])
    for of, some in rows.items():
        sandbox.license_manager.put_licenses(of, some)


def _plan(uuid: UUID, ends: dict[UUID, datetime], renewals: dict[UUID, UUID], counts: Counter[str]) -> dict[str, Any]:
    started = "2020-01-01 00:00:00+00:00"
    prior = [
        {
            "prior_subscription_plan_id": str(one),
            "prior_subscription_plan_start_date": started,
            "renewed_subscription_plan_id": str(uuid),
            "renewed_subscription_plan_start_date": started,
        }
        for one, other in renewals.items()
        if other == uuid
    ]
    numbers = {status: counts.get(status, 0) for status in ("activated", "assigned", "unassigned", "revoked")}
    return plan(
        uuid,
        f"Plan {uuid.int}",
        "2020-01-01T00:00:00Z",
        ends[uuid].isoformat(),
        prior_renewals=prior,
        licenses={**numbers, "total": sum(numbers.values()), "allocated": 0},
    )


def begin(database: Database, license_manager: LicenseManager, sandbox: Sandbox, truth: Truth) -> None:
    """An empty database that knows another customer, and everybody linked."""
    with database.session() as session:
        session.execute(text("; ".join(f"DELETE FROM {table}" for table in TABLES)))
    sandbox.lms.clear()
    sandbox.license_manager.agreements.clear()
    sandbox.license_manager.put_agreement(
        STRANGER, [plan(STRANGERS_PLAN, "Theirs", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z")]
    )
    sandbox.license_manager.put_licenses(
        STRANGERS_PLAN, [license_row(STRANGERS_SEAT, STRANGERS_PLAN, "stranger@example.com")]
    )
    service.read_license_manager(database, license_manager, STRANGER, START)
    sandbox.lms.link(CUSTOMER, [*PEOPLE, "without-license@example.com"])


@dataclass(frozen=True)
class World:
    """The product's database and clients, and the stand-ins they talk to."""

    database: Database
    license_manager: LicenseManager
    lms: EnterpriseLms
    sandbox: Sandbox


def live(
    world: World,
    truth: Truth,
    told: list[tuple[str, int, int]],
    newcomer: tuple[int, str],
    seen: Counter[str],
) -> None:
    """Live through the days, and count in `seen` what happened."""
    database, sandbox = world.database, world.sandbox
    begin(database, world.license_manager, sandbox, truth)
    lied: tuple[str, int] = ("none", 0)
    was_read = newcomer_was_read = False
    for day in range(DAYS + CLEAN_DAYS):
        now = START + day * DAY
        lie = told[day] if day < DAYS else ("none", 0, 0)
        about = (lie[0], lie[1] % len(truth.ends) if lie[0] != "no renewals" else 0)
        if (lie[0] in BELIEVED and about == lied) or (lie[0] == "vanished" and lied == ("gone", about[1])):
            lie = about = ("none", 0, 0)
        if lie[0] not in ("empty", "stranger"):  # these readings fail, so the one before stays
            lied = about[:2]
        current = [each for each, end in truth.ends.items() if end > now]
        if day == newcomer[0] and current:
            truth.holders[NEWCOMERS_SEAT] = (current[0], newcomer[1], "activated")
            sandbox.lms.link(CUSTOMER, [newcomer[1]])
        if lie[0] == "gone" and NEWCOMERS_SEAT in truth.holders and not newcomer_was_read:
            lie = ("none", 0, 0)  # a license that no reading ever listed or counted protects no person
        if was_read and lie[0] not in ("empty", "stranger", "vanished", "gone"):
            truth.purge(now)  # learners whom no reading saw before cannot be unlinked
        answer(sandbox, truth, lie, now)
        before = len(sandbox.lms.unlinkings)
        policy = Policy(now, GRACE, frozenset({CUSTOMER, STRANGER}))
        try:
            service.read_license_manager(database, world.license_manager, CUSTOMER, now)
        except B2BError as error:  # as in the asset, this ends the customer's chain for the day
            seen[error.code] += 1
            continue
        was_read = was_read or lie[0] not in ("vanished", "gone")
        newcomer_was_read = newcomer_was_read or (NEWCOMERS_SEAT in truth.holders and lie[0] != "vanished")
        service.terminate(database, world.lms, CUSTOMER, policy, run_id=f"day {day}")
        service.unlink(database, world.lms, CUSTOMER, policy, run_id=f"day {day}")
        for unlinking in sandbox.lms.unlinkings[before:]:
            for address in unlinking.addresses:
                seen["unlinked"] += 1
                assert truth.may_be_unlinked(address, now), f"day {day}: {address} is entitled"
    end = START + (DAYS + CLEAN_DAYS - 1) * DAY
    linked = sandbox.lms.linked(CUSTOMER)
    known_before_purge = {holder for uuid, (_, holder, _) in truth.holders.items()}
    for address in sorted(known_before_purge):
        if truth.may_be_unlinked(address, end, since=4 * DAY):
            seen["had to be unlinked"] += 1
            assert address not in linked, f"{address} is still linked"


def every_kind_of_plan() -> Truth:
    """A plan of each end with a learner or two, so that what the test counts happens whatever Hypothesis draws."""
    ends = {UUID(int=10 + number): START + end * DAY for number, end in enumerate((-95, -81, -60, 3, 400))}
    holders = {
        UUID(int=100 + number): (of, PEOPLE[number % len(PEOPLE)], "activated")
        for number, of in enumerate([*ends, UUID(int=10)])
    }
    return Truth(ends, holders)


EVERY_LIE = [(LIES[day % len(LIES)], day % 5, WRONG_ENDS[day % len(WRONG_ENDS)]) for day in range(DAYS)]
NEWCOMERS = st.tuples(st.integers(0, DAYS - 1), st.sampled_from(PEOPLE))


@pytest.mark.long
def test_no_entitled_person_is_unlinked_and_every_other_is_within_three_days(
    database: Database, license_manager: LicenseManager, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    world = World(database, license_manager, lms, sandbox)
    seen: Counter[str] = Counter()

    @settings(max_examples=4)
    @given(truth=truths(), told=lies(), newcomer=NEWCOMERS)
    @example(truth=every_kind_of_plan(), told=EVERY_LIE, newcomer=(5, PEOPLE[4]))
    def worlds(truth: Truth, told: list[tuple[str, int, int]], newcomer: tuple[int, str]) -> None:
        live(world, truth, told, newcomer, seen)

    worlds()
    assert seen["unlinked"] >= 1
    assert seen["had to be unlinked"] >= 1
    assert {"no_agreement", "conflict"} <= set(seen)
