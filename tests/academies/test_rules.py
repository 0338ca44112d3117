"""Decisions on academies."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.academies.catalog import SLUG_LENGTH, Reading, first_catalog_query_id, read_catalog, whole_id
from b2b_pipelines.academies.prices import MISSING, NO_LOOKUP_KEY, PRICED, UNCHECKED, PriceOutcome
from b2b_pipelines.academies.rules import CheckedPrice, Prices, plan_publication
from b2b_pipelines.academies.selection import Selection, folded
from b2b_pipelines.inputs.text import as_slug

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
A, B, C = (UUID(f"{number}1111111-1111-4111-8111-111111111111") for number in "abc")


def item(uuid=A, **fields):
    return {"uuid": str(uuid), "title": "Data Science", **fields}


def read_one(selection=Selection(), catalogs=(), **fields):
    reading = read_catalog([item(**fields)], catalogs, selection)
    assert reading.refused == []
    return reading.academies[0]


def plan(items, published=(), prices=Prices(), selection=Selection(), now=NOW):
    reading = read_catalog(items, [], selection)
    return plan_publication(reading, published, prices, max_deactivated=selection.max_deactivated, now=now)


def published_after(items, published=(), **more):
    outcome = plan(items, published, **more)
    assert outcome.implausible is None, outcome.implausible
    return outcome.products


class TestFields:
    def test_texts_come_from_the_first_field_that_has_one(self):
        academy = read_one(
            name=" Data ", title="Data Academy", long_description="long", short_description="short", image="/a.png"
        )
        assert (academy.name, academy.long_name) == ("Data", "Data Academy")
        assert (academy.description, academy.thumbnail_url) == ("long", "/a.png")

    def test_what_a_richer_deployment_sends_is_used(self):
        academy = read_one(
            name="Data",
            long_name="The Data Academy",
            description="d",
            thumbnail_url="https://cdn/x.png",
            image="/a.png",
            marketing_url="https://m",
            stripe_product_id="prod_1",
            stripe_price_lookup_key=" data_monthly ",
            product_key="data-key",
            slug="Dáta Slug!",
            display_order=3,
            is_active="FALSE",
        )
        assert academy.long_name == "The Data Academy"
        assert academy.description == "d"
        assert academy.thumbnail_url == "https://cdn/x.png"
        assert academy.marketing_url == "https://m"
        assert (academy.stripe_product_id, academy.lookup_key) == ("prod_1", "data_monthly")
        assert (academy.product_key, academy.slug) == ("data-key", "data-slug")
        assert (academy.display_order, academy.active) == (3, False)

    def test_no_lookup_key_is_invented(self):
        assert read_one(stripe_product_id="prod_1").lookup_key == ""

    @pytest.mark.parametrize("blank", [None, "", "  ", 7, ["x"], {}])
    def test_a_name_that_is_no_text_counts_as_none(self, blank):
        assert read_one(name=blank).name == "Data Science"

    def test_tags_are_their_titles_each_once(self):
        tags = [{"title": " AI "}, {"title": "AI"}, {"title": "ai"}, "Data", {"title": None}, 7, {"title": ""}]
        assert read_one(tags=tags).tags == ["AI", "ai", "Data"]
        assert read_one(tags="AI").tags == []

    def test_what_postgresql_cannot_keep_is_dropped(self):
        assert read_one(title="Da\x00ta \ud800Science").name == "Data Science"

    @pytest.mark.parametrize(
        ("said", "order"), [(0, 0), (7, 7), (3.0, 3), (None, 0)], ids=["zero", "seven", "whole-float", "null"]
    )
    def test_a_display_order(self, said, order):
        assert read_one(display_order=said).display_order == order

    @pytest.mark.parametrize(
        ("said", "active"),
        [(True, True), (False, False), ("true", True), (" False ", False), ("TRUE", True), (None, True)],
    )
    def test_whether_it_is_active(self, said, active):
        assert read_one(is_active=said).active is active


class TestRefusals:
    @pytest.mark.parametrize(
        ("bad", "reason"),
        [
            pytest.param("text", 'is not an object: "text"', id="no-object"),
            pytest.param(None, "is not an object: null", id="null"),
            pytest.param({"title": "X"}, "has no uuid", id="no-uuid"),
            pytest.param({"uuid": "x", "title": "X"}, "its uuid is not valid", id="no-real-uuid"),
            pytest.param({"uuid": str(B), "title": " "}, "has neither name nor title", id="no-name"),
            pytest.param(item(B, display_order=-1), "its display_order is not a whole number from 0 on", id="negative"),
            pytest.param(
                item(B, display_order="3"), "its display_order is not a whole number from 0 on", id="text-order"
            ),
            pytest.param(item(B, display_order=1.5), "its display_order is not a whole number from 0 on", id="half"),
            pytest.param(item(B, display_order=True), "its display_order is not a whole number from 0 on", id="true"),
            pytest.param(item(B, display_order=2**63), "its display_order is not a whole number from 0 on", id="huge"),
            pytest.param(item(B, is_active="maybe"), "its is_active is neither true nor false", id="maybe"),
            pytest.param(item(B, is_active=1), "its is_active is neither true nor false", id="one"),
            pytest.param(
                item(B, stripe_price_lookup_key="x" * 201),
                "its stripe_price_lookup_key is longer than Stripe's 200 characters",
                id="long-lookup-key",
            ),
        ],
    )
    def test_one_bad_item_is_refused_with_its_reason_and_stops_nothing(self, bad, reason):
        reading = read_catalog([bad, item(A)], [], Selection())
        assert [refusal.reason for refusal in reading.refused] == [reason]
        assert [academy.uuid for academy in reading.academies] == [A]

    def test_a_refused_academy_that_is_published_stays_as_it_was(self):
        before = published_after([item(A), item(B)])
        after = published_after([item(A), item(B, title="New", display_order=-1)], before)
        assert after == before

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "uuid",
                            "title",
                            "name",
                            "tags",
                            "is_active",
                            "display_order",
                            "slug",
                            "catalog_query_id",
                            "image",
                        ]
                    )
                    | st.text(max_size=3),
                    inner,
                    max_size=6,
                )
            ),
            max_leaves=12,
        )
    )
    def test_whatever_a_row_holds_it_is_published_or_refused(self, row):
        reading = read_catalog([row, item(A)], [row], Selection())
        outcome = plan_publication(reading, [], Prices(), max_deactivated=Decimal(1), now=NOW)
        assert A in {product.uuid for product in outcome.products}
        assert len(outcome.products) + len(reading.refused) == 2


class TestSelection:
    def test_both_lists_empty_keep_all(self):
        assert len(read_catalog([item(A), item(B)], [], Selection()).academies) == 2

    def test_an_academy_is_kept_if_it_is_in_either_list_and_what_matches_nothing_is_told(self):
        selection = Selection(uuids=frozenset((A, C)), names=(" dATA ii ", "Nowhere"))
        reading = read_catalog([item(A), item(B, name="Data II"), item(UUID(int=9), title="Other")], [], selection)
        assert [academy.uuid for academy in reading.academies] == [A, B]
        assert reading.unmatched == [("B2B_ACADEMY_UUIDS", str(C)), ("B2B_ACADEMY_NAMES", "Nowhere")]

    def test_overrides_by_uuid_beat_those_by_name_field_by_field(self):
        overrides = {
            folded("data science"): {"name": "By name", "display_order": 4, "product_key": "key"},
            str(A): {"name": "By uuid", "catalog_query_id": 9},
        }
        academy = read_one(Selection(overrides=overrides), display_order="bad", catalog_query_id=1)
        assert (academy.name, academy.display_order, academy.product_key) == ("By uuid", 4, "key")
        assert academy.catalog_query_id == 9

    def test_an_override_that_fits_no_academy_is_told(self):
        reading = read_catalog([item(A)], [], Selection(overrides={"nothing": {"name": "x"}}))
        assert reading.unmatched == [("B2B_ACADEMY_OVERRIDES", "nothing")]


class TestCatalogQueryId:
    @pytest.mark.parametrize(
        ("said", "found"),
        [
            (7, 7),
            ("7", 7),
            (" 12 ", 12),
            ("", None),
            ("7a", None),
            ("-7", None),
            (True, None),
            (7.0, None),
            (None, None),
            ("٣", None),
            ("9" * 25, None),
            ([7], None),
        ],
    )
    def test_what_counts_as_an_id(self, said, found):
        assert whole_id(said) == found

    def test_the_first_usable_one_in_the_order_of_creation(self):
        catalogs = [
            {"catalog_query_id": "30", "created": "2026-03-01T00:00:00Z"},
            {"catalog_query_id": None, "created": "2026-01-01T00:00:00Z"},
            {"catalog_query_id": True, "created": "2026-01-15T00:00:00Z"},
            {"catalog_query_id": 20, "created": "2026-02-01T00:00:00Z"},
        ]
        assert first_catalog_query_id(catalogs) == 20
        assert first_catalog_query_id([7, {}, {"catalog_query_id": "11"}, {"catalog_query_id": 12}]) == 11

    def test_precedence_from_the_customers_catalogs_to_the_override(self):
        catalogs = [{"catalog_query_id": 1}]
        assert read_one(catalogs=catalogs).catalog_query_id == 1
        assert read_one(catalogs=catalogs, catalog_query_id="2").catalog_query_id == 2
        by_name = Selection(catalog_query_ids={"data science": 3})
        assert read_one(by_name, catalogs, catalog_query_id="2").catalog_query_id == 3
        by_uuid = Selection(catalog_query_ids={"data science": 3, str(A): 4})
        assert read_one(by_uuid, catalogs, catalog_query_id="2").catalog_query_id == 4
        override = replace(by_uuid, overrides={str(A): {"catalog_query_id": 5}})
        assert read_one(override, catalogs, catalog_query_id="2").catalog_query_id == 5

    def test_a_stored_one_is_kept_when_the_new_run_has_none(self):
        before = published_after([item(A, catalog_query_id=2)])
        (after,) = published_after([item(A)], before)
        assert after.catalog_query_id == 2


class TestSlugs:
    @pytest.mark.parametrize(
        ("said", "slug"),
        [
            ("Académie  d'Été!", "academie-d-ete"),
            ("A_b  C", "a-b-c"),
            ("学院", ""),
            ("x" * 300, "x" * 255),
            ("--a--", "a"),
        ],
    )
    def test_slug_of(self, said, slug):
        assert as_slug(said, SLUG_LENGTH) == slug

    @given(st.text())
    def test_a_slug_is_its_own_slug(self, said):
        slug = as_slug(said, SLUG_LENGTH)
        assert as_slug(slug, SLUG_LENGTH) == slug
        assert slug.isascii()
        assert len(slug) <= 255

    def test_without_a_letter_or_digit_the_uuid_is_the_slug(self):
        (product,) = published_after([item(A, title="学院")])
        assert product.slug == str(A)

    def test_a_renamed_academy_stays_the_same_product_and_keeps_its_slug(self):
        before = published_after([item(A)])
        (after,) = published_after([item(A, title="Machine Learning", slug="machine-learning")], before)
        assert (after.uuid, after.name, after.slug) == (A, "Machine Learning", "data-science")

    def test_two_academies_of_one_name_are_two_with_slugs_that_tell_them_apart(self):
        for order in ([item(A), item(B)], [item(B), item(A)]):
            products = published_after(order)
            assert [product.slug for product in products] == ["data-science", "data-science-b1111111"]

    def test_uuids_that_begin_alike_are_told_apart_too(self):
        uuids = [UUID(int=number) for number in (1, 2, 3)]
        slugs = [product.slug for product in published_after([item(uuid) for uuid in uuids])]
        assert len(set(slugs)) == 3

    def test_the_slug_of_an_inactive_one_stays_reserved(self):
        before = published_after([item(A), item(B, title="Other"), item(C, title="Third")])
        gone = published_after([item(B, title="Other"), item(C, title="Third")], before)
        after = {
            p.uuid: p
            for p in published_after([item(UUID(int=5)), item(B, title="Other"), item(C, title="Third")], gone)
        }
        assert (after[A].active, after[A].slug) == (False, "data-science")
        assert after[UUID(int=5)].slug == "data-science-00000000"

    def test_an_override_changes_a_published_slug_and_stays_stable(self):
        selection = Selection(overrides={str(A): {"slug": "other"}})
        before = published_after([item(A), item(B, title="Other")])
        changed = published_after([item(A), item(B, title="Other")], before, selection=selection)
        assert {product.uuid: product.slug for product in changed} == {A: "other-a1111111", B: "other"}
        assert published_after([item(A), item(B, title="Other")], changed, selection=selection) == changed

    def test_product_keys_are_unique_and_stay(self):
        before = published_after([item(A, product_key="K"), item(B, product_key="K"), item(C)])
        assert [product.product_key for product in before] == ["K", "K-b1111111", ""]
        after = published_after([item(A, product_key="L"), item(B), item(C, product_key="M")], before)
        assert [product.product_key for product in after] == ["K", "K-b1111111", "M"]

    @given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["a", "A!", "b", "学"]), st.booleans()), max_size=12))
    def test_whatever_comes_and_goes_slugs_are_unique_and_never_change(self, steps):
        published = []
        listed = {}
        for number, title, present in steps:
            listed[number] = item(UUID(int=number), title=title) if present else None
            rows = [row for row in listed.values() if row] or [item(UUID(int=99))]
            after = plan(rows, published, selection=Selection(max_deactivated=Decimal(1))).products
            before = {product.uuid: product.slug for product in published}
            assert len({product.slug for product in after}) == len(after)
            assert all(product.slug == before.get(product.uuid, product.slug) for product in after)
            published = after


class TestPlausibility:
    ten: ClassVar = [item(UUID(int=number), title=f"Academy {number}") for number in range(10)]

    def test_an_item_no_longer_listed_becomes_inactive_and_comes_back_the_same(self):
        before = published_after(self.ten)
        fewer = plan(self.ten[1:], before)
        assert [(change.kind, change.after.uuid) for change in fewer.changes] == [("deactivated", UUID(int=0))]
        again = plan(self.ten, fewer.products)
        assert [change.kind for change in again.changes] == ["reactivated"]
        assert again.products == before

    def test_half_may_go_and_one_more_may_not(self):
        before = published_after(self.ten)
        assert plan(self.ten[5:], before).implausible is None
        assert "6 of 10" in (plan(self.ten[6:], before).implausible or "")

    def test_an_empty_list_publishes_nothing(self):
        assert plan([], published_after(self.ten)).implausible is not None
        assert plan([]).implausible is not None

    def test_an_unchanged_list_changes_nothing(self):
        before = published_after(self.ten)
        assert plan(self.ten[::-1], before).changes == []


class TestPrices:
    usd = PriceOutcome(PRICED, {"id": "price_1", "unit_amount": 9900})
    priced = item(A, stripe_price_lookup_key="data")

    def checked(self, outcome, at=NOW, failed=False):
        return Prices({"data": CheckedPrice(outcome, at)}, last_try_failed=failed)

    def test_a_price_is_published_as_stripe_has_it(self):
        (product,) = published_after([self.priced], prices=self.checked(self.usd))
        assert (product.price, product.price_state, product.stale) == (self.usd.price, PRICED, False)

    def test_why_there_is_none(self):
        (product,) = published_after([self.priced], prices=self.checked(PriceOutcome(MISSING)))
        assert (product.price, product.price_state, product.stale) == (None, MISSING, False)
        (product,) = published_after([item(A)])
        assert (product.price_state, product.stale) == (NO_LOOKUP_KEY, False)
        (product,) = published_after([self.priced])
        assert (product.price_state, product.stale) == (UNCHECKED, False)

    @pytest.mark.parametrize(("age", "stale"), [(timedelta(hours=24), False), (timedelta(hours=24, seconds=1), True)])
    def test_a_price_older_than_a_day_is_stale(self, age, stale):
        (product,) = published_after([self.priced], prices=self.checked(self.usd, NOW - age))
        assert (product.price, product.stale) == (self.usd.price, stale)

    def test_after_a_failed_try_the_last_good_price_stays_as_stale(self):
        before = published_after([self.priced], prices=self.checked(self.usd))
        outcome = plan([self.priced], before, self.checked(self.usd, failed=True))
        (product,) = outcome.products
        assert (product.price, product.stale) == (self.usd.price, True)
        assert [change.values for change in outcome.changes] == [{"stale": [False, True]}]

    def test_a_price_that_was_lost_sight_of_stays_as_stale_while_its_key_does(self):
        before = published_after([self.priced], prices=self.checked(self.usd))
        (product,) = published_after([self.priced], before)
        assert (product.price, product.stale) == (self.usd.price, True)
        (product,) = published_after([item(A, stripe_price_lookup_key="other")], before)
        assert (product.price, product.price_state) == (None, UNCHECKED)


def test_lookup_keys_are_those_of_the_academies_each_once():
    reading = read_catalog(
        [item(A, stripe_price_lookup_key="b"), item(B, stripe_price_lookup_key="b"), item(C)], [], Selection()
    )
    assert isinstance(reading, Reading)
    assert reading.lookup_keys == ["b"]
