"""Checkout intents, kept in order."""

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.failures import as_dagster_failure
from assets.partitioned import RETRIED_WHEN_PASSING
from b2b_pipelines.db.engine import Database
from b2b_pipelines.intents import service, store
from b2b_pipelines.settings import read_settings


@dg.asset(
    group_name="checkout",
    kinds={"postgres"},
    owners=["team:b2b"],
    code_version="1",
    pool="database",
    retry_policy=RETRIED_WHEN_PASSING,
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(minutes=20), fail_window=timedelta(hours=1)),
)
def checkout_intents(database: dg.ResourceParam[Database]) -> dg.MaterializeResult[None]:
    """Learners' attempts to buy; ended reservations are expired and stalled payments marked."""
    began = time.monotonic()
    stalled_after = timedelta(seconds=read_settings().intent_stalled_after)
    with as_dagster_failure(), database.session() as session:
        upkeep = service.clean_up(session, datetime.now(UTC), stalled_after)
        counts = store.counts(session)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(counts.values()),
            "expired": upkeep.expired,
            "stalled": len(upkeep.stalled),
            "stalled intents": dg.MetadataValue.json([str(uuid) for uuid in upkeep.stalled[:100]]),
            "overdue payments": upkeep.overdue,
            "by state": dg.MetadataValue.json(counts),
            "seconds": round(time.monotonic() - began, 3),
        }
    )
