"""Several learners join one contract in one transaction, each as `service.attach` would have it.

The contract is locked once, four queries gather the facts, the rules decide in the order of arrival, and three
statements write. Cases that change a known learner, or that touch an earlier stay, are left to `service.attach`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.db.locks import transaction_locks
from b2b_pipelines.errors import B2BError
from b2b_pipelines.learners import batch_store, rules, service, store
from b2b_pipelines.learners.batch_store import BatchCode, KnownPerson, NewSeat
from b2b_pipelines.learners.rules import OfferedCode, Outcome, Place
from b2b_pipelines.learners.service import Attachment, Person


@dataclass(frozen=True, slots=True)
class AttachRequest:
    """A person who joins with a code; the caller may see that organization only (None: every organization)."""

    code: str
    person: Person
    organization_id: int | None = None

    @property
    def code_text(self) -> str:
        """Return the code as the database stores it."""
        return self.code.strip().lower()


class LearnersChanged(Exception):
    """Another transaction created one of the learners meanwhile. Nothing is decided: roll back."""


AttachResult = Attachment | B2BError | None
"""Attached or attached already; the refusal; or None: call `service.attach` for this one."""


def lock_contract(session: Session, contract_id: int) -> Contract | None:
    """Return the contract, locked until the transaction ends; None when it does not exist."""
    return next(iter(store.lock_contracts(session, [contract_id])), None)


def attach(
    session: Session, contract: Contract | None, requests: Sequence[AttachRequest], now: datetime
) -> list[AttachResult]:
    """Return the result of each request, in their order. The contract is locked (`lock_contract`).

    Raises `LearnersChanged`.
    """
    if contract is None:
        return [service.refusal(Outcome.INVALID_CODE, "") for _ in requests]
    users = {user for request in requests if (user := request.person.lms_user_id) is not None}
    if users:
        transaction_locks(session, "LMS user", sorted(users))
    people = batch_store.people(session, [(request.person.email, request.person.lms_user_id) for request in requests])
    codes = batch_store.codes(session, contract.id, {request.code_text for request in requests})
    known_ids = {person.learner_id for person in people if person.learner_id is not None}
    taken, attached, returning = batch_store.seats(session, contract.id, known_ids)
    batch = _Batch(contract, codes, taken, attached, returning, contract.is_open_on(now.date()))
    results = [batch.decide(request, person) for request, person in zip(requests, people, strict=True)]
    if not batch_store.write(session, contract.id, batch.new_seats):
        raise LearnersChanged
    return results


@dataclass(slots=True)
class _Batch:
    """The state of the contract, after each decision."""

    contract: Contract
    codes: Mapping[str, BatchCode]
    taken: int
    attached: set[int]
    returning: set[int]
    is_open: bool
    new_seats: list[NewSeat] = field(default_factory=list)
    _seen: set[str | int] = field(default_factory=set)
    """Lower-case addresses and LMS user ids of the people before."""
    _spent: set[str] = field(default_factory=set)
    """Codes that a new seat of this batch was taken with."""

    def decide(self, request: AttachRequest, person: KnownPerson) -> AttachResult:
        if request.organization_id not in (None, self.contract.organization_id):
            return service.refusal(Outcome.INVALID_CODE, self.contract.slug)
        if (
            self._was_seen(request, person)
            or person.changes(request.person.name)
            or person.learner_id in self.returning
        ):
            return None
        code = self.codes.get(request.code_text)
        place = Place(person.learner_id in self.attached, self.is_open, self.contract.cap, self.taken)
        outcome = rules.join_with_code(self._offered(code, person), place)
        if outcome == Outcome.ATTACHED and code is not None:
            self.taken += 1
            self._spent.add(code.code)
            self.new_seats.append(NewSeat(person, request.person, code))
        elif outcome != Outcome.ALREADY_ATTACHED:
            return service.refusal(outcome, self.contract.slug)
        return Attachment(outcome, self.contract.slug)

    def _was_seen(self, request: AttachRequest, person: KnownPerson) -> bool:
        """Return whether a person before may be the same one."""
        marks: set[str | int] = {person.address}
        if request.person.lms_user_id is not None:
            marks.add(request.person.lms_user_id)
        seen = not marks.isdisjoint(self._seen)
        self._seen |= marks
        return seen

    def _offered(self, code: BatchCode | None, person: KnownPerson) -> OfferedCode | None:
        if code is None:
            return None
        by_another = code.code in self._spent or any(by != person.learner_id for by in code.attached_by)
        return OfferedCode(code.active, code.one_time, by_another)
