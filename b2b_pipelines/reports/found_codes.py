"""Searches for codes, and whether a code admits a new learner. The module imports no SQLAlchemy.

`people` reads the statements for API and pages, and `b2b codes find` reads them on a plain connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from b2b_pipelines.contracts import rules
from b2b_pipelines.enrollment_codes.statements import LAST_REDEMPTIONS

FOUND = f"""
SELECT code.code, contract.slug AS contract, product.description AS product, code.redemption_type, code.amount, code.active,
       code.deactivated_at, code.activates_at, code.expires_at, product.active AS product_active,
       attached_learner.email AS attached_by, attached.redeemed_at AS attached_at, enrolled_learner.email AS enrolled_by,
       coalesce(attached.number, 0) AS attached, coalesce(enrolled.number, 0) AS enrolled,
       code.sheet_target, code.sheet_row,
       contract.active AS contract_active, contract.starts_on, contract.ends_on, contract.max_learners,
       (SELECT count(*) FROM contract_learner seat WHERE seat.contract_id = contract.id) AS taken
FROM enrollment_code code
JOIN contract ON contract.id = code.contract_id
JOIN product ON product.id = code.product_id
{LAST_REDEMPTIONS}
WHERE code.id = ANY(CAST(:ids AS bigint[]))
ORDER BY code.id
"""
MATCHING = """
SELECT code.id FROM enrollment_code code JOIN contract ON contract.id = code.contract_id
WHERE (CAST(:organization AS bigint) IS NULL OR contract.organization_id = :organization)
  AND (CAST(:code AS text) IS NULL OR code.code = :code)
  AND (CAST(:learner AS text) IS NULL OR code.id IN (
        SELECT redemption.code_id FROM code_redemption redemption JOIN learner ON learner.id = redemption.learner_id
        WHERE lower(learner.email) = lower(:learner)))
ORDER BY code.id
"""


@dataclass(frozen=True, slots=True)
class CodeSearch:
    """A search for codes: one code by its text, or the codes that a learner redeemed."""

    code: str | None = None
    learner: str | None = None
    bound_to: int | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters of `MATCHING`."""
        return {
            "organization": self.bound_to,
            "code": self.code.strip().lower() if self.code else None,
            "learner": self.learner.strip() if self.learner else None,
        }


def judged(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return a row of `FOUND` with whether the code admits a new learner, and why."""
    reason, message = _reason(row, now)
    return {**row, "valid": reason == "valid", "reason": reason, "message": message}


_DEACTIVATED = "The code was deactivated: the cap was lowered, or its course run was taken from the contract."


def _reason(row: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    """Return why a code admits a new learner or not.

    Checks run in the order of attaching: code, days, seats.
    """
    if not row["active"] or not row["product_active"]:
        return "inactive", _DEACTIVATED
    if row["redemption_type"] == "one-time" and row["attached"]:
        return "spent", "A learner attached with this one-time code. It stays valid for that learner."
    if row["expires_at"] is not None and row["expires_at"] <= now:
        return "expired", f"The code expired on {row['expires_at']:%Y-%m-%d}."
    if row["activates_at"] is not None and row["activates_at"] > now:
        return "not_started", f"The code is valid from {row['activates_at']:%Y-%m-%d} on."
    if not _is_open(row, now.date()):
        return "contract_not_open", f"The contract {row['contract']} is not open today."
    if row["max_learners"] and row["taken"] >= row["max_learners"]:
        return "contract_full", f"Every seat of the contract {row['contract']} is taken."
    return "valid", "The code admits a new learner."


def _is_open(row: Mapping[str, Any], day: date) -> bool:
    return rules.is_open(row["contract_active"], row["starts_on"], row["ends_on"], day)
