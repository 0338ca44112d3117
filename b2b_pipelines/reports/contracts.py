"""List contracts, organizations, and a contract's history."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Organization
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.db.rows import Row, rows_of
from b2b_pipelines.enrollment_codes.statements import OVERVIEW
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports import listings
from b2b_pipelines.reports.pages import Slice, page

FITTING = """
SELECT contract.id FROM contract JOIN organization ON organization.id = contract.organization_id
WHERE (CAST(:bound_to AS bigint) IS NULL OR contract.organization_id = :bound_to)
  AND (CAST(:organization AS text) IS NULL OR lower(:organization) IN (
        lower(organization.name), lower(organization.slug), lower(organization.org_key)))
  AND (CAST(:active AS boolean) IS NULL OR contract.active = :active)
  AND (CAST(:integration_type AS text) IS NULL OR contract.integration_type = :integration_type)
  AND (CAST(:search AS text) IS NULL OR contract.name ILIKE :search OR contract.slug ILIKE :search
       OR organization.name ILIKE :search)
ORDER BY contract.id
"""


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


def contracts(session: Session, wanted: ContractFilter, asked: Slice) -> tuple[int, Sequence[Row]]:
    """Return the number of matching contracts, and a page of them in id order.

    The rows are those of `b2b_list contracts`.
    """
    organization = None if wanted.organization is None else wanted.organization.strip()
    given = asdict(wanted) | {"organization": organization, "search": containing(wanted.search)}
    count, rows = page(session, FITTING, asked, **given)
    return count, rows_of(session)(OVERVIEW, contracts=[row["id"] for row in rows], organization=None)


def organizations(
    session: Session, asked: Slice, *, search: str | None = None, bound_to: int | None = None
) -> tuple[int, Sequence[Row]]:
    """Return the number of organizations, and a page of them in id order.

    Each has counts of its contracts and its distinct learners.
    """
    return page(session, listings.ORGANIZATIONS, asked, pattern=containing(search), organization=bound_to)


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
    return page(session, listings.CHANGES, asked, contract=contract_id)
