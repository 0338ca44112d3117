"""The list of contracts: what needs attention first, filters, and what a page costs."""

import re
import time
from collections.abc import Iterator
from datetime import date

import pytest

from b2b_pipelines.db.engine import Database
from tests.api.desk import Desk
from tests.api.pages_world import furnish
from tests.shop import Shop, Sold
from tests.statements import statements


@pytest.fixture
def sold(shop: Shop) -> Sold:
    return furnish(shop)


@pytest.fixture
def desk(api_url: str, database: Database) -> Iterator[Desk]:
    with Desk(api_url, database) as desk:
        yield desk.sign_in("manage", "emails")


def names(page: str) -> list[str]:
    return re.findall(r'<h2><a href="/contracts/([^"]+)">', page)


def test_failing_contracts_come_first_and_then_what_changed_last(desk: Desk, sold: Sold, shop: Shop):
    assert names(desk.open("/")) == [
        "closed",
        "pilot-of-a-rather-long-name-which-somebody-thought-would-fit",
        "learning-for-all",
        "acme-2026",
    ]
    shop.change("learning-for-all", description="new")
    assert names(desk.open("/"))[0] == "learning-for-all"
    shop.run(
        "INSERT INTO fault (kind, name, partition, words, run_id) VALUES "
        "('partition', 'sheet_snapshots', 'acme-2026', 'share it with b2b@sandbox.test', 'r')"
    )
    page = desk.open("/")
    assert names(page)[0] == "acme-2026"
    assert "Sync failing" in page
    assert "share it with b2b@sandbox.test" in page


def test_a_run_that_failed_in_edx_makes_its_contract_come_first(desk: Desk, sold: Sold, shop: Shop):
    shop.run(
        "UPDATE course_run SET edx_state = 'failed' WHERE contract_id = (SELECT id FROM contract WHERE slug = 'acme-2026')"
    )
    page = desk.open("/")
    assert names(page)[0] == "acme-2026"
    assert "1 run failed in edX" in page


def test_filters_narrow_the_list(desk: Desk, sold: Sold):
    for query, found in [
        ("search=GLOBEX", ["learning-for-all"]),
        ("search=closed", ["closed"]),
        ("search=100%25", []),
        ("type=sso", ["learning-for-all"]),
        ("active=no", ["closed"]),
        ("state=conflicts", ["acme-2026"]),
        ("state=no_sheet&type=sso", ["learning-for-all"]),
        ("active=yes&search=initech", ["pilot-of-a-rather-long-name-which-somebody-thought-would-fit"]),
        ("state=nonsense&type=&organization=&search=closed", ["closed"]),
    ]:
        assert (names(desk.open(f"/?{query}")), desk.status) == (found, 200), query


def test_the_organization_is_a_filter_and_the_order_can_be_chosen(desk: Desk, sold: Sold, shop: Shop):
    initech = shop.run("SELECT id FROM organization WHERE name = 'Initech'")[0]
    assert len(names(desk.open(f"/?organization={initech}"))) == 2
    assert names(desk.open("/?sort=name"))[0] == "acme-2026"
    assert names(desk.open("/?sort=end"))[0].startswith("pilot")


def test_a_full_contract_says_so_and_each_shows_its_slug(desk: Desk, shop: Shop):
    full = shop.sell("Small", cap=1, end=date(2999, 1, 1))
    shop.attach(full.every_code[0], "jane@example.com")
    page = desk.open("/")
    assert "Contract is full" in page
    assert "<code>small</code>" in page


def test_a_viewer_finds_no_button_that_changes_something(api_url: str, database: Database, sold: Sold):
    with Desk(api_url, database) as desk:
        desk.sign_in("read")
        for path in ("/", f"/contracts/{sold.slug}", f"/contracts/{sold.slug}/learners"):
            desk.open(path)
            assert desk.actions() == {"/sign-out"}
            assert "New contract" not in desk.page
        for path in ("/new-contract", f"/contracts/{sold.slug}/edit", f"/contracts/{sold.slug}/rebuild"):
            desk.open(path)
            assert desk.status == 403


@pytest.mark.long
def test_a_page_of_a_thousand_contracts_takes_a_tenth_of_a_second_and_a_constant_number_of_queries(
    desk: Desk, sold: Sold, shop: Shop
):
    with statements(shop.database) as few:
        desk.open("/")
    shop.run(
        "INSERT INTO contract (organization_id, name, slug, integration_type, max_learners, sheet_url) "
        "SELECT min(organization.id), 'Contract ' || n, 'contract-' || n, 'non-sso', 50, '1SheetOfContractNumber' || n "
        "FROM organization, generate_series(1, 1000) n GROUP BY n"
    )
    shop.run(
        "INSERT INTO enrollment_code (code, contract_id, product_id, redemption_type, amount, sheet_row) "
        "SELECT gen_random_uuid()::text, contract.id, (SELECT min(id) FROM product), 'one-time', 0, n "
        "FROM contract, generate_series(1, 50) n"
    )
    shop.run(
        "INSERT INTO sheet_snapshot (contract_id, kind, spreadsheet_id, sheet_id, title, columns, column_count, rows, "
        "row_count, conflicts, updated, appended, unchanged, reads, writes, content_hash) "
        "SELECT id, 'after', sheet_url, 0, 'Codes', '[0,1,2,3,4,5]', 6, '[]', 50, '[]', 0, 50, 0, 1, 1, '' "
        "FROM contract, generate_series(1, 5) WHERE slug LIKE 'contract-%'"
    )
    shop.run(
        "INSERT INTO fault (kind, name, partition, words, run_id, since) "
        "SELECT 'partition', 'sheet_snapshots', slug, 'unshared', 'r', now() + interval '1 hour' FROM contract WHERE id % 10 = 0"
    )
    shop.run("ANALYZE")
    with statements(shop.database) as many:
        page = desk.open("/")
    assert len(few) == len(many) <= 6
    assert len(names(page)) == 100
    assert "Next →" in page
    for path in ("/", "/?page=5", "/?search=contract-99", "/?sort=name&state=failing"):
        took = []
        for _ in range(15):
            began = time.perf_counter()
            desk.open(path)
            took.append(time.perf_counter() - began)
        assert min(took) < 0.1, (path, min(took))
