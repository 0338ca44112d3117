"""The public endpoint behind its real server."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import make_url, text

from b2b_pipelines.academies import feed, service, store
from b2b_pipelines.academies.prices import PriceOutcome
from b2b_pipelines.academies.selection import Selection
from b2b_pipelines.academies.throttle import Rate
from b2b_pipelines.api.app import create_app
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.schema import upgrade
from b2b_pipelines.settings import Settings, read_settings
from b2b_pipelines.vendors.enterprise_catalog import CatalogAnswer
from sandbox.enterprise_catalog import academy
from tests.academies.conftest import CUSTOMER
from tests.api.conftest import serving
from tests.waiting import wait_until

PATH = "/api/v1/academy-products/"
PRICE = {
    "id": "price_1",
    "product": "prod_1",
    "lookup_key": "usd",
    "currency": "usd",
    "unit_amount": 9900,
    "unit_amount_decimal": "99.00",
    "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
}
DATA = academy(
    "Data",
    name="Data",
    long_name="The Data Academy",
    description="About data",
    marketing_url="https://example.com/data",
    thumbnail_url="/media/data.png",
    tags=[{"title": "AI"}, {"title": "Data"}],
    stripe_product_id="prod_1",
    stripe_price_lookup_key="usd",
    product_key="data-key",
    catalog_query_id=12,
    display_order=1,
)


DESIGN = academy("Design", tags=[{"title": "Art"}, {"title": "ai"}])


def publish(database, rows, at=None, selection=Selection()):
    """Publish those rows of the catalog, with what Stripe says about `usd`."""
    now = at or datetime.now(UTC)
    with database.session() as session:
        service.keep_catalog(session, CUSTOMER, CatalogAnswer(rows, [], str(now)), now)
        store.save_prices(session, {"usd": PriceOutcome("priced", PRICE)}, now)
        return service.publish(session, selection, now)


@pytest.fixture
def served(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.setenv("B2B_ACADEMY_THUMBNAIL_BASE_URL", "https://cdn.example.com/")
    monkeypatch.setenv("B2B_ACADEMY_THROTTLE", "100000/hour")
    publish(database, [DATA, DESIGN])
    with serving(create_app(read_settings(), database)) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture(scope="module")
def standing(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A list that stays the same, for the tests that only read it."""
    postgres.ensure_database("of_the_academies")
    database = Database(postgres.url("of_the_academies"))
    upgrade(database.engine)
    settings = Settings(
        home=tmp_path_factory.mktemp("home"),
        academy_thumbnail_base_url="https://cdn.example.com/",
        academy_throttle="100000/hour",
    )
    publish(database, [DATA, DESIGN])
    with serving(create_app(settings, database)) as url, httpx.Client(base_url=url) as client:
        yield client
    database.dispose()


def names(answer):
    return [item["name"] for item in answer.json()["results"]]


def test_the_list_has_the_fields_that_were_promised(standing):
    answer = standing.get(PATH)
    assert answer.status_code == 200
    body = answer.json()
    assert {key: body[key] for key in ("count", "next", "previous")} == {"count": 2, "next": None, "previous": None}
    design, data = body["results"]
    assert design["name"] == "Design"
    as_of = data.pop("prices_as_of")
    assert datetime.fromisoformat(as_of).utcoffset() is not None
    assert data == {
        "id": "prod_1",
        "name": "Data",
        "long_name": "The Data Academy",
        "description": "About data",
        "marketing_url": "https://example.com/data",
        "thumbnail_url": "https://cdn.example.com/media/data.png",
        "tags": ["AI", "Data"],
        "stripe_product_id": "prod_1",
        "catalog_query_id": 12,
        "edx_catalog_id": 12,
        "prices": [PRICE],
        "slug": "data",
        "uuid": DATA["uuid"],
        "stale": False,
    }
    assert (design["prices"], design["prices_as_of"], design["stripe_product_id"]) == ([], None, "")


