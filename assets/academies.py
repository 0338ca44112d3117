"""The academies chain: `academy_catalogs` → `stripe_prices` → `academy_products`."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from assets import academy_plots
from assets.failures import as_dagster_failure
from assets.metadata import table, version_of
from assets.partitioned import RETRIED_WHEN_PASSING
from b2b_pipelines.academies import service
from b2b_pipelines.academies.prices import PRICED
from b2b_pipelines.academies.selection import Selection
from b2b_pipelines.academies.service import Published
from b2b_pipelines.db.engine import Database
from b2b_pipelines.vendors.enterprise_catalog import EnterpriseCatalog
from b2b_pipelines.vendors.http.counting import tallied_requests
from b2b_pipelines.vendors.stripe import Stripe

OWNERS = ["team:b2b"]
FRESH = dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=3), fail_window=timedelta(hours=24))

catalog_academies = dg.AssetSpec(
    dg.AssetKey(["enterprise_catalog", "academies"]),
    description="The academies and catalogs of the academies' enterprise customer, in Open edX's enterprise-catalog.",
    group_name="academies",
    kinds={"openedx"},
    owners=OWNERS,
)
WHEN_CHANGED = (
    dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.data_version_changed() & ~dg.AutomationCondition.executed_with_root_target()
    ).since_last_handled()
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
)
"""As soon as the catalog or a price is another one, unless the same run publishes anyway (ADR 055)."""
prices_at_stripe = dg.AssetSpec(
    dg.AssetKey(["stripe", "prices"]),
    description="The prices at Stripe, found by their lookup keys.",
    group_name="academies",
    kinds={"stripe"},
    owners=OWNERS,
)


@dg.asset(
    deps=[catalog_academies],
    group_name="academies",
    kinds={"openedx", "postgres"},
    owners=OWNERS,
    code_version="1",
    pool="open_edx",
    retry_policy=RETRIED_WHEN_PASSING,
    freshness_policy=FRESH,
)
def academy_catalogs(
    database: dg.ResourceParam[Database],
    enterprise_catalog: dg.ResourceParam[EnterpriseCatalog | None],
    academy_selection: dg.ResourceParam[Selection],
) -> dg.MaterializeResult[None]:
    """The academies and catalogs as enterprise-catalog lists them. Complete, or the run fails."""
    began = time.monotonic()
    with as_dagster_failure(), tallied_requests() as requests:
        read = service.refresh_catalog(database, enterprise_catalog, academy_selection, datetime.now(UTC))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(read.academies),
            "catalogs": len(read.catalogs),
            "changed": read.changed,
            **({"notes": "; ".join(read.notes)} if read.notes else {}),
            "requests": requests.total,
            "seconds": round(time.monotonic() - began, 3),
        },
        data_version=dg.DataVersion(read.content_hash[:16]),
    )


@dg.asset(
    deps=[academy_catalogs, prices_at_stripe],
    group_name="academies",
    kinds={"stripe", "postgres"},
    owners=OWNERS,
    code_version="1",
    pool="stripe",
    retry_policy=dg.RetryPolicy(max_retries=1, delay=60),
    freshness_policy=FRESH,
)
def stripe_prices(
    database: dg.ResourceParam[Database],
    stripe: dg.ResourceParam[Stripe | None],
    academy_selection: dg.ResourceParam[Selection],
) -> dg.MaterializeResult[None]:
    """The Stripe price of each lookup key that the academies name, or the reason against it."""
    began = time.monotonic()
    with as_dagster_failure(), tallied_requests() as requests:
        read = service.refresh_prices(database, stripe, academy_selection, datetime.now(UTC))
    outcomes = read.outcomes
    without = [(key, outcome.state) for key, outcome in outcomes.items() if outcome.price is None]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(outcomes),
            "priced": sum(outcome.state == PRICED for outcome in outcomes.values()),
            "without a price": table([{"lookup key": key, "why": state} for key, state in without]),
            **({"fields unknown to this version": ", ".join(read.unknown_fields)} if read.unknown_fields else {}),
            "requests": requests.total,
            "seconds": round(time.monotonic() - began, 3),
        },
        data_version=version_of(sorted((key, repr(outcome)) for key, outcome in outcomes.items())),
    )


@dg.asset(
    automation_condition=WHEN_CHANGED,
    deps=[academy_catalogs, stripe_prices],
    group_name="academies",
    kinds={"postgres"},
    owners=OWNERS,
    code_version="1",
    pool="database",
    retry_policy=RETRIED_WHEN_PASSING,
    freshness_policy=FRESH,
)
def academy_products(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    academy_selection: dg.ResourceParam[Selection],
) -> dg.MaterializeResult[None]:
    """The published list of academies with their prices, and the refused ones with the reason."""
    began = time.monotonic()
    with as_dagster_failure(), database.session() as session:
        published = service.publish(session, academy_selection, datetime.now(UTC), context.run.run_id)
    return dg.MaterializeResult(
        metadata={**_of_publication(published), "seconds": round(time.monotonic() - began, 3)},
        data_version=version_of(repr([product for product in published.products if product.active])),
    )


def _of_publication(published: Published) -> dict[str, Any]:
    shown = published.shown
    listed = [
        {
            "name": product.name,
            "slug": product.slug,
            "price": f"{product.price['unit_amount_decimal']} {product.price['currency']}" if product.price else "",
            "price state": product.price_state,
            "stale": product.stale,
        }
        for product in shown
    ]
    refused = [
        {"uuid": refusal.uuid, "name": refusal.name, "reason": refusal.reason} for refusal in published.reading.refused
    ]
    unmatched = [{"setting": setting, "entry": entry} for setting, entry in published.reading.unmatched]
    notes = service.notes_on(shown)
    return {
        "dagster/row_count": len(shown),
        **({"notes": "; ".join(notes)} if notes else {}),
        "version": published.version,
        **{kind: published.count(kind) for kind in ("published", "changed", "deactivated", "reactivated")},
        "stale": sum(product.stale for product in shown),
        "academies": table(listed),
        "refused": table(refused),
        "settings that fit nothing": table(unmatched),
        "price states": academy_plots.price_states(shown),
    }
