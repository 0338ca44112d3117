"""List a contract's learners, and find codes across contracts for support."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from b2b_pipelines.db.rows import Row, rows_of
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports.found_codes import FOUND, MATCHING, CodeSearch, judged
from b2b_pipelines.reports.pages import Slice, page

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
ORDER BY code.id
"""
LEARNERS = """
SELECT learner.id, learner.email, learner.name, learner.lms_user_id, seat.how, seat.attached_at
FROM contract_learner seat JOIN learner ON learner.id = seat.learner_id
WHERE seat.contract_id = :contract AND (CAST(:how AS text) IS NULL OR seat.how = :how)
  AND (CAST(:pattern AS text) IS NULL OR learner.email ILIKE :pattern OR learner.name ILIKE :pattern)
ORDER BY seat.id
"""
SEATS_OF = """
SELECT contract.slug, contract.name, organization.name AS organization, seat.how, seat.attached_at, learner.email,
       learner.name AS learner
FROM learner
JOIN contract_learner seat ON seat.learner_id = learner.id
JOIN contract ON contract.id = seat.contract_id
JOIN organization ON organization.id = contract.organization_id
WHERE lower(learner.email) = lower(:email)
  AND (CAST(:organization AS bigint) IS NULL OR contract.organization_id = :organization)
ORDER BY seat.attached_at, seat.id
"""


def learners(
    session: Session, contract_id: int, asked: Slice, *, how: str | None = None, search: str | None = None
) -> tuple[int, Sequence[Row]]:
    """Return the number of a contract's learners, and a page of them in order of attachment."""
    return page(session, LEARNERS, asked, contract=contract_id, how=how, pattern=containing(search))


def codes(session: Session, wanted: CodeSearch, now: datetime, asked: Slice) -> tuple[int, Sequence[Row]]:
    """Return the number of matching codes, and a page of them.

    Each has `valid`, whether it still admits a new learner, and `reason` and `message`.
    """
    return _judged(session, now, *page(session, MATCHING, asked, **wanted.parameters))


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
    given = {"contract": contract_id, "search": containing((search or "").lower()), "state": state, "emails": emails}
    return _judged(session, now, *page(session, OF_CONTRACT, asked, **given))


def _judged(session: Session, now: datetime, count: int, ids: Sequence[Row]) -> tuple[int, Sequence[Row]]:
    rows = rows_of(session)(FOUND, ids=[row["id"] for row in ids])
    return count, [judged(row, now) for row in rows]


def seats_of_address(session: Session, email: str, bound_to: int | None = None) -> Sequence[Row]:
    """Return the seats that the learner with that address has, in all contracts that the caller sees. One query."""
    return rows_of(session)(SEATS_OF, email=email.strip(), organization=bound_to)