def test_the_openapi_document_says_the_same(standing):
    document = standing.get("/openapi.json").json()

    def resolved(schema):
        return document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema

    operation = document["paths"][PATH]["get"]
    envelope = resolved(operation["responses"]["200"]["content"]["application/json"]["schema"])
    assert set(envelope["properties"]) == {"count", "next", "previous", "results"}
    item = resolved(envelope["properties"]["results"]["items"])
    _, data = standing.get(PATH).json()["results"]
    assert set(item["properties"]) == set(item["required"]) == set(data)
    price = resolved(item["properties"]["prices"]["items"])
    assert set(price["properties"]) == set(price["required"]) == set(PRICE)
    recurring = resolved(price["properties"]["recurring"]["anyOf"][0])
    assert set(recurring["properties"]) == set(PRICE["recurring"])
    named = {parameter["name"] for parameter in operation["parameters"]}
    assert named == {"tag", "product_key", "academy_uuid", "page", "page_size", "If-None-Match"}
    assert set(operation["responses"]) == {"200", "304", "400", "405", "429", "503"}
    assert "security" not in operation
    detail = document["paths"][PATH + "{key}/"]["get"]
    assert set(detail["responses"]) >= {"200", "304", "404", "405", "429", "503"}
    assert [parameter["name"] for parameter in detail["parameters"]] == ["key", "If-None-Match"]
    types = {"string": str, "integer": int, "boolean": bool, "array": list, "null": type(None)}
    for name, schema in item["properties"].items():
        allowed = [types[option["type"]] for option in schema.get("anyOf", [schema])]
        assert isinstance(data[name], tuple(allowed)), name


def test_a_product_is_found_by_each_of_its_keys(standing):
    for key in (DATA["uuid"], DATA["uuid"].upper(), "data", "data-key", "prod_1"):
        answer = standing.get(f"{PATH}{key}/")
        assert (answer.status_code, answer.json()["uuid"]) == (200, DATA["uuid"])
    answer = standing.get(f"{PATH}nothing/")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tag=ai", ["Design", "Data"]),
        ("tag=AI&tag=data", ["Data"]),
        ("tag=nothing", []),
        ("product_key=data-key", ["Data"]),
        ("product_key=other", []),
        (f"academy_uuid={DATA['uuid']}", ["Data"]),
        (f"academy_uuid={DATA['uuid'].upper()}&tag=art", []),
        ("sync=false&unknown=1", ["Design", "Data"]),
        ("page_size=1", ["Design"]),
        ("page_size=1&page=2", ["Data"]),
        ("page=7", []),
        ("page_size=5000", ["Design", "Data"]),
    ],
)
def test_filters_and_pages(standing, query, found):
    assert names(standing.get(f"{PATH}?{query}")) == found


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("academy_uuid=7", {"academy_uuid": ["Must be a valid UUID."]}),
        ("academy_uuid=", {"academy_uuid": ["Must be a valid UUID."]}),
        ("sync=TRUE", {"sync": ["sync=true is not supported on this public endpoint."]}),
        ("page=0", {"page": ["Must be a positive number."]}),
        ("page=x", {"page": ["Must be a positive number."]}),
        ("page_size=-1", {"page_size": ["Must be a positive number."]}),
        ("page_size=", {"page_size": ["Must be a positive number."]}),
    ],
)
def test_parameters_that_cannot_be_used(standing, query, body):
    answer = standing.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()) == (400, body)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", [PATH, f"{PATH}data/", PATH[:-1], f"{PATH}data"])
def test_other_methods_are_refused(standing, method, path):
    answer = standing.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", [PATH, f"{PATH}data/", PATH[:-1], f"{PATH}data"])
def test_the_head_of_an_answer_is_that_of_the_answer_without_its_body(standing, path):
    whole, head = standing.get(path), standing.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers[name] for name in ("ETag", "Content-Length", "Cache-Control")} == {
        name: whole.headers[name] for name in ("ETag", "Content-Length", "Cache-Control")
    }


