"""The academies chain, materialized over HTTP against the stand-ins."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import dagster as dg
import pytest
from sqlalchemy import text

from assets.academies import academy_catalogs, stripe_prices
from b2b_pipelines.academies import service, store
from b2b_pipelines.academies.notes import NOTHING_IS_PRICED
from b2b_pipelines.academies.selection import Selection
from b2b_pipelines.vendors.enterprise_catalog import CatalogAnswer
from sandbox.enterprise_catalog import academy, catalog
from tests.academies.conftest import CUSTOMER
from tests.statements import statements

TABLES = ("academy_product", "academy_product_change", "academy_publication", "academy_catalog", "stripe_price")


def shown(database):
    with database.session() as session:
        return {product.name: product for product in service.shown_products(session)}


def check(result, name):
    (evaluation,) = [found for found in result.get_asset_check_evaluations() if found.check_name == name]
    return evaluation


def metadata(result, asset="academy_products"):
    (materialization,) = result.asset_materializations_for_node(asset)
    return materialization.metadata


def written_rows(database):
    """Every row's version: a row that is written again has another."""
    with database.session() as session:
        return {
            table: session.execute(text(f"SELECT xmin::text, ctid::text FROM {table} ORDER BY 2")).all()
            for table in TABLES
        }


def test_the_chain_publishes_what_the_catalog_and_stripe_say(materialize, sandbox, database):
    rows = [
        academy("Data", stripe_price_lookup_key="usd", stripe_product_id="prod_1", display_order=1),
        academy("Japan", stripe_price_lookup_key="jpy"),
        academy("Kuwait", stripe_price_lookup_key="kwd"),
        academy("Missing", stripe_price_lookup_key="nowhere"),
        academy("Inactive", stripe_price_lookup_key="gone"),
        academy("Tiered", stripe_price_lookup_key="tiers"),
        academy("Free of price"),
    ]
    sandbox.enterprise_catalog.put(CUSTOMER, rows, [catalog("All", CUSTOMER, catalog_query_id="12")])
    sandbox.stripe.price("usd", 9900)
    sandbox.stripe.price("jpy", 9900, "jpy")
    sandbox.stripe.price("kwd", 9900, "kwd")
    sandbox.stripe.price("gone", active=False)
    sandbox.stripe.tiered("tiers")
    result = materialize()
    assert result.success
    products = shown(database)
    amounts = {name: product.price and product.price["unit_amount_decimal"] for name, product in products.items()}
    assert amounts == {
        "Data": "99.00", "Japan": "9900", "Kuwait": "9.900",
        "Missing": None, "Inactive": None, "Tiered": None, "Free of price": None,
    }  # fmt: skip
    states = {name: products[name].price_state for name in ("Data", "Missing", "Inactive", "Tiered", "Free of price")}
    assert states == {
        "Data": "priced",
        "Missing": "missing",
        "Inactive": "inactive",
        "Tiered": "unsupported: tiered",
        "Free of price": "no lookup key",
    }
    assert all(product.catalog_query_id == 12 and not product.stale for product in products.values())
    assert check(result, "catalog_is_plausible").passed
    warning = check(result, "every_academy_has_a_price")
    assert (warning.passed, warning.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert warning.metadata["without a price"].value == {
        "Missing": "missing", "Inactive": "inactive", "Tiered": "unsupported: tiered", "Free of price": "no lookup key",
    }  # fmt: skip
    assert "data:image/svg+xml" in metadata(result)["price states"].value


def test_a_refused_or_empty_list_of_catalogs_is_a_note_and_changes_no_stored_query_id(materialize, sandbox, database):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")], [catalog("All", CUSTOMER, catalog_query_id=12)])
    assert "notes" not in metadata(materialize(), "academy_catalogs")
    sandbox.faults.answer(403, times=1, vendor="enterprise_catalog", path="/api/v1/enterprise-catalogs/")
    refused = materialize()
    assert refused.success
    assert "(403)" in metadata(refused, "academy_catalogs")["notes"].value
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")])
    empty = materialize()
    assert "lists no catalogs" in metadata(empty, "academy_catalogs")["notes"].value
    assert shown(database)["Data"].catalog_query_id == 12


def test_the_metadata_says_once_that_without_overrides_nothing_has_a_price(materialize, sandbox):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data"), academy("Art")])
    assert metadata(materialize())["notes"].value == NOTHING_IS_PRICED
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data", stripe_price_lookup_key="usd"), academy("Art")])
    assert "notes" not in metadata(materialize())


def test_an_unknown_field_of_a_price_is_noted_and_the_price_shown(materialize, sandbox, database):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data", stripe_price_lookup_key="usd")])
    sandbox.stripe.price("usd", surge={"factor": 2})
    result = materialize()
    assert metadata(result, "stripe_prices")["fields unknown to this version"].value == "price.surge"
    assert shown(database)["Data"].price_state == "priced"


def test_prices_that_would_mislead_are_refused_with_their_reason_over_http(materialize, sandbox, database):
    shapes = {
        "custom": {"custom_unit_amount": {"minimum": 500, "maximum": None, "preset": None}},
        "package": {"transform_quantity": {"divide_by": 10, "round": "up"}},
        "archived": {"product": {"id": "prod_1", "object": "product", "active": False, "name": "Old"}},
        "deleted": {"product": {"id": "prod_2", "object": "product", "deleted": True}},
        "once": {"type": "one_time", "recurring": None},
    }
    rows = [academy(key, stripe_price_lookup_key=key) for key in (*shapes, "shown")]
    sandbox.enterprise_catalog.put(CUSTOMER, rows)
    for key, fields in shapes.items():
        sandbox.stripe.price(key, **fields)
    sandbox.stripe.price("shown", 500, "ugx")
    assert materialize().success
    found = shown(database)
    assert {name: product.price_state for name, product in found.items()} == {
        "custom": "unsupported: custom_unit_amount",
        "package": "unsupported: transform_quantity",
        "archived": "inactive: the product is archived",
        "deleted": "inactive: the product is deleted",
        "once": "unsupported: one_time",
        "shown": "priced",
    }
    assert found["shown"].price["unit_amount_decimal"] == "5.00"


def test_250_academies_in_unstable_pages_with_25_lookup_keys(materialize, sandbox, database):
    rows = [academy(f"Academy {number:03}", stripe_price_lookup_key=f"key_{number % 25}") for number in range(250)]
    sandbox.enterprise_catalog.put(CUSTOMER, rows)
    for number in range(25):
        sandbox.stripe.price(f"key_{number}", number * 100)
    assert materialize().success
    products = shown(database)
    assert sorted(products) == [f"Academy {number:03}" for number in range(250)]
    assert all(product.price is not None for product in products.values())
    assert [len(asked["lookup_keys"]) for asked in sandbox.stripe.asked] == [10, 10, 5]


def test_one_bad_item_is_refused_with_its_reason_and_stops_nothing_else(materialize, sandbox, database):
    bad = [{"title": "Nameless"}, "text", academy("Odd", display_order=-1), academy("Unsure", is_active="perhaps")]
    sandbox.enterprise_catalog.put(CUSTOMER, [*bad, academy("Data", tags=[{"title": "with \x00 inside"}])])
    result = materialize()
    assert result.success
    assert list(shown(database)) == ["Data"]
    reasons = {record.data["name"]: record.data["reason"] for record in metadata(result)["refused"].value.records}
    assert reasons == {
        "Nameless": "has no uuid",
        "": 'is not an object: "text"',
        "Odd": "its display_order is not a whole number from 0 on",
        "Unsure": "its is_active is neither true nor false",
    }
    with database.session() as session:
        published = store.publication(session)
    assert published and {row["name"]: row["reason"] for row in published.refused} == reasons


def test_a_renamed_academy_stays_the_same_product_with_its_slug(materialize, sandbox, database):
    row = academy("Data")
    sandbox.enterprise_catalog.put(CUSTOMER, [row])
    materialize()
    sandbox.enterprise_catalog.put(CUSTOMER, [row | {"title": "Data and more"}])
    assert materialize().success
    (product,) = shown(database).values()
    assert (str(product.uuid), product.name, product.slug) == (row["uuid"], "Data and more", "data")
    with database.session() as session:
        newest = store.changes(session)[0]
        assert (newest.kind, newest.changes) == (
            "changed",
            {"name": ["Data", "Data and more"], "long_name": ["Data", "Data and more"]},
        )


def test_two_academies_of_one_name_are_two_products(materialize, sandbox, database):
    twin = UUID(int=2)
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data", uuid=str(UUID(int=1))), academy("Data", uuid=str(twin))])
    assert materialize().success
    with database.session() as session:
        slugs = {product.uuid: product.slug for product in store.products(session)}
    assert slugs == {UUID(int=1): "data", twin: "data-00000000"}


def test_an_empty_upstream_publishes_nothing_and_the_old_list_stays(materialize, sandbox, database):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data"), academy("Design")])
    materialize()
    before = written_rows(database)["academy_product"]
    sandbox.enterprise_catalog.put(CUSTOMER, [])
    result = materialize()
    assert not result.success
    assert not check(result, "catalog_is_plausible").passed
    assert result.asset_materializations_for_node("academy_products") == []
    assert written_rows(database)["academy_product"] == before


def test_a_catalog_without_more_than_half_of_the_list_is_not_published_even_if_asked_directly(
    materialize, sandbox, database, monkeypatch
):
    rows = [academy(f"Academy {number}") for number in range(10)]
    sandbox.enterprise_catalog.put(CUSTOMER, rows)
    materialize()
    sandbox.enterprise_catalog.put(CUSTOMER, rows[6:])
    result = materialize()
    assert not check(result, "catalog_is_plausible").passed
    assert not materialize("academy_products").success
    assert len(shown(database)) == 10
    monkeypatch.setenv("B2B_ACADEMY_MAX_DEACTIVATED", "0.6")
    assert materialize().success
    assert len(shown(database)) == 4


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 200, "body": {"detail": "no list"}}], ids=["500", "no-list"]
)
def test_a_catalog_that_fails_fails_the_asset_and_the_last_good_answer_stays(materialize, sandbox, database, fault):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")])
    materialize()
    before = written_rows(database)
    sandbox.faults.answer(**fault, times=99, vendor="enterprise_catalog")
    result = materialize()
    assert not result.success
    assert written_rows(database) == before
    assert list(shown(database)) == ["Data"]


