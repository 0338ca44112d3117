"""List contracts, organizations, and a contract's history."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract, ContractLearner, Learner, Organization
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.delivery.models import ContractChange
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports.pages import Row, Slice, page


@dataclass(frozen=True, slots=True)
class ContractFilter:
    """Filters of a listing of contracts; None matches any.

    `organization` is a name, slug or org key.

    `search` matches the name, the slug and the organization's name, ignoring case. A caller bound to an organization
    sees only that one.
    """

    organization: str | None = None
    active: bool | None = None
    integration_type: IntegrationType | None = None
    search: str | None = None
    bound_to: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions of the filters."""
        conditions: list[ColumnElement[bool]] = []
        if self.bound_to is not None:
            conditions.append(Contract.organization_id == self.bound_to)
        if self.organization is not None:
            conditions.append(_is_organization(self.organization))
        if self.active is not None:
            conditions.append(Contract.active.is_(self.active))
        if self.integration_type is not None:
            conditions.append(Contract.integration_type == self.integration_type)
        if self.search:
            texts = (Contract.name, Contract.slug, Organization.name)
            conditions.append(or_(*(text.ilike(containing(self.search)) for text in texts)))
        return conditions


def contracts(session: Session, wanted: ContractFilter, asked: Slice) -> tuple[int, Sequence[Row]]:
    """Return the number of matching contracts, and a page of them in id order.

    The rows are those of `b2b_list contracts`.
    """
    query = (
        select(Contract.id)
        .join(Organization, Organization.id == Contract.organization_id)
        .where(*wanted.conditions())
        .order_by(Contract.id)
    )
    count, rows = page(session, query, asked)
    return count, reports.contract_overview(session, [row["id"] for row in rows])


def organizations(
    session: Session, asked: Slice, *, search: str | None = None, bound_to: int | None = None
) -> tuple[int, Sequence[Row]]:
    """Return the number of organizations, and a page of them in id order.

    Each has counts of its contracts and its distinct learners.
    """
    attached = (
        select(func.count(ContractLearner.learner_id.distinct()))
        .join(Contract, Contract.id == ContractLearner.contract_id)
        .where(Contract.organization_id == Organization.id)
    )
    sold = select(func.count()).select_from(Contract).where(Contract.organization_id == Organization.id)
    query = select(
        Organization.id,
        Organization.slug,
        Organization.name,
        Organization.org_key,
        Organization.description,
        sold.scalar_subquery().label("contracts"),
        attached.scalar_subquery().label("learners"),
    ).order_by(Organization.id)
    if bound_to is not None:
        query = query.where(Organization.id == bound_to)
    if search:
        texts = (Organization.name, Organization.slug, Organization.org_key)
        query = query.where(or_(*(text.ilike(containing(search)) for text in texts)))
    return page(session, query, asked)


def organization_names(session: Session, bound_to: int | None = None) -> Sequence[tuple[int, str]]:
    """Return the ids and names of the organizations, by name; of at most 500. One query."""
    query = select(Organization.id, Organization.name).order_by(func.lower(Organization.name)).limit(500)
    if bound_to is not None:
        query = query.where(Organization.id == bound_to)
    return [(row.id, row.name) for row in session.execute(query)]


def organization_of_id(session: Session, organization_id: int) -> tuple[int, str] | None:
    """Return the id and the org key of an organization."""
    row = session.execute(
        select(Organization.id, Organization.org_key).where(Organization.id == organization_id)
    ).first()
    return None if row is None else (row.id, row.org_key)


def changes(session: Session, contract_id: int, asked: Slice) -> tuple[int, Sequence[Row]]:
    """Return the number of changes of a contract, and a page of them, newest first.

    Each has the address of its `learner`, if any.
    """
    query = (
        select(
            ContractChange.id,
            ContractChange.made_at,
            ContractChange.revision,
            ContractChange.action,
            ContractChange.actor_kind,
            ContractChange.actor_id,
            ContractChange.actor_name,
            ContractChange.details,
            Learner.email.label("learner_email"),
        )
        .outerjoin(Learner, Learner.id == ContractChange.details["learner"].as_integer())
        .where(ContractChange.contract_id == contract_id)
        .order_by(ContractChange.id.desc())
    )
    return page(session, query, asked)


def _is_organization(named: str) -> ColumnElement[bool]:
    word = func.lower(named.strip())
    texts = (Organization.name, Organization.slug, Organization.org_key)
    return or_(*(func.lower(text) == word for text in texts))
