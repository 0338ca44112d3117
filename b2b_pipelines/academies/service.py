"""Store the answers of catalog and Stripe, publish the list, and report what was left out.

The caller opens the transaction. Functions that ask a vendor take the `Database` and open their own transactions before
and after the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.orm import Session

from b2b_pipelines.academies import notes, store
from b2b_pipelines.academies.catalog import Reading, read_catalog
from b2b_pipelines.academies.models import AcademyCatalog, AcademyPublication
from b2b_pipelines.academies.prices import PriceOutcome, outcome_of, unknown_fields
from b2b_pipelines.academies.rules import Change, Plan, Prices, Product, plan_publication
from b2b_pipelines.academies.selection import Selection
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.errors import B2BError, NotConfigured, NotFound, PermanentError

if TYPE_CHECKING:  # the package stripe takes long to import
    from b2b_pipelines.vendors.enterprise_catalog import CatalogAnswer, EnterpriseCatalog
    from b2b_pipelines.vendors.stripe import Stripe


class ImplausibleCatalog(PermanentError):
    """Publishing would empty most or all of the list. Nothing was published; the old list stays."""

    code = "implausible_catalog"


CATALOG_IS_OFF = (
    "the academies are off: set B2B_ACADEMY_CUSTOMER, B2B_ENTERPRISE_CATALOG_URL, B2B_LMS_URL, B2B_OAUTH_CLIENT_ID and"
    " B2B_OAUTH_CLIENT_SECRET"
)
STRIPE_IS_OFF = "the academies name prices, and Stripe is off: set B2B_STRIPE_API_KEY"


@dataclass(frozen=True, slots=True)
class Published:
    """The result of a publication.

    `products` are all products, `version` is that of the shown list.
    """

    version: int
    products: list[Product]
    changes: list[Change]
    reading: Reading

    @property
    def shown(self) -> list[Product]:
        return [product for product in self.products if product.active]

    def count(self, kind: str) -> int:
        return sum(change.kind == kind for change in self.changes)


@dataclass(frozen=True, slots=True)
class CatalogRead:
    """The answer of enterprise-catalog, whether it changed, and notes for people."""

    academies: list[Any]
    catalogs: list[Any]
    content_hash: str
    changed: bool
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PricesRead:
    """Stripe's answer: each lookup key's outcome, and fields that the pinned API version lacks."""

    outcomes: dict[str, PriceOutcome]
    unknown_fields: list[str]


def refresh_catalog(
    database: Database, catalog: EnterpriseCatalog | None, selection: Selection, now: datetime
) -> CatalogRead:
    """Read the customer's academies and catalogs, and store them unchanged.

    Raises `NotConfigured` when academies are off, and the errors of the client; the last good answer then stays.
    """
    if catalog is None or selection.customer is None:
        raise NotConfigured(CATALOG_IS_OFF)
    answer = catalog.read(selection.customer)
    with database.session() as session:
        changed = keep_catalog(session, selection.customer, answer, now)
    return CatalogRead(answer.academies, answer.catalogs, answer.content_hash, changed, answer.notes)


def keep_catalog(session: Session, customer: UUID, answer: CatalogAnswer, now: datetime) -> bool:
    """Store the answer of enterprise-catalog. Return whether it differs from the last one."""
    transaction_lock(session, "academies", "catalog")
    last = store.newest_catalog(session)
    if last and (last.customer, last.content_hash) == (customer, answer.content_hash):
        last.verified_at = now
        return False
    session.add(
        AcademyCatalog(
            customer=customer,
            academies=answer.academies,
            catalogs=answer.catalogs,
            content_hash=answer.content_hash,
            taken_at=now,
            verified_at=now,
        )
    )
    return True


def current_reading(session: Session, selection: Selection) -> Reading:
    """Return the academies in the last good answer of the catalog.

    Raises `NotFound` before the first.
    """
    catalog = store.newest_catalog(session)
    if catalog is None:
        raise NotFound("enterprise-catalog was never read: run `b2b academies refresh` first")
    return read_catalog(catalog.academies, catalog.catalogs, selection)


def rehearse(session: Session, selection: Selection, now: datetime) -> tuple[Reading, Plan]:
    """Return what publishing now would change, and whether it may. Writes nothing."""
    reading = current_reading(session, selection)
    return reading, _plan(reading, store.products(session), store.prices(session), selection, now)


def wanted_lookup_keys(session: Session, selection: Selection) -> list[str]:
    """Return the lookup keys of all kept academies.

    Those of shown products whose academy is refused this time are included.
    """
    reading = current_reading(session, selection)
    refused = {refusal.uuid for refusal in reading.refused}
    shown = {
        product.lookup_key for product in store.products(session) if product.active and str(product.uuid) in refused
    }
    return sorted({*reading.lookup_keys, *shown} - {""})


def refresh_prices(database: Database, stripe: Stripe | None, selection: Selection, now: datetime) -> PricesRead:
    """Ask Stripe for the price of each required lookup key, and store the answer.

    A failure is recorded (the published prices then count as stale), the last good prices stay, and the error is
    raised.
    """
    with database.session() as session:
        keys = wanted_lookup_keys(session, selection)
    if keys and stripe is None:
        raise NotConfigured(STRIPE_IS_OFF)
    try:
        answered = stripe.prices(keys) if stripe and keys else []
    except B2BError as error:
        with database.session() as session:
            store.note_check(session, now, error.message)
        raise
    outcomes = {key: outcome_of(price for price in answered if price.get("lookup_key") == key) for key in keys}
    with database.session() as session:
        store.save_prices(session, outcomes, now)
        store.note_check(session, now, None)
    return PricesRead(outcomes, unknown_fields(answered))


def publish(session: Session, selection: Selection, now: datetime, run_id: str | None = None) -> Published:
    """Publish the academies from the last answers of catalog and Stripe, in this transaction.

    Only changes are written; without a change nothing is written. Raises `ImplausibleCatalog`, having written nothing,
    when the catalog lists no academy or too many would become inactive.
    """
    transaction_lock(session, "academies", "publication")
    reading, prices = current_reading(session, selection), store.prices(session)
    plan = _plan(reading, store.products(session), prices, selection, now)
    if plan.implausible:
        raise ImplausibleCatalog(f"nothing was published: {plan.implausible}")
    if plan.changes:
        store.apply(session, plan.changes, now, run_id)
    return Published(_announce(session, reading, plan, prices, now), plan.products, plan.changes, reading)


def _plan(reading: Reading, published: Sequence[Product], prices: Prices, selection: Selection, now: datetime) -> Plan:
    return plan_publication(reading, published, prices, max_deactivated=selection.max_deactivated, now=now)


def _announce(session: Session, reading: Reading, plan: Plan, prices: Prices, now: datetime) -> int:
    """Store what readers of the list can see, if it differs. Return the version of the list."""
    keys = {product.lookup_key for product in plan.products if product.active} & set(prices.by_key)
    seen: Mapping[str, Any] = {
        "price_times": {key: prices.by_key[key].checked_at.isoformat() for key in sorted(keys)},
        "refused": [asdict(refusal) for refusal in reading.refused],
        "unmatched": [{"setting": setting, "entry": entry} for setting, entry in reading.unmatched],
    }
    last = store.publication(session)
    if last is None:
        session.add(AcademyPublication(id=1, version=1, published_at=now, **seen))
        return 1
    if plan.changes or any(getattr(last, name) != value for name, value in seen.items()):
        last.version += 1
        last.published_at = now
        for name, value in seen.items():
            setattr(last, name, value)
    return last.version


def notes_on(products: Sequence[Product]) -> list[str]:
    """Return advice on a published list, which may hold products that are not shown."""
    return notes.notes_on([product.lookup_key for product in products if product.active])


def shown_products(session: Session) -> list[Product]:
    """Return the products that the public endpoint shows."""
    return store.shown(session)[1]
