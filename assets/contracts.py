"""The chain of a contract: `contract_runs` → `enrollment_codes` → `sheet_snapshots`.

One step makes all three, contract by contract: a failure of one contract ends there, and a contract's sheet is written
only when its codes are right. The reasons for one step instead of one for each asset:

- Dagster gives all partitions of a run one outcome. With a step for each asset, one contract whose codes cannot be made
  would keep the sheets of 499 others from being written (dagster issue #17836, results for single partitions of a run).
- A blocking check blocks the step after it for every partition of the run, although checks have partitions
  (dagster issue #33035); here it blocks its own contract.
- A run for each contract avoids both and costs a process each: 3 to 8 s, most of an hour for 1,000 contracts
  (dagster issue #21072, runs over a list of partitions).
- In one step each contract ends where it fails, and `assets/partitioned` records its events itself.

Three assets with a `BackfillPolicy` and `AssetMaterialization`s for single partitions would replace this file's step
once those issues are closed; links and checks are plain functions and would stay.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from assets import contract_checks, plots
from assets.metadata import table, version_of
from assets.partitioned import CHAIN_RETRIES, RESUMED, Output, config_schema, work_through
from assets.partitions import contracts
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery.deliver import NOT_SYNCED, Delivery, Prepared
from b2b_pipelines.enrollment_codes.pages import Seats
from b2b_pipelines.errors import B2BError
from b2b_pipelines.sheets.connection import SheetsConnection
from b2b_pipelines.sheets.service import SyncResult
from b2b_pipelines.vendors.studio import Studio

OWNERS = ["team:b2b"]
PARTITIONS_A_RUN = 500
CUSTOMERS_STATES = frozenset(
    {
        "cell_not_kept",
        "layout_lost",
        "sheet_full",
        "sheet_is_office_file",
        "sheet_merged",
        "sheet_protected",
        "sheet_unshared",
        "sheet_view_only",
        "tab_missing",
        "target_not_empty",
    }
)
"""Codes of errors about the customer's own sheet. They fail `sheet_is_synced` with the message to send."""

customer_sheet = dg.AssetSpec(
    dg.AssetKey(["google_sheets", "customer_sheet"]),
    description="The customer's own Google Sheet. Syncs write six columns of one tab and never touch the rest.",
    group_name="sheets",
    kinds={"googlesheets"},
    owners=OWNERS,
)
studio_runs = dg.AssetSpec(
    dg.AssetKey(["open_edx", "studio"]),
    description="Studio, which copies a course's source run into a run of the contract.",
    group_name="contracts",
    kinds={"openedx"},
    owners=OWNERS,
)

contract_runs = dg.AssetSpec(
    "contract_runs",
    deps=[studio_runs],
    description="The course runs that a contract gives its learners, each with a product and its state in edX.",
    group_name="contracts",
    kinds={"postgres", "openedx"},
    owners=OWNERS,
    code_version="1",
    partitions_def=contracts,
    skippable=True,
)
enrollment_codes = dg.AssetSpec(
    "enrollment_codes",
    deps=[contract_runs],
    description="A contract's enrollment codes, matching its cap, price and courseware.",
    group_name="contracts",
    kinds={"postgres"},
    owners=OWNERS,
    code_version="1",
    partitions_def=contracts,
    skippable=True,
)
sheet_snapshots = dg.AssetSpec(
    "sheet_snapshots",
    deps=[enrollment_codes, customer_sheet],
    description="The codes' six columns of the customer's sheet after the last sync, row by row.",
    group_name="sheets",
    kinds={"googlesheets", "pandas"},
    owners=OWNERS,
    code_version="1",
    partitions_def=contracts,
    skippable=True,
)


code_columns = dg.AssetSpec(
    dg.AssetKey(["google_sheets", "code_columns"]),
    deps=[sheet_snapshots],
    description="The codes' six columns in the customer's own sheet, after each sync.",
    group_name="sheets",
    kinds={"googlesheets"},
    owners=OWNERS,
)


class ContractDelivery(dg.Config):
    """How a run goes about it."""

    concurrency: int = Field(default=8, description="Contracts worked on at the same time.")
    contracts: list[str] = Field(
        default=[], description="Contracts (slugs) of a run without partitions of its own, in any place of the order."
    )
    quiet: bool = Field(
        default=False, description="Record a contract only if something changed; otherwise add one line to the log."
    )


