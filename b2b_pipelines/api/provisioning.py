"""Organizations, contracts, their courseware and learners: for writing, with the scope `manage`."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from b2b_pipelines.api.auth import InstallationManager, Manager
from b2b_pipelines.api.catalog import author
from b2b_pipelines.api.contracts import Slug, own_contract, shown_contract
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.errors import Problem, answers
from b2b_pipelines.api.fields import API, LARGEST_ID, Text
from b2b_pipelines.api.learners import person
from b2b_pipelines.api.provisioning_fields import (
    CodesFollowed,
    ContractIn,
    ContractPatchIn,
    ContractWritten,
    CoursewareIn,
    CoursewareWritten,
    LossesOut,
    OrganizationIn,
    OrganizationMade,
    SeatIn,
    SeatWritten,
)
from b2b_pipelines.api.writing import IfMatch, Posted, Written, actor, once, revision
from b2b_pipelines.contracts import rules
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.delivery import changes as delivery
from b2b_pipelines.delivery.changes import ContractChanged, CoursewareChanged
from b2b_pipelines.delivery.history import SHOWN_AS, ContractWasChanged
from b2b_pipelines.delivery.losses import Losses
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.enrollment_codes.service import CodeChange
from b2b_pipelines.errors import NotFound
from b2b_pipelines.learners import store as learner_store
from b2b_pipelines.tokens.service import Caller

router = APIRouter(prefix=API, tags=["provisioning"])


REFUSED = answers(400, 401, 403, 404, 409)
POSTED = answers(400, 401, 403, 404, 409, 422)
DRY = {200: {"description": "A dry run: what would change."}}


@router.post(
    "/organizations/",
    status_code=201,
    summary="Create an organization",
    response_model=OrganizationMade,
    responses={**answers(400, 401, 403, 409, 422), 200: {**DRY[200], "model": OrganizationMade}},
)
def create_organization(db: Db, caller: InstallationManager, asked: Posted, body: OrganizationIn) -> Response:
    """Its slug is made from the name and never changes. A token bound to an organization may not."""

    def work(session: Session) -> dict[str, Any]:
        made = delivery.create_organization(session, body.name, org_key=body.org_key)
        made.description = body.description
        session.flush()
        shown = ("id", "slug", "name", "org_key", "description")
        return {name: getattr(made, name) for name in shown} | {"dry_run": False}

    return once(db, caller, asked, body.model_dump(), work, status=201)


@router.post(
    "/contracts/",
    status_code=201,
    summary="Create a contract",
    response_model=ContractWritten,
    responses={**POSTED, 200: {**DRY[200], "model": ContractWritten}},
)
def create_contract(db: Db, caller: Manager, asked: Posted, body: ContractIn) -> Response:
    """A name that the organization already has gives a numbered slug, and `same_name` lists the older contracts."""
    terms = body.patch()

    def work(session: Session) -> dict[str, Any]:
        made = delivery.create_contract(
            session,
            _own_organization(session, caller, body.organization),
            body.name,
            IntegrationType(body.integration_type),
            terms,
            by=actor(caller),
        )
        return _written(session, made, caller)

    return once(db, caller, asked, body.model_dump(mode="json", exclude_unset=True), work, status=201)


@router.patch(
    "/contracts/{slug}/",
    summary="Change a contract",
    response_model=ContractWritten,
    responses={**REFUSED, **answers(412)},
)
def update_contract(
    *, db: Db, caller: Manager, slug: Slug, asked: Written, body: ContractPatchIn, if_match: IfMatch = None
) -> Response:
    """Only the fields that are sent change; null empties a field. Products and codes follow at once.

    With `If-Match` the change is refused (412) when the terms changed since that revision; `changes` then say
    what, and nothing is lost.
    """
    patch = body.patch()
    contract_id = own_contract(db, caller, slug)

    def work(session: Session) -> dict[str, Any]:
        changed = delivery.change_contract(
            session, contract_id, patch, by=actor(caller), expected_revision=revision(if_match)
        )
        return _written(session, changed, caller)

    try:
        return once(db, caller, asked, None, work, contract=contract_id)
    except ContractWasChanged as error:
        between = [
            {
                "revision": change.revision,
                "at": change.at.isoformat(),
                "who": author(change.kind, change.who, caller),
                "fields": change.fields,
            }
            for change in error.changes
        ]
        headers = {"ETag": f'"{error.revision}"'}
        extra = {"revision": error.revision, "changes": between}
        raise Problem(412, error.message, error.code, headers, extra=extra) from None


@router.post(
    "/contracts/{slug}/courseware/",
    summary="Give a contract courseware",
    response_model=CoursewareWritten,
    responses=POSTED,
)
def give_courseware(db: Db, caller: Manager, slug: Slug, asked: Posted, body: CoursewareIn) -> Response:
    """A course, a program, or a course run that exists. Products and codes follow at once; edX is asked by the next
    delivery."""
    contract_id = own_contract(db, caller, slug)

    def work(session: Session) -> dict[str, Any]:
        done = delivery.give_courseware(
            session,
            contract_id,
            body.courseware_id,
            by=actor(caller),
            create_runs=body.create_runs,
            rerun=body.rerun,
        )
        return _courseware(done)

    return once(db, caller, asked, body.model_dump(), work, contract=contract_id)


@router.delete(
    "/contracts/{slug}/courseware/",
    summary="Remove courseware from a contract",
    response_model=CoursewareWritten,
    responses=REFUSED,
)
def take_courseware(
    *,
    db: Db,
    caller: Manager,
    slug: Slug,
    asked: Written,
    courseware_id: Annotated[
        Text, Query(min_length=1, max_length=rules.LONGEST_ID, description="A course, a course run or a program.")
    ],
) -> Response:
    """Its runs stay, and their unredeemed codes are deactivated. Nothing is deleted: adding it again restores everything."""
    contract_id = own_contract(db, caller, slug)

    def work(session: Session) -> dict[str, Any]:
        return _courseware(delivery.take_courseware(session, contract_id, courseware_id, by=actor(caller)))

    return once(db, caller, asked, None, work, contract=contract_id)


@router.post(
    "/contracts/{slug}/learners/",
    status_code=201,
    summary="Attach a learner by hand",
    response_model=SeatWritten,
    responses={**POSTED, 200: {"model": SeatWritten, "description": "Attached already, or a dry run."}},
)
def add_learner(db: Db, caller: Manager, slug: Slug, asked: Posted, body: SeatIn) -> Response:
    """Takes a seat without a code. The contract's days and its cap hold, unless `force`."""
    contract_id = own_contract(db, caller, slug)

    def work(session: Session) -> dict[str, Any]:
        done = delivery.add_learner(session, contract_id, person(body), by=actor(caller), forced=body.force)
        known = learner_store.learner(session, body.email)
        status = 201 if done.result == "attached" else 200
        learner = known.id if known and not asked.dry_run else None
        return {"status": status, "result": done.result.value, "contract": done.contract, "learner": learner}

    return once(db, caller, asked, body.model_dump(), work, contract=contract_id, status=201)