def test_stripe_down_leaves_the_last_good_prices_marked_as_stale_with_their_date(
    materialize, hurried, sandbox, database
):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data", stripe_price_lookup_key="usd"), academy("Plain")])
    sandbox.stripe.price("usd", 9900)
    assert materialize().success
    with database.session() as session:
        dated = store.publication(session).price_times
    sandbox.faults.answer(503, times=99, vendor="stripe")
    assert not materialize().success
    assert len([entry for entry in sandbox.log.entries(vendor="stripe") if entry.status == 503]) == 2 * 3
    assert hurried.skipped >= 59
    assert materialize("academy_products").success
    products = shown(database)
    assert (products["Data"].price["unit_amount_decimal"], products["Data"].stale) == ("99.00", True)
    assert products["Plain"].stale is False
    with database.session() as session:
        assert store.publication(session).price_times == dated
    sandbox.faults.clear()
    assert materialize().success
    assert shown(database)["Data"].stale is False


def test_a_refused_stripe_key_fails_at_once_and_says_what_to_do(materialize, hurried, sandbox):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data", stripe_price_lookup_key="usd")])
    sandbox.stripe.keys = {"sk_another"}
    result = materialize()
    (failure,) = result.get_step_failure_events()
    assert "B2B_STRIPE_API_KEY" in failure.step_failure_data.user_failure_data.description
    assert len(sandbox.log.entries(vendor="stripe")) == 1
    assert hurried.skipped == 0


