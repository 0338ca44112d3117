"""Learners join contracts and leave them.

Every change takes the contract's lock first and then writes the learner, because seats must be counted and taken by one
transaction at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import ClassVar, Protocol

from sqlalchemy.orm import Session

from b2b_pipelines.alerts import outbox
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract, Learner
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.enrollment_codes.rules import RedemptionKind
from b2b_pipelines.errors import Conflict, NotFound
from b2b_pipelines.learners import rules, store
from b2b_pipelines.learners.rules import Outcome, Place
from b2b_pipelines.learners.store import CodeFacts


class Sessions(Protocol):
    """An opener of transactions: the database, or the API's connection to it."""

    def session(self) -> AbstractContextManager[Session]: ...


class InvalidCode(NotFound):
    """The code does not exist or no longer admits this learner. The error does not reveal which."""

    code: ClassVar[str] = Outcome.INVALID_CODE


class ContractNotOpen(Conflict):
    """The contract is not active, or today is not one of its days."""

    code: ClassVar[str] = Outcome.CONTRACT_NOT_OPEN


class ContractFull(Conflict):
    """Every seat of the contract is taken."""

    code: ClassVar[str] = Outcome.CONTRACT_FULL


class LearnerConflict(Conflict):
    """The LMS user id belongs to one learner and the address to another: they may be one person.

    Both learners stay unchanged. The caller reports the pair (`reporting_conflicts`), because the refused transaction
    is rolled back.
    """

    code: ClassVar[str] = rules.LEARNER_CONFLICT

    def __init__(self, learner_id: int, other_id: int, lms_user_id: int) -> None:
        super().__init__(
            f"LMS user {lms_user_id} is learner {learner_id}, and learner {other_id} has that e-mail address:"
            " see `b2b learner conflicts`"
        )
        self.pair = (learner_id, other_id, lms_user_id)


@dataclass(frozen=True, slots=True)
class Person:
    """A person who wants to join: a valid e-mail address, and optionally name and LMS user id."""

    email: str
    name: str = ""
    lms_user_id: int | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """The result of joining: `attached` or `already_attached`, and the contract's slug."""

    result: Outcome
    contract: str


@dataclass(frozen=True, slots=True)
class SignOn:
    """The result of a sign-on: slugs of contracts."""

    attached: list[str]
    already_attached: list[str]
    refused: list[tuple[str, Outcome]]


@dataclass(frozen=True, slots=True)
class Known:
    """The learner that a person is.

    `other` is a second learner with the person's address, if any.
    """

    learner: Learner | None
    other: Learner | None = None

    @property
    def id(self) -> int | None:
        return self.learner.id if self.learner else None

    @property
    def conflict(self) -> "LearnerConflict | None":
        """Return the error when LMS user id and address belong to different learners, else None."""
        if self.learner is None or self.other is None or self.learner.lms_user_id is None:
            return None
        return LearnerConflict(self.learner.id, self.other.id, self.learner.lms_user_id)


def find(session: Session, person: Person) -> Known:
    """Return the learner that a person is. Writes nothing.

    A known LMS user id decides, independent of the address; otherwise the address decides.
    """
    by_user, by_address = store.learners(session, person.email, person.lms_user_id)
    if by_user is None:
        return Known(by_address)
    return Known(by_user, by_address if by_address is not by_user else None)


def ensure(session: Session, person: Person) -> Learner:
    """Return the learner that a person is, created if unknown.

    A known learner gets the given address.

    Raises `LearnerConflict` when another learner has that address.
    """
    if person.lms_user_id is None:
        return store.ensure_by_address(session, person.email, person.name)
    store.lock_lms_user(session, person.lms_user_id)
    known = find(session, person)
    if known.learner is None or known.learner.lms_user_id != person.lms_user_id:
        return store.ensure_by_address(session, person.email, person.name, person.lms_user_id)
    _require_one(known)
    moved = known.learner.email.lower() != person.email.lower()
    if (moved or not known.learner.name) and not store.follow(
        session, known.learner, person.email if moved else known.learner.email, person.name
    ):
        _require_one(find(session, person))
    return known.learner


