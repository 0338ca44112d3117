"""The app itself: without a database, with request ids, in the face of the unforeseen."""

import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from b2b_pipelines.api import health
from b2b_pipelines.api.app import create_app
from b2b_pipelines.api.client import address
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings
from tests.api.conftest import Connect, serving
from tests.shop import Shop


@pytest.fixture
def homeless() -> Iterator[httpx.Client]:
    """The API of an installation whose database is away."""
    away = Settings(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    with serving(create_app(away)) as url, httpx.Client(base_url=url) as client:
        yield client


def test_it_starts_without_a_database_and_says_so(homeless: httpx.Client):
    assert homeless.get("/healthz").status_code == 200
    assert homeless.get("/openapi.json").status_code == 200
    assert homeless.get("/metrics").status_code == 200
    for path in ("/readyz", "/api/v1/contracts/"):
        answer = homeless.get(path, headers={"Authorization": "Bearer b2b_x"})
        assert answer.status_code == 503
        assert answer.json()["error_code"] == "database_unavailable"
        assert "Retry-After" in answer.headers
    assert homeless.get("/api/v1/contracts/").status_code == 401
    page = homeless.get("/", headers={"Cookie": "b2b_session=x"})
    assert page.status_code == 503
    assert "text/html" in page.headers["content-type"]


def test_it_is_ready_with_a_database(api_url: str):
    assert httpx.get(f"{api_url}/readyz").json() == {"status": "ok"}


def test_it_is_not_ready_when_the_database_says_nothing_at_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "READY_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        frozen = Settings(database_url=f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing")
        with serving(create_app(frozen)) as url, httpx.Client(base_url=url) as client:
            began = time.monotonic()
            assert client.get("/readyz").status_code == 503
            threads = threading.active_count()
            with ThreadPoolExecutor(5) as crowd:
                assert {answer.status_code for answer in crowd.map(client.get, ["/readyz"] * 5)} == {503}
            assert time.monotonic() - began < 3
            assert threading.active_count() == threads
            silent.close()


def test_it_is_not_ready_without_the_tables_of_this_version(api_url: str, shop: Shop):
    current = shop.run(
        "UPDATE b2b_alembic_version SET version_num = '0000' RETURNING (SELECT version_num FROM b2b_alembic_version)"
    )
    answer = httpx.get(f"{api_url}/readyz")
    shop.run("UPDATE b2b_alembic_version SET version_num = :current", current=current[0])
    assert answer.status_code == 503
    assert "b2b db upgrade" in answer.json()["detail"]


def test_every_answer_carries_a_request_id_which_the_log_knows(
    connect: Connect, shop: Shop, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "b2b_pipelines.api")
    code = shop.sell(cap=1).every_code[0]
    api = connect("attach")
    answer = api.post(f"/attach/{code}/", json={"email": "jane@example.com"}, headers={"X-Request-ID": "mine-1"})
    assert answer.headers["X-Request-ID"] == "mine-1"
    assert len(api.get("/nothing").headers["X-Request-ID"]) == 32
    assert api.get("/nothing", headers={"X-Request-ID": "no\tgood"}).headers["X-Request-ID"] != "no\tgood"
    line = next(record.getMessage() for record in caplog.records if "mine-1" in record.getMessage())
    assert "route=/api/v1/attach/{code}/" in line
    assert "status=201" in line
    assert code not in caplog.text
    assert "jane" not in caplog.text


def test_the_unforeseen_is_a_500_that_says_no_more_than_its_id(
    api_url: str, connect: Connect, database: Database, caplog: pytest.LogCaptureFixture, shop: Shop
):
    api = connect("read")
    shop.run("ALTER TABLE enrollment_code RENAME TO secret_table")
    answer = api.get("/contracts/")
    shop.run("ALTER TABLE secret_table RENAME TO enrollment_code")
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] in answer.json()["detail"]
    assert "enrollment_code" not in answer.text
    assert answer.headers["X-Request-ID"] in caplog.text