def test_stripe_prices_is_tried_once_more_after_a_minute():
    policy = stripe_prices.op.retry_policy
    assert (policy.max_retries, policy.delay) == (1, 60)
    assert stripe_prices.op.pool == "stripe"
    assert academy_catalogs.op.pool == "open_edx"


def test_without_its_settings_the_catalog_says_what_to_set(materialize, monkeypatch):
    monkeypatch.delenv("B2B_ACADEMY_CUSTOMER")
    result = materialize("academy_catalogs")
    (failure,) = result.get_step_failure_events()
    assert "B2B_ACADEMY_CUSTOMER" in failure.step_failure_data.user_failure_data.description


def test_an_academy_no_longer_listed_becomes_inactive(materialize, sandbox, database):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data"), academy("Design")])
    materialize()
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data")])
    result = materialize()
    assert list(shown(database)) == ["Data"]
    assert metadata(result)["deactivated"].value == 1


def test_the_allowlists_choose_and_what_fits_nothing_is_told(materialize, sandbox, database, monkeypatch):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data"), academy("Design"), academy("Law")])
    monkeypatch.setenv("B2B_ACADEMY_NAMES", '["DATA", "Nowhere"]')
    monkeypatch.setenv("B2B_ACADEMY_UUIDS", f'["{academy("Law")["uuid"].upper()}"]')
    result = materialize()
    assert sorted(shown(database)) == ["Data", "Law"]
    (record,) = metadata(result)["settings that fit nothing"].value.records
    assert record.data == {"setting": "B2B_ACADEMY_NAMES", "entry": "Nowhere"}


