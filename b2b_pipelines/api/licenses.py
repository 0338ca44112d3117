"""Expired licenses, what is to be done about each, and why: for reading."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from b2b_pipelines.api.auth import InstallationReader
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.errors import answers
from b2b_pipelines.api.fields import API
from b2b_pipelines.api.pagination import Page, Paging
from b2b_pipelines.licenses import service, verdicts
from b2b_pipelines.licenses.facts import Policy
from b2b_pipelines.licenses.rules import Decision
from b2b_pipelines.licenses.verdicts import Decided
from b2b_pipelines.tokens.service import Caller

router = APIRouter(prefix=API, tags=["licenses"])


class ExpiredLicenseOut(BaseModel):
    """A license of an expired plan that a person holds, as decided when asked. `user_email` is masked without the scope
    `emails`; `no_longer_seen_since` is when license-manager stopped listing it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "license_uuid": "bbbbbbbb-0000-4000-8000-000000000001",
                    "plan_uuid": "aaaaaaaa-0000-4000-8000-000000000001",
                    "customer": "11111111-1111-4111-8111-111111111111",
                    "expiration_date": "2026-01-01T00:00:00Z",
                    "decision": "in_grace",
                    "reason": "enrollments ended; in grace through 2026-04-01T00:00:00+00:00",
                    "user_email": "j•••@example.com",
                    "no_longer_seen_since": None,
                }
            ]
        }
    )

    license_uuid: UUID
    plan_uuid: UUID
    customer: UUID
    expiration_date: datetime
    decision: Decision
    reason: str = Field(description="A sentence that names licenses and plans, and no persons.")
    user_email: str | None
    no_longer_seen_since: datetime | None


@router.get(
    "/expired-licenses/",
    summary="Expired licenses and what is decided about them",
    response_model=Page[ExpiredLicenseOut],
    responses=answers(401, 403),
)
def list_expired_licenses(
    *,
    request: Request,
    db: Db,
    caller: InstallationReader,
    paging: Paging,
    customer: Annotated[UUID | None, Query(description="Of this enterprise customer only.")] = None,
    decision: Annotated[Decision | None, Query(description="With this decision only.")] = None,
    plan: Annotated[UUID | None, Query(description="Of this plan only.")] = None,
) -> dict[str, Any]:
    """Every expired license that a person holds, in the order of customer, expiration, plan and license."""
    policy = service.policy(request.app.state.settings, datetime.now(UTC))
    with db.session() as session:
        page = verdicts.decide(
            session, policy, customer=customer, plan=plan, decision=decision, limit=paging.limit, offset=paging.offset
        )
    return paging.envelope(page.total, [_shown(row, policy, caller) for row in page.decided])


def _shown(row: Decided, policy: Policy, caller: Caller) -> dict[str, Any]:
    return row.as_row(policy) | {"user_email": caller.address(row.address)}
