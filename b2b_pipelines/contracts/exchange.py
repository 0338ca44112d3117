"""A contract as a document: its terms and its courseware, to be made anew elsewhere. Runs, codes and learners stay."""

import json
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
from b2b_pipelines.values import is_storable


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _is_storable(cls, value: Any) -> Any:
        if isinstance(value, str) and not is_storable(value):
            raise ValueError("holds the character NUL or half a character")
        return value


class OrganizationPart(_Part):
    """Whose contract it is: an existing organization with that key, or a new one."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
    org_key: str = Field(pattern=f"^{rules.ORG_KEY.pattern}$")
    org_key_prefix: str = Field("UAI_", max_length=30, pattern="^[A-Za-z0-9_.-]*$")
    description: str = ""


class ContractPart(_Part):
    """The terms. `start` and `end` are inclusive days, `price` is in major units."""

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
    """What the contract was given, and whether runs were made of it."""

    readable_id: str
    create_runs: bool = True


class Document(_Part):
    """A contract with its courseware."""

    format: Literal["b2b-contract-1"] = "b2b-contract-1"
    organization: OrganizationPart
    contract: ContractPart
    courseware: list[CoursewarePart] = Field(default_factory=list)


def export(session: Session, said: str) -> Document:
    """The contract of that id or slug as a document. Raises `NotFound`."""
    contract = store.contract(session, said)
    organization = contract.organization
    return Document(
        organization=OrganizationPart(
            name=organization.name,
            org_key=organization.org_key,
            org_key_prefix=organization.org_key_prefix,
            description=organization.description,
        ),
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
    """The document that a text holds. Raises `InvalidInput`, which names the field or the line."""
    try:
        found: Any = json.loads(content)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"line {error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise InvalidInput("this JSON is nested too deeply") from None
    try:
        return Document.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InvalidInput(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def make(session: Session, document: Document, now: datetime) -> tuple[Contract, CoursewareChange]:
    """Make the contract of a document, with its organization when there is none, and its runs anew.

    Raises `InvalidInput` when its slug is a number, `Conflict` when it is taken or its organization is another here,
    and whatever creating a contract and giving it courseware raise. The codes are the caller's to make.
    """
    said = document.contract
    service.lock_names(session)
    organization = _organization(session, document.organization)
    terms = ContractPatch(
        description=said.description,
        starts_on=said.start,
        ends_on=said.end,
        max_learners=said.max_learners,
        price=said.price,
        sheet_url=said.sheet_url,
        sheet_tab=said.sheet_tab,
    )
    if said.slug.isdecimal():
        raise InvalidInput(
            f"contract.slug: {said.slug} would be taken for the id of another contract: use another slug"
        )
    if said.slug in store.slugs_like(session, Contract, said.slug):
        raise Conflict(f"there is a contract {said.slug} already: nothing was imported")
    contract = service.create_contract(
        session,
        document.organization.name,
        said.name,
        said.integration_type,
        terms,
        create_organization=organization is None,
        org_key=document.organization.org_key,
    )
    contract.slug = said.slug
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
    if not said.active:
        service.change_terms(session, contract, ContractPatch(active=False))
    return contract, change


def _organization(session: Session, said: OrganizationPart) -> Organization | None:
    """The organization with that key, which must have that name; None when neither is taken."""
    for name in (said.org_key, said.name):
        found = store.organization(session, name)
        if found is not None and (found.org_key, found.name) != (said.org_key, said.name):
            raise Conflict(
                f"the organization {found.name!r} with the key {found.org_key} is here, and the file says "
                f"{said.name!r} with the key {said.org_key}: make them agree"
            )
        if found is not None:
            return found
    return None


def _given(session: Session, contract: Contract) -> list[CoursewarePart]:
    """What was linked; a course or program none of whose courses has a run of the contract was linked without runs. Of
    a program that the contract has in part, when a course of it was taken away, those courses that it has are given."""
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
