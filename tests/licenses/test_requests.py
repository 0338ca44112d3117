"""License-manager: one request an agreement, one a page of licenses, none for unassigned ones."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses import service, store
from b2b_pipelines.licenses.models import PlanRenewal, SubscriptionPlan
from b2b_pipelines.vendors.license_manager import LicenseManager
from sandbox.license_manager import license_row, plan
from sandbox.server import Sandbox

NOW = datetime.now(UTC)
START, END = "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
CUSTOMER = UUID(int=1)


@pytest.mark.long
def test_four_hundred_plans_of_a_hundred_customers_take_five_hundred_requests_at_most(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    customers = [UUID(int=1 + number) for number in range(100)]
    for customer in customers:
        plans = [UUID(int=customer.int * 1000 + number) for number in range(4)]
        sandbox.license_manager.put_agreement(customer, [plan(each, f"Plan {each.int}", START, END) for each in plans])
        for each in plans:
            rows = [license_row(UUID(int=each.int * 100 + seat), each, f"p{seat}@example.com") for seat in range(2)]
            sandbox.license_manager.put_licenses(each, rows)
    for customer in customers:
        service.read_license_manager(database, license_manager, customer, NOW)
        with database.session() as session:
            assert store.counted(session, customer) == {
                UUID(int=customer.int * 1000 + number): (2, 2) for number in range(4)
            }
    assert sandbox.log.counts(vendor="license_manager")["read"] <= 500


def test_plans_that_nobody_holds_are_not_asked(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    plans = [UUID(int=10), UUID(int=11), UUID(int=12)]
    sandbox.license_manager.put_agreement(CUSTOMER, [plan(each, f"Plan {each.int}", START, END) for each in plans])
    sandbox.license_manager.put_licenses(plans[0], [])
    sandbox.license_manager.put_licenses(plans[1], [license_row(UUID(int=100), plans[1], None, status="revoked")])
    sandbox.license_manager.put_licenses(plans[2], [license_row(UUID(int=101), plans[2], "jane@example.com")])
    assert service.read_license_manager(database, license_manager, CUSTOMER, NOW).requests == 3, "with the token's"
    sandbox.license_manager.put_licenses(plans[2], [license_row(UUID(int=101), plans[2], None, status="revoked")])
    assert service.read_license_manager(database, license_manager, CUSTOMER, NOW).requests == 2
    last = service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    assert (last.requests, last.unseen) == (1, 0), "a revoked license that was not asked for is not missing"


def test_renewals_come_with_the_agreement_and_go_with_it_but_not_those_of_a_file(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    prior, renewed, other, last = (UUID(int=10 + number) for number in range(4))
    ends = {prior: END, renewed: "2099-01-01T00:00:00Z", other: END, last: "2099-01-01T00:00:00Z"}
    sandbox.license_manager.put_agreement(
        CUSTOMER, [plan(each, f"Plan {each.int}", START, end) for each, end in ends.items()]
    )
    service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    with database.session() as session:
        session.add(PlanRenewal(prior_plan_uuid=other, renewed_plan_uuid=last, processed=True))
    sandbox.license_manager.renew(prior, renewed, START)
    service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    with database.session() as session:
        assert store.renewals(session, CUSTOMER) == {prior: renewed, other: last}
        assert session.get_one(PlanRenewal, prior).processed
    sandbox.license_manager.cancel_renewal(prior)
    service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    with database.session() as session:
        assert store.renewals(session, CUSTOMER) == {other: last}


def test_a_malformed_plan_is_refused_by_itself(
    database: Database, license_manager: LicenseManager, sandbox: Sandbox
) -> None:
    good, bad = UUID(int=10), UUID(int=11)
    sandbox.license_manager.put_agreement(CUSTOMER, [plan(good, "Good", START, END), plan(bad, "Bad", START, START)])
    sandbox.license_manager.put_licenses(good, [license_row(UUID(int=100), good, "jane@example.com")])
    reading = service.read_license_manager(database, license_manager, CUSTOMER, NOW)
    assert [each.uuid for each in reading.refused] == [bad]
    assert "does not start" in reading.refused[0].reason
    with database.session() as session:
        assert [each.uuid for each in session.query(SubscriptionPlan)] == [good]
