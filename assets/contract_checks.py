"""Checks on a contract's codes and sheet, contract by contract."""

from collections.abc import Callable, Mapping

import dagster as dg

from assets.metadata import table
from assets.partitioned import Check
from assets.partitions import contracts
from b2b_pipelines.contracts.rules import EdxState
from b2b_pipelines.delivery.deliver import Delivery

SPECS = [
    dg.AssetCheckSpec(
        "runs_are_in_edx",
        asset="contract_runs",
        description="Studio made every run of the contract, under the key and with the times that are recorded. Warns.",
        partitions_def=contracts,
    ),
    dg.AssetCheckSpec(
        "codes_match_contract",
        asset="enrollment_codes",
        description="The codes match the contract's cap, price and courseware. If not, its sheet is not written.",
        blocking=True,
        partitions_def=contracts,
    ),
    dg.AssetCheckSpec(
        "no_code_redeemed_twice",
        asset="enrollment_codes",
        description="No one-time code was redeemed by two learners.",
        partitions_def=contracts,
    ),
    dg.AssetCheckSpec(
        "sheet_is_synced",
        asset="sheet_snapshots",
        description="The last sync succeeded. If not, the result names the action and who must act: mostly the customer.",
        blocking=True,
        partitions_def=contracts,
    ),
    dg.AssetCheckSpec(
        "sheet_has_no_conflicts",
        asset="sheet_snapshots",
        description="Every code is in the sheet exactly once, unedited. Warns: the rest of the sheet is up to date.",
        partitions_def=contracts,
    ),
]


STATE_CHECKS = {"sheet_snapshots": "sheet_is_synced"}
"""The check that an asset's own attempt evaluates, by asset."""


def checks(of: Callable[[str], Delivery]) -> Mapping[str, Mapping[str, Check]]:
    """Return the checks by asset and name, each to call with a contract's slug.

    `of` returns the contract's delivery.
    """
    return {
        "contract_runs": {"runs_are_in_edx": lambda slug: _runs_are_in_edx(of(slug))},
        "enrollment_codes": {
            "codes_match_contract": lambda slug: _codes_match_contract(of(slug)),
            "no_code_redeemed_twice": lambda slug: _no_code_redeemed_twice(of(slug)),
        },
        "sheet_snapshots": {"sheet_has_no_conflicts": lambda slug: _sheet_has_no_conflicts(of(slug))},
    }


def _runs_are_in_edx(delivery: Delivery) -> dg.AssetCheckResult:
    prepared = delivery.prepare()
    failed = [(run, prepared.asked.failed.get(run, "")) for run, state in prepared.runs if state == EdxState.FAILED]
    pending = sum(state == EdxState.PENDING for _, state in prepared.runs)
    where = {"where": table([{"run": run, "error": error} for run, error in failed])} if failed else {}
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(failed)} not made in edX, the first: {failed[0][0]}: {failed[0][1]}" if failed else None,
        metadata={"failed": len(failed), "pending": pending, **where},
    )


def _codes_match_contract(delivery: Delivery) -> dg.AssetCheckResult:
    orders = delivery.prepare().orders
    return dg.AssetCheckResult(
        passed=not orders,
        description="; ".join(f"product {order.product_id}: {order}" for order in orders[:5]) or None,
        metadata={"products that differ": len(orders)},
    )


def _no_code_redeemed_twice(delivery: Delivery) -> dg.AssetCheckResult:
    ids = delivery.prepare().redeemed_twice
    return dg.AssetCheckResult(
        passed=not ids,
        description=f"one-time codes redeemed by several learners, by their ids: {ids[:20]}" if ids else None,
        metadata={"codes": len(ids)},
    )


def _sheet_has_no_conflicts(delivery: Delivery) -> dg.AssetCheckResult:
    conflicts = delivery.conflicts()
    rows = [{"row": conflict["row"], "conflict": conflict["kind"]} for conflict in conflicts]
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(rows)} conflicts, the first in row {rows[0]['row']} ({rows[0]['conflict']})"
        if rows
        else None,
        metadata={"conflicts": len(rows)} | ({"where": table(rows)} if rows else {}),
    )
