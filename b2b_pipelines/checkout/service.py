"""Quote a basket, and check it out.

A quote writes nothing; a checkout decides again under lock and records the order. Locks are taken in this order: the
idempotency key, the learner's checkouts (address, LMS user, learner), the contracts by id, the learner's row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.checkout import rules, store
from b2b_pipelines.checkout.models import AnsweredCheckout, CheckoutOrder
from b2b_pipelines.checkout.rules import Offer, Quote, Standing
from b2b_pipelines.checkout.store import ProductFacts
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.db.answered import KeyReused, request_hash
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.enrollment_codes.rules import RedemptionKind, RedemptionType
from b2b_pipelines.errors import TransientError
from b2b_pipelines.learners import rules as learner_rules
from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners import store as learner_store
from b2b_pipelines.learners.service import Known, Person
from b2b_pipelines.learners.store import CodeFacts


@dataclass(frozen=True, slots=True)
class Basket:
    """The request of a learner: product ids, codes, and the payment reference once it is paid."""

    person: Person
    products: tuple[int, ...]
    codes: tuple[str, ...] = ()
    payment_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """The answer. `order` is the reference of a completed order.

    `payment_required` means that the total must be paid first.
    """

    quote: Quote
    payment_required: bool
    order: str | None = None


@dataclass(frozen=True, slots=True)
class _Facts:
    known: Known
    products: Mapping[int, ProductFacts]
    codes: Mapping[str, CodeFacts]
    contracts: Mapping[int, Contract]
    standings: Mapping[int, Standing]


def quote(session: Session, basket: Basket, now: datetime, organization_id: int | None = None) -> Checkout:
    """Decide on a basket for a caller bound to that organization. Writes nothing."""
    products = store.products(session, basket.products, None, organization_id, now)
    contracts = store.contracts(session, _contract_ids(products))
    return _decide(basket, _gather(session, basket, now, organization_id, contracts))


def checkout(
    session: Session, basket: Basket, now: datetime, currency: str, organization_id: int | None = None
) -> Checkout:
    """Decide on a basket under lock, and record it when it is allowed and either paid or free.

    A person whose LMS user id and address belong to different learners is refused and reported.
    """
    _lock_learner(session, basket.person)
    products = store.products(session, basket.products, None, organization_id, now)
    contracts = learner_store.lock_contracts(session, _contract_ids(products))
    facts = _gather(session, basket, now, organization_id, contracts)
    if facts.known.conflict is not None:
        learners.report_conflict(session, facts.known.conflict, now)
    decided = _decide(basket, facts)
    if not decided.quote.allowed or decided.payment_required:
        return decided
    order = _record(session, basket, decided.quote, facts, currency)
    return Checkout(decided.quote, payment_required=False, order=order.reference)


def contracts_of(session: Session, basket: Basket) -> set[int]:
    """Return the ids of the contracts that checking out this basket would lock."""
    return _contract_ids(store.products(session, basket.products, None, None, datetime.now(UTC)))


def answered_before(session: Session, token_id: int, key: str, request: Mapping[str, Any]) -> str | None:
    """Return the response body of the checkout that this key completed, or None.

    Concurrent requests with the key wait until the transaction ends. Raises `KeyReused` when the request differed.
    """
    transaction_lock(session, "idempotency key", f"{token_id} {key}")
    stored = session.get(AnsweredCheckout, (token_id, key))
    if stored is None:
        return None
    if stored.request_hash != request_hash(request):
        raise KeyReused("this Idempotency-Key completed another checkout: use a new key for a new checkout")
    return stored.answer


def remember(session: Session, token_id: int, key: str, request: Mapping[str, Any], answer: str) -> None:
    """Store the response body of a completed checkout under its key."""
    session.add(AnsweredCheckout(token_id=token_id, key=key, request_hash=request_hash(request), answer=answer))


def _gather(
    session: Session, basket: Basket, now: datetime, organization_id: int | None, contracts: Sequence[Contract]
) -> _Facts:
    known = learners.find(session, basket.person)
    products = store.products(session, basket.products, known.id, organization_id, now)
    if _contract_ids(products) - {contract.id for contract in contracts}:
        raise TransientError("the courseware of a contract changed meanwhile: try again")
    places = learners.places_of(session, contracts, known.id, now.date())
    return _Facts(
        known,
        products,
        learner_store.codes(session, basket.codes, known.id),
        {contract.id: contract for contract in contracts},
        {contract.id: Standing(not contract.price, places[contract.id]) for contract in contracts},
    )


def _decide(basket: Basket, facts: _Facts) -> Checkout:
    decided = rules.quote(
        basket.products,
        basket.codes,
        {product: known.item for product, known in facts.products.items()},
        {code: _offer(known) for code, known in facts.codes.items()},
        facts.standings,
        conflict=facts.known.conflict is not None,
    )
    return Checkout(decided, payment_required=decided.total > 0 and basket.payment_reference is None)


def _offer(code: CodeFacts) -> Offer:
    spent = code.redemption_type == RedemptionType.ONE_TIME and code.enrolled
    valid = learner_rules.admits(code.as_offered) and not spent
    return Offer(code.code, code.product_id, code.contract_id, code.amount, valid)


def _record(session: Session, basket: Basket, decided: Quote, facts: _Facts, currency: str) -> CheckoutOrder:
    learner = learners.ensure(session, basket.person)
    order = CheckoutOrder(
        learner_id=learner.id,
        total=decided.total,
        currency=currency,
        payment_reference=basket.payment_reference if decided.total else None,
    )
    codes = {line.product: facts.codes[line.code] for line in decided.lines if line.code is not None}
    enrollments = [
        {
            "learner_id": learner.id,
            "course_run_id": facts.products[line.product].course_run_id,
            "product_id": line.product,
            "code_id": codes[line.product].id if line.product in codes else None,
            "amount": line.amount,
        }
        for line in decided.lines
    ]
    store.add_order(session, order, enrollments)
    seated = {contract_id for contract_id, standing in facts.standings.items() if standing.place.attached}
    joined = {code.contract_id: code for code in reversed(codes.values()) if code.contract_id not in seated}
    contracts = sorted({code.contract_id for code in codes.values()})
    with learners.recount_codes_after_return(session, [facts.contracts[each] for each in contracts], learner.id):
        learner_store.redeem(session, list(codes.values()), learner.id, RedemptionKind.ENROLL, order.reference)
        for contract_id, code in joined.items():
            learners.take_seat(session, facts.contracts[contract_id], learner.id, code, order.reference)
    return order


def _lock_learner(session: Session, person: Person) -> None:
    """Lock the person's checkouts: by address, by LMS user id, and by known learner."""
    transaction_lock(session, "checkout of", person.email.lower())
    if person.lms_user_id is not None:
        transaction_lock(session, "checkout of LMS user", person.lms_user_id)
    if (known := learners.find(session, person)).id is not None:
        transaction_lock(session, "checkout of learner", known.id)


def _contract_ids(products: Mapping[int, ProductFacts]) -> set[int]:
    return {known.item.contract_id for known in products.values() if known.item.contract_id is not None}
