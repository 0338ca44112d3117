"""Freshness: a policy for every asset, and a check for each contract's sheet."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets.failures import as_dagster_failure
from assets.partitioned.history import latest_target, partitions_worked_on, shown_results
from assets.partitions import contracts
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings, read_settings
from b2b_pipelines.sheets.freshness import GRACE, of_delivered

SHEET = dg.AssetKey("sheet_snapshots")
NAME = "sheet_is_fresh"
SHEET_IS_FRESH = dg.AssetCheckKey(SHEET, NAME)


@dg.multi_asset_check(
    name=NAME,
    specs=[
        dg.AssetCheckSpec(
            NAME,
            asset=SHEET,
            description="The sheet was synced within two periods of its refresh and half an hour.",
            partitions_def=contracts,
        )
    ],
    can_subset=True,
)
def sheet_is_fresh(
    context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Database]
) -> Iterator[dg.Output[None]]:
    """Check the sheets of the run's contracts, or of all contracts if the run names none.

    All are those that have a sheet. A result is recorded when it differs from the one that the UI shows, or when
    the run names the contract or has synced its sheet: an unchanged sheet adds no event.
    """
    op = context.op_execution_context
    period = timedelta(seconds=read_settings().gsheets_update_frequency)
    with as_dagster_failure(), database.session() as session:
        found = of_delivered(session, datetime.now(UTC), period)
    named = set(op.partition_keys) if op.has_partition_key or op.has_partition_key_range else set()
    named |= partitions_worked_on(op.instance, op.run_id, SHEET)
    shown = shown_results(op.instance, [SHEET_IS_FRESH], sorted(found))
    for slug in sorted(found.keys() & named if named else found):
        sheet = found[slug]
        if not named and shown.get((SHEET_IS_FRESH, slug)) is sheet.fresh:
            continue
        op.log_event(
            dg.AssetCheckEvaluation(  # type: ignore[arg-type]
                asset_key=SHEET,
                check_name=NAME,
                passed=sheet.fresh,
                metadata={"last synced": dg.MetadataValue.timestamp(sheet.synced_at) if sheet.synced_at else "never"},
                description=sheet.words,
                target_materialization_data=latest_target(op.instance, SHEET, slug),
                partition=slug,
            )
        )
    # Results are events already. Without an output Dagster logs that the step did not return one.
    yield dg.Output(None, output_name=op.job_def.asset_layer.get_op_output_name(SHEET_IS_FRESH))


def policy(spec: dg.AssetSpec, settings: Settings) -> dg.FreshnessPolicy | None:
    """Return the freshness policy of an asset, by the schedule that makes it.

    Sheets are due each period, other assets of contracts at least once a week (see `nightly_sweep`). An asset with a
    policy of its own, as those of customers, keeps it.
    """
    if spec.freshness_policy is not None or spec.partitions_def is None:
        return spec.freshness_policy
    if spec.key != SHEET:
        return dg.FreshnessPolicy.time_window(warn_window=timedelta(days=8), fail_window=timedelta(days=15))
    period = timedelta(seconds=settings.gsheets_update_frequency)
    return dg.FreshnessPolicy.time_window(warn_window=2 * period + GRACE, fail_window=5 * period + 2 * GRACE)
