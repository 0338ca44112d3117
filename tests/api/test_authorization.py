"""Every route with every kind of token. The routes come from the OpenAPI document, so a new one is tested at once."""

from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.people import service as people
from b2b_pipelines.people.rules import Role
from b2b_pipelines.tokens import service as tokens
from b2b_pipelines.tokens.rules import Scope
from tests.api import test_auth
from tests.api.conftest import Connect
from tests.api.every_page import FOR_MANAGERS, PUBLIC, WHOLE_INSTALLATION, filled, routes
from tests.api.pages_world import ONE, PLAN, license_customers, snapshots
from tests.api.test_auth import DOCUMENT, ROUTES, bodies, call, census
from tests.shop import Shop, Sold

IMPLIED = {Scope.EMAILS: {Scope.READ}, Scope.MANAGE: {Scope.READ}}


def needed(method: str, path: str) -> Scope:
    """The one scope that opens a route."""
    if path.endswith(("/fulfilled/", "/errored/")):
        return Scope.PROVISIONING
    if "/checkout" in path:
        return Scope.CHECKOUT
    if "/attach/" in path or path.endswith("/logins/"):
        return Scope.ATTACH
    return Scope.READ if method == "GET" else Scope.MANAGE


def concerns_everyone(method: str, path: str) -> bool:
    return path.startswith(test_auth.WHOLE_INSTALLATION) or (method, path) == ("POST", "/api/v1/organizations/")


@pytest.fixture
def sold(shop: Shop) -> Sold:
    return shop.sell("Acme 2026", cap=12)


@pytest.fixture
def ask(sold: Sold) -> Callable[[httpx.Client, str, str], httpx.Response]:
    """Ask a route for what there is, with a body that it takes."""
    values = {
        "slug": sold.slug,
        "code": sold.every_code[0],
        "org_key": "ACME",
        "snapshot_id": 1,
        "key": "k",
        "learner_id": 1,
    }

    def asked(client: httpx.Client, method: str, path: str) -> httpx.Response:
        body = bodies(sold, sold.every_code[0]).get(path, {"email": "jo@example.com"})
        return call(client, method, path, values, body)

    return asked


def test_every_documented_route_is_public_or_asks_for_a_token():
    documented = {(method.upper(), path) for path, each in DOCUMENT["paths"].items() for method in each}
    assert documented == set(ROUTES) | test_auth.PUBLIC
    for method, path in ROUTES:
        assert DOCUMENT["paths"][path][method.lower()]["security"] == [{"token": []}], (method, path)


@pytest.mark.parametrize(
    "kind", ["none", "empty", "wrong", "basic", "revoked", "hash", "viewer", "manager", "signed in"]
)
def test_what_is_not_a_valid_token_opens_no_route(
    kind: str, connect: Connect, api_url: str, database: Database, shop: Shop, ask
):
    """A browser's session is not one either: other sites could have the browser send it."""
    text = connect(*Scope).headers["Authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=f"{api_url}/api/v1", timeout=60) as client:
        match kind:
            case "viewer" | "manager":
                with database.session() as session:
                    person, _ = people.add(session, "jo@example.com", Role(kind), datetime.now(UTC))
                    secret = people.open_session(session, person, datetime.now(UTC))
                client.cookies.set("b2b_session", secret)
                assert client.get(f"{api_url}/").status_code == 200
            case "signed in":
                with database.session() as session:
                    caller = tokens.recognize(session, text)
                    assert caller is not None
                    client.cookies.set("b2b_session", tokens.open_session(session, caller, datetime.now(UTC)))
                assert client.get(f"{api_url}/").status_code == 200
            case "revoked":
                shop.run("UPDATE token SET revoked_at = now()")
                client.headers["Authorization"] = f"Bearer {text}"
            case "hash":
                client.headers["Authorization"] = f"Bearer {shop.run('SELECT text_hash FROM token')[0]}"
            case "empty":
                client.headers["Authorization"] = "Bearer"
            case "wrong":
                client.headers["Authorization"] = f"Bearer {text[:-1]}"
            case "basic":
                client.headers["Authorization"] = "Basic Yjpi"
        before = census(shop)
        for method, path in ROUTES:
            answer = ask(client, method, path)
            assert (answer.status_code, answer.json()["error_code"]) == (401, "unauthenticated"), (kind, method, path)
        assert census(shop) == before


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_opens_the_routes_that_need_it_and_no_others(scope: Scope, connect: Connect, shop: Shop, ask):
    client = connect(scope)
    granted = {scope, *IMPLIED.get(scope, set())}
    opened = [route for route in ROUTES if needed(*route) in granted]
    before = census(shop)
    for method, path in (route for route in ROUTES if route not in opened):
        answer = ask(client, method, path)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "missing_scope"), (scope, method, path)
    assert census(shop) == before
    for method, path in opened:
        answer = ask(client, method, path)
        assert answer.status_code not in (401, 403), (scope, method, path, answer.text)
        assert answer.status_code < 500, (scope, method, path, answer.text)


