"""Lists: organizations, courses, programs, codes; a contract's runs, learners and history."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from b2b_pipelines.api.auth import Reader, require
from b2b_pipelines.api.contracts import CodeOut, Money, Slug, seen_contract
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.errors import Problem, answers
from b2b_pipelines.api.fields import API, Text
from b2b_pipelines.api.pagination import Page, Paging
from b2b_pipelines.contracts.rules import EdxState
from b2b_pipelines.db.rows import Row
from b2b_pipelines.delivery.history import Action, ActorKind
from b2b_pipelines.reports import contracts as of_contracts
from b2b_pipelines.reports import courseware, people
from b2b_pipelines.reports.found_codes import CodeSearch
from b2b_pipelines.tokens.rules import Scope
from b2b_pipelines.tokens.service import Caller

router = APIRouter(prefix=API)

Search = Annotated[Text | None, Query(max_length=255, description="Text that the name or the id contains.")]
READ = answers(400, 401, 403)
OF_CONTRACT = answers(400, 401, 403, 404)


class OrganizationOut(BaseModel):
    """An organization; `contracts` and `learners` are counts, each learner once."""

    id: int
    slug: str
    name: str
    org_key: str
    description: str
    contracts: int
    learners: int


class CourseOut(BaseModel):
    id: int
    readable_id: str
    title: str
    has_source_run: bool = Field(description="Whether contract runs can be made of it.")


class ProgramOut(BaseModel):
    """A program. `requirements` is its tree: ids, `{"all_of": […]}` and `{"min_number_of": N, "of": […]}`."""

    id: int
    readable_id: str
    title: str
    requirements: dict[str, Any]


class RunOut(BaseModel):
    """A course run of a contract, where it stands in edX, and its product."""

    courseware_id: str
    course: str
    run_tag: str
    title: str
    start: datetime | None
    end: datetime | None
    enrollment_start: datetime | None
    enrollment_end: datetime | None
    edx_state: EdxState | None
    edx_error: str | None
    product_id: int | None
    price: Money | None


class SeatOut(BaseModel):
    """A learner who is attached. `how` is `code`, `sso` or `manual`."""

    id: int
    email: str = Field(description="Masked unless the token has the scope `emails`.")
    name: str
    lms_user_id: int | None
    how: str
    attached_at: datetime


class FoundCodeOut(CodeOut):
    """A code with the reason why it still admits a new learner, or does not."""

    contract: str
    valid: bool
    reason: Literal["valid", "inactive", "spent", "expired", "not_started", "contract_not_open", "contract_full"]
    message: str


class ActorOut(BaseModel):
    """The author of a change: a `token`, a `person`, a `command` (the user of the machine), or the `system`."""

    kind: ActorKind
    id: int | None
    name: str = Field(description="A person's address is masked unless the token has the scope `emails`.")


class ChangeOut(BaseModel):
    """A change to a contract. `fields` are `[before, after]` by name; `codes` what became of its codes, in numbers."""

    id: int
    at: datetime
    revision: int
    who: ActorOut
    action: Action
    fields: dict[str, list[Any]]
    courseware: str | None
    runs: list[str]
    learner: int | None
    learner_email: str | None
    codes: dict[str, int]
    losses: dict[str, Any]


@router.get(
    "/organizations/",
    tags=["contracts"],
    summary="The organizations",
    response_model=Page[OrganizationOut],
    responses=READ,
)
def list_organizations(db: Db, caller: Reader, paging: Paging, search: Search = None) -> dict[str, Any]:
    """In the order of their ids; for a token bound to an organization, that one."""
    with db.session() as session:
        count, rows = of_contracts.organizations(session, paging.rows, search=search, bound_to=caller.organization_id)
    return paging.envelope(count, rows)


@router.get(
    "/courses/",
    tags=["courseware"],
    summary="The courses that contracts can be given",
    response_model=Page[CourseOut],
    responses=READ,
)
def list_courses(db: Db, caller: Reader, paging: Paging, search: Search = None) -> dict[str, Any]:
    with db.session() as session:
        count, rows = courseware.courses(session, paging.rows, search=search)
    return paging.envelope(count, rows)


@router.get(
    "/programs/",
    tags=["courseware"],
    summary="The programs that contracts can be given",
    response_model=Page[ProgramOut],
    responses=READ,
)
def list_programs(db: Db, caller: Reader, paging: Paging, search: Search = None) -> dict[str, Any]:
    with db.session() as session:
        count, rows = courseware.programs(session, paging.rows, search=search)
    return paging.envelope(count, rows)


@router.get(
    "/contracts/{slug}/runs/",
    tags=["courseware"],
    summary="A contract's course runs",
    response_model=Page[RunOut],
    responses=OF_CONTRACT,
)
def list_runs(
    db: Db,
    caller: Reader,
    slug: Slug,
    paging: Paging,
    edx_state: Annotated[EdxState | None, Query(description="Only runs in this state.")] = None,
) -> dict[str, Any]:
    with db.session() as session:
        contract_id = seen_contract(session, caller, slug).id
        count, rows = courseware.runs(session, contract_id, paging.rows, edx_state=edx_state)
    return paging.envelope(count, rows)


@router.get(
    "/contracts/{slug}/learners/",
    tags=["learners"],
    summary="A contract's attached learners",
    response_model=Page[SeatOut],
    responses=OF_CONTRACT,
)
def list_learners(
    *,
    db: Db,
    caller: Reader,
    slug: Slug,
    paging: Paging,
    how: Annotated[Literal["code", "sso", "manual"] | None, Query(description="How they were attached.")] = None,
    search: Annotated[
        Text | None, Query(max_length=320, description="Text of the name or address. Needs the scope `emails`.")
    ] = None,
) -> dict[str, Any]:
    """In the order in which they were attached."""
    if search is not None:
        require(caller, Scope.EMAILS)
    with db.session() as session:
        contract_id = seen_contract(session, caller, slug).id
        count, rows = people.learners(session, contract_id, paging.rows, how=how, search=search)
    return paging.envelope(count, [{**row, "email": caller.address(row["email"])} for row in rows])


@router.get(
    "/contracts/{slug}/changes/",
    tags=["contracts"],
    summary="The history of a contract",
    response_model=Page[ChangeOut],
    responses=OF_CONTRACT,
)
def list_changes(db: Db, caller: Reader, slug: Slug, paging: Paging) -> dict[str, Any]:
    """The newest first: who changed what and when."""
    with db.session() as session:
        contract_id = seen_contract(session, caller, slug).id
        count, rows = of_contracts.changes(session, contract_id, paging.rows)
    return paging.envelope(count, [change_shown(row, caller) for row in rows])


@router.get(
    "/codes/",
    tags=["codes"],
    summary="Find a code, and why it is valid or not",
    response_model=Page[FoundCodeOut],
    responses=READ,
)
def find_codes(
    *,
    db: Db,
    caller: Reader,
    paging: Paging,
    code: Annotated[Text | None, Query(min_length=1, max_length=100, description="The code.")] = None,
    learner: Annotated[
        Text | None,
        Query(
            min_length=1, max_length=320, description="The address of a learner who used it. Needs the scope `emails`."
        ),
    ] = None,
) -> dict[str, Any]:
    """Over all contracts that the token sees. One of `code` and `learner` is needed."""
    if code is None and learner is None:
        problem = "one of code and learner is needed"
        raise Problem(400, f"code: {problem}", "invalid_input", extra={"fields": {"code": [problem]}})
    if learner is not None:
        require(caller, Scope.EMAILS)
    wanted = CodeSearch(code, learner, caller.organization_id)
    with db.session() as session:
        count, rows = people.codes(session, wanted, datetime.now(UTC), paging.rows)
    return paging.envelope(count, [code_shown(row, caller) for row in rows])


def code_shown(row: Row, caller: Caller) -> dict[str, Any]:
    """Return a code as the caller may see it."""
    place = None if row["sheet_row"] is None else {"target": row["sheet_target"] or "", "row": row["sheet_row"]}
    addresses = {name: caller.address(row[name]) for name in ("attached_by", "enrolled_by")}
    return {**row, **addresses, "sheet_location": place}


def author(kind: str, name: str, caller: Caller) -> str | None:
    """Return the name of an actor as the caller may see it: a person's name is an address."""
    return caller.address(name) if kind == ActorKind.PERSON else name


def change_shown(row: Row, caller: Caller) -> dict[str, Any]:
    """Return a change as the caller may see it."""
    details = row["details"]
    name = author(row["actor_kind"], row["actor_name"], caller)
    return {
        "id": row["id"],
        "at": row["made_at"],
        "revision": row["revision"],
        "who": {"kind": row["actor_kind"], "id": row["actor_id"], "name": name},
        "action": row["action"],
        "fields": details.get("fields", {}),
        "courseware": details.get("courseware"),
        "runs": details.get("runs", []),
        "learner": details.get("learner"),
        "learner_email": caller.address(row["learner_email"]),
        "codes": details.get("codes", {}),
        "losses": details.get("losses", {}),
    }
