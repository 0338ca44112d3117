"""Permissions, generated over every route, so that a new route is covered at once."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from b2b_pipelines.api.app import create_app
from b2b_pipelines.settings import Settings
from tests.api.conftest import Connect
from tests.api.pages_world import furnish, snapshots
from tests.shop import Shop, Sold

PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),  # open to this machine
    ("GET", "/api/v1/academy-products/"),
    ("GET", "/api/v1/academy-products/{key}/"),
    ("POST", "/api/v1/stripe/events/"),  # signed instead
}
WHOLE_INSTALLATION = ("/api/v1/expired-licenses/", "/api/v1/checkout-intents/")
DOCUMENT = create_app(Settings()).openapi()
ROUTES = [
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if (method.upper(), path) not in PUBLIC
]
EVERY_SCOPE = ("read", "emails", "attach", "checkout", "provisioning", "manage", "metrics")


def call(client: httpx.Client, method: str, path: str, values: dict[str, Any], body: Any = None) -> httpx.Response:
    filled = path.removeprefix("/api/v1").format_map({"uuid": "00000000-0000-4000-8000-000000000000", **values})
    if (method, path) == ("DELETE", "/api/v1/contracts/{slug}/courseware/"):
        filled += "?courseware_id=course-v1:MITx%2B1.00"
    return client.request(method, filled, json=body if method in ("POST", "PATCH", "PUT") else None)


@pytest.fixture
def nobody(api_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{api_url}/api/v1") as client:
        yield client


SOMETHING = {"slug": "s", "code": "c", "org_key": "o", "snapshot_id": 1, "key": "k", "learner_id": 1}


def test_there_are_routes_to_be_tested():
    assert len(ROUTES) >= 9


def test_without_a_token_or_with_a_wrong_one_every_route_answers_401(nobody: httpx.Client):
    for headers in ({}, {"Authorization": "Bearer b2b_wrong"}, {"Authorization": "Basic Yjpi"}):
        nobody.headers.pop("Authorization", None)
        nobody.headers.update(headers)
        for method, path in ROUTES:
            answer = call(nobody, method, path, SOMETHING, {})
            assert (answer.status_code, "detail" in answer.json()) == (401, True), (method, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_revoked_token_is_a_wrong_one(connect: Connect, shop: Shop):
    client = connect("read")
    assert client.get("/contracts/").status_code == 200
    shop.run("UPDATE token SET revoked_at = now()")
    assert client.get("/contracts/").status_code == 401


def test_without_the_scope_every_route_answers_403(connect: Connect):
    client = connect("metrics")
    for method, path in ROUTES:
        assert call(client, method, path, SOMETHING, {}).status_code == 403, (method, path)


def test_every_scope_opens_only_its_own_routes(connect: Connect):
    opened = {
        scope: {
            path.split("/")[3]
            for method, path in ROUTES
            if call(client, method, path, SOMETHING, {}).status_code != 403
        }
        for scope in ("read", "attach", "checkout")
        for client in (connect(scope),)
    }
    assert "contracts" in opened["read"]
    assert opened["attach"] == {"attach", "organizations"}
    assert opened["checkout"] <= {"checkout", "checkout-intents"}
    assert not opened["read"] & opened["checkout"]


@pytest.fixture
def others(shop: Shop) -> Sold:
    """A contract of another organization, with a learner, a redemption and snapshots."""
    furnish(shop)
    sold = shop.sell(
        "Hidden contract",
        organization="Umbrella",
        cap=12,
        sheet_url="https://docs.google.com/spreadsheets/d/9HiddenHiddenHidden/edit",
    )
    for number in range(3):
        shop.attach(sold.every_code[number], f"hidden.{number}@umbrella.example")
    snapshots(shop, sold, "9HiddenHiddenHidden")
    return sold


def test_a_bound_token_sees_and_does_nothing_of_another_organization(connect: Connect, shop: Shop, others: Sold):
    """Every route is asked for what is the other's; nothing of it is in any answer, and nothing of it changes."""
    client = connect(*EVERY_SCOPE, organization="ACME")
    snapshot = shop.run("SELECT max(id) FROM sheet_snapshot")[0]
    sent = others.every_code[9]
    values = {
        "slug": others.slug,
        "code": sent,
        "org_key": "UMBRELLA",
        "snapshot_id": snapshot,
        "key": "k",
        "learner_id": 1,
    }
    hidden = ["hidden contract", "umbrella.example", "hiddenhidden", *(set(others.every_code) - {sent})]
    before = census(shop)
    for method, path in ROUTES:
        answer = call(client, method, path, values, bodies(others, sent).get(path, {"email": "mole@example.com"}))
        assert answer.status_code < 500, (method, path)
        text = answer.text.lower()
        assert not [word for word in hidden if word in text], (method, path)
        if path.startswith(WHOLE_INSTALLATION) or (method, path) == ("POST", "/api/v1/organizations/"):
            assert answer.status_code == 403, (method, path)
        elif "{" in path:
            assert answer.status_code == 404, (method, path)
        elif "/checkout/" in path:
            assert [refusal["error_code"] for refusal in answer.json()["refusals"]] == [
                "unknown_product",
                "invalid_code",
            ]
    assert census(shop) == before


