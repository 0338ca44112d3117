"""Codes page by page, for readers who come over the network, and seats for those who look at a contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.enrollment_codes.models import EnrollmentCode
from b2b_pipelines.enrollment_codes.reports import LAST_REDEMPTIONS

PAGE = text(f"""
SELECT code.code, product.description AS product, code.redemption_type, code.amount, code.active, code.deactivated_at,
       attached.email AS attached_by, attached.redeemed_at AS attached_at, enrolled.email AS enrolled_by,
       coalesce(attached.number, 0) AS attached, coalesce(enrolled.number, 0) AS enrolled,
       code.sheet_target, code.sheet_row
FROM (
    SELECT * FROM enrollment_code WHERE contract_id = :contract ORDER BY id LIMIT :limit OFFSET :offset
) AS code
JOIN product ON product.id = code.product_id
{LAST_REDEMPTIONS}
ORDER BY code.id
""")

SEATS = text("""
SELECT contract.id AS contract_id, nullif(contract.max_learners, 0) AS seats,
       (SELECT count(*) FROM contract_learner attached WHERE attached.contract_id = contract.id) AS redeemed,
       (SELECT count(*) FROM enrollment_code code
        WHERE code.contract_id = contract.id AND code.active AND code.sheet_row IS NOT NULL
          AND NOT EXISTS (SELECT FROM code_redemption used WHERE used.code_id = code.id)) AS handed_out
FROM contract WHERE contract.id = ANY(:contracts)
""")


@dataclass(frozen=True, slots=True)
class Seats:
    """The seats of a contract: `redeemed` by attached learners, `handed_out` as unredeemed codes in the customer's
    sheet, and how many there are in all (None: no limit)."""

    seats: int | None
    redeemed: int
    handed_out: int

    @property
    def promised(self) -> int:
        """Codes handed out that can still find a seat."""
        return self.handed_out if self.seats is None else min(self.handed_out, max(self.seats - self.redeemed, 0))

    @property
    def free(self) -> int | None:
        """Seats that nobody has and no code in the sheet is for; None without a limit."""
        return None if self.seats is None else max(self.seats - self.redeemed - self.promised, 0)


def codes(session: Session, contract_id: int, limit: int, offset: int) -> tuple[int, Sequence[dict[str, Any]]]:
    """How many codes the contract has, and a page of them in the order of their ids, each with its redemptions:
    `attached_by` and `enrolled_by` name the last learner. Two queries."""
    count = session.scalars(
        select(func.count()).select_from(EnrollmentCode).where(EnrollmentCode.contract_id == contract_id)
    ).one()
    rows = session.execute(PAGE, {"contract": contract_id, "limit": limit, "offset": offset}).mappings()
    return count, [dict(row) for row in rows]


def seats(session: Session, contracts: Sequence[Contract]) -> dict[int, Seats]:
    """The seats of each contract, by its id. One query."""
    rows = session.execute(SEATS, {"contracts": [contract.id for contract in contracts]})
    return {row.contract_id: Seats(row.seats, row.redeemed, row.handed_out) for row in rows}
