"""Licenses, academies and the operator's page in the browser, and the same numbers as gauges."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from b2b_pipelines.api.app import create_app
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings
from tests.api.conftest import serving
from tests.api.desk import Desk
from tests.api.pages_world import NOW, ONE, PLAN, furnish, license_customers, publish_academies
from tests.shop import Shop


@pytest.fixture
def url(database: Database, tmp_path) -> Iterator[str]:
    settings = Settings(home=tmp_path, unlink_customers=ONE)
    with serving(create_app(settings, database)) as url:
        yield url


@pytest.fixture
def desk(url: str, database: Database) -> Iterator[Desk]:
    with Desk(url, database) as desk:
        yield desk.sign_in("manage")


@pytest.fixture
def licensed(shop: Shop) -> Shop:
    license_customers(shop)
    return shop


def test_the_licenses_page_says_how_many_people_are_unlinked_on_which_day(desk: Desk, licensed: Shop):
    page = desk.open("/licenses/")
    day = NOW - timedelta(days=10) + timedelta(days=90)
    assert re.search(rf'<strong>3 people</strong> will be unlinked on <time datetime="{day:%Y-%m-%d}">', page)
    assert "Enrollments end next" in page
    assert "Unlinking off" in page


def test_decisions_are_shown_with_reasons_and_without_addresses(desk: Desk, licensed: Shop):
    page = desk.open(f"/licenses/{ONE}?decision=in_grace")
    assert page.count("enrollments ended; in grace through") == 3
    assert "jane.2" not in page
    assert "j•••@example.com" in page
    desk.open(f"/licenses/{'3' * 8}-1111-4111-8111-111111111111")
    assert desk.status == 404


def test_a_hold_is_confirmed_by_a_manager(desk: Desk, url: str, database: Database, licensed: Shop):
    with Desk(url, database) as viewer:
        viewer.sign_in("read").open("/licenses/")
        assert viewer.actions() == {"/sign-out"}
        assert PLAN in viewer.page
    page = desk.open("/licenses/")
    assert f"Confirm: the plan ended {NOW - timedelta(days=1):%Y-%m-%d}" in page
    page = desk.send("/licenses/confirm")
    assert f"Confirmed: plan {PLAN} ended" in page
    assert "Held: confirm" not in page


def test_the_academies_are_shown_as_published_with_what_was_refused(desk: Desk, shop: Shop):
    assert "Nothing was published yet." in desk.open("/academies/")
    publish_academies(shop)
    page = desk.open("/academies/")
    assert "Data &lt;Academy&gt;" in page
    assert "<strong>Broken</strong>: " in page
    assert "published" in page


def test_the_operators_page_and_the_gauges_have_the_same_numbers(
    desk: Desk, url: str, licensed: Shop, database: Database
):
    furnish(licensed)
    licensed.run(
        "INSERT INTO fault (kind, name, partition, words, run_id, since, alerted_at) VALUES "
        "('partition', 'sheet_snapshots', 'acme-2026', 'share it', 'run-1', now() - interval '3 hours', now())"
    )
    licensed.run(
        "INSERT INTO request_permits (account, kind, slots) VALUES "
        "('a', 'read', ARRAY[now(), now() - interval '10 seconds', now() - interval '2 hours'])"
    )
    page = desk.open("/status/")
    assert "Began 3 hours ago" in page
    assert "Alert made" in page
    assert re.search(r"<dt>Stale sheets</dt><dd>1 <small>of 1</small>", page)
    assert re.search(r"<dt>Google reads, last minute</dt><dd>2 <small>of 60</small>", page)
    shown = dict(
        line.rsplit(" ", 1) for line in httpx.get(f"{url}/metrics").text.splitlines() if line.startswith("b2b_")
    )
    found = {name: float(value) for name, value in shown.items()}
    assert found["b2b_stale_sheets"] == found["b2b_sheets"] == 1
    assert found["b2b_sheet_conflicts"] == 1
    assert found['b2b_google_quota_used{kind="read"}'] == 2
    assert found["b2b_google_quota_per_minute"] == 60
    assert found["b2b_license_plans_held"] == 1
    assert found["b2b_payments_pending"] == 0
    assert found['b2b_faults{kind="partition"}'] == 1
    assert found["b2b_oldest_fault_seconds"] > 10_000


def test_the_count_of_pending_payments_follows_the_sessions(url: str, shop: Shop, database: Database):
    shop.run(
        "INSERT INTO checkout_session (id, status, pending_since, updated_at) VALUES ('cs_1', 'pending', now(), now())"
    )
    assert "b2b_payments_pending 1.0" in httpx.get(f"{url}/metrics").text
