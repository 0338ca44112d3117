"""Keeping a contract's codes as its terms want them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.enrollment_codes import store
from b2b_pipelines.enrollment_codes.rules import Orders, Terms, orders_for


@dataclass(frozen=True, slots=True)
class CodeChange:
    """What was done to a contract's codes: numbers of codes."""

    contract: str
    created: int = 0
    converted: int = 0
    repriced: int = 0
    deactivated: int = 0
    reactivated: int = 0
    deleted: int = 0

    @property
    def nothing(self) -> bool:
        return not (
            self.created or self.converted or self.repriced or self.deactivated or self.reactivated or self.deleted
        )


def terms_of(contract: Contract) -> Terms:
    """What the contract says about its codes."""
    return Terms(contract.active, contract.requires_codes, contract.cap, contract.price or Decimal(0))


def outstanding(session: Session, contracts: Sequence[Contract]) -> Mapping[str, list[Orders]]:
    """What is to be done before the codes of those contracts are right, by slug; contracts that are right are absent."""
    tallies = store.tallies(session, [contract.id for contract in contracts])
    found = {
        contract.slug: [
            orders
            for tally in tallies.get(contract.id, ())
            if not (orders := orders_for(terms_of(contract), tally)).nothing
        ]
        for contract in contracts
    }
    return {slug: orders for slug, orders in found.items() if orders}


def ensure_codes(session: Session, said: Contract | str | int) -> CodeChange:
    """Make a contract's codes what its terms, price and courseware want; a second time nothing is left to do.

    Takes the lock of a contract that is named by id or slug, so that two processes at once end with the right number; one
    that is passed is locked already.
    """
    contract = said if isinstance(said, Contract) else contract_store.contract(session, said, lock=True)
    orders = outstanding(session, [contract]).get(contract.slug, [])
    return _carry_out(session, contract, orders)


def ensure_and_check(session: Session, contract: Contract) -> tuple[CodeChange, Sequence[Orders]]:
    """Make a locked contract's codes what its terms want, and return what is still to be done: nothing, if all is well."""
    orders = outstanding(session, [contract]).get(contract.slug, [])
    if not orders:
        return CodeChange(contract.slug), orders
    change = _carry_out(session, contract, orders)
    return change, outstanding(session, [contract]).get(contract.slug, [])


def _carry_out(session: Session, contract: Contract, orders: Sequence[Orders]) -> CodeChange:
    if not orders:
        return CodeChange(contract.slug)
    store.carry_out(session, contract.id, contract.price or Decimal(0), orders)
    contract_store.touch(session, contract)
    return _summed_up(contract.slug, orders)


def reinstate(session: Session, product_ids: Sequence[int]) -> int:
    """Reactivate the codes that were deactivated when a contract gave these products up; return their number."""
    return store.reactivate_released(session, product_ids)


def withdraw(session: Session, product_ids: Sequence[int]) -> int:
    """Deactivate the unredeemed codes of products that a contract no longer has; how many."""
    return store.deactivate_unredeemed(session, product_ids)


def _summed_up(slug: str, orders: Sequence[Orders]) -> CodeChange:
    return CodeChange(
        slug,
        created=sum(order.create for order in orders),
        converted=sum(order.convert for order in orders),
        repriced=sum(order.reprice_codes for order in orders),
        deactivated=sum(order.deactivate_newest + order.retire_unlimited for order in orders),
        reactivated=sum(order.reactivate_oldest for order in orders),
        deleted=sum(order.delete_unredeemed for order in orders),
    )
