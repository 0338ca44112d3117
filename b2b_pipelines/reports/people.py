"""List a contract's learners, and find codes across contracts for support."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import ContractLearner, Learner
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports.found_codes import FOUND, MATCHING, PAGE_OF_MATCHING, CodeSearch, judged
from b2b_pipelines.reports.pages import Row, Slice, page

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
    given = wanted.parameters
    count = session.scalar(text(f"SELECT count(*) FROM ({MATCHING}) AS found"), given) or 0
    limited = text(PAGE_OF_MATCHING)
    ids = session.scalars(limited, {**given, "limit": asked.limit, "offset": asked.offset}).all()
    rows = session.execute(text(FOUND), {"ids": list(ids)}).mappings()
    return count, [judged(dict(row), now) for row in rows]


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
    return count, [judged(dict(row), now) for row in rows]


def seats_of_address(session: Session, email: str, bound_to: int | None = None) -> Sequence[Row]:
    """Return the seats that the learner with that address has, in all contracts that the caller sees. One query."""
    rows = session.execute(SEATS_OF, {"email": email.strip(), "organization": bound_to}).mappings()
    return [dict(row) for row in rows]
