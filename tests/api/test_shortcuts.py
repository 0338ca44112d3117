"""Shortcuts of busy routes: they answer as the ordinary way of the route does, to the same callers, in one statement."""

import itertools
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import select

from b2b_pipelines.db.engine import Database
from b2b_pipelines.tokens import service as tokens
from b2b_pipelines.tokens.models import Token
from b2b_pipelines.tokens.rules import Scope
from tests.api.conftest import Connect
from tests.api.pages_world import furnish
from tests.shop import Shop
from tests.statements import statements

PATHS = ("", "codes/", "codes/?page_size=5", "codes/?page=2&page_size=5", "codes/?page=9", "codes/?page_size=5000")


def both_ways(client: httpx.Client, path: str) -> tuple[httpx.Response, httpx.Response]:
    """Return the answers of the shortcut, and of the ordinary way: a shortcut does not know the scheme in small letters."""
    ordinary = client.headers["Authorization"].replace("Bearer", "bearer")
    return client.get(path), client.get(path, headers={"Authorization": ordinary})


def shown(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    return answer.status_code, answer.text, headers


EVERY = len(Scope)
PAIRS = pytest.param([2], marks=pytest.mark.long, id="pairs-of-scopes")


@pytest.mark.parametrize("sizes", [pytest.param([1, EVERY], id="one-scope-and-every-scope"), PAIRS])
@pytest.mark.parametrize("organization", [None, "ACME", "OTHER"])
def test_each_caller_gets_the_same_answer_both_ways(
    connect: Connect, shop: Shop, organization: str | None, sizes: list[int]
):
    sold = furnish(shop)
    shop.sell("Other", organization="Other")
    shop.run("UPDATE contract SET sheet_url = sheet_url || '?authuser=jane@example.com'")
    statuses = set()
    for scopes in (chosen for size in sizes for chosen in itertools.combinations(Scope, size)):
        client = connect(*scopes, organization=organization)
        for path in PATHS:
            quick, ordinary = both_ways(client, f"/contracts/{sold.slug}/{path}")
            assert shown(quick) == shown(ordinary), (scopes, path)
            statuses.add(quick.status_code)
            if quick.status_code == 200 and Scope.EMAILS not in scopes:
                assert "jane@example.com" not in quick.text
                assert "jane.0@example.com" not in quick.text
    assert statuses == ({403, 404} if organization == "OTHER" else {403, 200})


def test_a_revoked_and_an_unknown_token_are_refused_both_ways(connect: Connect, database: Database, shop: Shop):
    sold = furnish(shop)
    client = connect("read")
    for path in ("", "codes/"):
        assert [answer.status_code for answer in both_ways(client, f"/contracts/{sold.slug}/{path}")] == [200, 200]
    with database.session() as session:
        tokens.revoke(session, session.scalars(select(Token.id)).one(), datetime.now(UTC))
    for path in ("", "codes/"):
        for answer in both_ways(client, f"/contracts/{sold.slug}/{path}"):
            assert (answer.status_code, answer.json()["error_code"]) == (401, "unauthenticated")
    client.headers["Authorization"] = "Bearer b2b_unknown"
    assert [answer.status_code for answer in both_ways(client, f"/contracts/{sold.slug}/")] == [401, 401]


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=x",
        "page=-1",
        "page_size=",
        "page=1&page=2",
        "sise=5",
        "page=01",
        "page=%2B1",
        "page=1e2",
        "&page=1",
    ],
)
def test_unusual_queries_get_the_same_answer_both_ways(connect: Connect, shop: Shop, query: str):
    sold = furnish(shop)
    quick, ordinary = both_ways(connect("read"), f"/contracts/{sold.slug}/codes/?{query}")
    assert shown(quick) == shown(ordinary)


@pytest.mark.parametrize("slug", ["x", "ACME-2026", "acme-2026%20", "%C3%A4", "a" * 256, "acme_2026", "acme-2026'"])
def test_contracts_that_are_not_there_are_refused_both_ways(connect: Connect, shop: Shop, slug: str):
    furnish(shop)
    client = connect("read")
    for path in ("", "codes/"):
        quick, ordinary = both_ways(client, f"/contracts/{slug}/{path}")
        assert shown(quick) == shown(ordinary)
        assert quick.status_code in (400, 404)


def test_an_ordinary_request_costs_one_statement(connect: Connect, database: Database, shop: Shop):
    sold = furnish(shop)
    client = connect("read")
    for path in ("", "codes/"):
        client.get(f"/contracts/{sold.slug}/{path}")  # prepares the statement
        with statements(database) as sent:
            client.get(f"/contracts/{sold.slug}/{path}")
        assert [statement.partition(" ")[0] for statement in sent] == ["EXECUTE"]
