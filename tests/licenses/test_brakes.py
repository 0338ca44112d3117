"""A wrong date, a wrong clock or a wrong customer costs no person their account."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from b2b_pipelines.alerts.models import UnsentAlert
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import Conflict, InvalidInput, NotFound
from b2b_pipelines.licenses import brakes, service, store, verdicts
from b2b_pipelines.licenses.expirations import moved_into_the_past
from b2b_pipelines.licenses.facts import EventName, Hold, Policy
from b2b_pipelines.licenses.identity import address, email_key, person_key
from b2b_pipelines.licenses.models import License, LicenseEvent, SubscriptionPlan
from b2b_pipelines.licenses.rules import Decision
from b2b_pipelines.licenses.service import Imported
from b2b_pipelines.settings import read_settings
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import EnterpriseLms
from sandbox.license_manager import license_row, plan
from sandbox.server import Sandbox

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CURRENT, PAST, LONG_PAST = NOW + timedelta(days=200), NOW - timedelta(days=100), NOW - timedelta(days=300)
ONE, TWO = UUID(int=1), UUID(int=2)
PLAN, SEAT = UUID(int=10), UUID(int=100)


def policy(now: datetime = NOW, hold: timedelta = timedelta(hours=24)) -> Policy:
    return Policy(now, unlinking=frozenset({ONE, TWO}), hold=hold)


class Files:
    """Brings plans and licenses in as files."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder

    def bring(self, expiration: datetime, now: datetime = NOW, customer: UUID = ONE, **fields: Any) -> Imported:
        plans, licenses = self.folder / "plans.json", self.folder / "licenses.json"
        plans.write_text(
            json.dumps(
                [
                    {
                        "uuid": str(PLAN),
                        "enterprise_customer_uuid": str(customer),
                        "customer_name": f"Customer {customer.int}",
                        "title": "Plan",
                        "start_date": "2020-01-01T00:00:00Z",
                        "expiration_date": expiration.isoformat(),
                        **fields,
                    }
                ]
            )
        )
        licenses.write_text(
            json.dumps(
                [{"uuid": str(SEAT), "plan_uuid": str(PLAN), "status": "activated", "user_email": "jane@example.com"}]
            )
        )
        with self.database.session() as session:
            return service.import_files(session, plans, licenses, now)

    def decision(self, now: datetime = NOW) -> tuple[Decision, str] | None:
        with self.database.session() as session:
            rows = verdicts.decide(session, policy(now)).decided
        return (rows[0].verdict.decision, rows[0].verdict.reason(policy(now))) if rows else None

    def alerts(self) -> list[dict[str, Any]]:
        with self.database.session() as session:
            return list(session.scalars(select(UnsentAlert.message).order_by(UnsentAlert.id)))


@pytest.fixture
def files(database: Database, tmp_path: Path) -> Files:
    return Files(database, tmp_path)


def test_a_date_that_moves_into_the_past_is_held_for_a_day_and_one_alert_says_from_when_to_when(files: Files) -> None:
    files.bring(CURRENT)
    files.bring(PAST)
    files.bring(PAST, NOW + HOUR)
    decision, reason = files.decision(NOW + 23 * HOUR) or (None, "")
    assert decision is Decision.HELD
    assert all(words in reason for words in (CURRENT.isoformat(), PAST.isoformat(), f"b2b licenses confirm {PLAN}"))
    (alert,) = files.alerts()
    assert alert["event"] == "plans_held"
    assert all(words in alert["text"] for words in (str(PLAN), str(ONE), CURRENT.isoformat(), PAST.isoformat()))
    after = files.decision(NOW + 24 * HOUR)
    assert after is not None
    assert after[0] is Decision.TERMINATE


@pytest.mark.parametrize(
    ("known", "moved", "held"),
    [
        pytest.param(CURRENT, PAST, True, id="from-the-future-into-the-past"),
        pytest.param(PAST, LONG_PAST, True, id="further-back"),
        pytest.param(CURRENT, NOW, True, id="to-this-moment"),
        pytest.param(LONG_PAST, PAST, False, id="later-in-the-past"),
        pytest.param(CURRENT, NOW + HOUR, False, id="earlier-but-still-to-come"),
        pytest.param(PAST, PAST, False, id="not-at-all"),
    ],
)
def test_only_a_date_that_moves_earlier_into_the_past_is_held(
    files: Files, known: datetime, moved: datetime, held: bool
) -> None:
    files.bring(known)
    assert bool(files.bring(moved).held) is held
    assert len(files.alerts()) == held


