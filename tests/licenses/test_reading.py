"""Lists are read completely or not at all, and never blank fields known from elsewhere."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError, Conflict
from b2b_pipelines.licenses import service, store, verdicts
from b2b_pipelines.licenses.facts import EventName, LicenseStatus, Policy
from b2b_pipelines.licenses.importing import NoAgreement
from b2b_pipelines.licenses.models import CustomerAgreement, License, SubscriptionPlan
from b2b_pipelines.licenses.rules import Decision
from b2b_pipelines.licenses.staging import Merged
from b2b_pipelines.vendors.license_manager import LicenseManager
from sandbox.license_manager import license_row, plan
from sandbox.server import Sandbox
from tests.licenses.reference import HeldLicense, LicenseFacts, Plan, Renewal

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LAPSED = NOW - timedelta(days=100)
CUSTOMER, PLAN, OTHER = UUID(int=1), UUID(int=10), UUID(int=11)
START, END = "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"


def seat(number: int) -> UUID:
    return UUID(int=100_000 + number)


def list_customer(sandbox: Sandbox, licenses: int, title: str = "Plan", **fields: Any) -> None:
    sandbox.license_manager.put_agreement(CUSTOMER, [plan(PLAN, title, START, END, **fields)])
    rows = [license_row(seat(number), PLAN, f"p{number}@example.com") for number in range(licenses)]
    sandbox.license_manager.put_licenses(PLAN, rows)


def counted(database: Database, *where: Any) -> int:
    with database.session() as session:
        return session.scalar(select(func.count()).select_from(License).where(*where)) or 0


def held(database: Database, number: int) -> Mapping[str, Any]:
    with database.session() as session:
        return dict(session.execute(select(License.__table__).where(License.uuid == seat(number))).mappings().one())


def test_a_second_reading_changes_nothing(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    list_customer(sandbox, 5)
    first = service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    assert (first.plans, first.licenses, first.unseen) == (Merged(created=1), Merged(created=5), 0)
    again = service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    assert (again.plans, again.licenses) == (Merged(unchanged=1), Merged(unchanged=5))
    with database.session() as session:
        agreement = session.scalars(select(CustomerAgreement)).one()
        assert (agreement.uuid, agreement.slug) == (UUID(int=0), "customer-0001")
        assert store.name_of(session, CUSTOMER) == "customer-0001", "license-manager sends no name"


@pytest.mark.long
def test_fifty_thousand_licenses_come_in_complete_whatever_the_order_of_pages(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    list_customer(sandbox, 50_000)
    sandbox.license_manager.ties = 7  # enough for rows to be missed at most borders of pages
    assert service.read_license_manager(database, license_manager, CUSTOMER, NOW).licenses == Merged(created=50_000)
    assert sandbox.log.counts(vendor="license_manager")["read"] > 150, "one reading was enough: nothing moved"
    assert counted(database) == 50_000


@pytest.mark.parametrize(
    "fault", ["answer", *(pytest.param(fault, marks=pytest.mark.long) for fault in ("malformed", "cut"))]
)
def test_one_failing_page_and_nothing_comes_in(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox, fault: str
) -> None:
    list_customer(sandbox, 3)
    service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    list_customer(sandbox, 5_000, title="Changed")
    options: dict[str, Any] = {"vendor": "license_manager", "skip": 7, "times": 5}
    if fault == "answer":
        sandbox.faults.answer(500, **options)
    elif fault == "cut":
        sandbox.faults.cut("after", "partway", **options)
    else:
        sandbox.faults.malformed(**options)
    with pytest.raises(B2BError):
        service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    assert counted(database) == 3
    assert counted(database, License.unseen_since.is_not(None)) == 0
    with database.session() as session:
        assert session.get_one(SubscriptionPlan, PLAN).title == "Plan"
    sandbox.faults.clear()
    assert service.read_license_manager(database, license_manager, CUSTOMER, NOW).licenses == Merged(
        created=4_997, unchanged=3
    )


def test_what_it_does_not_list_any_more_is_marked_and_kept(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    list_customer(sandbox, 5)
    service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    list_customer(sandbox, 3)
    assert service.read_license_manager(database, license_manager, CUSTOMER, NOW).unseen == 2
    since = held(database, 4)["unseen_since"]
    assert since is not None
    assert service.read_license_manager(database, license_manager, CUSTOMER, NOW).unseen == 2
    assert held(database, 4)["unseen_since"] == since
    with database.session() as session:
        decided = verdicts.decide(session, Policy(NOW)).decided
    assert [row.verdict.decision for row in decided] == [Decision.TERMINATE] * 5
    assert [row.unseen_since for row in decided][3:] == [since, since]
    list_customer(sandbox, 5)
    assert service.read_license_manager(database, license_manager, CUSTOMER, NOW).unseen == 0


def test_an_empty_answer_is_a_failure_and_changes_nothing(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    list_customer(sandbox, 2)
    service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    sandbox.license_manager.clear()
    with pytest.raises(NoAgreement, match="has the OAuth client's user the role enterprise_openedx_operator"):
        service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    assert counted(database, License.unseen_since.is_(None)) == 2


def test_an_unassigned_license_is_not_missed(
    database: Database, put, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    unassigned = HeldLicense(seat(9), PLAN, LicenseStatus.UNASSIGNED)
    put(LicenseFacts({PLAN: Plan(PLAN, CUSTOMER, LAPSED)}, {unassigned.uuid: unassigned}))
    list_customer(sandbox, 1, title=str(PLAN))
    assert service.read_license_manager(database, license_manager, CUSTOMER, NOW).unseen == 0


def test_what_is_known_from_elsewhere_is_never_blanked(
    database: Database, put, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    renewed = Plan(OTHER, CUSTOMER, NOW + timedelta(days=100))
    expired = Plan(PLAN, CUSTOMER, datetime(2026, 1, 1, tzinfo=UTC), internal=True, renewal=Renewal(OTHER, True))
    one = HeldLicense(seat(0), PLAN, LicenseStatus.ASSIGNED, "old@example.com", 42, seat(1))
    two = replace(one, uuid=seat(1), plan=OTHER, renewed_to=None)
    put(
        LicenseFacts(
            {OTHER: renewed, PLAN: expired},
            {one.uuid: one, two.uuid: two},
            {(one.uuid, EventName.TERMINATED, expired.expiration_date): NOW},
        )
    )
    end = renewed.expiration_date.isoformat()
    sandbox.license_manager.put_agreement(
        CUSTOMER, [plan(PLAN, "New", START, END), plan(OTHER, str(OTHER), START, end)]
    )
    for each, of in ((one, PLAN), (two, OTHER)):
        sandbox.license_manager.put_licenses(of, [license_row(each.uuid, of, "p0@example.com")])
    service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    known = held(database, 0)
    assert (known["lms_user_id"], known["renewed_to"], known["email_key"], known["status"]) == (
        42,
        seat(1),
        "p0@example.com",
        "activated",
    )
    with database.session() as session:
        plan_now = session.get_one(SubscriptionPlan, PLAN)
        assert (plan_now.title, plan_now.for_internal_use_only) == ("New", True)
        decided = verdicts.decide(session, Policy(NOW, include_internal=True)).decided
        assert decided[0].verdict.decision == Decision.RENEWED
        assert store.renewals(session, CUSTOMER) == {PLAN: OTHER}


def test_what_it_does_not_say_of_one_plan_is_kept_though_it_says_it_of_another(
    database: Database, put, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    put(LicenseFacts({PLAN: Plan(PLAN, CUSTOMER, LAPSED, internal=True)}, {}))
    silent = plan(PLAN, "Plan", START, END)
    silent.pop("for_internal_use_only", None)
    for each in (PLAN, OTHER):
        sandbox.license_manager.put_licenses(each, [])
    sandbox.license_manager.put_agreement(
        CUSTOMER, [silent, {**plan(OTHER, "Other", START, END), "for_internal_use_only": False}]
    )
    service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    with database.session() as session:
        assert session.get_one(SubscriptionPlan, PLAN).for_internal_use_only is True
        assert session.get_one(SubscriptionPlan, OTHER).for_internal_use_only is False


def test_plans_that_do_not_go_with_the_known_ones_are_named(
    database: Database, put, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    put(LicenseFacts({OTHER: Plan(OTHER, CUSTOMER, LAPSED)}, {}))
    list_customer(sandbox, 1, title=str(OTHER))
    with pytest.raises(Conflict, match=str(PLAN)):
        service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    assert counted(database) == 0