def bodies(others: Sold, sent: str) -> dict[str, Any]:
    """Return the body that each route takes, about the other organization."""
    basket = {"learner": {"email": "mole@example.com"}, "products": [others.product], "codes": [sent]}
    return {
        "/api/v1/checkout/": basket,
        "/api/v1/checkout/quote/": basket,
        "/api/v1/organizations/": {"name": "Mole"},
        "/api/v1/contracts/": {"organization": "UMBRELLA", "name": "Mole", "integration_type": "sso"},
        "/api/v1/contracts/{slug}/": {"max_learners": 1},
        "/api/v1/contracts/{slug}/sheet/restore/": {"before": True},
        "/api/v1/contracts/{slug}/courseware/": {"courseware_id": "course-v1:MITx+1.00"},
    }


def census(shop: Shop) -> list[int]:
    tables = (
        "contract_change",
        "course_run",
        "answered_request",
        "contract_learner",
        "code_redemption",
        "checkout_order",
        "enrollment",
        "learner",
    )
    return [shop.run(f"SELECT count(*) FROM {table}")[0] for table in tables]


def test_a_bound_token_does_what_it_may_for_its_own(connect: Connect, shop: Shop):
    own = shop.sell(cap=3)
    shop.sell("Globe", organization="Globex")
    client = connect("read", "attach", "checkout", organization="ACME")
    assert [contract["slug"] for contract in client.get("/contracts/").json()["results"]] == [own.slug]
    assert client.get(f"/contracts/{own.slug}/").status_code == 200
    assert client.post(f"/attach/{own.every_code[0]}/", json={"email": "a@example.com"}).status_code == 201
    basket = {"learner": {"email": "b@example.com"}, "products": [own.product], "codes": own.every_code[1:2]}
    assert client.post("/checkout/", json=basket).status_code == 201


def test_metrics_are_open_to_this_machine_and_otherwise_need_their_scope(connect: Connect, api_url: str):
    assert httpx.get(f"{api_url}/metrics").status_code == 200
    passed_on = {"X-Forwarded-For": "203.0.113.9"}
    assert httpx.get(f"{api_url}/metrics", headers=passed_on).status_code == 401
    for scopes, status in ((("metrics",), 200), (("read",), 403)):
        token = connect(*scopes).headers["Authorization"]
        assert httpx.get(f"{api_url}/metrics", headers={**passed_on, "Authorization": token}).status_code == status


def test_a_token_is_kept_as_a_hash_only(connect: Connect, shop: Shop):
    text = connect("read").headers["Authorization"].removeprefix("Bearer ")
    assert text.startswith("b2b_")
    row = shop.run("SELECT token::text FROM token")[0]
    assert text not in row
    assert text.removeprefix("b2b_") not in row
