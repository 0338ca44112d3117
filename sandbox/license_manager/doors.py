"""The admin API's doors to license-manager, below `/sandbox/api/license-manager`.

| | |
|---|---|
| `GET /agreements` | everything: agreements, licenses, renewals |
| `PUT /agreements/{customer}` | `{"plans": [{uuid, title, start_date, expiration_date, …}], "fields"?: {…}}` |
| `DELETE /agreements/{customer}` | the customer has no agreement any more |
| `PUT /plans/{plan}/licenses` | `{"licenses": [{uuid, status, user_email, …}]}` |
| `POST /renewals`, `DELETE /renewals/{prior}` | `{"prior", "renewed"?, "effective_date", "expiration_date"?}`; cancel it |
| `POST /retire-old-licenses` | what the nightly command does; `{"now"?: time}` |
| `PUT /throttle` | `{"on": bool}`: production's limits, or none |
"""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.asked import AdminRefused, Body, body_of, refusing
from sandbox.license_manager.rows import license_row, plan
from sandbox.open_edx.rest import Throttles, uuid_of

if TYPE_CHECKING:
    from sandbox.license_manager import LicenseManager

API = "/sandbox/api/license-manager"


class PlanBody(Body):
    """A plan; what else an answer says of it is computed, unless `fields` says it."""

    uuid: str
    title: str
    start_date: str
    expiration_date: str
    is_active: bool = True
    fields: dict[str, Any] = Field(default_factory=dict)


class AgreementBody(Body):
    """The plans of a customer's agreement."""

    plans: list[PlanBody]
    fields: dict[str, Any] = Field(default_factory=dict)


class LicenseBody(Body):
    """A license of a plan."""

    uuid: str
    user_email: str | None = None
    status: str = "activated"
    fields: dict[str, Any] = Field(default_factory=dict)


class LicensesBody(Body):
    """The licenses of a plan."""

    licenses: list[LicenseBody]


class RenewalBody(Body):
    """A renewal of a plan."""

    prior: str
    renewed: str | None = None
    effective_date: str
    expiration_date: str | None = None


class RetirementBody(Body):
    """The time at which the command runs; now unless given."""

    now: datetime | None = None


class ThrottleBody(Body):
    """Whether production's limits hold."""

    on: bool


def doors(manager: "LicenseManager") -> list[BaseRoute]:
    """Routes to agreements, licenses, renewals, the nightly command and the limits."""

    async def everything(request: Request) -> Response:
        return JSONResponse(manager.dump())

    async def agreement(request: Request) -> Response:
        customer = _uuid(request.path_params["customer"])
        if request.method == "DELETE":
            manager.agreements.pop(customer, None)
            return JSONResponse({})
        body = await body_of(request, AgreementBody)
        plans = [
            plan(each.uuid, each.title, each.start_date, each.expiration_date, is_active=each.is_active, **each.fields)
            for each in body.plans
        ]
        manager.put_agreement(customer, plans, **body.fields)
        return JSONResponse(manager.agreements[customer])

    async def licenses(request: Request) -> Response:
        uuid, body = _uuid(request.path_params["plan"]), await body_of(request, LicensesBody)
        rows = [
            license_row(each.uuid, uuid, each.user_email, status=each.status, **each.fields) for each in body.licenses
        ]
        manager.put_licenses(uuid, rows)
        return JSONResponse({"licenses": len(rows)})

    async def renewals(request: Request) -> Response:
        if request.method == "DELETE":
            manager.cancel_renewal(request.path_params["prior"])
        else:
            manager.renew(**(await body_of(request, RenewalBody)).model_dump())
        return JSONResponse({"renewals": [asdict(renewal) for renewal in manager.renewals]})

    async def retire(request: Request) -> Response:
        return JSONResponse({"changed": manager.retire_old_licenses((await body_of(request, RetirementBody)).now)})

    async def throttle(request: Request) -> Response:
        on = (await body_of(request, ThrottleBody)).on
        manager.throttles = Throttles(*manager.production_rates) if on else Throttles()
        return JSONResponse({"on": on})

    return [
        Route(f"{API}/agreements", everything),
        Route(API + "/agreements/{customer}", refusing(agreement), methods=["PUT", "DELETE"]),
        Route(API + "/plans/{plan}/licenses", refusing(licenses), methods=["PUT"]),
        Route(f"{API}/renewals", refusing(renewals), methods=["POST"]),
        Route(API + "/renewals/{prior}", refusing(renewals), methods=["DELETE"]),
        Route(f"{API}/retire-old-licenses", refusing(retire), methods=["POST"]),
        Route(f"{API}/throttle", refusing(throttle), methods=["PUT"]),
    ]


def _uuid(text: str) -> str:
    found = uuid_of(text)
    if found is None:
        raise AdminRefused(f"{text[:40]!r} is not a UUID")
    return str(found)
