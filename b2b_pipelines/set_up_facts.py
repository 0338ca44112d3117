"""Gather the facts of a contract's set-up. The module imports no SQLAlchemy, so that `b2b contract show` starts fast."""

from decimal import Decimal

from b2b_pipelines.contracts import rules
from b2b_pipelines.db.rows import Row, Rows
from b2b_pipelines.enrollment_codes import statements
from b2b_pipelines.enrollment_codes.rules import Terms, needed_orders, tally_of
from b2b_pipelines.faults.rules import SYNCED
from b2b_pipelines.set_up_state import Part, SetUp, SheetFacts, codes_part, run_state, sheet_part
from b2b_pipelines.sheets.statements import DELIVERED

RUNS = "SELECT courseware_id, edx_state, edx_error FROM course_run WHERE contract_id = :contract ORDER BY id"
SHEET = f"""
SELECT contract.sheet_url IS NOT NULL AS has_sheet, ({DELIVERED}) AS delivered, contract.revision, target.synced_revision,
       last.verified_at, coalesce(last.row_count, 0) AS rows, coalesce(last.conflicts, 0) AS conflicts,
       fault.words AS fault, fault.since
FROM contract
LEFT JOIN sheet_target target ON target.contract_id = contract.id
LEFT JOIN LATERAL (
    SELECT verified_at, row_count, jsonb_array_length(conflicts) AS conflicts FROM sheet_snapshot
    WHERE contract_id = contract.id AND kind = 'after' ORDER BY id DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT words, since FROM fault
    WHERE fault.partition = contract.slug
      AND ((kind = 'partition' AND starts_with(name, 'sheet_snapshots')) OR name = '{SYNCED}')
    ORDER BY since LIMIT 1
) AS fault ON true
WHERE contract.id = :contract
"""
"""A fault concerns the sheet when the partition failed, or when the customer must mend the sheet."""


def set_up_of(rows: Rows, contract: Row) -> SetUp:
    """Return the set-up of a contract, given its row of `statements.OVERVIEW`. Three queries."""
    given = {"contract": contract["id"]}
    runs = [run_state(**run) for run in rows(RUNS, **given)]
    [sheet] = rows(SHEET, **given)
    return SetUp(contract["slug"], contract["revision"], runs, _codes(rows, contract), sheet_part(SheetFacts(**sheet)))


def _codes(rows: Rows, contract: Row) -> Part:
    requires_codes = rules.requires_codes(contract["integration_type"], contract["price"])
    terms = Terms(contract["active"], requires_codes, contract["max_learners"], contract["price"] or Decimal(0))
    tallies = map(tally_of, rows(statements.TALLIES, contracts=[contract["id"]]))
    return codes_part(needed_orders(terms, tallies), requires_codes=requires_codes, active=contract["codes"])
