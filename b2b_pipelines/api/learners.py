"""Learners join contracts: with a code, or by signing on."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi import Body as InBody
from pydantic import BaseModel, ConfigDict, Field

from b2b_pipelines.api.attaching import Attaching
from b2b_pipelines.api.auth import Attacher, BearerText, known, require
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.errors import answers
from b2b_pipelines.api.fields import API, LearnerIn, Text
from b2b_pipelines.learners import service
from b2b_pipelines.learners.batch import AttachRequest
from b2b_pipelines.learners.rules import Outcome
from b2b_pipelines.learners.service import Person, reporting_conflicts
from b2b_pipelines.tokens.rules import Scope
from b2b_pipelines.tokens.service import Caller

router = APIRouter(prefix=API, tags=["learners"])

Code = Annotated[Text, Path(description="Any code of the contract.", max_length=100)]
Who = Annotated[
    LearnerIn,
    InBody(openapi_examples={"a learner": {"value": {"email": "jane@example.com", "name": "Jane", "lms_user_id": 42}}}),
]


class Attached(BaseModel):
    """The result of attaching a learner: `attached` or `already_attached`, and the contract's slug."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"result": "attached", "contract": "acme-2026"}]})

    result: str = Field(json_schema_extra={"enum": [Outcome.ATTACHED, Outcome.ALREADY_ATTACHED]})
    contract: str


class RefusedContract(BaseModel):
    contract: str
    error_code: str


class SignedOn(BaseModel):
    """Slugs of the organization's open `sso` contracts, by what came of it. The refused ones are full."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "attached": ["acme-2026"],
                    "already_attached": [],
                    "refused": [{"contract": "acme-labs", "error_code": "contract_full"}],
                }
            ]
        }
    )

    attached: list[str]
    already_attached: list[str]
    refused: list[RefusedContract]


async def _caller_and_contract(request: Request, token: BearerText, code: Code) -> tuple[Caller, int | None]:
    """Return who calls, and the contract of the code; None for a code that does not exist."""
    attaching: Attaching = request.app.state.attaching
    caller, contract_id = await attaching.look_up(token, code)
    caller = known(caller)
    require(caller, Scope.ATTACH)
    return caller, contract_id


@router.post(
    "/attach/{code}/",
    status_code=201,
    summary="Attach a learner with an enrollment code",
    response_model=Attached,
    responses={
        200: {"model": Attached, "description": "The learner is attached already: nothing changed, no code was spent."},
        **answers(401, 403, 404, 409),
    },
)
async def attach_learner(
    request: Request,
    found: Annotated[tuple[Caller, int | None], Depends(_caller_and_contract)],
    code: Code,
    learner: Who,
    response: Response,
) -> dict[str, Any]:
    """The learner joins the contract that the code belongs to.

    Refused with `invalid_code` (404: unknown, inactive, or used up by another learner), `learner_conflict` (409: the
    LMS user is a known learner, and another learner has the address), `contract_not_open` or `contract_full` (409),
    checked in this order. A known `lms_user_id` decides who the learner is, and their stored address follows.
    """

    caller, contract_id = found
    if contract_id is None:
        raise service.refusal(Outcome.INVALID_CODE, "")
    attaching: Attaching = request.app.state.attaching
    done = await attaching.attach(contract_id, AttachRequest(code, person(learner), caller.organization_id))
    if done.result == Outcome.ALREADY_ATTACHED:
        response.status_code = 200
    return {"result": done.result.value, "contract": done.contract}


@router.post(
    "/organizations/{org_key}/logins/",
    summary="A learner of an organization signed on",
    response_model=SignedOn,
    responses=answers(401, 403, 404, 409),
)
def sign_on_learner(
    db: Db,
    caller: Attacher,
    org_key: Annotated[Text, Path(description="The organization's key.", examples=["ACME"], max_length=255)],
    learner: Who,
) -> dict[str, Any]:
    """Attaches the learner to the open `sso` contracts of the organization, as far as there is room.

    409 `learner_conflict`: the LMS user is a known learner, and another learner has the address.
    """
    with reporting_conflicts(db) as session:
        done = service.sign_on(session, org_key, person(learner), datetime.now(UTC), caller.organization_id)
    return {
        "attached": done.attached,
        "already_attached": done.already_attached,
        "refused": [{"contract": slug, "error_code": reason.value} for slug, reason in done.refused],
    }


def person(learner: LearnerIn) -> Person:
    return Person(learner.email, learner.name, learner.lms_user_id)