def test_a_correction_makes_a_wrong_date_harmless(files: Files) -> None:
    files.bring(CURRENT)
    files.bring(PAST)
    files.bring(LONG_PAST, NOW + 20 * HOUR)
    assert (files.decision(NOW + 30 * HOUR) or [None])[0] is Decision.HELD, "another wrong date is held again"
    files.bring(CURRENT, NOW + 31 * HOUR)
    assert files.decision(NOW + 32 * HOUR) is None
    with files.database.session() as session:
        assert session.get_one(SubscriptionPlan, PLAN).held_since is None


def test_nothing_is_terminated_or_unlinked_while_a_plan_is_held_until_somebody_confirms_it(
    files: Files, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    files.bring(CURRENT)
    files.bring(LONG_PAST, expiration_processed=True)
    sandbox.lms.link(ONE, ["jane@example.com"])
    for step in (service.terminate, service.unlink):
        outcome = step(files.database, lms, ONE, policy(), run_id="test")
        assert (outcome.done, outcome.skipped, outcome.requests) == (0, 1, 0)
    with files.database.session() as session:
        assert service.confirm_plan(session, PLAN, policy())[1] is not None
        assert service.confirm_plan(session, PLAN, policy()) == (ONE, None)
        with pytest.raises(NotFound):
            service.confirm_plan(session, SEAT, policy())
    assert (files.decision() or [None])[0] is Decision.IN_GRACE, "the file is at most an hour old"
    unlinked = service.unlink(files.database, lms, ONE, policy(NOW + 25 * HOUR), run_id="test")
    assert unlinked.done == 1


def test_a_held_plan_still_protects_until_the_date_that_it_was_moved_from(
    files: Files, lms: EnterpriseLms, sandbox: Sandbox, tmp_path: Path
) -> None:
    files.bring(CURRENT)
    with files.database.session() as session:
        agreement = session.get_one(SubscriptionPlan, PLAN).customer_agreement_id
        old, seat = UUID(int=11), UUID(int=101)
        session.add(
            SubscriptionPlan(
                uuid=old,
                customer_agreement_id=agreement,
                title="Old",
                start_date=datetime(2020, 1, 1, tzinfo=UTC),
                expiration_date=PAST,
            )
        )
        session.flush()
        session.add(
            License(
                uuid=seat,
                plan_uuid=old,
                status="activated",
                user_email="jane@example.com",
                email_key="jane@example.com",
                person_key="jane@example.com",
            )
        )
        session.flush()
        session.add(LicenseEvent(license_uuid=seat, event_name="terminated", plan_expiration=PAST, at=PAST))
    files.bring(LONG_PAST)
    sandbox.lms.link(ONE, ["jane@example.com"])
    assert service.unlink(files.database, lms, ONE, policy(), run_id="test").done == 0
    assert sandbox.lms.linked(ONE) == {"jane@example.com"}


def test_hold_hours_of_zero_hold_nothing(files: Files) -> None:
    files.bring(CURRENT)
    plans = files.folder / "plans.json"
    plans.write_text(plans.read_text().replace(CURRENT.isoformat(), PAST.isoformat()))
    with files.database.session() as session:
        assert service.import_files(session, plans, None, NOW, timedelta(0)).held == []
        decided = verdicts.decide(session, policy(hold=timedelta(0))).decided
    assert [row.verdict.decision for row in decided] == [Decision.TERMINATE]


@given(
    known=st.sampled_from([CURRENT, PAST, LONG_PAST]),
    dates=st.lists(st.tuples(st.sampled_from([CURRENT, PAST, LONG_PAST, NOW]), st.integers(0, 40)), max_size=6),
)
def test_a_hold_lasts_from_the_reading_that_brought_the_date(
    known: datetime, dates: list[tuple[datetime, int]]
) -> None:
    hold: Hold | None = None
    now, date = NOW, known
    for moved, hours in dates:
        now += timedelta(hours=hours)
        before, hold = hold, moved_into_the_past(date, hold, moved, now, timedelta(hours=24))
        if moved == date:
            assert hold == before
        elif hold:
            assert (hold.since, hold.moved_from > moved, moved <= now) == (now, True, True)
        date = moved


def test_no_learner_is_unlinked_within_a_day_of_the_termination(
    files: Files, lms: EnterpriseLms, sandbox: Sandbox
) -> None:
    files.bring(PAST)
    sandbox.lms.link(ONE, ["jane@example.com"])
    assert service.terminate(files.database, lms, ONE, policy(), run_id="test").done == 1
    decision, reason = files.decision(NOW + 23 * HOUR) or (None, "")
    assert decision is Decision.IN_GRACE
    assert "not unlinked before 2026-06-02T12:00:0" in reason
    assert service.unlink(files.database, lms, ONE, policy(NOW + 23 * HOUR), run_id="test").done == 0
    assert service.unlink(files.database, lms, ONE, policy(NOW + 25 * HOUR), run_id="test").done == 1


class Listings:
    """License-manager's answers about an old plan, which has ended, and a new one. Jane holds a license of the old one."""

    OLD, NEW, SECOND = UUID(int=11), UUID(int=12), UUID(int=102)

    def __init__(
        self, database: Database, license_manager: LicenseManager, lms: EnterpriseLms, sandbox: Sandbox
    ) -> None:
        self.database, self.license_manager, self.lms, self.sandbox = database, license_manager, lms, sandbox
        sandbox.lms.link(ONE, ["jane@example.com"])

    def read(
        self,
        now: datetime,
        *,
        renewed: bool = False,
        second: bool = False,
        new_end: datetime = CURRENT,
        active: bool = True,
    ) -> None:
        manager = self.sandbox.license_manager
        start = "2020-01-01T00:00:00Z"
        manager.put_agreement(
            ONE,
            [
                plan(self.OLD, "Old", start, PAST.isoformat()),
                plan(self.NEW, "New", start, new_end.isoformat(), is_active=active),
            ],
        )
        manager.put_licenses(self.OLD, [license_row(SEAT, self.OLD, "jane@example.com")])
        manager.put_licenses(self.NEW, [license_row(self.SECOND, self.NEW, "jane@example.com")] if second else [])
        manager.cancel_renewal(self.OLD)
        if renewed:
            manager.renew(self.OLD, self.NEW, start)
        service.read_license_manager(self.database, self.license_manager, ONE, now)

    def chain(self, now: datetime) -> int:
        """Terminate and unlink; the number of unlinked licenses."""
        service.terminate(self.database, self.lms, ONE, policy(now), run_id="test")
        return service.unlink(self.database, self.lms, ONE, policy(now), run_id="test").done

    def reason(self, now: datetime) -> tuple[Decision, str]:
        with self.database.session() as session:
            (first, *_) = verdicts.decide(session, policy(now), customer=ONE).decided
        return first.verdict.decision, first.verdict.reason(policy(now))


@pytest.fixture
def listings(database: Database, license_manager: LicenseManager, lms: EnterpriseLms, sandbox: Sandbox) -> Listings:
    return Listings(database, license_manager, lms, sandbox)


@pytest.mark.parametrize(
    ("before", "lost"),
    [
        pytest.param({"renewed": True}, {"renewed": False}, id="not-listed"),
        pytest.param({"renewed": True}, {"renewed": True, "active": False}, id="into-a-plan-that-was-cancelled"),
    ],
)
def test_no_learner_is_unlinked_within_a_day_after_the_renewal_of_their_plan_was_gone(
    listings: Listings, before: dict[str, Any], lost: dict[str, Any]
) -> None:
    listings.read(NOW)
    assert listings.chain(NOW) == 0
    day = timedelta(days=1)
    listings.read(NOW + 2 * day, **before)
    assert listings.reason(NOW + 2 * day)[0] is Decision.PLAN_RENEWAL_PENDING
    listings.read(NOW + 4 * day, **lost)
    listings.read(NOW + 4 * day + HOUR, **lost)
    decision, reason = listings.reason(NOW + 5 * day - HOUR)
    assert decision is Decision.IN_GRACE
    assert f"renewal is no longer listed since {(NOW + 4 * day).isoformat()}" in reason
    assert f"not unlinked before {(NOW + 5 * day).isoformat()}" in reason
    assert listings.chain(NOW + 5 * day - HOUR) == 0
    listings.read(NOW + 5 * day - HOUR, **before)
    assert listings.chain(NOW + 5 * day) == 0, "the renewal came back"
    listings.read(NOW + 6 * day, **lost)
    assert listings.chain(NOW + 7 * day) == 1


def test_no_learner_is_unlinked_within_a_day_after_the_license_that_protected_them_was_missing(
    listings: Listings, sandbox: Sandbox
) -> None:
    listings.read(NOW, second=True)
    assert listings.chain(NOW) == 0
    day = timedelta(days=1)
    assert listings.reason(NOW + 2 * day)[0] is Decision.PROTECTED
    listings.read(NOW + 4 * day, second=False)
    decision, reason = listings.reason(NOW + 5 * day - HOUR)
    assert decision is Decision.UNLINK, "a license that is not listed protects no other"
    assert f"missing upstream since {(NOW + 4 * day).isoformat()}" in reason
    assert f"not unlinked before {(NOW + 5 * day).isoformat()}" in reason
    kept = service.unlink(listings.database, listings.lms, ONE, policy(NOW + 5 * day - HOUR), run_id="test")
    assert (kept.done, kept.skipped, kept.requests) == (0, 1, 0)
    assert "missing upstream" in kept.notes[0]
    listings.read(NOW + 5 * day - HOUR, second=True)
    assert listings.reason(NOW + 5 * day)[0] is Decision.PROTECTED
    listings.read(NOW + 6 * day, second=False)
    assert listings.chain(NOW + 7 * day) == 1
    assert sandbox.lms.linked(ONE) == set()


def test_a_wrong_later_date_of_a_renewed_plan_does_not_cost_the_holder_of_a_retired_license_the_account(
    listings: Listings, sandbox: Sandbox
) -> None:
    """Jane holds a license of a plan past its grace, and one of a renewed plan, which is retired upstream."""

    manager, start = sandbox.license_manager, "2020-01-01T00:00:00Z"
    manager.renew(Listings.OLD, Listings.NEW, start)

    def read(now: datetime, end: datetime) -> None:
        ends = {"Older": (PLAN, LONG_PAST), "Old": (Listings.OLD, end), "New": (Listings.NEW, CURRENT)}
        manager.put_agreement(ONE, [plan(uuid, title, start, to.isoformat()) for title, (uuid, to) in ends.items()])
        manager.put_licenses(PLAN, [license_row(UUID(int=103), PLAN, "jane@example.com")])
        retired = {"status": "revoked", "revoked_date": NOW.isoformat()} if now > NOW else {}
        manager.put_licenses(
            Listings.OLD, [license_row(SEAT, Listings.OLD, None if retired else "jane@example.com", **retired)]
        )
        service.read_license_manager(listings.database, listings.license_manager, ONE, now)

    day = timedelta(days=1)
    for number, end in enumerate([PAST, PAST, PAST, CURRENT, PAST, PAST]):
        read(NOW + number * day, end)
        assert listings.chain(NOW + number * day) == 0, f"day {number}"
    assert sandbox.lms.linked(ONE) == {"jane@example.com"}


@pytest.mark.parametrize(
    ("new_end", "kept"), [(CURRENT, True), (PAST, False)], ids=["a-current-plan", "a-plan-past-its-grace"]
)
def test_no_learner_is_unlinked_while_licenses_are_counted_that_were_never_listed(
    listings: Listings, sandbox: Sandbox, new_end: datetime, kept: bool
) -> None:
    """The license that protects the learner is missing from the very first reading, though it is counted."""

    def read(now: datetime, second: bool) -> None:
        listings.read(now, second=second, new_end=new_end)
        if not second:
            plans = sandbox.license_manager.agreements[str(ONE)]["subscriptions"]
            numbers = {"activated": 1, "assigned": 0, "unassigned": 0, "revoked": 0, "total": 1, "allocated": 1}
            plans[1]["licenses"] = numbers
            service.read_license_manager(listings.database, listings.license_manager, ONE, now)

    read(NOW, second=False)
    assert listings.chain(NOW) == 0
    day = timedelta(days=1)
    read(NOW + 2 * day, second=False)
    for dry_run in (True, False):
        now = policy(NOW + 2 * day)
        outcome = service.unlink(listings.database, listings.lms, ONE, now, run_id="test", dry_run=dry_run)
        assert (outcome.done, outcome.skipped) == ((0, 1) if kept else (1, 0))
        assert ("more licenses than it lists" in "".join(outcome.notes)) is kept
    if kept:
        read(NOW + 3 * day, second=True)
        assert listings.reason(NOW + 3 * day)[0] is Decision.PROTECTED


@pytest.mark.parametrize("skew", [timedelta(minutes=6), timedelta(days=-400)])
def test_a_wrong_clock_stops_terminating_and_unlinking(
    files: Files, lms: EnterpriseLms, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, skew: timedelta
) -> None:
    files.bring(PAST)
    monkeypatch.setattr(brakes, "process_clock", lambda: datetime.now(UTC) + skew)
    for step in (service.terminate, service.unlink):
        with pytest.raises(brakes.ClockSkewed, match="ahead of" if skew > timedelta(0) else "behind"):
            step(files.database, lms, ONE, policy(), run_id="test")
    assert sandbox.log.entries() == []
    monkeypatch.setattr(brakes, "process_clock", lambda: datetime.now(UTC) + timedelta(minutes=4))
    assert service.terminate(files.database, lms, ONE, policy(), run_id="test").done == 1


def test_a_clock_that_is_behind_does_not_shorten_a_hold(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.bring(CURRENT)
    monkeypatch.setattr(brakes, "process_clock", lambda: datetime.now(UTC) - timedelta(days=10))
    files.bring(PAST, NOW - timedelta(days=10))
    assert (files.decision(NOW + 23 * HOUR) or [None])[0] is Decision.HELD


def test_a_uuid_of_another_customer_is_refused_with_both_names_and_nothing_comes_in(files: Files) -> None:
    files.bring(CURRENT)
    with pytest.raises(InvalidInput) as refused:
        files.bring(LONG_PAST, customer=TWO, title="Another")
    for words in ("record 1: the plan is known under customer Customer 1", "Customer 2", "the license is known under"):
        assert words in refused.value.message
    with files.database.session() as session:
        assert store.customers(session) == [ONE]
        assert session.get_one(SubscriptionPlan, PLAN).expiration_date == CURRENT


@pytest.mark.parametrize("what", ["license", "plan"])
def test_a_reading_that_lists_a_uuid_of_another_customer_changes_nothing(
    files: Files, license_manager: LicenseManager, sandbox: Sandbox, what: str
) -> None:
    files.bring(CURRENT)
    theirs = PLAN if what == "plan" else UUID(int=20)
    sandbox.license_manager.put_agreement(TWO, [plan(theirs, "Theirs", "2020-01-01T00:00:00Z", PAST.isoformat())])
    sandbox.license_manager.put_licenses(theirs, [license_row(SEAT, theirs, "jane@example.com")])
    with pytest.raises(Conflict, match=r"Customer 1.*customer-0002"):
        service.read_license_manager(files.database, license_manager, TWO, NOW)
    with files.database.session() as session:
        assert store.customers(session) == [ONE]
        assert session.get_one(License, SEAT).plan_uuid == PLAN


ALIKE = [
    ("Jane@Example.com", " jane@example.com "),
    ("jane@example.com", "ja\u200bne@exam\ufeffple.com"),
    ("jane@example.com", "ｊａｎｅ@example.com"),
    ("j@bücher.example", "J@XN--BCHER-KVA.example"),
    ("straße@example.com", "STRASSE@example.com"),
    ("ﬁ@example.com", "fi@example.com"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_spellings_of_one_address_are_one_person(one: str, other: str) -> None:
    assert person_key(one) == person_key(other)
    assert person_key(one) != person_key("joe@example.com")


@pytest.mark.parametrize(
    "placeholder", [None, "", "  ", "NULL", r"\N", "None", "nan", "NaN", "\u200b", "\u2060 \ufeff"]
)
def test_a_placeholder_is_not_an_address(placeholder: str | None) -> None:
    assert (address(placeholder), email_key(placeholder), person_key(placeholder)) == (None, None, None)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=1500))
def test_a_person_is_recognized_whatever_the_text_and_its_key_fits_into_the_index(value: str) -> None:
    key = person_key(value)
    assert (key is None) == (address(value) is None)
    assert len((key or "").encode()) <= 1500
    assert key == person_key(f" {value}\u200b ") or value.strip() != value or key is None


def test_a_plan_of_a_type_that_counts_as_internal_is_left_out_but_protects(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.bring(PAST, plan_type="Test")
    assert files.decision() is None
    with files.database.session() as session:
        assert verdicts.decide(session, Policy(NOW, include_internal=True)).total == 1
        assert verdicts.decide(session, Policy(NOW, internal_plan_types=frozenset({"trial"}))).total == 1


def count(database: Database, name: EventName) -> int:
    with database.session() as session:
        return session.scalar(select(func.count()).where(LicenseEvent.event_name == name)) or 0


def retire(sandbox: Sandbox, days: int = 95, status: str = "activated") -> datetime:
    """A customer whose plan expired so many real days ago; returns the present moment."""
    now = datetime.now(UTC)
    end = now - timedelta(days=days)
    sandbox.license_manager.put_agreement(
        ONE, [plan(PLAN, "Plan", "2020-01-01T00:00:00Z", end.isoformat(), plan_type="Subscription")]
    )
    row = license_row(SEAT, PLAN, "jane@example.com", status=status)
    sandbox.license_manager.put_licenses(PLAN, [row])
    sandbox.lms.link(ONE, ["jane@example.com", "another@example.com"])
    return now


@pytest.mark.parametrize("status", ["activated", "assigned"])
def test_a_license_retired_upstream_is_unlinked_and_then_its_address_and_holder_are_forgotten(
    database: Database, lms: EnterpriseLms, license_manager: LicenseManager, sandbox: Sandbox, status: str
) -> None:
    now = retire(sandbox, status=status)
    before = now - timedelta(days=2)
    service.read_license_manager(database, license_manager, ONE, before)
    with database.session() as session:
        session.execute(text("UPDATE license SET lms_user_id = 7"))
    service.terminate(database, lms, ONE, policy(before), run_id="test")
    assert sandbox.license_manager.retire_old_licenses() == 1
    service.read_license_manager(database, license_manager, ONE, now)
    with database.session() as session:
        (row,) = verdicts.decide(session, policy(now)).decided
        assert row.verdict.decision is Decision.UNLINK
        assert row.verdict.reason(policy(now)).endswith("; retired upstream")
        assert row.address == "jane@example.com"
    outcome = service.unlink(database, lms, ONE, policy(now), run_id="test")
    assert outcome.done == 1
    assert sandbox.lms.linked(ONE) == {"another@example.com"}
    with database.session() as session:
        held = session.get_one(License, SEAT)
        assert (held.user_email, held.email_key, held.person_key, held.lms_user_id) == (None, None, None, None)
    confirmed = service.confirm_unlinked(database, lms, ONE, now, forgotten=outcome.forgotten)
    assert (confirmed.asked, confirmed.still_linked, confirmed.blind) == (1, [], False)
    for _ in range(2):
        service.read_license_manager(database, license_manager, ONE, now)
        with database.session() as session:
            (row,) = verdicts.decide(session, policy(now)).decided
            assert (row.verdict.decision, row.address) == (Decision.ALREADY_UNLINKED, None)
            known, counted = store.counted(session, ONE).get(PLAN, (0, 0))
            assert known == counted
    assert "jane" not in repr(outcome)


def test_a_license_that_is_retired_after_it_was_unlinked_is_forgotten_at_once(
    database: Database, lms: EnterpriseLms, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    now = retire(sandbox)
    service.read_license_manager(database, license_manager, ONE, now - timedelta(days=4))
    service.terminate(database, lms, ONE, policy(now - timedelta(days=4)), run_id="test")
    assert service.unlink(database, lms, ONE, policy(now - timedelta(days=2)), run_id="test").done == 1
    sandbox.license_manager.retire_old_licenses()
    service.read_license_manager(database, license_manager, ONE, now)
    with database.session() as session:
        assert session.get_one(License, SEAT).user_email is None


def test_a_license_that_was_revoked_with_its_address_is_not_retired(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    now = retire(sandbox)
    service.read_license_manager(database, license_manager, ONE, now)
    sandbox.license_manager.put_licenses(PLAN, [license_row(SEAT, PLAN, "jane@example.com", status="revoked")])
    service.read_license_manager(database, license_manager, ONE, now)
    with database.session() as session:
        assert verdicts.decide(session, policy(now)).total == 0


def test_addresses_that_are_erased_before_they_are_unlinked_are_named(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.read_license_manager(database, license_manager, ONE, retire(sandbox))
    monkeypatch.setenv("B2B_UNLINK_CUSTOMERS", str(ONE))
    with database.session() as session:
        (words,) = service.purged_too_early(session, read_settings())
        assert "B2B_UNLINK_AFTER_DAYS (90) is not below the 90 days" in words
        monkeypatch.setenv("B2B_UNLINK_AFTER_DAYS", "60")
        assert service.purged_too_early(session, read_settings()) == []
