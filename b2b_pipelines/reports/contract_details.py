"""Everything about one contract, for `b2b contract show`. The module imports no SQLAlchemy, so that the command starts fast.

API and pages read the same through `contracts`, `courseware` and `delivery.set_up`; `tests/reports` compares the answers.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from b2b_pipelines.contracts import rules
from b2b_pipelines.enrollment_codes import statements
from b2b_pipelines.enrollment_codes.rules import Orders, Tally, Terms, orders_for
from b2b_pipelines.faults.rules import SYNCED
from b2b_pipelines.set_up_state import Part, SetUp, SheetFacts, codes_part, run_state, sheet_part
from b2b_pipelines.sheets.statements import DELIVERED

Row = Mapping[str, Any]


class Rows(Protocol):
    """Runs a statement with its parameters, and returns its rows."""

    def __call__(self, statement: str, **given: Any) -> Sequence[Row]: ...


RUNS = """
SELECT run.courseware_id, course.readable_id AS course, run.run_tag, run.title, run."start", run."end",
       run.enrollment_start, run.enrollment_end, run.edx_state, run.edx_error, newest.id AS product_id, newest.price
FROM course_run run
JOIN course ON course.id = run.course_id
LEFT JOIN LATERAL (
    SELECT id, price FROM product WHERE course_run_id = run.id ORDER BY active DESC, id DESC LIMIT 1
) AS newest ON true
WHERE run.contract_id = :contract
ORDER BY run.id
"""
CHANGES = """
SELECT made_at, action, actor_name, details FROM contract_change WHERE contract_id = :contract ORDER BY id DESC LIMIT :limit
"""
SHEET = f"""
SELECT ({DELIVERED}) AS delivered, target.synced_revision, last.verified_at, last.row_count, last.conflicts, fault.words,
       fault.since
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


def details(rows: Rows, contract_id: int, changes: int) -> dict[str, Any]:
    """Return a contract with its runs, its set-up, and its latest changes."""
    [contract] = rows(statements.OVERVIEW, contracts=[contract_id], organization=None)
    runs = rows(RUNS, contract=contract_id)
    states = [run_state(run["courseware_id"], run["edx_state"], run["edx_error"]) for run in runs]
    set_up = SetUp(contract["slug"], contract["revision"], states, _codes(rows, contract), _sheet(rows, contract))
    latest = rows(CHANGES, contract=contract_id, limit=changes)
    return {**contract, "runs": runs, "set_up": set_up.as_json(), "changes": latest}


def _codes(rows: Rows, contract: Row) -> Part:
    requires_codes = rules.requires_codes(contract["integration_type"], contract["price"])
    terms = Terms(contract["active"], requires_codes, contract["max_learners"], contract["price"] or Decimal(0))
    orders = [orders_for(terms, _tally(row)) for row in rows(statements.TALLIES, contracts=[contract["id"]])]
    lacking: list[Orders] = [order for order in orders if not order.nothing]
    return codes_part(lacking, requires_codes=requires_codes, active=contract["codes"])


def _tally(row: Row) -> Tally:
    return Tally(**{key: row[key] for key in Tally.__dataclass_fields__})


def _sheet(rows: Rows, contract: Row) -> Part:
    [sheet] = rows(SHEET, contract=contract["id"])
    return sheet_part(
        SheetFacts(
            has_sheet=contract["sheet_url"] is not None,
            delivered=sheet["delivered"],
            revision=contract["revision"],
            synced_revision=sheet["synced_revision"],
            verified_at=sheet["verified_at"],
            rows=sheet["row_count"] or 0,
            conflicts=sheet["conflicts"] or 0,
            fault=sheet["words"],
            since=sheet["since"],
        )
    )
