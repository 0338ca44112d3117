"""The admin API's doors to the LMS and Studio, below `/sandbox/api`.

| | |
|---|---|
| `GET, PUT /lms/learners/{customer}` | the customer's learners; `{"linked": [addresses], "pending": [addresses]}` adds |
| `POST /lms/learners/rename` | `{"old": address, "new": address}`: the account gets another address |
| `GET, PUT /lms/enrollments` | licenses by what became of their enrollments; the fields of `EnrollmentsBody` |
| `PUT /lms/customers` | `{"deactivated": [uuids]}` |
| `PUT /lms/caller` | `{"is_staff": bool, "roles": {role: uuid or "*"}}`: the user behind the OAuth client |
| `GET, PUT /studio/runs` | the runs; `{"add": [keys], "title"?}` |
"""

from dataclasses import asdict
from typing import TYPE_CHECKING

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.asked import Body, body_of, refusing
from sandbox.open_edx.callers import Caller

if TYPE_CHECKING:
    from sandbox.open_edx.lms import Lms
    from sandbox.open_edx.studio import Studio

API = "/sandbox/api"


class LearnersBody(Body):
    """Addresses to link to a customer; pending ones have no account yet."""

    linked: list[str] = Field(default_factory=list)
    pending: list[str] = Field(default_factory=list)


class RenameBody(Body):
    """An account's address, before and after."""

    old: str
    new: str


class EnrollmentsBody(Body):
    """Licenses by what is wrong with their enrollments; a list that is left out stays as it is."""

    stuck: list[str] | None = None
    broken: list[str] | None = None
    without_history: list[str] | None = None
    modified: dict[str, str] | None = None
    reopen: list[str] = Field(default_factory=list)


class CustomersBody(Body):
    """Customers that are switched off."""

    deactivated: list[str]


class CallerBody(Body):
    """The user behind the OAuth client."""

    is_staff: bool = False
    roles: dict[str, str] = Field(default_factory=dict)


class RunsBody(Body):
    """Course runs that Studio is to have."""

    add: list[str]
    title: str = "Leading Teams"


def lms_doors(lms: "Lms") -> list[BaseRoute]:
    """Routes to the LMS's learners, enrollments, customers and caller."""

    async def learners(request: Request) -> Response:
        customer = request.path_params["customer"]
        if request.method == "PUT":
            body = await body_of(request, LearnersBody)
            lms.link(customer, body.linked)
            lms.link(customer, body.pending, pending=True)
        return JSONResponse({"learners": [asdict(learner) for learner in lms.learners(customer)]})

    async def rename(request: Request) -> Response:
        body = await body_of(request, RenameBody)
        lms.rename(body.old, body.new)
        return JSONResponse({})

    async def enrollments(request: Request) -> Response:
        if request.method == "PUT":
            body = await body_of(request, EnrollmentsBody)
            with lms.world.lock:
                lms.stuck = lms.stuck if body.stuck is None else set(body.stuck)
                lms.broken = lms.broken if body.broken is None else set(body.broken)
                lms.without_history = lms.without_history if body.without_history is None else set(body.without_history)
                lms.modified = lms.modified if body.modified is None else body.modified
                for each in body.reopen:
                    lms.reopen(each)
        flaws = {name: sorted(getattr(lms, name)) for name in ("stuck", "broken", "without_history")}
        return JSONResponse({"ended": sorted(lms.ended()), "modified": lms.modified, **flaws})

    async def customers(request: Request) -> Response:
        lms.deactivated = set((await body_of(request, CustomersBody)).deactivated)
        return JSONResponse({"deactivated": sorted(lms.deactivated)})

    async def caller(request: Request) -> Response:
        body = await body_of(request, CallerBody)
        lms.accounts.act_as(Caller("configured", is_staff=body.is_staff, roles=body.roles))
        return JSONResponse(body.model_dump())

    return [
        Route(f"{API}/lms/learners/rename", refusing(rename), methods=["POST"]),
        Route(API + "/lms/learners/{customer}", refusing(learners), methods=["GET", "PUT"]),
        Route(f"{API}/lms/enrollments", refusing(enrollments), methods=["GET", "PUT"]),
        Route(f"{API}/lms/customers", refusing(customers), methods=["PUT"]),
        Route(f"{API}/lms/caller", refusing(caller), methods=["PUT"]),
    ]


def studio_doors(studio: "Studio") -> list[BaseRoute]:
    """Routes to Studio's runs."""

    async def runs(request: Request) -> Response:
        if request.method == "PUT":
            body = await body_of(request, RunsBody)
            studio.add(body.add, body.title)
        clones = [asdict(clone) for clone in studio.clones]
        return JSONResponse({"runs": list(studio.runs.values()), "clones": clones})

    return [Route(f"{API}/studio/runs", refusing(runs), methods=["GET", "PUT"])]
