"""The list of academies by Django REST framework, for comparison in `benchmarks.academies`.

Written as its documentation has it: a generic list view, page-number pagination, model serializers with the price
nested, related rows by `prefetch_related`. The tables are those that such a project would have: an academy, its prices,
its tags.
"""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks import django_project

TABLES = """
    CREATE TABLE drf_academy (
        id bigserial PRIMARY KEY, uuid uuid NOT NULL, shown_id text NOT NULL, name text NOT NULL,
        long_name text NOT NULL, description text NOT NULL, marketing_url text NOT NULL, thumbnail_url text NOT NULL,
        stripe_product_id text NOT NULL, catalog_query_id bigint, slug text NOT NULL, display_order bigint NOT NULL,
        prices_as_of timestamptz, stale boolean NOT NULL
    );
    CREATE TABLE drf_price (
        id text PRIMARY KEY, academy_id bigint NOT NULL REFERENCES drf_academy, product text NOT NULL,
        lookup_key text NOT NULL, currency text NOT NULL, unit_amount bigint, unit_amount_decimal text NOT NULL,
        "interval" text NOT NULL, interval_count bigint NOT NULL, usage_type text NOT NULL
    );
    CREATE INDEX ON drf_price (academy_id);
    CREATE TABLE drf_tag (id bigserial PRIMARY KEY, academy_id bigint NOT NULL REFERENCES drf_academy, title text NOT NULL);
    CREATE INDEX ON drf_tag (academy_id);
    INSERT INTO drf_academy (uuid, shown_id, name, long_name, description, marketing_url, thumbnail_url,
                             stripe_product_id, catalog_query_id, slug, display_order, prices_as_of, stale)
    SELECT uuid, coalesce(nullif(stripe_product_id, ''), slug), name, long_name, description, marketing_url,
           thumbnail_url, stripe_product_id, catalog_query_id, slug, display_order,
           (SELECT (price_times ->> lookup_key)::timestamptz FROM academy_publication), stale
    FROM academy_product WHERE active;
    INSERT INTO drf_price
    SELECT price ->> 'id', a.id, price ->> 'product', price ->> 'lookup_key', price ->> 'currency',
           (price ->> 'unit_amount')::bigint, price ->> 'unit_amount_decimal', price #>> '{recurring,interval}',
           (price #>> '{recurring,interval_count}')::bigint, price #>> '{recurring,usage_type}'
    FROM academy_product JOIN drf_academy a USING (uuid) WHERE price IS NOT NULL;
    INSERT INTO drf_tag (academy_id, title)
    SELECT a.id, tag FROM academy_product JOIN drf_academy a USING (uuid), jsonb_array_elements_text(tags) AS tag;
    ANALYZE;
"""

urlpatterns: list[Any] = []


def copy_academies(session: Session) -> None:
    """Make the tables, with the same academies as are published."""
    session.execute(text(TABLES))


def application(database_url: str) -> Any:
    """Return the ASGI application, over the database of that URL."""
    return django_project.application(database_url, __name__, _declare)


def _declare() -> None:
    """Declare models, serializers and view, which is possible only once Django is set up."""
    from django.db import models
    from django.urls import path
    from rest_framework import generics, pagination, serializers

    class Academy(models.Model):
        uuid = models.UUIDField()
        shown_id = models.TextField()
        name = models.TextField()
        long_name = models.TextField()
        description = models.TextField()
        marketing_url = models.TextField()
        thumbnail_url = models.TextField()
        stripe_product_id = models.TextField()
        catalog_query_id = models.BigIntegerField(null=True)
        slug = models.TextField()
        display_order = models.BigIntegerField()
        prices_as_of = models.DateTimeField(null=True)
        stale = models.BooleanField()

        class Meta:
            app_label, managed, db_table = "benchmarks", False, "drf_academy"

    class Price(models.Model):
        id = models.TextField(primary_key=True)
        academy = models.ForeignKey(Academy, models.DO_NOTHING, related_name="prices")
        product = models.TextField()
        lookup_key = models.TextField()
        currency = models.TextField()
        unit_amount = models.BigIntegerField(null=True)
        unit_amount_decimal = models.TextField()
        interval = models.TextField()
        interval_count = models.BigIntegerField()
        usage_type = models.TextField()

        class Meta:
            app_label, managed, db_table = "benchmarks", False, "drf_price"

    class Tag(models.Model):
        academy = models.ForeignKey(Academy, models.DO_NOTHING, related_name="tags")
        title = models.TextField()

        class Meta:
            app_label, managed, db_table, ordering = "benchmarks", False, "drf_tag", ("id",)

    class RecurringSerializer(serializers.ModelSerializer):
        class Meta:
            model = Price
            fields = ("interval", "interval_count", "usage_type")

    class PriceSerializer(serializers.ModelSerializer):
        recurring = RecurringSerializer(source="*")

        class Meta:
            model = Price
            fields = ("id", "product", "lookup_key", "currency", "unit_amount", "unit_amount_decimal", "recurring")

    class AcademySerializer(serializers.ModelSerializer):
        id = serializers.CharField(source="shown_id")
        tags = serializers.SlugRelatedField("title", many=True, read_only=True)
        edx_catalog_id = serializers.IntegerField(source="catalog_query_id")
        prices = PriceSerializer(many=True)

        class Meta:
            model = Academy
            fields = (
                "id",
                "name",
                "long_name",
                "description",
                "marketing_url",
                "thumbnail_url",
                "tags",
                "stripe_product_id",
                "catalog_query_id",
                "edx_catalog_id",
                "prices",
                "slug",
                "uuid",
                "prices_as_of",
                "stale",
            )

    class Pages(pagination.PageNumberPagination):
        page_size = 100
        page_size_query_param = "page_size"
        max_page_size = 100

    class Academies(generics.ListAPIView):
        serializer_class = AcademySerializer
        pagination_class = Pages
        authentication_classes = ()
        permission_classes = ()
        queryset = Academy.objects.prefetch_related("prices", "tags").order_by("display_order", "name")

    urlpatterns.append(path("api/v1/academy-products/", Academies.as_view()))
