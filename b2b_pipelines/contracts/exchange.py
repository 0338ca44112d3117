"""Export a contract's terms and courseware as a document, and import it elsewhere.

Runs, codes and learners are not part of the document.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_serializer, field_validator
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import rules, service, store
from b2b_pipelines.contracts.models import Contract, Organization
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.contracts.service import CoursewareChange
from b2b_pipelines.errors import Conflict, InvalidInput
from b2b_pipelines.inputs.json_text import parse
from b2b_pipelines.inputs.text import is_storable


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _is_storable(cls, value: Any) -> Any:
        if isinstance(value, str) and not is_storable(value):
            raise ValueError("contains the character NUL or a lone surrogate")
        return value


class OrganizationPart(_Part):
    """The contract's organization: an existing one with that key, or a new one."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
    org_key: str = Field(pattern=f"^{rules.ORG_KEY.pattern}$")
    org_key_prefix: str = Field("UAI_", max_length=30, pattern="^[A-Za-z0-9_.-]*$")
    description: str = ""


class ContractPart(_Part):
    """The terms of the contract.

    `start` and `end` are inclusive days, `price` is in major units.
    """

    slug: str = Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=255)
    name: str = Field(min_length=1, max_length=255)
    description: str = ""
    integration_type: IntegrationType
    start: date | None = None
    end: date | None = None
    active: bool = True
    max_learners: int | None = None
    price: Decimal | None = None
    sheet_url: str | None = None
    sheet_tab: str | None = None

    @field_serializer("price")
    def _as_text(self, price: Decimal | None) -> str | None:
        return None if price is None else f"{price:.2f}"


class CoursewarePart(_Part):
    """Courseware of the contract, and whether runs were created for it."""

    readable_id: str
    create_runs: bool = True


class Document(_Part):
    """A contract with its courseware."""

    format: Literal["b2b-contract-1"] = "b2b-contract-1"
    organization: OrganizationPart
    contract: ContractPart
    courseware: list[CoursewarePart] = Field(default_factory=list)


def export(session: Session, reference: str) -> Document:
    """Return the contract with that id or slug as a document. Raises `NotFound`."""
    contract = store.contract(session, reference)
    return Document(
        organization=OrganizationPart.model_validate(contract.organization, from_attributes=True),
        contract=ContractPart(
            slug=contract.slug,
            name=contract.name,
            description=contract.description,
            integration_type=contract.integration_type,
            start=contract.starts_on,
            end=contract.ends_on,
            active=contract.active,
            max_learners=contract.max_learners,
            price=contract.price,
            sheet_url=contract.sheet_url,
            sheet_tab=contract.sheet_tab,
        ),
        courseware=_given(session, contract),
    )


def read(content: str) -> Document:
    """Return the document that a text holds.

    Raises `InvalidInput`, which names the field or the line.
    """
    try:
        return Document.model_validate(parse(content))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InvalidInput(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def make(session: Session, document: Document, now: datetime) -> tuple[Contract, CoursewareChange]:
    """Create the contract of a document with new runs, and its organization if it is new.

    The caller creates the codes. Raises `InvalidInput` when the slug is a number, `Conflict` when the slug is taken or
    the organization differs from the stored one, and every error of creating a contract and giving it courseware.
    """
    part = document.contract
    service.lock_names(session)
    organization = _organization(session, document.organization)
    terms = ContractPatch(
        description=part.description,
        starts_on=part.start,
        ends_on=part.end,
        max_learners=part.max_learners,
        price=part.price,
        sheet_url=part.sheet_url,
        sheet_tab=part.sheet_tab,
    )
    if part.slug.isdecimal():
        raise InvalidInput(
            f"contract.slug: {part.slug} is a number, which would be read as a contract's id: use another slug"
        )
    if part.slug in store.slugs_like(session, Contract, part.slug):
        raise Conflict(f"the contract {part.slug} exists already: nothing was imported")
    contract = service.create_contract(
        session,
        document.organization.name,
        part.name,
        part.integration_type,
        terms,
        create_organization=organization is None,
        org_key=document.organization.org_key,
    )
    contract.slug = part.slug
    if organization is None:
        contract.organization.org_key_prefix = document.organization.org_key_prefix
        contract.organization.description = document.organization.description
    session.flush()
    change = CoursewareChange()
    for item in document.courseware:
        given = service.give_courseware(session, contract, item.readable_id, now, create_runs=item.create_runs)
        change.created.extend(given.created)
        change.skipped.extend(given.skipped)
        change.without_source.extend(given.without_source)
        change.guessed_source.extend(given.guessed_source)
    if not part.active:
        service.change_terms(session, contract, ContractPatch(active=False))
    return contract, change


def _organization(session: Session, part: OrganizationPart) -> Organization | None:
    """Return the organization with that key and name; None when neither is taken."""
    for name in (part.org_key, part.name):
        found = store.organization(session, name)
        if found is not None and (found.org_key, found.name) != (part.org_key, part.name):
            raise Conflict(
                f"the organization {found.name!r} exists with the key {found.org_key}, but the file has "
                f"{part.name!r} with the key {part.org_key}: correct the file"
            )
        if found is not None:
            return found
    return None


def _given(session: Session, contract: Contract) -> list[CoursewarePart]:
    """Return the courseware of a contract as the document lists it.

    A course or program without any run in the contract was linked without runs. When the contract has only some courses
    of a program, because others were removed, the document lists those courses instead of the program.
    """
    linked = store.linked(session, contract)
    runs = store.runs_of_contract(session, contract.id)
    held = {run.course_id for run in runs}
    trees = store.program_requirements(session)
    meant = {
        name: rules.courses_of(name, trees) if rules.PROGRAM_ID.fullmatch(name) else [name]
        for name in linked
        if not rules.RUN_ID.fullmatch(name)
    }
    courses = store.courses(session, {course for names in meant.values() for course in names})
    has = {
        name: [course for course in of if course in courses and courses[course].id in held]
        for name, of in meant.items()
    }
    given: dict[str, bool] = {}
    for name in linked:
        if name not in meant:
            given[name] = True
        elif has[name] and has[name] != meant[name]:
            given |= dict.fromkeys(has[name], True)
        else:
            given.setdefault(name, bool(has[name]))
    return [CoursewarePart(readable_id=name, create_runs=create_runs) for name, create_runs in given.items()]