def test_pages_of_other_sites_may_fetch_the_list_and_learn_why_it_was_refused(standing):
    asked = {"Origin": "https://www.example.com", "Access-Control-Request-Method": "GET"}
    before = standing.request("OPTIONS", PATH, headers=asked)
    assert before.status_code == 204
    assert "GET" in before.headers["Access-Control-Allow-Methods"]
    for path in (PATH, f"{PATH}data/", f"{PATH}nothing/", f"{PATH}?page=0"):
        answer = standing.get(path, headers={"Origin": "https://www.example.com"})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_a_path_without_its_slash_is_answered_itself(standing):
    for path in (PATH, f"{PATH}data/", f"{PATH}?tag=art"):
        without = path.replace("/?", "?").removesuffix("/")
        assert standing.get(without).content == standing.get(path).content
    assert "/academy-products" not in {path[7:] for path in standing.get("/openapi.json").json()["paths"]}


def test_pages_lead_to_each_other_with_their_filters(served, database):
    rows = [academy(f"Academy {number:03}", tags=[{"title": "AI"}]) for number in range(250)]
    publish(database, rows, selection=Selection(max_deactivated=1))
    seen = []
    wait_until(lambda: served.get(PATH).json()["count"] == 250)
    url = f"{PATH}?tag=ai&page_size=120"
    while url:
        body = served.get(url).json()
        assert len(body["results"]) <= 100
        seen += body["results"]
        url = body["next"]
    assert [item["name"] for item in seen] == [f"Academy {number:03}" for number in range(250)]
    assert "page=2" in body["previous"]
    assert "tag=ai" in body["previous"]


def test_a_publication_is_visible_within_a_second(served, database):
    for name in ("First", "Second", "Third"):
        publish(database, [DATA | {"name": name}, academy("Design")])
        published_at = time.monotonic()
        while name not in names(served.get(PATH)):
            assert time.monotonic() - published_at < 1
        assert served.get(f"{PATH}data/").json()["name"] == name


def test_an_inactive_product_is_never_shown(served, database):
    publish(database, [DATA | {"is_active": False}, academy("Design")])
    wait_until(lambda: names(served.get(PATH)) == ["Design"])
    for key in (DATA["uuid"], "data", "data-key", "prod_1"):
        assert served.get(f"{PATH}{key}/").status_code == 404


def test_what_is_known_is_answered_with_304_until_something_else_than_its_date_changes(served, database):
    for path in (PATH, f"{PATH}?tag=ai", f"{PATH}data/"):
        answer = served.get(path)
        assert "max-age=0" in answer.headers["Cache-Control"]
        for condition in (answer.headers["ETag"], f'"x", {answer.headers["ETag"].removeprefix("W/")}'):
            again = served.get(path, headers={"If-None-Match": condition})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == answer.headers["ETag"]
        lines = [("If-None-Match", '"x"'), ("If-None-Match", answer.headers["ETag"]), ("If-None-Match", '"y"')]
        assert served.get(path, headers=lines).status_code == 304
        assert served.get(path, headers={"If-None-Match": "*"}).status_code == 304
        assert served.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    before = served.get(PATH)
    publish(database, [DATA, academy("Design", tags=[{"title": "Art"}, {"title": "ai"}])])
    wait_until(lambda: served.get(PATH).content != before.content)
    after = served.get(PATH)
    assert after.headers["ETag"] == before.headers["ETag"]
    publish(database, [DATA | {"description": "New"}, academy("Design")])
    wait_until(lambda: served.get(PATH, headers={"If-None-Match": before.headers["ETag"]}).status_code == 200)


