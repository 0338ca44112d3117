"""Queries on academies. The number of statements does not depend on the number of academies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, outerjoin

from b2b_pipelines.academies.models import (
    AcademyCatalog,
    AcademyProduct,
    AcademyProductChange,
    AcademyPublication,
    StripeCheck,
    StripePrice,
)
from b2b_pipelines.academies.prices import PriceOutcome
from b2b_pipelines.academies.rules import Change, CheckedPrice, Prices, Product

COLUMNS = [field.name for field in fields(Product)]
_WRITE = text(
    f"INSERT INTO academy_product ({', '.join(COLUMNS)})"
    f" SELECT {', '.join(COLUMNS)} FROM jsonb_populate_recordset(NULL::academy_product, :rows)"
    f" ON CONFLICT (uuid) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in COLUMNS if name != 'uuid')}"
)
_NOTE = text(
    "INSERT INTO academy_product_change (uuid, kind, changes, changed_at, run_id)"
    " SELECT uuid, kind, changes, :now, :run_id"
    " FROM jsonb_populate_recordset(NULL::academy_product_change, :rows)"
)
PRODUCT_COLUMNS = [getattr(AcademyProduct, name) for name in COLUMNS]


def newest_catalog(session: Session) -> AcademyCatalog | None:
    return session.scalars(select(AcademyCatalog).order_by(AcademyCatalog.id.desc()).limit(1)).first()


def products(session: Session) -> list[Product]:
    """Return every product, inactive ones too, in uuid order."""
    rows = session.execute(select(*PRODUCT_COLUMNS).order_by(AcademyProduct.uuid))
    return [Product(**row._mapping) for row in rows]


def prices(session: Session) -> Prices:
    """Return Stripe's last answer for each lookup key, and whether the last attempt failed."""
    rows = session.execute(select(StripePrice.lookup_key, StripePrice.state, StripePrice.price, StripePrice.checked_at))
    error = session.scalar(select(StripeCheck.error))
    return Prices(
        {row.lookup_key: CheckedPrice(PriceOutcome(row.state, row.price), row.checked_at) for row in rows},
        last_try_failed=error is not None,
    )


def save_prices(session: Session, outcomes: Mapping[str, PriceOutcome], now: datetime) -> None:
    rows = [{"lookup_key": key, **asdict(outcome), "checked_at": now.isoformat()} for key, outcome in outcomes.items()]
    session.execute(
        text(
            "INSERT INTO stripe_price (lookup_key, state, price, checked_at)"
            " SELECT lookup_key, state, price, checked_at FROM jsonb_populate_recordset(NULL::stripe_price, :rows)"
            " ON CONFLICT (lookup_key) DO UPDATE"
            " SET state = excluded.state, price = excluded.price, checked_at = excluded.checked_at"
        ),
        {"rows": json.dumps(rows)},
    )


def note_check(session: Session, now: datetime, error: str | None) -> None:
    """Record the result of the last attempt to ask Stripe."""
    statement = insert(StripeCheck).values(id=1, tried_at=now, error=error)
    session.execute(
        statement.on_conflict_do_update(index_elements=[StripeCheck.id], set_={"tried_at": now, "error": error})
    )


def apply(session: Session, changes: Sequence[Change], now: datetime, run_id: str | None) -> None:
    """Write the changed products, and one row of history for each."""
    products = [asdict(change.after) for change in changes]
    session.execute(_WRITE, {"rows": json.dumps(products, default=str)})
    history = [{"uuid": change.after.uuid, "kind": change.kind, "changes": change.values} for change in changes]
    session.execute(_NOTE, {"rows": json.dumps(history, default=str), "now": now, "run_id": run_id})


def publication(session: Session) -> AcademyPublication | None:
    return session.get(AcademyPublication, 1)


def version(connection: Connection) -> int:
    """Return the version of the published list; 0 before the first."""
    return connection.exec_driver_sql("SELECT version FROM academy_publication").scalar() or 0


def shown(session: Session) -> tuple[int, list[Product], Mapping[str, str]]:
    """Return the list to show, read in one statement: version, active products, price times."""
    both = outerjoin(AcademyPublication, AcademyProduct, AcademyProduct.active.is_(True))
    columns = (AcademyPublication.version, AcademyPublication.price_times, *PRODUCT_COLUMNS)
    rows = session.execute(select(*columns).select_from(both)).all()
    if not rows:
        return 0, [], {}
    found = [Product(**{name: getattr(row, name) for name in COLUMNS}) for row in rows if row.uuid is not None]
    return rows[0].version, found, rows[0].price_times


def offered_prices(session: Session, stripe_product_id: str) -> list[dict[str, Any]]:
    """Return `product`, `unit_amount` and `currency` of a Stripe product's published prices.

    `unit_amount` is in minor units, and null for sub-cent amounts. `""`, the Teams plan, has none.
    """
    if not stripe_product_id:
        return []
    product = AcademyProduct.price["product"].astext
    rows = session.scalars(
        select(AcademyProduct.price)
        .where(
            AcademyProduct.active,
            AcademyProduct.price["id"].astext.is_not(None),
            or_(AcademyProduct.stripe_product_id == stripe_product_id, product == stripe_product_id),
        )
        .order_by(AcademyProduct.uuid)
    )
    return [{name: price[name] for name in ("product", "unit_amount", "currency")} for price in rows if price]


def changes(session: Session, limit: int = 100) -> Sequence[AcademyProductChange]:
    """Return the newest rows of the history first."""
    return session.scalars(select(AcademyProductChange).order_by(AcademyProductChange.id.desc()).limit(limit)).all()
