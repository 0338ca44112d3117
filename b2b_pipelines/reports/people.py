"""List a contract's learners, and find codes across contracts for support."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import rules
from b2b_pipelines.contracts.models import ContractLearner, Learner
from b2b_pipelines.enrollment_codes.statements import LAST_REDEMPTIONS
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports.pages import Row, Slice, page

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
"""


OF_CONTRACT = """
SELECT code.id FROM enrollment_code code
WHERE code.contract_id = :contract
  AND (CAST(:search AS text) IS NULL OR code.code LIKE :search OR (:emails AND code.id IN (
        SELECT redemption.code_id FROM code_redemption redemption JOIN learner ON learner.id = redemption.learner_id
        WHERE lower(learner.email) LIKE :search)))
  AND CASE CAST(:state AS text)
        WHEN 'unused' THEN code.active AND NOT EXISTS (SELECT FROM code_redemption WHERE code_id = code.id)
        WHEN 'used' THEN EXISTS (SELECT FROM code_redemption WHERE code_id = code.id)
        WHEN 'inactive' THEN NOT code.active
        ELSE true END
"""
SEATS_OF = text("""
SELECT contract.slug, contract.name, organization.name AS organization, seat.how, seat.attached_at, learner.email,
       learner.name AS learner
FROM learner
JOIN contract_learner seat ON seat.learner_id = learner.id
JOIN contract ON contract.id = seat.contract_id
JOIN organization ON organization.id = contract.organization_id
WHERE lower(learner.email) = lower(:email)
  AND (CAST(:organization AS bigint) IS NULL OR contract.organization_id = :organization)
ORDER BY seat.attached_at, seat.id
""")


@dataclass(frozen=True, slots=True)
class CodeSearch:
    """A search for codes: one code by its text, or the codes that a learner redeemed."""

    code: str | None = None
    learner: str | None = None
    bound_to: int | None = None


def learners(
    session: Session, contract_id: int, asked: Slice, *, how: str | None = None, search: str | None = None
) -> tuple[int, Sequence[Row]]:
    """Return the number of a contract's learners, and a page of them in order of attachment."""
    query = (
        select(
            Learner.id,
            Learner.email,
            Learner.name,
            Learner.lms_user_id,
            ContractLearner.how,
            ContractLearner.attached_at,
        )
        .join(ContractLearner, ContractLearner.learner_id == Learner.id)
        .where(ContractLearner.contract_id == contract_id)
        .order_by(ContractLearner.id)
    )
    if how is not None:
        query = query.where(ContractLearner.how == how)
    if search:
        pattern = func.lower(containing(search))
        query = query.where(or_(func.lower(Learner.email).like(pattern), func.lower(Learner.name).like(pattern)))
    return page(session, query, asked)


def codes(session: Session, wanted: CodeSearch, now: datetime, asked: Slice) -> tuple[int, Sequence[Row]]:
    """Return the number of matching codes, and a page of them.

    Each has `valid`, whether it still admits a new learner, and `reason` and `message`.
    """
    given = {
        "organization": wanted.bound_to,
        "code": wanted.code.strip().lower() if wanted.code else None,
        "learner": wanted.learner.strip() if wanted.learner else None,
    }
    count = session.scalar(text(f"SELECT count(*) FROM ({MATCHING}) AS found"), given) or 0
    limited = text(f"{MATCHING} ORDER BY code.id LIMIT :limit OFFSET :offset")
    ids = session.scalars(limited, {**given, "limit": asked.limit, "offset": asked.offset}).all()
    rows = session.execute(text(FOUND), {"ids": list(ids)}).mappings()
    return count, [_judged(dict(row), now) for row in rows]


def contract_codes(
    session: Session,
    contract_id: int,
    now: datetime,
    asked: Slice,
    *,
    search: str | None = None,
    state: str | None = None,
    emails: bool = False,
) -> tuple[int, Sequence[Row]]:
    """Return how many codes of a contract fit, and a page of them as `codes` has them, in id order. Three queries.

    `search` is a part of a code or, with `emails`, of an address that redeemed it. `state` is `unused`, `used` or
    `inactive`.
    """
    pattern = containing(search.lower()) if search and search.strip() else None
    given = {"contract": contract_id, "search": pattern, "state": state, "emails": emails}
    count = session.scalar(text(f"SELECT count(*) FROM ({OF_CONTRACT}) AS found"), given) or 0
    limited = text(f"{OF_CONTRACT} ORDER BY code.id LIMIT :limit OFFSET :offset")
    ids = session.scalars(limited, {**given, "limit": asked.limit, "offset": asked.offset}).all()
    rows = session.execute(text(FOUND), {"ids": list(ids)}).mappings()
    return count, [_judged(dict(row), now) for row in rows]


def seats_of_address(session: Session, email: str, bound_to: int | None = None) -> Sequence[Row]:
    """Return the seats that the learner with that address has, in all contracts that the caller sees. One query."""
    rows = session.execute(SEATS_OF, {"email": email.strip(), "organization": bound_to}).mappings()
    return [dict(row) for row in rows]


def _judged(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    reason, message = _reason(row, now)
    return row | {"valid": reason == "valid", "reason": reason, "message": message}


_DEACTIVATED = "The code was deactivated: the cap was lowered, or its course run was taken from the contract."


def _reason(row: Row, now: datetime) -> tuple[str, str]:
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


def _is_open(row: Row, day: date) -> bool:
    return rules.is_open(row["contract_active"], row["starts_on"], row["ends_on"], day)
