"""Contracts, codes and snapshots over HTTP; pages, masks, and what a request costs."""

import httpx
import pytest

from b2b_pipelines.db.engine import Database
from tests.api.conftest import Connect
from tests.api.pages_world import SHEET, furnish
from tests.shop import Shop
from tests.statements import executed, statements


@pytest.fixture
def api(connect: Connect) -> httpx.Client:
    return connect("read")


def test_a_contract_is_shown_as_the_commands_show_it(api: httpx.Client, shop: Shop):
    sold = furnish(shop)
    found = api.get(f"/contracts/{sold.slug}/").json()
    assert found == {
        "id": shop.run("SELECT id FROM contract WHERE slug = 'acme-2026'")[0],
        "slug": "acme-2026",
        "name": "Acme 2026",
        "organization": "Acme",
        "organization_key": "ACME",
        "integration_type": "non-sso",
        "start": "2026-01-01",
        "end": "2999-12-31",
        "active": True,
        "max_learners": 12,
        "price": "199.00",
        "codes": 12,
        "learners": 4,
        "sheet_url": f"https://docs.google.com/spreadsheets/d/{SHEET}/edit",
        "sheet_tab": None,
        "description": "",
        "revision": 3,
    }
    assert api.get("/contracts/").json()["results"][0] == found


def test_a_code_carries_its_redemptions_and_its_place_in_the_sheet(api: httpx.Client, connect: Connect, shop: Shop):
    sold = furnish(shop)
    first, *_, last = api.get(f"/contracts/{sold.slug}/codes/").json()["results"]
    assert first["code"] == sold.every_code[0]
    assert first["product"].startswith("course-v1:UAI_ACME+1.00+")
    assert first["amount"] == "199.00"
    assert (first["attached_by"], first["attached"], first["enrolled"]) == ("j•••@example.com", 1, 0)
    assert first["sheet_location"] == {"target": f"{SHEET}/0", "row": 2}
    assert (last["attached_by"], last["sheet_location"]) == (None, None)
    seen = connect("emails").get(f"/contracts/{sold.slug}/codes/").json()["results"][0]
    assert seen["attached_by"] == "jane.0@example.com"


def test_the_last_of_many_redemptions_names_the_learner(connect: Connect, shop: Shop):
    sold = shop.sell()
    for number in range(3):
        shop.attach(sold.every_code[0], f"learner-{number}@example.com")
    code = connect("emails").get(f"/contracts/{sold.slug}/codes/").json()["results"][0]
    assert (code["attached"], code["attached_by"]) == (3, "learner-2@example.com")


def test_snapshots_are_listed_newest_first_and_shown_in_full(api: httpx.Client, connect: Connect, shop: Shop):
    sold = furnish(shop)
    listed = api.get(f"/contracts/{sold.slug}/sheet-snapshots/").json()["results"]
    ids = [snapshot["id"] for snapshot in listed]
    assert (len(ids), ids) == (3, sorted(ids, reverse=True))
    assert (listed[0]["rows"], listed[0]["conflicts"], listed[0]["reads"]) == (7, 1, 1)
    full = api.get(f"/contracts/{sold.slug}/sheet-snapshots/{ids[0]}/").json()
    assert full["snapshot"] == listed[0]
    assert full["columns"]["Enrollment Code"] == 0
    (conflict,) = full["conflicts"]
    assert (conflict["kind"], conflict["row"], conflict["code"]) == ("unknown_code", 9, sold.every_code[7])
    assert (conflict["cell"], conflict["url"]) == (
        "A9",
        f"https://docs.google.com/spreadsheets/d/{SHEET}/edit#gid=0&range=A9",
    )
    assert conflict["do"].startswith("Empty the cells")
    redeemed = next(row for row in full["rows"] if row["code"] == sold.every_code[2])
    assert (redeemed["row"], redeemed["cells"]["Redeemed By"]) == (4, "j•••@example.com")
    shown = connect("emails").get(f"/contracts/{sold.slug}/sheet-snapshots/{ids[0]}/").text
    assert "jane.2@example.com" in shown


def test_what_the_customers_cells_held_before_is_not_shown(api: httpx.Client, shop: Shop):
    sold = furnish(shop)
    (snapshot,) = shop.run("SELECT max(id) FROM sheet_snapshot")
    shop.run("UPDATE sheet_snapshot SET kind = 'before' WHERE id = :snapshot", snapshot=snapshot)
    assert api.get(f"/contracts/{sold.slug}/sheet-snapshots/").json()["count"] == 2
    assert api.get(f"/contracts/{sold.slug}/sheet-snapshots/{snapshot}/").status_code == 404


def test_pages_lead_from_the_first_to_the_last_and_back(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=25)
    url, seen = f"/contracts/{sold.slug}/codes/?page_size=10", []
    while url:
        page = api.get(url.removeprefix("/api/v1")).json()
        assert page["count"] == 25
        seen += [code["code"] for code in page["results"]]
        url, last = page["next"], page
    assert seen == sold.every_code
    assert last["previous"].endswith("page_size=10&page=2")
    previous = last["previous"].removeprefix("/api/v1")
    assert api.get(previous, headers={"Host": "evil.example"}).json()["next"] == (
        f"/api/v1/contracts/{sold.slug}/codes/?page_size=10&page=3"
    )


def test_a_page_behind_the_last_is_empty(api: httpx.Client, shop: Shop):
    shop.sell()
    for page in (7, 10**30):
        body = api.get(f"/contracts/?page={page}").json()
        assert (body["count"], body["results"], body["next"]) == (1, [], None)


def test_a_page_size_above_the_maximum_is_cut_to_it(api: httpx.Client, shop: Shop):
    sold = shop.sell(cap=1100)
    assert len(api.get(f"/contracts/{sold.slug}/codes/?page_size=5000").json()["results"]) == 1000


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "page_size=0", "page_size=1.5", "page_size="])
def test_what_is_no_positive_number_is_refused(api: httpx.Client, query: str):
    answer = api.get(f"/contracts/?{query}")
    assert answer.status_code == 400
    assert query.split("=", maxsplit=1)[0] in answer.json()["detail"]


def test_what_is_not_there_is_404(api: httpx.Client, shop: Shop):
    sold = shop.sell()
    for path in ("/contracts/x/", "/contracts/x/codes/", f"/contracts/{sold.slug}/sheet-snapshots/7/", "/nothing/"):
        answer = api.get(path)
        assert (answer.status_code, "detail" in answer.json()) == (404, True), path


def test_a_thousand_codes_cost_the_same_queries_as_ten(api: httpx.Client, database: Database, shop: Shop):
    few, many = shop.sell("Few", cap=10), shop.sell("Many", cap=1000)
    for code in many.every_code[:20]:
        shop.attach(code, f"{code}@example.com")
    with statements(database) as for_few:
        api.get(f"/contracts/{few.slug}/codes/?page_size=100")
    with statements(database) as for_many:
        assert len(api.get(f"/contracts/{many.slug}/codes/?page_size=100").json()["results"]) == 100
    assert len(executed(for_few)) == len(executed(for_many)) == 1


def test_twenty_contracts_cost_the_same_queries_as_one(api: httpx.Client, database: Database, shop: Shop):
    shop.sell("First", courses=0)
    with statements(database) as for_one:
        api.get("/contracts/")
    for number in range(20):
        shop.sell(f"More {number}", courses=0)
    with statements(database) as for_many:
        assert api.get("/contracts/").json()["count"] == 21
    assert len(for_one) == len(for_many)
