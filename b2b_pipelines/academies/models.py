"""Tables: vendors' answers, the published list and its history, the throttle's counts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base


class AcademyCatalog(Base):
    """An answer of enterprise-catalog about a customer, unchanged.

    The newest row is the last good answer.

    An answer equal to the one before only updates `verified_at`. The two lists are `json`, not `jsonb`, because `json`
    can hold every text of a catalog, even the character NUL.
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
    """Stripe's last answer about a lookup key.

    `state` is as in `PriceOutcome`, `price` is set when `priced`.
    """

    __tablename__ = "stripe_price"

    lookup_key: Mapped[str] = mapped_column(String(200), primary_key=True)
    state: Mapped[str]
    price: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    checked_at: Mapped[datetime]


class StripeCheck(Base):
    """The last attempt to read prices from Stripe, in one row.

    `error` is None when it succeeded.
    """

    __tablename__ = "stripe_check"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    tried_at: Mapped[datetime]
    error: Mapped[str | None]


class AcademyProduct(Base):
    """A row of the published list, one for each academy that was ever on it.

    Rows with `active` are shown.

    The key is the catalog's uuid. A known `catalog_query_id` is kept when the catalog omits it. `price` is as
    published, `stale` when Stripe could not confirm it.
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
    """A change of the published list.

    `kind` is `published`, `changed`, `deactivated` or `reactivated`.

    `changes` has each field that differs, before and after. `run_id` is the Dagster run that made the change, if any.
    """

    __tablename__ = "academy_product_change"
    __table_args__ = (Index("ix_academy_product_change_uuid_id", "uuid", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(20))
    changes: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
    run_id: Mapped[str | None]


class AcademyPublication(Base):
    """The state of the list as a whole, in one row.

    `version` grows with every change that readers can see.

    `price_times` is the time when Stripe confirmed each published price, by lookup key. `refused` are the refused
    items, `unmatched` the settings that match nothing.
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
    """Requests granted to a client of the public endpoint. `grants` is `[[slice, count]]`.

    The table is unlogged: after a crash of PostgreSQL all counts start at zero.
    """

    __tablename__ = "throttled_client"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    client: Mapped[str] = mapped_column(primary_key=True)
    grants: Mapped[list[Any]]
    ends_at: Mapped[datetime] = mapped_column(index=True)