def _require_one(known: Known) -> None:
    """Raise `LearnerConflict` when the LMS user id and the address belong to different learners."""
    if known.conflict is not None:
        raise known.conflict


@contextmanager
def reporting_conflicts(database: Sessions) -> Iterator[Session]:
    """Open a transaction; when it raises `LearnerConflict`, report the pair in a second one.

    One alert is sent for each pair.
    """
    try:
        with database.session() as session:
            yield session
    except LearnerConflict as conflict:
        with database.session() as session:
            report_conflict(session, conflict, datetime.now(UTC))
        raise


def report_conflict(session: Session, conflict: LearnerConflict, now: datetime) -> None:
    """Record two learners who may be one person, and send an alert if the pair is new."""
    learner_id, other_id, lms_user_id = conflict.pair
    if store.note_conflict(session, learner_id, other_id, lms_user_id, now):
        subject = "two learners may be one person"
        message = {
            "event": rules.LEARNER_CONFLICT,
            "text": f"{subject}: {conflict.message}",
            "subject": subject,
            "reason": conflict.message,
            "learners": [learner_id, other_id],
            "lms_user_id": lms_user_id,
        }
        outbox.keep(session, [message])


def attach(
    session: Session, code: str, person: Person, now: datetime, organization_id: int | None = None
) -> Attachment:
    """Attach a learner to the contract of that code.

    Raises `InvalidCode` (also when the caller may not see the contract's organization), `LearnerConflict`,
    `ContractNotOpen`, `ContractFull`, in this order. An attached learner keeps their code; their address changes to the
    given one.
    """
    text = code.strip().lower()
    contract = store.lock_contract_of_code(session, text, organization_id)
    if contract is None:
        raise refusal(Outcome.INVALID_CODE, "")
    known = find(session, person)
    offered = store.codes(session, [text], known.id).get(text)
    place = places_of(session, [contract], known.id, now.date())[contract.id]
    outcome = rules.join_with_code(offered.as_offered if offered else None, place)
    if outcome == Outcome.INVALID_CODE or offered is None:
        raise refusal(Outcome.INVALID_CODE, contract.slug)
    _require_one(known)
    if outcome not in (Outcome.ATTACHED, Outcome.ALREADY_ATTACHED):
        raise refusal(outcome, contract.slug)
    learner = ensure(session, person)
    if outcome == Outcome.ALREADY_ATTACHED:
        return Attachment(outcome, contract.slug)
    with recount_codes_after_return(session, [contract], learner.id):
        take_seat(session, contract, learner.id, offered)
    return Attachment(outcome, contract.slug)


def take_seat(
    session: Session, contract: Contract, learner_id: int, code: CodeFacts, order_reference: str | None = None
) -> None:
    """Attach a learner with a code.

    The caller has locked the contract and decided that there is a seat.

    The caller wraps this call in `recount_codes_after_return`.
    """
    store.attach(session, [contract.id], learner_id, "code")
    store.redeem(session, [code], learner_id, RedemptionKind.ATTACH, order_reference)


@contextmanager
def recount_codes_after_return(session: Session, contracts: Sequence[Contract], learner_id: int) -> Iterator[None]:
    """Recompute the codes of contracts that the learner has left before, when the block ends.

    In the block the learner joins these contracts or redeems their codes. A learner who returns keeps one seat, so the
    codes of an earlier stay are replaced.
    """
    returning = store.left_before(session, learner_id, [contract.id for contract in contracts])
    yield
    for contract in contracts:
        if contract.id in returning:
            codes.ensure_codes(session, contract.slug)


