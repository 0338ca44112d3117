"""License-manager's listings: whole, or an error."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from b2b_pipelines.vendors.http.client import Patience
from b2b_pipelines.vendors.http.errors import AnswerMalformed, ListUnsettled, VendorRefused, VendorUnavailable
from b2b_pipelines.vendors.license_manager import LicenseManager, ListingIncomplete
from b2b_pipelines.vendors.license_rows import ListedRenewal
from b2b_pipelines.vendors.open_edx import ClientCredentials
from sandbox.license_manager import license_row, plan
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET, callers
from sandbox.open_edx.rest import Throttles
from sandbox.server import Sandbox

CUSTOMER, PLAN = UUID(int=1), UUID(int=10)
START, END = "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"


@pytest.fixture
def license_manager(sandbox: Sandbox) -> Iterator[LicenseManager]:
    """A client that does not pace itself, and a license-manager without limits."""
    sandbox.license_manager.throttles = Throttles()
    credentials = ClientCredentials(sandbox.lms.url, CLIENT_ID, CLIENT_SECRET)
    client = LicenseManager(sandbox.license_manager.url, credentials, patience=Patience(first_wait=0.005), rates=())
    yield client
    client.close()
    credentials.close()


def rows(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [license_row(UUID(int=1000 + number), PLAN, f"p{number}@example.com", **fields) for number in range(count)]


def test_inactive_plans_are_listed_too(sandbox: Sandbox, license_manager: LicenseManager) -> None:
    sandbox.license_manager.put_agreement(
        CUSTOMER, [plan(PLAN, "A", START, END), plan(UUID(int=11), "B", START, END, is_active=False)]
    )
    (agreement,) = license_manager.agreements(CUSTOMER)
    assert [(each.title, each.is_active) for each in agreement.plans] == [("A", True), ("B", False)]
    assert license_manager.agreements(UUID(int=2)) == []


def test_every_license_comes_once_though_pages_have_no_order(sandbox: Sandbox, license_manager: LicenseManager) -> None:
    sandbox.license_manager.put_licenses(PLAN, [*rows(1600), license_row(UUID(int=1), PLAN, None, status="unassigned")])
    listed = license_manager.licenses(PLAN)
    assert len(listed) == len({row.uuid for row in listed}) == 1600
    assert sandbox.log.counts(vendor="license_manager")["read"] > 4, "one reading was enough: nothing moved"


def test_a_stable_listing_is_read_once(sandbox: Sandbox, license_manager: LicenseManager) -> None:
    sandbox.license_manager.unstable = False
    sandbox.license_manager.put_licenses(PLAN, rows(1600))
    assert len(license_manager.licenses(PLAN)) == 1600
    assert sandbox.log.counts(vendor="license_manager")["read"] == 4


def test_rows_that_never_come_are_an_error(sandbox: Sandbox, license_manager: LicenseManager) -> None:
    body = {"count": 3, "next": None, "previous": None, "results": rows(2)}
    sandbox.faults.answer(200, body=body, vendor="license_manager", times=100)
    with pytest.raises(ListingIncomplete, match="counts 3 rows"):
        license_manager.licenses(PLAN)


@pytest.mark.parametrize("status", [400, 401, 403, 500, 503])
def test_a_page_that_fails_is_an_error(sandbox: Sandbox, license_manager: LicenseManager, status: int) -> None:
    sandbox.license_manager.put_licenses(PLAN, rows(1200))
    sandbox.faults.answer(status, vendor="license_manager", skip=1, times=5)
    with pytest.raises(VendorUnavailable if status >= 500 else VendorRefused):
        license_manager.licenses(PLAN)


def test_a_page_that_fails_for_a_moment_is_asked_for_again(sandbox: Sandbox, license_manager: LicenseManager) -> None:
    sandbox.license_manager.put_licenses(PLAN, rows(1200))
    sandbox.faults.answer(502, vendor="license_manager", skip=1, times=4)
    assert len(license_manager.licenses(PLAN)) == 1200


def test_a_plan_that_loses_a_page_while_it_is_read_may_pass(sandbox: Sandbox, license_manager: LicenseManager) -> None:
    sandbox.license_manager.put_licenses(PLAN, rows(1200))
    sandbox.faults.call(lambda: sandbox.license_manager.put_licenses(PLAN, rows(300)), vendor="license_manager")
    with pytest.raises(ListUnsettled, match="lost page 2"):
        license_manager.licenses(PLAN)
    assert len(license_manager.licenses(PLAN)) == 300


ONE = rows(1)[0]
MALFORMED = [
    pytest.param([], id="a-list"),
    pytest.param({}, id="nothing"),
    pytest.param({"count": 0, "results": []}, id="no-next"),
    pytest.param({"count": "0", "next": None, "results": []}, id="count-is-text"),
    pytest.param({"count": 1, "next": None, "results": None}, id="results-are-null"),
    pytest.param({"count": 1, "next": None, "results": [7]}, id="a-number-for-a-license"),
    *(
        pytest.param(
            {"count": 1, "next": None, "results": [{**ONE, **wrong}]}, id="-".join(map(ascii, *wrong.items()))[:40]
        )
        for wrong in (
            {"uuid": "x"},
            {"status": "lent"},
            {"user_email": 7},
            {"user_email": "p0\0@example.com"},
            {"user_email": "\ud800@example.com"},
            {"user_email": "p0@example.com" * 1_000},
            {"activation_date": "yesterday"},
            {"revoked_date": "2025-01-01T00:00:00"},
            {"subscription_plan_uuid": str(UUID(int=99))},
        )
    ),
    pytest.param(
        {"count": 1, "next": None, "results": [{key: value for key, value in ONE.items() if key != "user_email"}]},
        id="no-address",
    ),
    pytest.param({"count": 9, "next": "http://x/?page=1", "results": [ONE]}, id="next-goes-back"),
    pytest.param("<html>", id="a-page"),
    pytest.param(f"{'[' * 100_000}{']' * 100_000}", id="nested-too-deep"),
]


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_answer_never_reads_as_no_licenses(
    sandbox: Sandbox, license_manager: LicenseManager, body: object
) -> None:
    sandbox.faults.answer(200, body=body, vendor="license_manager", times=10)
    with pytest.raises(AnswerMalformed) as raised:
        license_manager.licenses(PLAN)
    assert "p0@example.com" not in raised.value.message


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": None},
        {"title": "A\0"},
        {"title": "A" * 20_000},
        {"is_active": "yes"},
        {"start_date": END},
        {"expiration_date": None},
        {"plan_type": 7},
        {"days_until_expiration": "7"},
    ],
)
def test_a_malformed_plan_is_refused_by_itself_with_its_reason(
    sandbox: Sandbox, license_manager: LicenseManager, wrong: dict[str, Any]
) -> None:
    sound = plan(UUID(int=11), "B", START, END)
    sandbox.license_manager.put_agreement(CUSTOMER, [{**plan(PLAN, "A", START, END), **wrong}, sound])
    (agreement,) = license_manager.agreements(CUSTOMER)
    assert [each.title for each in agreement.plans] == ["B"]
    ((uuid, reason),) = [(each.uuid, each.reason) for each in agreement.refused]
    assert uuid == PLAN
    assert next(iter(wrong)).replace("is_active", "boolean") in reason or "expires" in reason


RENEWAL = {
    "prior_subscription_plan_id": str(PLAN),
    "prior_subscription_plan_start_date": "2025-01-01 00:00:00+00:00",
    "renewed_subscription_plan_id": str(UUID(int=11)),
    "renewed_subscription_plan_start_date": "2026-01-01 00:00:00.123456+00:00",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"uuid": 7},
        {"uuid": "x"},
        {"licenses": {"assigned": 1}},
        {"licenses": {"assigned": "1", "activated": 1, "revoked": 0}},
        {"prior_renewals": {}},
        {"prior_renewals": [{**RENEWAL, "prior_subscription_plan_id": None}]},
        {"prior_renewals": [{**RENEWAL, "renewed_subscription_plan_start_date": "2026-01-01 00:00:00"}]},
        {"prior_renewals": [{}]},
    ],
)
def test_a_plan_whose_uuid_counts_or_renewals_cannot_be_read_is_an_error(
    sandbox: Sandbox, license_manager: LicenseManager, wrong: dict[str, Any]
) -> None:
    sandbox.license_manager.put_agreement(CUSTOMER, [{**plan(PLAN, "A", START, END), **wrong}])
    with pytest.raises(AnswerMalformed):
        license_manager.agreements(CUSTOMER)


def test_the_renewals_of_a_refused_plan_are_still_listed(sandbox: Sandbox, license_manager: LicenseManager) -> None:
    renewing = plan(UUID(int=11), "B", END, END, prior_renewals=[RENEWAL])
    sandbox.license_manager.put_agreement(CUSTOMER, [plan(PLAN, "A", START, END, prior_renewals=[]), renewing])
    (agreement,) = license_manager.agreements(CUSTOMER)
    assert agreement.lists_renewals
    assert agreement.renewals == (
        ListedRenewal(PLAN, UUID(int=11), datetime(2026, 1, 1, microsecond=123456, tzinfo=UTC)),
    )


def test_an_answer_without_renewals_does_not_say_that_there_are_none(
    sandbox: Sandbox, license_manager: LicenseManager
) -> None:
    omitted = {"prior_renewals": None, "licenses": None, "plan_type": None}
    bare = plan(PLAN, "A", START, END, **omitted)
    sandbox.license_manager.put_agreement(CUSTOMER, [bare])
    (agreement,) = license_manager.agreements(CUSTOMER)
    assert not agreement.lists_renewals
    assert (agreement.plans[0].plan_type, agreement.plans[0].counts) == (None, None)
    assert agreement.plans[0].counts is None, "a plan without counts was taken for one without holders"


def test_half_a_page_is_an_error(sandbox: Sandbox, license_manager: LicenseManager) -> None:
    sandbox.license_manager.put_licenses(PLAN, rows(10))
    sandbox.faults.malformed(vendor="license_manager")
    with pytest.raises(AnswerMalformed):
        license_manager.licenses(PLAN)


def test_400_plans_of_100_customers_cost_at_most_500_requests(
    sandbox: Sandbox, license_manager: LicenseManager
) -> None:
    customers = [UUID(int=1_000 + number) for number in range(100)]
    for customer in customers:
        plans = [UUID(int=customer.int * 10 + number) for number in range(4)]
        sandbox.license_manager.put_agreement(customer, [plan(each, f"Plan {each}", START, END) for each in plans])
        for each in plans[:3]:
            seats = [
                license_row(UUID(int=each.int * 10 + number), each, f"p{number}@example.com") for number in range(3)
            ]
            sandbox.license_manager.put_licenses(each, seats)
    listed = 0
    for customer in customers:
        (agreement,) = license_manager.agreements(customer)
        listed += sum(
            len(license_manager.licenses(each.uuid))
            for each in agreement.plans
            if each.counts and each.counts.given_out
        )
    assert listed == 900
    assert sandbox.log.counts(vendor="license_manager")["read"] == 100 + 300


def test_an_agreement_that_is_hidden_from_a_caller_reads_as_none(
    sandbox: Sandbox, license_manager: LicenseManager
) -> None:
    sandbox.license_manager.put_agreement(CUSTOMER, [plan(PLAN, "A", START, END)])
    assert license_manager.sees_any_agreement()
    sandbox.lms.accounts.act_as(callers.STAFF_WITHOUT_ROLE)
    assert license_manager.agreements(CUSTOMER) == []
    assert not license_manager.sees_any_agreement()
