"""The statements of a batch of attaches: one for all its people, codes and seats."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.enrollment_codes.rules import RedemptionType
from b2b_pipelines.learners.service import Person

_PEOPLE = text("""
SELECT lower(given.email) AS address,
       by_user.id AS user_id, by_user.name AS user_name,
       by_address.id AS address_id, by_address.name AS address_name,
       given.lms_user_id IS NOT NULL AND by_address.lms_user_id IS NULL AS lacks_user
FROM unnest(CAST(:emails AS text[]), CAST(:users AS bigint[])) WITH ORDINALITY AS given (email, lms_user_id, place)
LEFT JOIN learner AS by_user ON by_user.lms_user_id = given.lms_user_id
LEFT JOIN learner AS by_address ON lower(by_address.email) = lower(given.email)
ORDER BY given.place
""")
_CODES = text("""
SELECT id, code, redemption_type,
       active AND coalesce(activates_at <= now(), true) AND coalesce(expires_at > now(), true) AS active,
       array(SELECT learner_id FROM code_redemption WHERE code_id = enrollment_code.id AND kind = 'attach' LIMIT 2)
           AS attached_by
FROM enrollment_code
WHERE code = ANY (CAST(:codes AS text[])) AND contract_id = :contract_id
""")
_SEATS = text("""
SELECT (SELECT count(*) FROM contract_learner WHERE contract_id = :contract_id) AS taken,
       array(SELECT learner_id FROM contract_learner
             WHERE contract_id = :contract_id AND learner_id = ANY (CAST(:ids AS bigint[]))) AS attached,
       array(SELECT code_redemption.learner_id FROM code_redemption
             JOIN enrollment_code ON enrollment_code.id = code_redemption.code_id
             LEFT JOIN contract_learner ON contract_learner.contract_id = enrollment_code.contract_id
                  AND contract_learner.learner_id = code_redemption.learner_id
             WHERE code_redemption.learner_id = ANY (CAST(:ids AS bigint[]))
               AND enrollment_code.contract_id = :contract_id AND contract_learner.id IS NULL) AS returning
""")
_NEW_LEARNERS = text("""
INSERT INTO learner (email, name, lms_user_id)
SELECT email, name, lms_user_id
FROM unnest(CAST(:emails AS text[]), CAST(:names AS text[]), CAST(:users AS bigint[]))
     WITH ORDINALITY AS given (email, name, lms_user_id, place)
ORDER BY place
ON CONFLICT DO NOTHING
RETURNING id, lower(email) AS address
""")
_NEW_SEATS = text("""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:learners AS bigint[]), CAST(:codes AS bigint[]), CAST(:types AS text[]))
             WITH ORDINALITY AS given (learner_id, code_id, redemption_type, place)
), seats AS (
    INSERT INTO contract_learner (contract_id, learner_id, how)
    SELECT :contract_id, learner_id, 'code' FROM given ORDER BY place
)
INSERT INTO code_redemption (code_id, redemption_type, learner_id, kind)
SELECT code_id, redemption_type, learner_id, 'attach' FROM given ORDER BY place
ON CONFLICT (code_id, learner_id, kind) DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """The stored learners of a person: by their LMS user id, and by their address."""

    address: str
    """In lower case, as PostgreSQL lowers it."""
    user_id: int | None
    user_name: str | None
    address_id: int | None
    address_name: str | None
    lacks_user: bool
    """An LMS user id is given, and the learner of the address has none."""

    @property
    def learner_id(self) -> int | None:
        """Return the id of the learner; None for a new one. A known LMS user id decides."""
        return self.user_id if self.user_id is not None else self.address_id

    def changes(self, name: str) -> bool:
        """Return whether attaching changes a known learner, or finds that two learners may be one person."""
        if self.learner_id is None:
            return False
        if self.user_id is not None and self.user_id != self.address_id:
            return True
        known_name = self.user_name if self.user_id is not None else self.address_name
        return (self.user_id is None and self.lacks_user) or (not known_name and name != "")


@dataclass(frozen=True, slots=True)
class BatchCode:
    """A code of the contract. `attached_by` has at most two of the learners who attached with it."""

    id: int
    code: str
    redemption_type: str
    active: bool
    attached_by: Sequence[int]

    @property
    def one_time(self) -> bool:
        return self.redemption_type == RedemptionType.ONE_TIME


@dataclass(frozen=True, slots=True)
class NewSeat:
    """A seat to write, and the person who takes it with the code."""

    known: KnownPerson
    person: Person
    code: BatchCode


def people(session: Session, given: Sequence[tuple[str, int | None]]) -> list[KnownPerson]:
    """Return the stored learners of each `(email, LMS user id)`, in their order."""
    emails, users = [email for email, _ in given], [user for _, user in given]
    return [KnownPerson(**row._mapping) for row in session.execute(_PEOPLE, {"emails": emails, "users": users})]


def codes(session: Session, contract_id: int, texts: Iterable[str]) -> Mapping[str, BatchCode]:
    """Return those of the codes that the contract has, by their text."""
    rows = session.execute(_CODES, {"codes": list(texts), "contract_id": contract_id})
    return {row.code: BatchCode(**row._mapping) for row in rows}


def seats(session: Session, contract_id: int, learner_ids: Iterable[int]) -> tuple[int, set[int], set[int]]:
    """Return the number of taken seats, the attached learners, and those who have left the contract."""
    row = session.execute(_SEATS, {"contract_id": contract_id, "ids": list(learner_ids)}).one()
    return row.taken, set(row.attached), set(row.returning)


def write(session: Session, contract_id: int, new_seats: Sequence[NewSeat]) -> bool:
    """Write the seats, and the learners who are new. Return False when another transaction created one of them."""
    ids = {seat.known.address: seat.known.learner_id for seat in new_seats if seat.known.learner_id is not None}
    # In one order for all transactions, so that no two of them wait for each other.
    new = sorted((seat for seat in new_seats if seat.known.learner_id is None), key=lambda seat: seat.known.address)
    if new:
        rows = {
            "emails": [seat.person.email for seat in new],
            "names": [seat.person.name for seat in new],
            "users": [seat.person.lms_user_id for seat in new],
        }
        ids |= {row.address: row.id for row in session.execute(_NEW_LEARNERS, rows)}
    if len(ids) < len(new_seats):
        return False
    if new_seats:
        given = {
            "contract_id": contract_id,
            "learners": [ids[seat.known.address] for seat in new_seats],
            "codes": [seat.code.id for seat in new_seats],
            "types": [str(seat.code.redemption_type) for seat in new_seats],
        }
        session.execute(_NEW_SEATS, given)
    return True
