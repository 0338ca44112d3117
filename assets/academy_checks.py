"""Checks on academies: the published list is plausible, and its academies can be bought."""

from datetime import UTC, datetime

import dagster as dg

from assets.academies import academy_catalogs, academy_products
from assets.failures import as_dagster_failure
from assets.metadata import ROWS_SHOWN
from b2b_pipelines.academies import service
from b2b_pipelines.academies.selection import Selection
from b2b_pipelines.db.engine import Database


@dg.asset_check(asset=academy_catalogs, blocking=True)
def catalog_is_plausible(
    database: dg.ResourceParam[Database], academy_selection: dg.ResourceParam[Selection]
) -> dg.AssetCheckResult:
    """The catalog's list would neither empty the published list nor deactivate too much of it."""
    with as_dagster_failure(), database.session() as session:
        reading, plan = service.rehearse(session, academy_selection, datetime.now(UTC))
    lost = [change.after.name for change in plan.changes if change.kind == "deactivated"]
    return dg.AssetCheckResult(
        passed=plan.implausible is None,
        description=plan.implausible or f"{reading.items} academies listed, {len(lost)} would become inactive.",
        metadata={
            "listed": reading.items,
            "kept": len(reading.academies),
            "refused": len(reading.refused),
            "would become inactive": dg.MetadataValue.json(lost[:ROWS_SHOWN]),
        },
    )


@dg.asset_check(asset=academy_products)
def every_academy_has_a_price(database: dg.ResourceParam[Database]) -> dg.AssetCheckResult:
    """Every shown academy has a price; the others are named with the obstacle."""
    with as_dagster_failure(), database.session() as session:
        lacking = [product for product in service.shown_products(session) if product.price is None]
    return dg.AssetCheckResult(
        passed=not lacking,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(lacking)} academies have no price." if lacking else "Every academy has a price.",
        metadata={
            "without a price": dg.MetadataValue.json(
                {product.name: product.price_state for product in lacking[:ROWS_SHOWN]}
            )
        },
    )
