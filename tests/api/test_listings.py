"""The API's listings for managers and for support, and its refusals of unknown parameters."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from b2b_pipelines.contracts import catalog, courseware_registry
from b2b_pipelines.db.engine import Database
from tests.api.conftest import Connect
from tests.shop import Shop
from tests.statements import statements


@pytest.fixture
def api(connect: Connect) -> httpx.Client:
    return connect("read", "emails")


def slugs(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["slug"] for row in answer.json()["results"]]


def test_contracts_are_filtered_by_what_their_columns_suggest(api: httpx.Client, shop: Shop):
    shop.sell("Leadership", organization="Acme", courses=0)
    shop.sell("Data 100%", organization="Acme", integration="sso", courses=0)
    shop.sell("Leading", organization="Globex", courses=0)
    shop.change("leadership", active=False)
    assert slugs(api.get("/contracts/", params={"organization": "acme"})) == ["leadership", "data-100"]
    assert slugs(api.get("/contracts/", params={"active": "false"})) == ["leadership"]
    assert slugs(api.get("/contracts/", params={"integration_type": "sso"})) == ["data-100"]
    assert slugs(api.get("/contracts/", params={"search": "LEAD"})) == ["leadership", "leading"]
    assert slugs(api.get("/contracts/", params={"search": "0%"})) == ["data-100"]
    assert slugs(api.get("/contracts/", params={"search": "lead", "active": "true"})) == ["leading"]
    assert slugs(api.get("/contracts/", params={"search": "%"})) == ["data-100"]


@pytest.mark.parametrize("path", ["/contracts/", "/codes/", "/courses/", "/contracts/acme-2026/runs/", "/contracts/x/"])
def test_an_unknown_parameter_is_refused_and_those_there_are_are_named(api: httpx.Client, shop: Shop, path: str):
    shop.sell()
    refused = api.get(path, params={"organisation": "acme"})
    assert (refused.status_code, refused.json()["error_code"]) == (400, "unknown_parameter")
    assert list(refused.json()["fields"]) == ["organisation"]
    if path == "/contracts/":
        assert "active, integration_type, organization, page, page_size, search" in refused.json()["detail"]


def test_the_public_list_ignores_parameters_that_it_does_not_know(api_url: str):
    assert httpx.get(f"{api_url}/api/v1/academy-products/?colour=red").status_code in (200, 503)


def test_organizations_courses_programs_and_runs_are_listed(api: httpx.Client, shop: Shop):
    sold = shop.sell(courses=2, cap=3)
    with shop.database.session() as session:
        tree = {"all_of": ["course-v1:MITx+1.00"]}
        courseware_registry.register(session, catalog.program("program-v1:MITx+P", "P", tree))
        courseware_registry.register(session, catalog.course("course-v1:MITx+9", "Nine"))
    [acme] = api.get("/organizations/").json()["results"]
    assert (acme["org_key"], acme["contracts"], acme["learners"]) == ("ACME", 1, 0)
    found = api.get("/courses/", params={"search": "mitx"}).json()["results"]
    assert [(row["readable_id"], row["has_source_run"]) for row in found] == [
        ("course-v1:MITx+1.00", True),
        ("course-v1:MITx+2.00", True),
        ("course-v1:MITx+9", False),
    ]
    [program] = api.get("/programs/").json()["results"]
    assert program["requirements"] == tree
    runs = api.get(f"/contracts/{sold.slug}/runs/").json()["results"]
    assert [(run["courseware_id"], run["product_id"], run["edx_state"]) for run in runs] == [
        (f"course-v1:UAI_ACME+{number}.00+2026_C{sold.id}", product, "pending")
        for number, product in enumerate(sold.products, 1)
    ]
    assert api.get(f"/contracts/{sold.slug}/runs/", params={"edx_state": "created"}).json()["count"] == 0


def test_support_learns_why_a_code_is_valid_or_not(api: httpx.Client, shop: Shop, connect: Connect):
    sold = shop.sell(cap=4)
    used, free, gone, late = sold.every_code
    shop.attach(used, "jo@example.com")
    shop.run("UPDATE enrollment_code SET active = false WHERE code = :code", code=gone)
    shop.run(
        "UPDATE enrollment_code SET expires_at = :at WHERE code = :code", at=datetime.now(UTC) - timedelta(1), code=late
    )

    def reason(code: str) -> tuple[bool, str]:
        [found] = api.get("/codes/", params={"code": code.upper()}).json()["results"]
        assert found["contract"] == sold.slug
        return found["valid"], found["reason"]

    assert reason(used) == (False, "spent")
    assert reason(free) == (True, "valid")
    assert reason(gone) == (False, "inactive")
    assert reason(late) == (False, "expired")
    shop.change(sold.slug, ends_on=datetime(2020, 1, 1, tzinfo=UTC).date())
    assert reason(free) == (False, "contract_not_open")
    assert api.get("/codes/", params={"code": "nothing"}).json()["results"] == []
    assert api.get("/codes/").status_code == 400
    [mine] = api.get("/codes/", params={"learner": "JO@example.com"}).json()["results"]
    assert (mine["code"], mine["attached_by"]) == (used, "jo@example.com")
    reader = connect("read")
    assert reader.get("/codes/", params={"learner": "jo@example.com"}).status_code == 403
    [masked] = reader.get("/codes/", params={"code": used}).json()["results"]
    assert masked["attached_by"] == "j•••@example.com"


def test_a_code_of_another_organization_is_not_found(shop: Shop, connect: Connect):
    shop.sell("Own", courses=0)
    others = shop.sell("Other", organization="Globex", cap=1)
    bound = connect("read", organization="ACME")
    assert bound.get("/codes/", params={"code": others.every_code[0]}).json()["count"] == 0


def test_a_page_of_a_thousand_contracts_costs_a_constant_number_of_queries(
    api: httpx.Client, shop: Shop, database: Database
):
    shop.sell("First", courses=0)
    shop.run("""INSERT INTO contract (organization_id, name, slug, integration_type)
                SELECT organization.id, 'Contract ' || n, 'contract-' || n, 'non-sso'
                FROM organization, generate_series(2, 1000) AS n""")
    sent = []
    for search in ("contract-99", "contract"):
        api.get("/contracts/", params={"search": search, "page_size": 1000})
        with statements(database) as asked:
            began = time.process_time()
            answer = api.get("/contracts/", params={"search": search, "page_size": 1000})
            spent = time.process_time() - began
        assert answer.status_code == 200
        sent.append(len(asked))
    assert answer.json()["count"] == 999
    assert sent[0] == sent[1] <= 5
    assert spent < 0.5  # of CPU, the client's share and a crowded machine included
