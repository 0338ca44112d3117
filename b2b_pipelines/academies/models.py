"""Tables: what the catalog and Stripe last said, the published list with its history, and the throttle's counts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base


class AcademyCatalog(Base):
    """What enterprise-catalog said about a customer, as it said it. The newest row is the last good answer.

    An answer like the one before moves `verified_at` alone. The two lists are `json`, not `jsonb`: that keeps
    whatever a catalog may hold, the character NUL too.
    """

    __tablename__ = "academy_catalog"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[UUID]
    academies: Mapped[list[Any]] = mapped_column(JSON)
    catalogs: Mapped[list[Any]] = mapped_column(JSON)
    content_hash: Mapped[str] = mapped_column(String(64))
    taken_at: Mapped[datetime]
    verified_at: Mapped[datetime]


class StripePrice(Base):
    """What Stripe last said about a lookup key: `state` as in `PriceOutcome`, and when. `price` only when `priced`."""

    __tablename__ = "stripe_price"

    lookup_key: Mapped[str] = mapped_column(String(200), primary_key=True)
    state: Mapped[str]
    price: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    checked_at: Mapped[datetime]


class StripeCheck(Base):
    """The one row about the last try to ask Stripe. `error` is None when it went well."""

    __tablename__ = "stripe_check"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    tried_at: Mapped[datetime]
    error: Mapped[str | None]


class AcademyProduct(Base):
    """The published list: a row for each academy that ever was on it, by the catalog's uuid. `active` ones are shown.

    `catalog_query_id`, once known, is kept when the catalog says none. `price` is as published, `stale` when Stripe
    could not confirm it.
    """

    __tablename__ = "academy_product"
    __table_args__ = (
        Index("uq_academy_product_product_key", "product_key", unique=True, postgresql_where=text("product_key <> ''")),
        CheckConstraint("display_order >= 0", name="display_order_is_not_negative"),
    )

    uuid: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(255), unique=True)
    product_key: Mapped[str] = mapped_column(String(255))
    name: Mapped[str]
    long_name: Mapped[str]
    description: Mapped[str]
    marketing_url: Mapped[str]
    thumbnail_url: Mapped[str]
    tags: Mapped[list[Any]]
    stripe_product_id: Mapped[str]
    lookup_key: Mapped[str] = mapped_column(String(200))
    catalog_query_id: Mapped[int | None]
    display_order: Mapped[int]
    active: Mapped[bool]
    price: Mapped[dict[str, Any] | None]
    price_state: Mapped[str]
    stale: Mapped[bool]


class AcademyProductChange(Base):
    """The history of the list. `kind` is `published`, `changed`, `deactivated` or `reactivated`; `changes` has each
    field that differs, with what it was and what it became. `run_id` is Dagster's, when one did it."""

    __tablename__ = "academy_product_change"
    __table_args__ = (Index("ix_academy_product_change_uuid_id", "uuid", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(20))
    changes: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
    run_id: Mapped[str | None]


class AcademyPublication(Base):
    """The one row about the list as a whole. `version` grows with everything that readers of the list can see.

    `price_times` is when Stripe confirmed each published price, by lookup key. `refused` and `unmatched` are what was
    left out, and which settings fit nothing.
    """

    __tablename__ = "academy_publication"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    version: Mapped[int]
    published_at: Mapped[datetime]
    price_times: Mapped[dict[str, Any]]
    refused: Mapped[list[Any]]
    unmatched: Mapped[list[Any]]


class ThrottledClient(Base):
    """How many requests a client of the public endpoint was granted, by slice of time: `grants` is `[[slice, count]]`.

    Unlogged: after a crash of PostgreSQL everyone starts anew.
    """

    __tablename__ = "throttled_client"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    client: Mapped[str] = mapped_column(primary_key=True)
    grants: Mapped[list[Any]]
    ends_at: Mapped[datetime] = mapped_column(index=True)
