"""The list as it is shown."""

import json
from uuid import UUID

import pytest

from b2b_pipelines.academies.listing import Filters, Listing, absolute, as_shown, page
from b2b_pipelines.academies.rules import Product

TIMES = {"usd": "2026-11-21T12:00:00+00:00"}
PRICE = {"id": "price_1", "unit_amount": 9900}


def product(number, **fields):
    made = {
        "uuid": UUID(int=number),
        "slug": f"slug-{number}",
        "product_key": "",
        "name": f"Academy {number}",
        "long_name": "",
        "description": "",
        "marketing_url": "",
        "thumbnail_url": "",
        "tags": [],
        "stripe_product_id": "",
        "lookup_key": "usd",
        "catalog_query_id": None,
        "display_order": 0,
        "active": True,
        "price": PRICE,
        "price_state": "priced",
        "stale": False,
    }
    return Product(**made | fields)


def prepared(*products, times=TIMES, version=1):
    return Listing.prepare(version, products, times, None)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        pytest.param({"stripe_product_id": "prod", "product_key": "key"}, "prod", id="stripe-product"),
        pytest.param({"product_key": "key"}, "key", id="product-key"),
        pytest.param({}, "slug-1", id="slug"),
        pytest.param({"slug": ""}, str(UUID(int=1)), id="uuid"),
    ],
)
def test_the_id_is_the_first_there_is(fields, shown):
    assert as_shown(product(1, **fields), TIMES, None)["id"] == shown


def test_the_list_is_in_display_order_then_by_name():
    listing = prepared(product(1, name="B"), product(2, name="A", display_order=1), product(3, name="A"))
    assert [item.product.uuid.int for item in listing.items] == [3, 1, 2]


@pytest.mark.parametrize(
    ("url", "base", "shown"),
    [
        ("https://cdn/x.png", "https://base", "https://cdn/x.png"),
        ("/media/x.png", "https://base", "https://base/media/x.png"),
        ("media/x.png", "https://base/sub", "https://base/sub/media/x.png"),
        ("//cdn/x.png", "https://base", "https://cdn/x.png"),
        ("/media/x.png", None, "/media/x.png"),
        ("", "https://base", ""),
        ("//[draft].png", "https://base", "//[draft].png"),
        ("http://[x", "https://base", "http://[x"),
    ],
)
def test_thumbnails(url, base, shown):
    assert absolute(url, base) == shown


def test_the_tag_of_an_answer_ignores_when_prices_were_confirmed_and_nothing_else():
    before = prepared(product(1), product(2))
    later = prepared(product(1), product(2), times={"usd": "2026-11-22T12:00:00+00:00"}, version=2)
    assert before.whole.etag == later.whole.etag
    assert before.whole.body != later.whole.body
    assert before.find("slug-1").etag == later.find("slug-1").etag
    for changed in ({"name": "New"}, {"stale": True}, {"price": None}, {"tags": ["x"]}):
        assert prepared(product(1), product(2, **changed)).whole.etag != before.whole.etag


def test_a_key_is_found_by_uuid_then_slug_then_product_key_then_stripe_product():
    one, two, three = UUID(int=1), UUID(int=2), UUID(int=3)
    listing = prepared(
        product(1, slug=str(two), product_key="k", stripe_product_id="same"),
        product(2, slug="k", product_key="same", stripe_product_id="p2"),
        product(3, slug="s3", product_key="x", stripe_product_id="same"),
    )
    found = {
        key: json.loads(listing.find(key).body)["uuid"]
        for key in (str(two), "k", "same", "p2", str(three).upper(), str(one))
    }
    assert found == {
        str(two): str(two), "k": str(two), "same": str(two), "p2": str(two),
        str(three).upper(): str(three), str(one): str(one),
    }  # fmt: skip
    assert listing.find("nothing") is None
    assert listing.find("") is None


def test_filters_all_must_match_and_tags_count_without_case():
    listing = prepared(product(1, tags=["AI", "Data"], product_key="k"), product(2, tags=["ai"]))

    def matched(**filters):
        return [item.product.uuid.int for item in listing.matching(Filters(**filters))]

    assert matched() == [1, 2]
    assert matched(tags=frozenset({"ai"})) == [1, 2]
    assert matched(tags=frozenset({"ai", "data"})) == [1]
    assert matched(product_key="k") == [1]
    assert matched(academy_uuid=str(UUID(int=2))) == [2]
    assert matched(academy_uuid=str(UUID(int=2)), tags=frozenset({"data"})) == []


def test_a_page_is_an_envelope_around_the_items():
    listing = prepared(*(product(number, name=f"{number:03}") for number in range(1, 251)))
    assert listing.whole is None
    body = json.loads(page(listing.items, 3, 100, (None, "before")).body)
    assert (body["count"], body["next"], body["previous"], len(body["results"])) == (250, None, "before", 50)
    assert body["results"][0]["name"] == "201"
    assert json.loads(page(listing.items, 9, 100, (None, None)).body)["results"] == []


def test_nothing_published_is_an_empty_list():
    assert json.loads(prepared().whole.body) == {"count": 0, "next": None, "previous": None, "results": []}