def sign_on(
    session: Session, org_key: str, person: Person, now: datetime, organization_id: int | None = None
) -> SignOn:
    """Attach a learner who signed on to their organization's open `sso` contracts.

    Contracts without a free seat are refused one by one. Contracts that are not open today are not part of the result,
    even if the learner is attached to them. Raises `NotFound` for an organization that does not exist or is not the
    caller's, and `LearnerConflict`.
    """
    contracts = store.lock_sign_on_contracts(session, org_key, organization_id)
    if contracts is None:
        raise NotFound("no such organization")
    learner = ensure(session, person)
    places = places_of(session, contracts, learner.id, now.date())
    outcomes = {contract: rules.join(places[contract.id]) for contract in contracts if places[contract.id].open}
    joining = [contract for contract, outcome in outcomes.items() if outcome == Outcome.ATTACHED]
    with recount_codes_after_return(session, joining, learner.id):
        store.attach(session, [contract.id for contract in joining], learner.id, "sso")
    return SignOn(
        attached=_slugs(outcomes, Outcome.ATTACHED),
        already_attached=_slugs(outcomes, Outcome.ALREADY_ATTACHED),
        refused=[(slug, Outcome.CONTRACT_FULL) for slug in _slugs(outcomes, Outcome.CONTRACT_FULL)],
    )


def add(session: Session, reference: str, person: Person, now: datetime, *, forced: bool = False) -> Attachment:
    """Attach a learner without a code, for an administrator.

    `forced` ignores the contract's dates and its cap.

    Raises `NotFound`, `LearnerConflict`, `ContractNotOpen`, `ContractFull`.
    """
    contract = contract_store.contract(session, reference, lock=True)
    known = find(session, person)
    _require_one(known)
    place = places_of(session, [contract], known.id, now.date())[contract.id]
    outcome = rules.join(place, forced=forced)
    if outcome not in (Outcome.ATTACHED, Outcome.ALREADY_ATTACHED):
        raise refusal(outcome, contract.slug)
    learner = ensure(session, person)
    if outcome == Outcome.ATTACHED:
        with recount_codes_after_return(session, [contract], learner.id):
            store.attach(session, [contract.id], learner.id, "manual")
    return Attachment(outcome, contract.slug)


def remove(session: Session, reference: str, email: str) -> str:
    """Remove a learner from a contract and return the contract's slug. Raises `NotFound`.

    The code they joined with stays spent for other learners; their seat gets a new code.
    """
    contract = contract_store.contract(session, reference, lock=True)
    known = store.learner(session, email)
    if known is None or not store.detach(session, contract.id, known.id):
        raise NotFound(
            f"that learner is not attached to the contract {contract.slug}: `b2b_list learners` shows who is"
        )
    codes.ensure_codes(session, contract.slug)
    return contract.slug


def places_of(session: Session, contracts: Sequence[Contract], learner_id: int | None, day: date) -> dict[int, Place]:
    """Return a learner's relation to each contract on that day (UTC), by contract id. One query.

    A `learner_id` of None means a learner who is not stored yet.
    """
    seats = store.seats(session, learner_id, [contract.id for contract in contracts])
    places = {}
    for contract in contracts:
        taken, attached = seats.get(contract.id, (0, False))
        places[contract.id] = Place(attached, contract.is_open_on(day), contract.cap, taken)
    return places


def _slugs(outcomes: Mapping[Contract, Outcome], outcome: Outcome) -> list[str]:
    return [contract.slug for contract, reached in outcomes.items() if reached == outcome]


def refusal(outcome: Outcome, contract: str) -> NotFound | Conflict:
    """Return the error that says why a learner cannot join the contract of that slug."""
    match outcome:
        case Outcome.CONTRACT_NOT_OPEN:
            return ContractNotOpen(f"the contract {contract} is not open today")
        case Outcome.CONTRACT_FULL:
            return ContractFull(f"every seat of the contract {contract} is taken")
        case _:
            return InvalidCode("this code does not exist or is no longer valid")