@dg.multi_asset(
    name="contract_delivery",
    config_schema=config_schema(ContractDelivery),
    specs=[contract_runs, enrollment_codes, sheet_snapshots.with_io_manager_key("snapshots")],
    check_specs=contract_checks.SPECS,
    can_subset=True,
    partitions_def=contracts,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=RESUMED,
    pool="google_sheets",
)
def contract_delivery(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    google_sheets: dg.ResourceParam[SheetsConnection],
    studio: dg.ResourceParam[Studio | None],
) -> Iterator[Output]:
    """Make the selected assets of every contract of the run."""
    config = ContractDelivery(**context.op_execution_context.op_config)
    of = _Deliveries(database, google_sheets, studio, context.run.run_id).of
    links = {
        "contract_runs": lambda slug: _runs(of(slug)),
        "enrollment_codes": lambda slug: _codes(of(slug)),
        "sheet_snapshots": lambda slug: _sheet(of(slug)),
    }
    yield from work_through(
        context,
        links,
        contract_checks.checks(of),
        concurrency=config.concurrency,
        quiet=config.quiet,
        keys=config.contracts,
        state_checks=contract_checks.STATE_CHECKS,
        is_customers=is_customers,
        later_retries=CHAIN_RETRIES,
        names=partial(_organizations, database),
        database=database,
    )


def is_customers(error: Exception) -> bool:
    """Return whether the customer has to act on the error: their sheet is not as it has to be."""
    return isinstance(error, B2BError) and error.code in CUSTOMERS_STATES


def _organizations(database: Database, slugs: Sequence[str]) -> Sequence[str]:
    with database.session() as session:
        return contract_store.organizations_of(session, slugs)


class _Deliveries:
    """The deliveries of a run, one for each contract.

    A partition's assets share its loaded contract.
    """

    def __init__(self, database: Database, google_sheets: SheetsConnection, studio: Studio | None, run_id: str) -> None:
        self._make = partial(
            Delivery,
            database,
            sheets=google_sheets.client,
            studio=studio,
            run_id=run_id,
            ask=google_sheets.asks_before_replacing,
        )
        self._by_slug: dict[str, Delivery] = {}

    def of(self, slug: str) -> Delivery:
        """Return the delivery of a contract; each partition is worked on by one thread."""
        return self._by_slug.setdefault(slug, self._make(slug=slug))


def _runs(delivery: Delivery) -> dg.MaterializeResult[None]:
    began = time.monotonic()
    made = delivery.prepare()
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": len(made.runs),
            **_named(made.contract),
            "created in edX": len(made.asked.created),
            "failed in edX": dg.MetadataValue.json(made.asked.failed),
            "pending in edX": len(made.asked.pending),
            "products made": made.products_made,
            "runs": table([{"run": run, "edX": state} for run, state in made.runs]),
            "seconds": round(time.monotonic() - began, 3),
        },
        data_version=version_of(made.runs),
    )


def _codes(delivery: Delivery) -> dg.MaterializeResult[None]:
    began = time.monotonic()
    made = delivery.prepare()
    stats = made.stats
    counts = {name: number for name, number in asdict(made.codes).items() if name != "contract"}
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": stats["codes"],
            **_named(made.contract),
            **counts,
            "seats": "unlimited" if stats["seats"] is None else stats["seats"],
            "attached": stats["attached"],
            **({} if stats["seats"] is None else {"seats left": max(stats["seats"] - stats["attached"], 0)}),
            "redeemed for attachment": stats["redeemed_for_attachment"],
            "redeemed for enrollment": stats["redeemed_for_enrollment"],
            "seats by state": _seats_drawn(made.seats, made),
            "seconds": round(time.monotonic() - began, 3),
        },
        data_version=version_of([made.contract.revision, *stats.values()]),
    )


def _sheet(delivery: Delivery) -> dg.MaterializeResult[None]:
    began = time.monotonic()
    result = delivery.sync()
    if result is None:
        return dg.MaterializeResult(metadata={"not synced": NOT_SYNCED}, data_version=version_of([]))
    return dg.MaterializeResult(
        metadata={
            **_named(delivery.prepare().contract),
            **_counts(result),
            "seats by state": _seats_drawn(delivery.seats_after(result), delivery.prepare()),
            "seconds": round(time.monotonic() - began, 3),
        },
        data_version=version_of([result.content_hash, *sorted(map(repr, result.conflicts))])
        if result.conflicts
        else dg.DataVersion(result.content_hash),
    )


def _counts(result: SyncResult) -> dict[str, Any]:
    kinds = Counter(conflict.kind for conflict in result.conflicts)
    return {
        "dagster/partition_row_count": result.rows,
        "sheet": dg.MetadataValue.url(result.target.url),
        "tab": result.target.tab,
        "updated": result.updated,
        "appended": result.appended,
        "unchanged": result.unchanged,
        "header written": result.header,
        "rows replaced": result.replaced,
        "conflicts": kinds.total(),
        **({"conflicts by kind": {str(kind): number for kind, number in kinds.items()}} if kinds else {}),
        "reads": result.requests.reads,
        "writes": result.requests.writes,
    }


def _named(contract: Contract) -> dict[str, Any]:
    """Return customer and contract by their names for people.

    A partition's key is a slug.
    """
    return {"customer": contract.organization.name, "contract": contract.name}


def _seats_drawn(seats: Seats, made: Prepared) -> dg.MarkdownMetadataValue:
    return plots.seats(seats.redeemed, seats.promised, seats.free, made.attached_by_day)