def test_a_body_that_is_too_large_is_not_read(api_url: str):
    def pieces() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * 10_000

    for body in (b"x" * 1_000_001, pieces()):
        assert httpx.post(f"{api_url}/api/v1/checkout/", content=body).status_code in (401, 413)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b'"\\ud800"', b""])
def test_a_body_that_is_no_json_object_is_refused(connect: Connect, body: bytes):
    answer = connect("checkout").post("/checkout/quote/", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, "detail" in answer.json()) == (400, True)


def test_text_that_postgresql_cannot_keep_is_refused(connect: Connect):
    api = connect("attach", "read")
    assert api.get("/contracts/a%00b/").status_code == 400
    body = {"email": "a@example.com", "name": "a\x00b"}
    assert api.post("/attach/c/", json=body).status_code == 400
    for half in (b'{"email": "a@example.com", "name": "a\\ud800"}', b'{"email": "a@example.com", "a\\ud800": 1}'):
        refused = api.post("/attach/c/", content=half, headers={"Content-Type": "application/json"})
        assert (refused.status_code, "detail" in refused.json()) == (400, True)


def test_requests_are_counted_by_route(connect: Connect, api_url: str):
    line = r'b2b_http_requests_total\{method="GET",route="/api/v1/contracts/\{slug\}/",status="404"\} (\d+)'

    def counted() -> int:
        found = re.search(line, httpx.get(f"{api_url}/metrics").text)
        return int(found[1]) if found else 0

    before = counted()
    connect("read").get("/contracts/nothing/")
    assert counted() == before + 1
    text = httpx.get(f"{api_url}/metrics").text
    assert "b2b_http_request_seconds_bucket" in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "client"),
    [
        pytest.param("203.0.113.5", "198.51.100.1", [], "203.0.113.5", id="nobody-is-trusted"),
        pytest.param("10.0.0.1", "198.51.100.1", ["10.0.0.0/8"], "198.51.100.1", id="a-trusted-proxy"),
        pytest.param("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.9", ["10.0.0.0/8"], "198.51.100.1", id="two-proxies"),
        pytest.param("203.0.113.5", "198.51.100.1", ["10.0.0.0/8"], "203.0.113.5", id="not-through-the-proxy"),
        pytest.param("10.0.0.1", "rubbish", ["10.0.0.1"], "10.0.0.1", id="rubbish"),
        pytest.param("::ffff:10.0.0.1", "2001:db8::1", ["10.0.0.1"], "2001:db8::1", id="ipv6"),
        pytest.param("10.0.0.1", "203.0.113.78:4711", ["10.0.0.1"], "203.0.113.78", id="a-port"),
        pytest.param("10.0.0.1", "[2001:db8::9]:4711", ["10.0.0.1"], "2001:db8::9", id="ipv6-and-a-port"),
        pytest.param("10.0.0.1", "[2001:db8::9], 10.0.0.9:80", ["10.0.0.0/8"], "2001:db8::9", id="ipv6-in-brackets"),
        pytest.param("10.0.0.1", "198.51.100.1, ,", ["10.0.0.1"], "198.51.100.1", id="empty-elements"),
        pytest.param("10.0.0.1", "198.51.100.1, [x]:y", ["10.0.0.1"], "10.0.0.1", id="rubbish-in-brackets"),
        pytest.param("10.0.0.1", "", ["10.0.0.1"], "10.0.0.1", id="said-nothing"),
    ],
)
def test_the_clients_address(peer: str, forwarded: str, trusted: list[str], client: str):
    from fastapi import Request

    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    assert address(Request({"type": "http", "client": (peer, 1), "headers": headers}), trusted) == client


def test_every_route_says_what_it_is_for_and_shows_an_example():
    document = create_app(Settings()).openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            for content in (operation.get("requestBody", {}).get("content") or {}).values():
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                schema = document["components"]["schemas"].get(name, {})
                shown = "examples" in content or schema.get("examples")
                assert shown or "stripe" in path or "checkout-intents" in path, (method, path)
