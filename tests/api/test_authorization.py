"""Every route with every kind of token. The routes come from the OpenAPI document, so a new one is tested at once."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.people import service as people
from b2b_pipelines.people.rules import Role
from b2b_pipelines.tokens import service as tokens
from b2b_pipelines.tokens.rules import Scope
from tests.api.conftest import Connect
from tests.api.pages_world import snapshots
from tests.api.test_auth import DOCUMENT, PUBLIC, ROUTES, WHOLE_INSTALLATION, bodies, call, census
from tests.shop import Shop, Sold

PAGES = (
    "/",
    "/contracts/{slug}",
    "/contracts/{slug}/compare",
    "/contracts/{slug}/restore",
    "/contracts/{slug}/replace",
)
FORMS = ("/contracts/{slug}/restore", "/contracts/{slug}/replace")
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
    return path.startswith(WHOLE_INSTALLATION) or (method, path) == ("POST", "/api/v1/organizations/")


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
    assert documented == set(ROUTES) | PUBLIC
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


@pytest.mark.parametrize("kind", ["none", "forged", "viewer", "manager", "reader", "bound", "other"])
def test_every_page_shows_itself_to_those_who_may_see_it(
    kind: str, api_url: str, database: Database, connect: Connect, sold: Sold, shop: Shop
):
    shop.sell("Other", organization="Other")
    snapshots(shop, sold)
    asked = {"snapshot": shop.run("SELECT max(id) FROM sheet_snapshot")[0]}
    with httpx.Client(base_url=api_url, timeout=60) as client:
        if kind != "none":
            client.cookies.set("b2b_session", session_of(kind, database, connect))
        for page, method in itertools.chain(((page, "GET") for page in PAGES), ((form, "POST") for form in FORMS)):
            path = page.format(slug=sold.slug)
            answer = client.request(
                method,
                path,
                params=asked if page.endswith("/restore") and method == "GET" else None,
                data={"form": "forged", **asked} if method == "POST" else None,
            )
            if method == "POST":  # without the value of our own form's cookie
                assert answer.status_code == 403, (kind, page)
            elif kind in ("none", "forged"):
                assert answer.headers["location"].startswith("/sign-in"), (kind, page)
            elif page in FORMS and kind != "manager":
                assert (answer.status_code, "Acme 2026" in answer.text) == (403, False), (kind, page)
            elif (kind == "other" and "{" in page) or page.endswith("/compare"):
                assert (answer.status_code, "Acme 2026" in answer.text) == (404, False), (kind, page)
            else:  # no sheets are configured here, so a manager's plan is a page that says so
                assert answer.status_code == (409 if page in FORMS else 200), (kind, page)


def session_of(kind: str, database: Database, connect: Connect) -> str:
    """The secret of a session: a person's, or of a token that may read."""
    now = datetime.now(UTC)
    if kind == "forged":
        return "x" * 43
    if kind in ("viewer", "manager"):
        with database.session() as session:
            person, _ = people.add(session, "jo@example.com", Role(kind), now)
            return people.open_session(session, person, now)
    client = connect("read", organization={"bound": "ACME", "other": "OTHER"}.get(kind))
    with database.session() as session:
        caller = tokens.recognize(session, client.headers["Authorization"].removeprefix("Bearer "))
        assert caller is not None
        return tokens.open_session(session, caller, now)
