"""The admin API under `/sandbox/api`: what a test or a demo in another process does to the sandbox as a whole.

| | |
|---|---|
| `GET /health` | the URL and the vendors |
| `GET /requests?vendor=&kind=&limit=`, `DELETE /requests` | the request log (its last entries) and its counts; forget it |
| `GET, POST, DELETE /faults` | the faults that wait; one more (fields of `Fault`, without `call`); none |
| `PUT /latency` | `{"seconds": 0.2}` before every answer |
| `DELETE /world` | be as new |

Vendors have doors of their own beside these: `open_edx/doors.py` (LMS, Studio), `license_manager/doors.py`,
`enterprise_catalog` and `google/desk.py`.
"""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.asked import AdminRefused, Body, body_of, refusing
from sandbox.faults import Fault, Manner, When
from sandbox.world import World

API = "/sandbox/api"


class FaultBody(Body):
    """A `Fault` as JSON."""

    act: Literal["answer", "cut", "delay", "trickle", "malformed"]
    times: int = Field(1, ge=1)
    skip: int = Field(0, ge=0)
    vendor: str | None = None
    method: str | None = None
    kind: str | None = None
    path: str | None = None
    when: When = "before"
    manner: Manner = "reset"
    status: int = Field(503, ge=100, le=599)
    body: Any = None
    headers: dict[str, str] = Field(default_factory=dict)
    seconds: float = Field(0.0, ge=0)

    def fault(self) -> Fault:
        return Fault(**self.model_dump())


class Latency(Body):
    """Seconds before every answer."""

    seconds: float = Field(ge=0)


def admin_routes(world: World) -> list[BaseRoute]:
    """Return routes that are not counted and not subject to faults."""

    async def health(request: Request) -> Response:
        return JSONResponse({"url": world.url, "vendors": {vendor.name: vendor.url for vendor in world.vendors}})

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            world.log.reset()
        vendor, kind = request.query_params.get("vendor"), request.query_params.get("kind")
        limit = request.query_params.get("limit", "")
        if limit and not limit.isdecimal():
            raise AdminRefused("limit is a whole number")
        entries = world.log.entries(vendor=vendor, kind=kind)[-int(limit) if limit else 0 :]
        return JSONResponse(
            {"counts": world.log.counts(vendor=vendor), "requests": [entry.as_json() for entry in entries]}
        )

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            world.faults.clear()
        elif request.method == "POST":
            world.faults.add((await body_of(request, FaultBody)).fault())
        waiting = [{**asdict(fault), "call": None} for fault in world.faults.waiting()]
        return JSONResponse({"latency": world.faults.latency, "faults": waiting})

    async def latency(request: Request) -> Response:
        world.faults.latency = (await body_of(request, Latency)).seconds
        return JSONResponse({"latency": world.faults.latency})

    async def everything(request: Request) -> Response:
        world.reset()
        return JSONResponse({})

    async def door(request: Request) -> Response:
        return RedirectResponse("/sandbox/")

    return [
        Route("/", door),
        Route(f"{API}/health", health),
        Route(f"{API}/requests", refusing(requests), methods=["GET", "DELETE"]),
        Route(f"{API}/faults", refusing(faults), methods=["GET", "POST", "DELETE"]),
        Route(f"{API}/latency", refusing(latency), methods=["PUT"]),
        Route(f"{API}/world", everything, methods=["DELETE"]),
    ]