@router.delete(
    "/contracts/{slug}/learners/{learner_id}/",
    summary="Remove a learner from a contract",
    response_model=SeatWritten,
    responses=REFUSED,
)
def remove_learner(
    *, db: Db, caller: Manager, slug: Slug, asked: Written, learner_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]
) -> Response:
    """Their seat is free again, with a new code. The code that they came with stays spent for others."""
    contract_id = own_contract(db, caller, slug)

    def work(session: Session) -> dict[str, Any]:
        email = learner_store.attached_email(session, contract_id, learner_id)
        if email is None:
            raise NotFound("no such learner of this contract")
        slug_of = delivery.remove_learner(session, contract_id, email, by=actor(caller))
        return {"result": "removed", "contract": slug_of, "learner": learner_id}

    return once(db, caller, asked, None, work, contract=contract_id)


def _own_organization(session: Session, caller: Caller, named: str) -> str:
    """Return the org key of an organization that the caller may change, by name or org key. Raises `NotFound`."""
    found = contract_store.organization(session, named)
    if found is None or caller.organization_id not in (None, found.id):
        raise NotFound("no such organization")
    return found.org_key


def _written(session: Session, done: ContractChanged, caller: Caller) -> dict[str, Any]:
    session.flush()
    shown = ContractWritten(
        **shown_contract(reports.contract_overview(session, done.contract.id), caller),
        changed=sorted(SHOWN_AS.get(name, name) for name in done.fields),
        codes_changed=_codes(done.codes),
        losses=_losses(done.losses),
        same_name=list(done.same_named),
    )
    return shown.model_dump(mode="json")


def _courseware(done: CoursewareChanged) -> dict[str, Any]:
    change = done.courseware
    shown = CoursewareWritten(
        contract=done.contract.slug,
        revision=done.contract.revision,
        created=change.created,
        restored=change.restored,
        removed=change.removed,
        skipped=change.skipped,
        without_source=change.without_source,
        guessed_source=change.guessed_source,
        codes_changed=_codes(done.codes),
        losses=_losses(done.losses),
    )
    return shown.model_dump(mode="json")


def _codes(change: CodeChange) -> CodesFollowed:
    return CodesFollowed(**{name: number for name, number in asdict(change).items() if name != "contract"})


def _losses(lost: Losses) -> LossesOut:
    """Return what a change takes away, in numbers and in words."""
    return LossesOut(**asdict(lost), messages=lost.sentences())
