"""Everything about one contract, for `b2b contract show`. The module imports no SQLAlchemy, so that the command starts fast."""

from typing import Any

from b2b_pipelines.db.rows import Rows
from b2b_pipelines.enrollment_codes import statements
from b2b_pipelines.reports import listings
from b2b_pipelines.set_up_facts import set_up_of

OF_A_CHANGE = ("made_at", "action", "actor_name", "details")


def details(rows: Rows, contract_id: int, changes: int) -> dict[str, Any]:
    """Return a contract with its runs, its set-up, and its latest changes."""
    [contract] = rows(statements.OVERVIEW, contracts=[contract_id], organization=None)
    runs = rows(listings.RUNS, contract=contract_id, edx_state=None)
    latest = rows(f"{listings.CHANGES} LIMIT :limit", contract=contract_id, limit=changes)
    shown = [{name: change[name] for name in OF_A_CHANGE} for change in latest]
    return {**contract, "runs": runs, "set_up": set_up_of(rows, contract).as_json(), "changes": shown}
