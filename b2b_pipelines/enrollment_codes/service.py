"""Keep a contract's codes in agreement with its terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.enrollment_codes import store
from b2b_pipelines.enrollment_codes.rules import Orders, Terms, needed_orders


@dataclass(frozen=True, slots=True)
class CodeChange:
    """Numbers of codes of a contract that were changed."""

    contract: str
    created: int = 0
    converted: int = 0
    repriced: int = 0
    deactivated: int = 0
    reactivated: int = 0
    deleted: int = 0

    @property
    def nothing(self) -> bool:
        return self == CodeChange(self.contract)


def terms_of(contract: Contract) -> Terms:
    """Return the contract's terms that concern its codes."""
    return Terms(contract.active, contract.requires_codes, contract.cap, contract.price or Decimal(0))


def outstanding(session: Session, contracts: Sequence[Contract]) -> Mapping[str, list[Orders]]:
    """Return the orders that those contracts' codes still need, by slug.

    Contracts without any are absent.
    """
    tallies = store.tallies(session, [contract.id for contract in contracts])
    orders_of = {
        contract.slug: needed_orders(terms_of(contract), tallies.get(contract.id, ())) for contract in contracts
    }
    return {slug: orders for slug, orders in orders_of.items() if orders}


def ensure_codes(session: Session, reference: Contract | str | int) -> CodeChange:
    """Bring a contract's codes to its terms, price and courseware. Idempotent.

    A contract referenced by id or slug is locked first, so that two concurrent processes end with the right number. A
    contract passed as an object must be locked already.
    """
    contract = reference if isinstance(reference, Contract) else contract_store.contract(session, reference, lock=True)
    orders = outstanding(session, [contract]).get(contract.slug, [])
    return _carry_out(session, contract, orders)


def ensure_and_check(session: Session, contract: Contract) -> tuple[CodeChange, Sequence[Orders]]:
    """Bring a locked contract's codes to its terms.

    Return the change and the orders that remain (normally none).
    """
    orders = outstanding(session, [contract]).get(contract.slug, [])
    change = _carry_out(session, contract, orders)
    return change, outstanding(session, [contract]).get(contract.slug, []) if orders else []


def _carry_out(session: Session, contract: Contract, orders: Sequence[Orders]) -> CodeChange:
    if not orders:
        return CodeChange(contract.slug)
    store.carry_out(session, contract.id, contract.price or Decimal(0), orders)
    contract_store.touch(session, contract)
    return CodeChange(
        contract.slug,
        created=sum(order.create for order in orders),
        converted=sum(order.convert for order in orders),
        repriced=sum(order.reprice_codes for order in orders),
        deactivated=sum(order.deactivate_newest + order.retire_unlimited for order in orders),
        reactivated=sum(order.reactivate_oldest for order in orders),
        deleted=sum(order.delete_unredeemed for order in orders),
    )