class TestWrites:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def kept(self, database, numbers):
        with database.session() as session:
            rows = [academy(f"Academy {number}", stripe_price_lookup_key=f"key_{number}") for number in numbers]
            answer = CatalogAnswer(rows, [], str(len(rows)))
            service.keep_catalog(session, CUSTOMER, answer, self.now)

    def test_the_statements_of_a_publication_do_not_grow_with_the_academies(self, database):
        counts = []
        for size in (10, 1000):
            self.kept(database, range(size))
            with statements(database) as sent, database.session() as session:
                published = service.publish(session, Selection(), self.now)
            assert len(published.changes) == size - (10 if counts else 0)
            counts.append(len(sent))
        assert counts[0] == counts[1] <= 10
        with database.session() as session:
            assert len(store.products(session)) == 1000

    def test_an_unchanged_publication_writes_no_row(self, database):
        self.kept(database, range(50))
        with database.session() as session:
            service.publish(session, Selection(), self.now)
        before = written_rows(database)
        with statements(database) as sent, database.session() as session:
            published = service.publish(session, Selection(), self.now + timedelta(hours=1))
        assert (published.changes, published.version) == ([], 1)
        assert written_rows(database) == before
        assert not [statement for statement in sent if statement.startswith(("INSERT", "UPDATE", "DELETE"))]

    def test_a_change_writes_the_rows_that_change_and_a_line_of_history_for_each(self, database):
        self.kept(database, range(50))
        with database.session() as session:
            service.publish(session, Selection(), self.now)
        before = written_rows(database)
        self.kept(database, range(1, 52))
        with database.session() as session:
            published = service.publish(session, Selection(), self.now, run_id="run")
        assert sorted(change.kind for change in published.changes) == ["deactivated", "published", "published"]
        assert len(set(before["academy_product"]) & set(written_rows(database)["academy_product"])) == 49
        with database.session() as session:
            newest = store.changes(session, 3)
        assert {(line.kind, line.run_id) for line in newest} == {("deactivated", "run"), ("published", "run")}

    def test_publications_at_the_same_time_take_turns(self, database):
        from concurrent.futures import ThreadPoolExecutor

        self.kept(database, range(20))

        def publish(_):
            with database.session() as session:
                return len(service.publish(session, Selection(), self.now).changes)

        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(publish, range(6))) == [0, 0, 0, 0, 0, 20]