@pytest.mark.parametrize("bound_to", ["ACME", "OTHER"])
def test_a_bound_token_opens_its_organization_only(bound_to: str, connect: Connect, shop: Shop, ask):
    shop.sell("Other", organization="Other")
    client = connect(*Scope, organization=bound_to)
    before = census(shop)
    for method, path in ROUTES:
        answer = ask(client, method, path)
        if concerns_everyone(method, path):
            assert (answer.status_code, answer.json()["error_code"]) == (403, "bound_token"), (method, path)
        elif bound_to == "OTHER" and "{" in path:
            assert answer.status_code == 404, (method, path, answer.text)
        else:
            assert answer.status_code not in (401, 403), (method, path, answer.text)
            assert answer.status_code < 500, (method, path, answer.text)
        if bound_to == "OTHER":
            assert "Acme 2026" not in answer.text, (method, path)
    assert bound_to == "ACME" or census(shop)[1:] == before[1:]


KINDS = ("none", "forged", "viewer", "manager", "reader", "bound", "other", "bound-manager", "other-manager")
SEEN_BY_ALL = "Acme 2026"


def opens(kind: str, method: str, path: str, name: str) -> int:
    """Return the status with which a page refuses a kind of visitor; 200 when it opens."""
    if kind in ("none", "forged"):
        return 303
    if name in WHOLE_INSTALLATION and kind not in ("viewer", "manager", "reader"):
        return 404
    if (method == "POST" or name in FOR_MANAGERS) and not kind.endswith("manager"):
        return 404 if name in WHOLE_INSTALLATION else 403
    return 404 if kind.startswith("other") and "{slug}" in path else 200


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_and_form_opens_to_those_who_may_see_it_and_to_no_others(
    kind: str, api_url: str, database: Database, connect: Connect, sold: Sold, shop: Shop
):
    shop.sell("Other", organization="Other")
    shop.attach(sold.every_code[0], "jane@example.com")
    license_customers(shop)
    snapshots(shop, sold)
    learner, snapshot = (shop.run(f"SELECT max(id) FROM {table}")[0] for table in ("learner", "sheet_snapshot"))
    values = {"slug": sold.slug, "learner": learner, "customer": ONE}
    (course,) = shop.run("SELECT courseware_id FROM course_run WHERE contract_id IS NOT NULL ORDER BY id LIMIT 1")
    asked = {"snapshot": snapshot, "courseware": course, "earlier": snapshot - 1, "later": snapshot}
    ours = {"form": "ours", "plan": PLAN, "email": "jo@example.com", **asked}
    before = census(shop)
    tried = 0
    with httpx.Client(base_url=api_url, timeout=60) as client:
        client.cookies.set("b2b_form", "ours")
        if kind != "none":
            client.cookies.set("b2b_session", session_of(kind, database, connect))
        for method, path, name in routes():
            if name in PUBLIC:
                continue
            address = filled(path, values)
            if method == "POST":
                forged = client.post(address, data={**ours, "form": "forged"})
                assert forged.status_code == 403, (kind, name)
            answer = client.get(address, params=asked) if method == "GET" else client.post(address, data=ours)
            wanted, where = opens(kind, method, path, name), answer.headers.get("location", "")
            if wanted == 200:  # no sheets are configured here: a plan is a page that says so, with 409
                assert answer.status_code in (200, 303, 409), (kind, method, path, answer.status_code)
                assert not where.startswith("/sign-in"), (kind, method, path)
            else:
                assert answer.status_code == wanted, (kind, method, path, answer.status_code)
                assert SEEN_BY_ALL not in answer.text, (kind, method, path)
                assert wanted != 303 or where.startswith("/sign-in"), (kind, method, path)
            tried += 1
    assert tried > 30
    assert kind.endswith("manager") or census(shop) == before
    assert (kind == "other-manager") <= (census(shop) == before)


def test_a_manager_of_one_organization_sees_no_learner_of_another(
    api_url: str, database: Database, connect: Connect, sold: Sold, shop: Shop
):
    theirs = shop.sell("Other", organization="Other", cap=1)
    shop.attach(theirs.every_code[0], "jane@example.com")
    (learner,) = shop.run("SELECT id FROM learner")
    client = connect("manage", "emails", organization="ACME")
    refused = client.delete(f"/contracts/{sold.slug}/learners/{learner}/")
    assert (refused.status_code, "jane" in refused.text) == (404, False)
    with httpx.Client(base_url=api_url, timeout=60) as browser:
        browser.cookies.set("b2b_session", session_of("bound-manager", database, connect))
        page = browser.get(f"/contracts/{sold.slug}/learners/{learner}/remove")
    assert (page.status_code, "example.com" in page.text) == (404, False)


def session_of(kind: str, database: Database, connect: Connect) -> str:
    """The secret of a session: a person's, or of a token that may read."""
    now = datetime.now(UTC)
    if kind == "forged":
        return "x" * 43
    if kind in ("viewer", "manager"):
        with database.session() as session:
            person, _ = people.add(session, "jo@example.com", Role(kind), now)
            return people.open_session(session, person, now)
    scopes = ("manage", "emails") if kind.endswith("-manager") else ("read",)
    client = connect(*scopes, organization={"bound": "ACME", "other": "OTHER"}.get(kind.split("-", maxsplit=1)[0]))
    with database.session() as session:
        caller = tokens.recognize(session, client.headers["Authorization"].removeprefix("Bearer "))
        assert caller is not None
        return tokens.open_session(session, caller, now)
