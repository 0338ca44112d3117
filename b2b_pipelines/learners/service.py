"""Learners join contracts and leave them.

Every change takes the contract's lock first, then writes the learner: capacity is counted and taken by one at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.service import is_open_on
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.enrollment_codes.rules import RedemptionKind
from b2b_pipelines.errors import Conflict, NotFound
from b2b_pipelines.learners import rules, store
from b2b_pipelines.learners.rules import Outcome, Place
from b2b_pipelines.learners.store import CodeFacts


class InvalidCode(NotFound):
    """No such code, or one that no longer admits this learner: which of it is not said."""

    code: ClassVar[str] = Outcome.INVALID_CODE


class ContractNotOpen(Conflict):
    """The contract is not active, or this is not one of its days."""

    code: ClassVar[str] = Outcome.CONTRACT_NOT_OPEN


class ContractFull(Conflict):
    """Every seat of the contract is taken."""

    code: ClassVar[str] = Outcome.CONTRACT_FULL


@dataclass(frozen=True, slots=True)
class Person:
    """Who wants to join: a valid e-mail address, and what else is known."""

    email: str
    name: str = ""
    lms_user_id: int | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """What came of it: `attached` or `already_attached`, and the contract's slug."""

    result: Outcome
    contract: str


@dataclass(frozen=True, slots=True)
class SignOn:
    """What a sign-on did: slugs of contracts."""

    attached: list[str]
    already_attached: list[str]
    refused: list[tuple[str, Outcome]]


def attach(
    session: Session, code: str, person: Person, now: datetime, organization_id: int | None = None
) -> Attachment:
    """The learner joins the contract of that code, if the caller may see that contract's organization.

    Raises `InvalidCode`, `ContractNotOpen`, `ContractFull`, in this order. A learner who is attached already keeps
    their code.
    """
    text = code.strip().lower()
    contract = store.lock_contract_of_code(session, text, organization_id)
    if contract is None:
        raise _refusal(Outcome.INVALID_CODE, "")
    known = store.learner(session, person.email)
    offered = store.codes(session, [text], known.id if known else None).get(text)
    place = places_of(session, [contract], known.id if known else None, now.date())[contract.id]
    outcome = rules.join_with_code(offered.as_offered if offered else None, place)
    if outcome == Outcome.ALREADY_ATTACHED:
        return Attachment(outcome, contract.slug)
    if outcome != Outcome.ATTACHED or offered is None:
        raise _refusal(outcome, contract.slug)
    learner = store.ensure_learner(session, person.email, person.name, person.lms_user_id)
    with welcomed_back(session, [contract], learner.id):
        take_seat(session, contract, learner.id, offered)
    return Attachment(outcome, contract.slug)


def take_seat(
    session: Session, contract: Contract, learner_id: int, code: CodeFacts, order_reference: str | None = None
) -> None:
    """Attach a learner with a code, for whom there is room: the contract is locked, and that was decided. The caller
    has them `welcomed_back`."""
    store.attach(session, [contract.id], learner_id, "code")
    store.redeem(session, [code], learner_id, RedemptionKind.ATTACH, order_reference)


@contextmanager
def welcomed_back(session: Session, contracts: Sequence[Contract], learner_id: int) -> Iterator[None]:
    """A learner joins these contracts, or uses codes of theirs, while the block runs. In the place of the codes of an
    earlier stay there are new ones: whoever had such a stay in a contract, its codes are brought in line."""
    returning = store.left_before(session, learner_id, [contract.id for contract in contracts])
    yield
    for contract in contracts:
        if contract.id in returning:
            codes.ensure_codes(session, contract.slug)


def sign_on(
    session: Session, org_key: str, person: Person, now: datetime, organization_id: int | None = None
) -> SignOn:
    """A learner of an organization signed on: they join its open `sso` contracts, as far as there is room.

    Contracts that are not open today are not mentioned, whether the learner is attached to them or not.

    Raises `NotFound` for an organization that does not exist or is not the caller's.
    """
    contracts = store.lock_sign_on_contracts(session, org_key, organization_id)
    if contracts is None:
        raise NotFound("no such organization")
    learner = store.ensure_learner(session, person.email, person.name, person.lms_user_id)
    places = places_of(session, contracts, learner.id, now.date())
    outcomes = {contract: rules.join(places[contract.id]) for contract in contracts if places[contract.id].open}
    joining = [contract for contract, outcome in outcomes.items() if outcome == Outcome.ATTACHED]
    with welcomed_back(session, joining, learner.id):
        store.attach(session, [contract.id for contract in joining], learner.id, "sso")
    return SignOn(
        attached=_slugs(outcomes, Outcome.ATTACHED),
        already_attached=_slugs(outcomes, Outcome.ALREADY_ATTACHED),
        refused=[(slug, Outcome.CONTRACT_FULL) for slug in _slugs(outcomes, Outcome.CONTRACT_FULL)],
    )


def add(session: Session, said: str, person: Person, now: datetime, *, forced: bool = False) -> Attachment:
    """An administrator adds a learner without a code. `forced` overlooks the contract's days and its cap.

    Raises `NotFound`, `ContractNotOpen`, `ContractFull`.
    """
    contract = contract_store.contract(session, said, lock=True)
    known = store.learner(session, person.email)
    place = places_of(session, [contract], known.id if known else None, now.date())[contract.id]
    outcome = rules.join(place, forced=forced)
    if outcome not in (Outcome.ATTACHED, Outcome.ALREADY_ATTACHED):
        raise _refusal(outcome, contract.slug)
    if outcome == Outcome.ATTACHED:
        learner = store.ensure_learner(session, person.email, person.name, person.lms_user_id)
        with welcomed_back(session, [contract], learner.id):
            store.attach(session, [contract.id], learner.id, "manual")
    return Attachment(outcome, contract.slug)


def remove(session: Session, said: str, email: str) -> str:
    """Take a learner from a contract, whose slug is returned. The code they came with stays spent for others; their
    seat gets a new one. Raises `NotFound`."""
    contract = contract_store.contract(session, said, lock=True)
    known = store.learner(session, email)
    if known is None or not store.detach(session, contract.id, known.id):
        raise NotFound(
            f"that learner is not attached to the contract {contract.slug}: `b2b_list learners` shows who is"
        )
    codes.ensure_codes(session, contract.slug)
    return contract.slug


def places_of(session: Session, contracts: Sequence[Contract], learner_id: int | None, day: date) -> dict[int, Place]:
    """How a learner (None: one not known yet) stands to each contract on that day (UTC), by contract id. One query."""
    seats = store.seats(session, learner_id, [contract.id for contract in contracts])
    places = {}
    for contract in contracts:
        taken, attached = seats.get(contract.id, (0, False))
        places[contract.id] = Place(attached, is_open_on(contract, day), contract.cap, taken)
    return places


def _slugs(outcomes: Mapping[Contract, Outcome], wanted: Outcome) -> list[str]:
    return [contract.slug for contract, outcome in outcomes.items() if outcome == wanted]


def _refusal(outcome: Outcome, contract: str) -> NotFound | Conflict:
    match outcome:
        case Outcome.CONTRACT_NOT_OPEN:
            return ContractNotOpen(f"the contract {contract} is not open today")
        case Outcome.CONTRACT_FULL:
            return ContractFull(f"every seat of the contract {contract} is taken")
        case _:
            return InvalidCode("there is no such code, or it is no longer valid")
