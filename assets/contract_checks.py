"""What must be true of a contract's codes and sheet, checked contract by contract."""

from collections.abc import Mapping
from functools import partial

import dagster as dg

from assets.metadata import table
from assets.partitioned import Check
from assets.partitions import contracts
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.db.engine import Database
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.enrollment_codes import service as code_service
from b2b_pipelines.sheets import store as sheet_store

SPECS = [
    dg.AssetCheckSpec(
        "codes_match_contract",
        asset="enrollment_codes",
        description="The codes are as the contract's cap, price and courseware want them. If not, its sheet is not written.",
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
        description="The last sync went through. If not, the result says who has to do what: mostly words for the customer.",
        blocking=True,
        partitions_def=contracts,
    ),
    dg.AssetCheckSpec(
        "sheet_has_no_conflicts",
        asset="sheet_snapshots",
        description="Every code stands in the sheet exactly once, unedited. Warns: the rest of the sheet is in order.",
        partitions_def=contracts,
    ),
]


STATE_CHECKS = {"sheet_snapshots": "sheet_is_synced"}
"""The check that an asset's own attempt evaluates, by asset."""


def checks(database: Database) -> Mapping[str, Mapping[str, Check]]:
    """The checks by asset and name, each to be called with a contract's slug."""
    return {
        "enrollment_codes": {
            "codes_match_contract": partial(_codes_match_contract, database),
            "no_code_redeemed_twice": partial(_no_code_redeemed_twice, database),
        },
        "sheet_snapshots": {"sheet_has_no_conflicts": partial(_sheet_has_no_conflicts, database)},
    }


def _codes_match_contract(database: Database, slug: str) -> dg.AssetCheckResult:
    with database.session() as session:
        contract = contract_store.contract(session, slug)
        orders = code_service.outstanding(session, [contract]).get(slug, [])
    return dg.AssetCheckResult(
        passed=not orders,
        description="; ".join(f"product {order.product_id}: {order}" for order in orders[:5]) or None,
        metadata={"products that differ": len(orders)},
    )


def _no_code_redeemed_twice(database: Database, slug: str) -> dg.AssetCheckResult:
    with database.session() as session:
        contract = contract_store.contract(session, slug)
        ids = reports.codes_redeemed_by_several(session, contract)
    return dg.AssetCheckResult(
        passed=not ids,
        description=f"one-time codes redeemed by several learners, by their ids: {ids[:20]}" if ids else None,
        metadata={"codes": len(ids)},
    )


def _sheet_has_no_conflicts(database: Database, slug: str) -> dg.AssetCheckResult:
    with database.session() as session:
        contract = contract_store.contract(session, slug)
        snapshot = sheet_store.last_snapshot(session, contract.id)
        conflicts = snapshot.conflicts if snapshot else []
    rows = [{"row": conflict["row"], "conflict": conflict["kind"]} for conflict in conflicts]
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(rows)} conflicts, the first in row {rows[0]['row']} ({rows[0]['conflict']})"
        if rows
        else None,
        metadata={"conflicts": len(rows)} | ({"where": table(rows)} if rows else {}),
    )