class TestThrottle:
    @pytest.fixture
    def throttled(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
        publish(database, [DATA])
        with serving(create_app(read_settings(), database)) as url, httpx.Client(base_url=url) as client:
            yield client

    def test_of_a_thousand_requests_with_changing_headers_120_pass(self, throttled):
        statuses = []
        for number in range(1000):
            forged = f"10.{number // 250}.{number % 250}.1"
            headers = {"X-Forwarded-For": forged, "X-Real-IP": forged, "Forwarded": f"for={forged}"}
            statuses.append(throttled.get(PATH, headers=headers).status_code)
        assert statuses.count(200) == 120
        assert statuses.count(429) == 880

    def test_two_workers_grant_a_client_120_together(self, throttled, database):
        with serving(create_app(read_settings(), database)) as url, httpx.Client(base_url=url) as other:
            statuses = [client.get(PATH).status_code for _ in range(100) for client in (throttled, other)]
        assert statuses.count(200) == 120

    def test_every_answer_counts_and_beyond_the_rate_all_are_refused_with_a_time_to_wait(self, throttled):
        etag = throttled.get(PATH).headers["ETag"]
        asked = [
            ("GET", PATH, {"If-None-Match": etag}),
            ("GET", f"{PATH}?page=x", {}),
            ("GET", f"{PATH}nothing/", {}),
            ("POST", PATH, {}),
            ("TRACE", PATH, {}),
            ("PROPFIND", f"{PATH}data/", {}),
            ("GET", PATH[:-1], {}),
            ("GET", f"{PATH}nothing", {}),
        ]
        statuses = [throttled.request(*asked[n % 8][:2], headers=asked[n % 8][2]).status_code for n in range(119)]
        assert {200, 304, 400, 404, 405} == set(statuses)
        for method, path, headers in asked:
            answer = throttled.request(method, path, headers=headers)
            assert answer.status_code == 429
            assert 3500 < int(answer.headers["Retry-After"]) <= 3663
            assert "throttled" in answer.json()["detail"]

    def test_a_trusted_proxy_is_believed_about_its_clients(self, database, monkeypatch):
        publish(database, [DATA])
        monkeypatch.setenv("B2B_TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.1")
        monkeypatch.setenv("B2B_ACADEMY_THROTTLE", "2/hour")

        def asked(forwarded):
            return client.get(PATH, headers={"X-Forwarded-For": forwarded}).status_code

        with serving(create_app(read_settings(), database)) as url, httpx.Client(base_url=url) as client:
            assert [asked("203.0.113.1") for _ in range(3)] == [200, 200, 429]
            assert asked("203.0.113.2") == 200
            assert asked("198.51.100.9, 203.0.113.1, 10.0.0.1") == 429
            assert asked("nonsense") == 200


class TestDatabaseAway:
    def test_the_api_starts_without_a_database_and_says_when_to_try_again(self, monkeypatch):
        monkeypatch.setenv("B2B_DATABASE_URL", "postgresql+psycopg2://nobody@127.0.0.1:9/none")
        with serving(create_app(read_settings())) as url, httpx.Client(base_url=url) as client:
            for method, path in (("GET", PATH), ("GET", f"{PATH}data/"), ("POST", PATH), ("TRACE", PATH)):
                answer = client.request(method, path)
                assert answer.status_code == 503
                assert answer.json() == {"error_code": "academy_service_unavailable", "detail": "Retry later."}
                assert int(answer.headers["Retry-After"]) > 0
            assert client.get("/healthz").status_code == 200

    def test_a_database_that_goes_away_and_comes_back(self, served, database, database_url):
        url = make_url(database_url)
        name = url.database
        assert served.get(PATH).status_code == 200
        admin = Database(url.set(database="postgres").render_as_string(hide_password=False))
        with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
            )
            wait_until(lambda: served.get(PATH).status_code == 503)
            away = served.get(PATH)
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        admin.dispose()
        assert away.status_code == 503
        assert away.json()["error_code"] == "academy_service_unavailable"
        wait_until(lambda: served.get(PATH).status_code == 200)


def items(looking):
    """Return the list, or None while it is unavailable."""
    with suppress(feed.FeedUnavailable):
        return looking.listing().items


def test_a_look_that_fails_in_a_way_nobody_foresaw_is_not_the_last(database, monkeypatch):
    monkeypatch.setattr(feed, "LOOK_SECONDS", 0.2)
    faults = [ValueError("unforeseen"), KeyError("too")]

    def connect():
        if faults:
            raise faults.pop()
        return database

    looking = feed.Feed(connect, Rate.parse("120/hour"), None)
    looking.start()
    with pytest.raises(feed.FeedUnavailable):
        looking.listing()
    wait_until(lambda: not faults and items(looking) == [])
    looking.stop()


def test_before_the_first_publication_the_list_is_empty(database):
    with serving(create_app(read_settings(), database)) as url:
        body = json.loads(httpx.get(url + PATH).content)
    assert body == {"count": 0, "next": None, "previous": None, "results": []}
