"""The contract manager's pages: in a browser, and what they refuse."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import product

import httpx
import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from b2b_pipelines.tokens import service as tokens
from tests.api.pages_world import BEGAN, furnish
from tests.shop import Shop, Sold
from tests.statements import statements


@pytest.fixture
def sold(shop: Shop) -> Sold:
    return furnish(shop)


def token(database: Database, *scopes: str, organization: str | None = None) -> str:
    with database.session() as session:
        return tokens.create(session, "Contract desk", scopes, organization)[1]


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
def test_a_manager_signs_in_opens_a_contract_and_compares_two_snapshots(
    browser, api_url: str, database: Database, sold: Sold, width: int
):
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    foreign: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(api_url) else foreign.append(request.url))

    page.goto(f"{api_url}/contracts/{sold.slug}")
    assert page.url.startswith(f"{api_url}/sign-in")
    page.wait_for_selector("#email:focus")
    page.locator("#token").focus()
    page.keyboard.type(token(database))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{api_url}/contracts/{sold.slug}")
    assert page.get_by_role("img", name="4 taken, 4 handed out, 4 free, of 12 seats").is_visible()
    assert page.get_by_text("1 conflict").is_visible()
    assert "docs.google.com" in (page.get_by_role("link", name="Open in Google Sheets").get_attribute("href") or "")
    assert (page.get_by_role("link", name="A9 in Google Sheets").get_attribute("href") or "").endswith(
        "#gid=0&range=A9"
    )

    page.get_by_role("link", name="History", exact=True).press("Enter")
    page.wait_for_url("**/history")
    assert page.get_by_role("region", name="Snapshots").get_by_role("row").count() == 1 + 3
    page.get_by_role("button", name="Compare these two").press("Enter")
    page.wait_for_url("**/compare?*")
    shown = page.inner_text("main")
    assert "1 changed, 0 added, 1 gone, 0 only moved" in shown
    assert "j•••@example.com" in shown
    assert "jane" not in page.content()

    page.get_by_role("navigation", name="Site").get_by_role("link", name="Contracts", exact=True).click()
    assert page.get_by_role("listitem").count() == 4
    assert page.get_by_role("main").get_by_role("listitem").get_by_text("Globex & Söhne").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{api_url}/sign-in")
    page.goto(f"{api_url}/")
    assert "/sign-in" in page.url
    assert complaints == foreign == []


@pytest.mark.long
@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_lies_over_the_token_field(browser, api_url: str, width: int):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(f"{api_url}/sign-in")
    box = page.locator("#token").bounding_box()
    for right, down in product((0.02, 0.25, 0.5, 0.98), (0.1, 0.5, 0.9)):
        point = [box["x"] + right * box["width"], box["y"] + down * box["height"]]
        assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).id", point) == "token"


@pytest.fixture
def visitor(api_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_url) as client:
        yield client


def sign_in(visitor: httpx.Client, text: str, **more: str) -> httpx.Response:
    form = re.search(r'name="form" value="([^"]+)"', visitor.get("/sign-in").text)
    assert form is not None
    return visitor.post("/sign-in", data={"form": form[1], "token": text, **more})


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor, database, sold):
    text = token(database)
    answer = sign_in(visitor, text)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert text not in cookie
    page = visitor.get("/")
    assert page.status_code == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"


def test_a_form_from_elsewhere_is_refused(visitor, database, sold):
    text = token(database)
    assert visitor.post("/sign-in", data={"token": text}).status_code == 403
    assert visitor.post("/sign-in", data={"token": text, "form": "guessed"}).status_code == 403
    sign_in(visitor, text)
    assert visitor.post("/sign-out", data={"form": "guessed"}).status_code == 403
    assert visitor.get("/").status_code == 200


@pytest.mark.parametrize("text", ["", "wrong", "b2b_" + "x" * 43, "ünïcode"])
def test_a_wrong_token_does_not_sign_in(visitor, sold, text: str):
    answer = sign_in(visitor, text)
    assert answer.status_code == 401
    assert "not known" in answer.text
    assert visitor.get("/").status_code == 303


def test_a_token_that_may_not_read_does_not_sign_in(visitor, database, sold):
    assert sign_in(visitor, token(database, "attach")).status_code == 401


def test_a_revoked_token_ends_its_sessions(visitor, database, sold, shop: Shop):
    sign_in(visitor, token(database))
    assert visitor.get("/").status_code == 200
    shop.run("UPDATE token SET revoked_at = now()")
    assert visitor.get("/").status_code == 303


def test_a_session_runs_out(visitor, database, sold, shop: Shop):
    sign_in(visitor, token(database))
    shop.run("UPDATE token_session SET expires_at = now()")
    assert visitor.get("/").status_code == 303


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:x"])
def test_signing_in_leads_to_no_other_site(visitor, database, sold, wanted: str):
    assert sign_in(visitor, token(database), next=wanted).headers["location"] == "/"


def test_a_bound_token_shows_its_organization_only(visitor, database, sold, shop: Shop):
    sign_in(visitor, token(database, organization="ACME"))
    page = visitor.get("/").text
    assert "Acme 2026" in page
    assert "Globex" not in page
    assert visitor.get("/contracts/closed").status_code == 404
    other = shop.run("SELECT min(id) FROM sheet_snapshot")[0]
    shop.run(
        "UPDATE sheet_snapshot SET contract_id = (SELECT id FROM contract WHERE slug = 'closed') WHERE id = :id",
        id=other,
    )
    newest = shop.run("SELECT max(id) FROM sheet_snapshot")[0]
    assert visitor.get(f"/contracts/{sold.slug}/compare?earlier={other}&later={newest}").status_code == 404


def test_the_status_page_says_what_is_wrong_to_a_token_that_sees_everything(visitor, database, sold):
    assert visitor.get("/status/").headers["location"].endswith("/sign-in?next=%2Fstatus%2F")
    sign_in(visitor, token(database))
    page = visitor.get("/status/").text
    assert "daemon has not reported yet" in page
    assert "operators" in page


def test_the_status_page_is_not_shown_to_a_token_of_one_organization(visitor, database, sold):
    sign_in(visitor, token(database, organization="ACME"))
    assert visitor.get("/status/").status_code == 404
    assert "Status" not in visitor.get("/").text


def test_addresses_are_shown_to_a_token_that_may_see_them(visitor, database, sold, shop: Shop):
    sign_in(visitor, token(database, "emails"))
    first, _, third = shop.run("SELECT id FROM sheet_snapshot ORDER BY id")
    assert "jane.2@example.com" in visitor.get(f"/contracts/{sold.slug}/compare?earlier={first}&later={third}").text


@pytest.mark.parametrize(
    "path",
    [
        "/contracts/none",
        "/contracts/none/compare?earlier=1&later=x",
        "/?page=0",
        "/?page=2",
        "/contracts/{slug}/history?page=2",
        "/static/x",
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(visitor, database, sold, path: str):
    sign_in(visitor, token(database))
    answer = visitor.get(path.format(slug=sold.slug))
    assert answer.status_code == 404
    assert "text/html" in answer.headers["content-type"]
    assert "Page not found" in answer.text or path == "/static/x"


@pytest.mark.parametrize("path", ["/docs", "/docs/reference", "/contracts/none", "/?page=99"])
def test_every_page_shows_who_is_signed_in(visitor, database, sold, path: str):
    assert "Sign out" not in visitor.get(path).text
    sign_in(visitor, token(database))
    page = visitor.get(path).text
    assert "Contract desk" in page
    assert "Sign out" in page


def test_the_list_costs_the_same_queries_for_four_contracts_as_for_forty(visitor, database, sold, shop: Shop):
    sign_in(visitor, token(database))
    with statements(database) as few:
        visitor.get("/")
    for number in range(12):
        shop.sell(f"More {number}", courses=0)
    with statements(database) as many:
        visitor.get("/")
    assert len(few) == len(many) <= 6


def test_a_sheet_that_could_not_be_synced_is_said_to_lag_and_why(visitor, database, sold, shop: Shop):
    sign_in(visitor, token(database))
    begin = """INSERT INTO fault (kind, name, partition, words, run_id, since)
        VALUES ('partition', 'sheet_snapshots', :slug, 'share it with b2b@sandbox.test', 'r', :since)"""
    shop.run("UPDATE sheet_snapshot SET conflicts = '[]'")
    assert "No conflicts." in visitor.get(f"/contracts/{sold.slug}").text
    shop.run(begin, slug=sold.slug, since=BEGAN + timedelta(days=1))
    page = visitor.get(f"/contracts/{sold.slug}").text
    assert 'Sync failing since <time datetime="2026-11-21T09:30:00+00:00">2026-11-21 09:30 UTC</time>' in page
    assert "share it with" in page
    assert "Sync failing" in visitor.get("/").text
    assert "share it with" in visitor.get("/").text
    assert "No conflicts." not in page
    shop.run("UPDATE fault SET since = :since", since=BEGAN)
    assert "share it with" not in visitor.get(f"/contracts/{sold.slug}").text


def test_why_a_sheet_lags_is_not_for_a_bound_token_as_it_may_name_another_contract(visitor, database, sold, shop: Shop):
    sign_in(visitor, token(database, organization="ACME"))
    shop.run(
        "INSERT INTO fault (kind, name, partition, words, run_id) VALUES ('partition', 'sheet_snapshots', :slug, "
        "'the tab belongs to the contract globex', 'r')",
        slug=sold.slug,
    )
    page = visitor.get(f"/contracts/{sold.slug}").text
    assert "Sync failing since" in page
    assert "globex" not in page


def test_facts_of_the_sheet_before_are_not_shown_beside_another_one(visitor, database, sold, shop: Shop):
    sign_in(visitor, token(database))
    before = visitor.get(f"/contracts/{sold.slug}").text
    assert re.search(r"<dt>Last synced</dt>.*<h3>Conflicts", before, re.DOTALL)
    shop.change(
        sold.slug, sheet_url="https://docs.google.com/spreadsheets/d/1AnotherSheetOfTheCustomer00000000000/edit"
    )
    page = visitor.get(f"/contracts/{sold.slug}").text
    assert "Not synced yet" in page
    assert not re.search("Last synced|Last write|<h3>Conflicts", page)
    assert visitor.get(f"/contracts/{sold.slug}/history").text.count('name="earlier"') == 3


def test_the_documentation_needs_nothing_from_elsewhere(visitor):
    page = visitor.get("/docs/reference")
    assert page.status_code == 200
    assert "/api/v1/attach/{code}/" in page.text
    assert "already_attached" in page.text
    assert not re.search(r'(src|href)="https?:', page.text)


def test_every_type_that_a_field_names_is_linked_and_explained_once(visitor):
    page = visitor.get("/docs/reference").text
    anchors = re.findall(r'id="([^"]+)"', page)
    linked = set(re.findall(r'href="#([^"]+)"', page))
    assert len(anchors) == len(set(anchors))
    assert linked <= set(anchors)
    assert {anchor for anchor in anchors if anchor.startswith("type-")} <= linked
    assert 'list of <a href="#type-CodeOut">CodeOut</a>' in page
    assert re.search(r'id="type-CodeOut".*?attached_by.*?</section>', page, re.DOTALL)


def test_a_run_that_failed_in_edx_shows_on_its_contracts_page_and_why_to_unbound_tokens(
    visitor, database, sold, shop: Shop
):
    run = shop.run(
        "SELECT courseware_id FROM course_run JOIN contract ON contract.id = contract_id WHERE slug = 'acme-2026'"
    )[0]
    with database.session() as session:
        session.execute(text("UPDATE course_run SET edx_state = 'failed', edx_error = 'Studio answered 403'"))
    sign_in(visitor, token(database, "read"))
    page = visitor.get("/contracts/acme-2026").text
    assert run in page and "Studio answered 403" in page
    sign_in(visitor, token(database, "read", organization="ACME"))
    page = visitor.get("/contracts/acme-2026").text
    assert run in page and ">Failed<" in page and "Studio answered 403" not in page


def test_the_documentation_is_tried_out_with_files_from_here(visitor: httpx.Client):
    page = visitor.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "http" not in policy
    for path in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        answer = visitor.get(path)
        assert answer.status_code in (200, 303), path
    assert len(visitor.get("/static/swagger-ui-bundle.js").content) > 500_000
    assert visitor.get("/static/redoc.standalone.js").status_code == 404


@pytest.mark.long
def test_an_operation_is_tried_out_in_the_browser(browser, api_url: str, database: Database, sold: Sold):
    page = browser.new_page()
    foreign: list[str] = []
    page.on(
        "request", lambda request: None if request.url.startswith((api_url, "data:")) else foreign.append(request.url)
    )
    page.goto(f"{api_url}/docs")
    page.get_by_role("button", name="Authorize").click()
    page.locator("input[type=text], input[type=password]").first.fill(token(database))
    page.locator(".modal-ux").get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close").first.click()
    page.locator("#operations-contracts-list_contracts").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.wait_for_selector(".live-responses-table")
    assert sold.slug in page.inner_text(".live-responses-table")
    assert foreign == []
